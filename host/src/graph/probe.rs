//! The first run of a graph, on made-up inputs. It shows facts about the outputs that the graph's
//! file does not state.
//!
//! Owns the inputs of the first run, and the ports as the first run shows them. Must not know
//! engines or calls.

use super::{GraphError, Ports, Session, Stop};
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, put_text};
use crate::text::Problem;

/// Maximum number of elements of a made-up input. A graph may state any shape, and the first run
/// must not use up the memory.
const MOST_ELEMENTS: u64 = 1 << 26;

/// Reason why the first run of a graph shows nothing about its outputs.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    /// The first run failed.
    #[error(transparent)]
    Failed(#[from] GraphError),
    /// A made-up input would take too much memory.
    #[error("its inputs are too large to be tried")]
    TooLarge,
}

/// Runs a graph on inputs of zeros, and on ones if the graph refuses zeros. Returns its ports, and
/// true if a run succeeded. If so, the shapes and the column names of the outputs agree with that
/// run. Otherwise the ports are as the file states them.
///
/// # Errors
/// Fails if no run succeeds and the file does not say how many dimensions an output has.
pub(super) fn ports(session: &mut dyn Session) -> Result<(Ports, bool), Problem> {
    let mut ports = session.ports().clone();
    let mut run = |fill| {
        // Optional inputs have values of their own.
        let required = ports.inputs.iter().filter(|port| !port.optional);
        let inputs: Option<Vec<_>> = required.map(|port| filled(port, fill)).collect();
        let inputs = inputs.ok_or(Unknown::TooLarge)?;
        let ran = session.run(&inputs, &Stop::default());
        ran.map_err(Unknown::Failed)
    };
    let mut ran = run(Fill::Zeros);
    if matches!(ran, Err(Unknown::Failed(GraphError::Refused { .. }))) {
        // Zero is often not a category or an index. Then one often is.
        ran = run(Fill::Ones).or(ran);
    }
    let has_answered = ran.is_ok();
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
    Ok((ports, has_answered))
}

/// Values of the elements of a made-up input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// All elements are zero, false, or empty texts.
    Zeros,
    /// All elements are one, true, or the text `1`.
    Ones,
}

/// Returns an input tensor of zeros, or of empty texts, that fits a port. Every open dimension,
/// such as the number of rows, gets the size 1.
///
/// Returns `None` if the input would be too large.
#[must_use]
pub fn zeros(port: &Port) -> Option<Tensor> {
    filled(port, Fill::Zeros)
}

fn filled(port: &Port, fill: Fill) -> Option<Tensor> {
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
    let mut element = Vec::with_capacity(8);
    match (port.dtype, fill) {
        (Dtype::Text, Fill::Zeros) => put_text("", &mut element),
        (Dtype::Text, Fill::Ones) => put_text("1", &mut element),
        (dtype, Fill::Zeros) => element.resize(dtype.bytes(), 0),
        (Dtype::Bf16, Fill::Ones) => element.extend_from_slice(&[0x80, 0x3f]),
        (Dtype::F16, Fill::Ones) => element.extend_from_slice(&[0, 0x3c]),
        (Dtype::F32, Fill::Ones) => element.extend_from_slice(&1f32.to_le_bytes()),
        (Dtype::F64, Fill::Ones) => element.extend_from_slice(&1f64.to_le_bytes()),
        (dtype, Fill::Ones) => {
            element.push(1);
            element.resize(dtype.bytes(), 0);
        }
    }
    let data = element.repeat(elements);
    Some(Tensor {
        name: port.name.clone(),
        dtype: port.dtype,
        shape,
        data,
    })
}

/// Makes those dimensions of an output port open that differ from `tensor`, the output of a run. If
/// their number differs, the port gets as many dimensions as the tensor, all of them open.
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
        let shapes = |mock: Mock| found(mock).map(|(ports, _)| ports.outputs[0].shape.clone());
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
    fn ones_are_tried_if_zeros_are_refused() {
        let answers = |mock: Mock| ports(mock.session().unwrap().as_mut()).unwrap().1;
        assert!(answers(Mock::doubling()));
        assert!(answers(Mock::refusing(&[0.0])));
        assert!(!answers(Mock::refusing(&[0.0, 1.0])));
        assert!(!answers(Mock::failing()));
        let ones = |dtype| {
            let port = Port::new("x", dtype, vec![None, Some(2)]);
            filled(&port, Fill::Ones).unwrap()
        };
        assert_eq!(ones(Dtype::F64).data, [1f64.to_le_bytes(); 2].concat());
        assert_eq!(ones(Dtype::I16).data, [1, 0, 1, 0]);
        assert_eq!(ones(Dtype::F16).data, [0, 0x3c, 0, 0x3c]);
        for dtype in Dtype::ALL {
            let port = Port::new("x", dtype, vec![None, Some(2)]);
            assert_eq!(ones(dtype).fits(&port), Ok(()));
        }
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
