//! Errors of the engine for graphs: the library cannot be used, or a file has inputs or outputs
//! that cannot be ports.
//!
//! Owns their texts, and the fixes for inputs and outputs. Must not know what is done about an
//! error.

use ort::LoadDynamicError;
use ort::value::ValueType;

use crate::graph::interface::GraphError;
use crate::text::Problem;

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
    /// The input with this name is a tensor, and the ONNX file does not say how many dimensions it
    /// has.
    #[error("input `{0}` has no shape, so the file does not say how many dimensions it has")]
    Shapeless(String),
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
    pub(super) fn input(name: &str, kind: &ValueType) -> Self {
        let (name, kind) = described(name, kind);
        Self::Input { name, kind }
    }

    /// Creates the error for an output that cannot be converted to a tensor.
    pub(super) fn output(name: &str, kind: &ValueType) -> Self {
        let (name, kind) = described(name, kind);
        Self::Output { name, kind }
    }

    /// Creates the error for a tensor whose element type the host does not support.
    pub(super) fn element(name: &str, kind: &ValueType) -> Self {
        let (name, kind) = described(name, kind);
        Self::Element { name, kind }
    }

    /// Returns the instruction that fixes the problem.
    fn fix(&self) -> &'static str {
        match self {
            Self::Input { kind, .. } if kind.is_map() => {
                "give it a tensor in place of the map: for a DictVectorizer of scikit-learn, leave \
                 that step out and send the columns that it makes"
            }
            Self::Input { .. } => {
                "give it a tensor in place of the list: one input for each item, or one tensor \
                 with a dimension more"
            }
            Self::Shapeless(_) => {
                "export it with the shape of each input, in which open dimensions have names: \
                 onnx.helper.make_tensor_type_proto(TYPE, [\"N\", 4]) is the type of an input for \
                 any number of rows with 4 numbers"
            }
            Self::Output { .. } => {
                "leave the output out when you export the model, or make a tensor of it: \
                 `ConcatFromSequence` joins a list of tensors"
            }
            Self::Element { .. } => {
                "cast it in the graph, so that callers see f32, f64, f16, bf16, a type of whole \
                 numbers with 8 bits or more, bool or text"
            }
        }
    }
}

fn described(name: &str, kind: &ValueType) -> (String, Box<ValueType>) {
    (name.to_owned(), Box::new(kind.clone()))
}

impl From<PortError> for GraphError {
    fn from(error: PortError) -> Self {
        Self::NotLoaded(Problem::new(error.to_string(), error.fix()))
    }
}
