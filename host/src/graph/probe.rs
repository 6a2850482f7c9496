//! A first run on zeros, which shows what the file leaves open about its outputs.
//!
//! Owns the inputs of that run and what is learnt from it. Must not know engines or calls.

use super::{GraphError, Ports, Session, Stop};
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, put_text};
use crate::text::Problem;

/// Maximum number of elements of an input that is filled with zeros. A graph may state any shape,
/// and the run on zeros must not use up the memory.
const MOST_ELEMENTS: u64 = 1 << 26;

/// Reason why a run on zeros shows nothing about the outputs.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    /// The run on zeros failed.
    #[error(transparent)]
    Failed(#[from] GraphError),
    /// An input of zeros would take too much memory.
    #[error("its inputs are too large to be tried")]
    TooLarge,
}

/// Runs a graph on inputs of zeros, and returns its ports. The shapes and the column names of the
/// outputs are those that the run shows.
///
/// # Errors
/// Fails if the run fails and the file does not say how many dimensions an output has.
pub(super) fn ports(session: &mut dyn Session) -> Result<Ports, Problem> {
    let mut ports = session.ports().clone();
    let inputs: Option<Vec<_>> = ports.inputs.iter().map(zeros).collect();
    let ran = match inputs {
        Some(inputs) => session
            .run(&inputs, &Stop::default())
            .map_err(Unknown::Failed),
        None => Err(Unknown::TooLarge),
    };
    match ran {
        Ok(outputs) => {
            for (port, tensor) in ports.outputs.iter_mut().zip(&outputs.tensors) {
                agree(port, tensor);
            }
            ports.classes = outputs.classes;
            ports.unranked.fill(false);
        }
        // Not every graph accepts zeros as input. Then the shapes in the file must suffice.
        Err(unknown) if ports.unranked.iter().any(|unranked| *unranked) => {
            return Err(Problem::new(
                format!(
                    "does not say what shape its outputs have, and cannot be run on zeros: {unknown}"
                ),
                "export it with the shapes of its outputs; for scikit-learn with `zipmap=False`",
            ));
        }
        Err(unknown) => {
            tracing::info!(
                problem = unknown.to_string(),
                "the graph cannot be run on zeros; it is served as its file describes it"
            )
        }
    }
    Ok(ports)
}

/// Returns an input tensor of zeros, or of empty texts, that fits a port. Every open dimension,
/// such as the number of rows, gets the size 1.
///
/// Returns `None` if the input would be too large.
#[must_use]
pub fn zeros(port: &Port) -> Option<Tensor> {
    let shape: Vec<u64> = port
        .shape
        .iter()
        .map(|dimension| dimension.unwrap_or(1))
        .collect();
    let elements = shape
        .iter()
        .try_fold(1u64, |product, dimension| product.checked_mul(*dimension))?;
    let elements = usize::try_from(elements)
        .ok()
        .filter(|_| elements <= MOST_ELEMENTS)?;
    let mut data = Vec::new();
    match port.dtype {
        Dtype::Text => (0..elements).for_each(|_| put_text("", &mut data)),
        dtype => data.resize(elements.checked_mul(dtype.bytes())?, 0),
    }
    Some(Tensor {
        name: port.name.clone(),
        dtype: port.dtype,
        shape,
        data,
    })
}

/// Opens those dimensions of an output port that do not agree with `tensor`, an output of a run.
///
/// The engine loads a file with wrong shapes with only a warning, because the shapes that a
/// converter writes are often wrong.
fn agree(port: &mut Port, tensor: &Tensor) {
    if port.shape.len() != tensor.shape.len() {
        port.shape = vec![None; tensor.shape.len()];
    }
    for (dimension, found) in port.shape.iter_mut().zip(&tensor.shape) {
        if dimension.is_some_and(|dimension| dimension != *found) {
            *dimension = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Engine as _;
    use super::super::mock::Mock;
    use super::*;

    #[test]
    fn a_run_corrects_what_the_file_says_of_outputs() {
        let found = |mock: Mock| ports(mock.session().unwrap().as_mut());
        let shapes = |mock: Mock| found(mock).map(|ports| ports.outputs[0].shape.clone());
        assert_eq!(shapes(Mock::doubling()), Ok(vec![None]));
        assert_eq!(shapes(Mock::doubling().stating(&[Some(7)])), Ok(vec![None]));
        assert_eq!(
            shapes(Mock::doubling().stating(&[None, None])),
            Ok(vec![None])
        );
        assert_eq!(
            shapes(Mock::doubling().stating(&[Some(1)])),
            Ok(vec![Some(1)])
        );
        assert_eq!(shapes(Mock::failing()), Ok(vec![None]), "the file must do");
        let refused = found(Mock::failing().unranked()).unwrap_err();
        assert!(
            refused.problem.contains("zeros") && refused.fix.contains("zipmap"),
            "{refused:?}"
        );
        assert_eq!(
            Mock::doubling().session().unwrap().ports().inputs[0].name,
            "x"
        );
    }

    #[test]
    fn zeros_are_bounded() {
        let port = |dtype, shape: &[Option<u64>]| Port::new("x", dtype, shape.to_vec());
        assert_eq!(
            zeros(&port(Dtype::F64, &[None, Some(3)])).map(|zeros| zeros.data.len()),
            Some(24)
        );
        assert_eq!(
            zeros(&port(Dtype::Text, &[None, Some(3)])).map(|zeros| zeros.data.len()),
            Some(12)
        );
        assert_eq!(zeros(&port(Dtype::U8, &[Some(u64::MAX), Some(2)])), None);
        assert_eq!(zeros(&port(Dtype::U8, &[Some(1 << 40)])), None);
    }
}
