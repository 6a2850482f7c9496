//! The ports of a graph, from what the engine says about its inputs and outputs.
//!
//! Owns the choice of the types that can be ports, and of the inputs that a caller may leave out.
//! Must not know runs.

use std::path::Path;

use ort::session::Session;
use ort::value::ValueType;

use super::error::PortError;
use super::outline;
use crate::graph::interface::Ports;
use crate::graph::onnx_values;
use crate::model::Dtype;
use crate::tensor::{EqualSizes, Port};

/// Maximum number of inputs with default values. If a file has more of them, callers cannot give
/// any of them, because older exporters list all weights of a model as such inputs.
const MOST_DEFAULTS: usize = 16;

/// Maximum number of elements of an input with a default value. A larger one is a weight, which
/// callers cannot give.
const DEFAULT_ELEMENTS: u64 = 1024;

/// Returns the ports of a graph that was loaded from `file`.
///
/// # Errors
/// Fails if an input or output has a type or a shape that cannot be a port.
pub(super) fn of(session: &Session, file: &Path) -> Result<Ports, PortError> {
    let mut inputs = Vec::new();
    let mut dimensions = Vec::new();
    for outlet in session.inputs() {
        let (port, names) = input(outlet.name(), outlet.dtype())?;
        inputs.push(port);
        dimensions.push(names);
    }
    shaped(&inputs, file)?;
    for (port, names) in defaults(session) {
        inputs.push(port);
        dimensions.push(names);
    }
    let mut ports = Ports {
        sizes: EqualSizes::named(&dimensions),
        inputs,
        outputs: Vec::new(),
        classes: Vec::new(),
        unranked: Vec::new(),
    };
    for outlet in session.outputs() {
        let (name, kind) = (outlet.name(), outlet.dtype());
        let (port, unranked) = match kind {
            ValueType::Tensor { shape, .. } => (tensor(name, kind)?, shape.is_empty()),
            // The tensor has a row for each map, and a column for each of its keys.
            ValueType::Sequence(map) if onnx_values::is_class_map(map) => {
                (Port::new(name, Dtype::F32, vec![None, None]), false)
            }
            _ => return Err(PortError::output(name, kind)),
        };
        ports.outputs.push(port);
        ports.unranked.push(unranked);
    }
    ports.classes.resize(ports.outputs.len(), Vec::new());
    Ok(ports)
}

/// Returns the port of an input, and the names of its dimensions. A dimension without a name has
/// the empty name. Fails if the input is not a tensor, or has an element type that the host does
/// not support.
fn input(name: &str, kind: &ValueType) -> Result<(Port, Vec<String>), PortError> {
    let ValueType::Tensor {
        dimension_symbols, ..
    } = kind
    else {
        return Err(PortError::input(name, kind));
    };
    Ok((tensor(name, kind)?, dimension_symbols.to_vec()))
}

fn tensor(name: &str, kind: &ValueType) -> Result<Port, PortError> {
    let ValueType::Tensor { ty, shape, .. } = kind else {
        return Err(PortError::element(name, kind));
    };
    let dtype = onnx_values::dtype(*ty).ok_or_else(|| PortError::element(name, kind))?;
    // A negative dimension is open.
    let open = |dimension: &i64| u64::try_from(*dimension).ok();
    Ok(Port::new(name, dtype, shape.iter().map(open).collect()))
}

/// Fails if the file does not state a shape for an input. The engine does not distinguish such an
/// input from a single number, so the file is read.
fn shaped(inputs: &[Port], file: &Path) -> Result<(), PortError> {
    if inputs.iter().all(|port| !port.shape.is_empty()) {
        return Ok(());
    }
    // The engine has read the file, so it has an outline.
    let names = outline::inputs_without_shape(file).unwrap_or_default();
    let shapeless = |name: &String| inputs.iter().any(|port| port.name == *name);
    match names.into_iter().find(shapeless) {
        Some(name) => Err(PortError::Shapeless(name)),
        None => Ok(()),
    }
}

/// Returns the ports of the inputs that have a default value, with the names of their dimensions.
///
/// Returns no ports if there are so many that the file lists its weights as inputs. An input that
/// cannot be a port, or has more than [`DEFAULT_ELEMENTS`] elements, always keeps its default
/// value.
fn defaults(session: &Session) -> Vec<(Port, Vec<String>)> {
    let values = session.overridable_initializers();
    let mut ports = Vec::new();
    if values.len() > MOST_DEFAULTS {
        return ports;
    }
    for value in values {
        let Ok((port, names)) = input(value.name(), value.dtype()) else {
            continue;
        };
        let sizes = port.shape.iter().map(|size| size.unwrap_or(1));
        if sizes.fold(1, u64::saturating_mul) <= DEFAULT_ELEMENTS {
            let optional = true;
            ports.push((Port { optional, ..port }, names));
        }
    }
    ports
}
