//! Errors of a contract that `describe` states, or that a graph's inputs and outputs define.
//!
//! Owns their texts. Must not know how a contract is checked, or what is done about an error.

use std::fmt;

use jsonschema::ValidationError;

use super::DIMENSIONS;

/// Side of a contract: what the scorer takes, or what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The side of what the scorer takes.
    Input,
    /// The side of what the scorer answers.
    Output,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// Reason why a scorer cannot be called by its contract. The texts continue a sentence about the
/// contract.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The contract has no port of this direction.
    #[error("it has no {0} port")]
    NoPort(Direction),
    /// The name of a port does not identify the port.
    #[error("the {direction} port name `{name}` is empty or used twice")]
    PortName {
        /// Direction of the port.
        direction: Direction,
        /// Name of the port, which another port has as well, or which is empty.
        name: String,
    },
    /// A port has more dimensions than the host accepts.
    #[error("the {direction} port `{name}` has more than {DIMENSIONS} dimensions")]
    ManyDimensions {
        /// Direction of the port.
        direction: Direction,
        /// Name of the port.
        name: String,
    },
    /// The contract states batches of rows, and the port with this name takes a fixed number of
    /// rows.
    #[error("it is batchable, and the first dimension of `{0}` is not open")]
    NotBatchable(String),
    /// A content type is not a media type.
    #[error("the {direction} content type `{content_type}` is not a media type (none: any)")]
    NotMediaType {
        /// Direction of the payloads that have the content type.
        direction: Direction,
        /// Content type that the contract states.
        content_type: String,
    },
    /// A schema is not JSON.
    #[error("the {direction} json-schema is not JSON: {source}")]
    NotJson {
        /// Direction of the payloads that the schema is for.
        direction: Direction,
        /// Error of the JSON reader.
        source: serde_json::Error,
    },
    /// A schema is JSON, and is not a JSON Schema.
    #[error("the {direction} json-schema is not a JSON Schema: {source}")]
    NotSchema {
        /// Direction of the payloads that the schema is for.
        direction: Direction,
        /// Error of the reader of schemas.
        source: ValidationError<'static>,
    },
}
