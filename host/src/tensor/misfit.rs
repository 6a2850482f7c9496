//! Misfits: the reasons why tensors do not fit their ports.
//!
//! Owns their texts. Must not know how a tensor is checked.

use super::port::{Port, shape_text};
use crate::model::Dtype;
use crate::text::counted;

/// Reason why bytes are not an element of a text tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// The data of the tensor end within a text, or within the length that precedes a text.
    #[error("is cut off")]
    CutOff,
    /// The bytes of the text are not UTF-8.
    #[error("is not UTF-8, and only texts are accepted")]
    NotUtf8,
    /// The text has a NUL, which ends a text in the engine of graphs.
    #[error("has a NUL")]
    Nul,
}

/// Reason why a tensor does not fit its port, or why tensors do not fit a list of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// No tensor belongs to the port with this name.
    #[error("there is no `{0}`")]
    Missing(String),
    /// The tensor with this name does not belong to a port, or belongs to a port that already has a
    /// tensor. The name is truncated if it is long.
    #[error("`{0}` is not a port, or is given twice")]
    NoPort(String),
    /// The element type of the tensor differs from the element type of its port.
    #[error("`{name}` is {}, and its port is {}", found.name(), expected.name())]
    Dtype {
        /// Name of the tensor.
        name: String,
        /// Type of the tensor's elements.
        found: Dtype,
        /// Type of the port's elements.
        expected: Dtype,
    },
    /// The tensor has more than 64 dimensions. The error states the number of dimensions instead of
    /// the shape, which would make the text too long.
    #[error(
        "`{name}` has {dimensions} dimensions, and its port has the shape {}",
        shape_text(port)
    )]
    ManyDimensions {
        /// Name of the tensor.
        name: String,
        /// Number of the tensor's dimensions.
        dimensions: usize,
        /// Port of the tensor.
        port: Box<Port>,
    },
    /// The shape of the tensor does not fit the shape of its port.
    #[error(
        "`{name}` has the shape {shape:?}, and its port has {}",
        shape_text(port)
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Dimensions of the tensor.
        shape: Vec<u64>,
        /// Port of the tensor.
        port: Box<Port>,
    },
    /// An element of a text tensor is not a text that the host accepts.
    #[error("element {index} of `{name}` {fault}")]
    Text {
        /// Name of the tensor.
        name: String,
        /// Index of the element that is not an accepted text, in row-major order.
        index: u64,
        /// Reason why the bytes of the element are not an accepted text.
        fault: TextFault,
    },
    /// The data of a text tensor do not hold as many valid texts as the tensor's shape has
    /// elements.
    #[error("`{name}` holds other texts than {shape:?} takes")]
    Texts {
        /// Name of the tensor.
        name: String,
        /// Dimensions of the tensor.
        shape: Vec<u64>,
    },
    /// The tensor's data has more or fewer bytes than the elements of its shape take.
    #[error("`{name}` has {}, and its shape is {shape:?}", counted(*bytes as u64, "byte"))]
    Bytes {
        /// Name of the tensor.
        name: String,
        /// Size of the tensor's data, in bytes.
        bytes: usize,
        /// Dimensions of the tensor.
        shape: Vec<u64>,
    },
    /// The tensor does not have elements, and the product of its dimensions that are not 0 is 2^63
    /// or more, or the product of the dimensions before the first 0 is more than 1,048,576.
    #[error("`{name}` is empty, and its shape is {shape:?}")]
    Empty {
        /// Name of the tensor.
        name: String,
        /// Dimensions of the tensor.
        shape: Vec<u64>,
    },
    /// An element of the boolean tensor with this name is neither 0 nor 1.
    #[error("`{0}` is bool and holds a byte that is neither 0 nor 1")]
    NotBool(String),
}
