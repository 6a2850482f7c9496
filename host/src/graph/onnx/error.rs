//! Errors of the engine for graphs: the library cannot be used, or a file has inputs or outputs that
//! cannot be ports.
//!
//! Owns their texts. Must not know what is done about an error.

use ort::LoadDynamicError;
use ort::value::{Outlet, ValueType};

use crate::graph::interface::GraphError;

/// Reason why the library of ONNX Runtime cannot be used. The text of a reason continues a sentence
/// that starts with the library.
#[derive(Debug, thiserror::Error)]
pub(super) enum LibraryError {
    /// The path of the library cannot be made absolute.
    #[error(transparent)]
    Path(#[from] std::io::Error),
    /// No file exists at the path of the library.
    #[error("there is no such file")]
    NoFile,
    /// The file cannot be loaded as a library.
    #[error("cannot be loaded: {0}")]
    NotLoaded(#[source] LoadDynamicError),
    /// The library was loaded, but ONNX Runtime does not start.
    #[error("does not start: {0}")]
    NotStarted(#[source] ort::Error),
    /// The library was loaded, but does not behave as ONNX Runtime 1.31 does.
    #[error("is not ONNX Runtime 1.31")]
    Other,
}

/// Reason why an input or output of an ONNX file cannot be a port.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    /// An input of the ONNX file is not a tensor.
    #[error("input `{name}` is {kind}, and only tensors can be sent")]
    Input {
        /// Name of the input.
        name: String,
        /// Type of the input.
        kind: Box<ValueType>,
    },
    /// An output of the ONNX file has a type that the host cannot convert to a tensor.
    #[error("output `{name}` is {kind}, which is neither a tensor nor a list of maps to f32")]
    Output {
        /// Name of the output.
        name: String,
        /// Type of the output.
        kind: Box<ValueType>,
    },
    /// An input or output of the ONNX file is a tensor, but the host does not support its element
    /// type.
    #[error("`{name}` is {kind}, whose element type this host does not support")]
    Element {
        /// Name of the input or output.
        name: String,
        /// Type of the input or output.
        kind: Box<ValueType>,
    },
}

impl PortError {
    /// Creates the error for an input that is not a tensor.
    pub(super) fn input(input: &Outlet) -> Self {
        let (name, kind) = described(input);
        Self::Input { name, kind }
    }

    /// Creates the error for an output that cannot be converted to a tensor.
    pub(super) fn output(output: &Outlet) -> Self {
        let (name, kind) = described(output);
        Self::Output { name, kind }
    }

    /// Creates the error for a tensor whose element type the host does not support.
    pub(super) fn element(outlet: &Outlet) -> Self {
        let (name, kind) = described(outlet);
        Self::Element { name, kind }
    }
}

fn described(outlet: &Outlet) -> (String, Box<ValueType>) {
    (outlet.name().to_owned(), Box::new(outlet.dtype().clone()))
}

impl From<PortError> for GraphError {
    fn from(error: PortError) -> Self {
        Self::Failed(error.to_string())
    }
}
