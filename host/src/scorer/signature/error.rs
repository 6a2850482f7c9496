//! Errors of a contract that `describe` or a script states, or that a graph's inputs and outputs
//! define.
//!
//! Owns the texts of the errors, and the maximum number of dimensions of a port. Must not know how
//! a contract is checked, or what is done about an error.

use std::fmt;

use jsonschema::ValidationError;

/// Maximum number of dimensions of a port. Each dimension is a level of nested lists in JSON, and
/// tensors in practice have fewer dimensions.
pub(super) const DIMENSIONS: usize = 16;

/// Direction of data in a scorer's contract: what the scorer takes, or what it answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Data that the scorer takes.
    Input,
    /// Data that the scorer answers with.
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

/// Reason why the contract that a scorer states is invalid. The text of a reason continues a
/// sentence about the contract.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The contract does not have a port of this direction.
    #[error("it has no {0} port")]
    NoPort(Direction),
    /// The name of a port is empty, or is the name of two ports of this direction.
    #[error("the {direction} port name `{name}` is empty or used twice")]
    PortName {
        /// Direction of the port whose name is empty or used twice.
        direction: Direction,
        /// Name of the port, which is empty or used twice.
        name: String,
    },
    /// A port has more dimensions than the host accepts.
    #[error("the {direction} port `{name}` has more than {DIMENSIONS} dimensions")]
    ManyDimensions {
        /// Direction of the port that has too many dimensions.
        direction: Direction,
        /// Name of the port that has too many dimensions.
        name: String,
    },
    /// The contract states that the scorer is batchable, but the first dimension of the port with
    /// this name is not open.
    #[error("it is batchable, and the first dimension of `{0}` is not open")]
    NotBatchable(String),
    /// A fact that the contract states about an input is invalid, or does not fit the input. The
    /// text names the fact.
    #[error("{0}")]
    InputFacts(String),
    /// A content type that the contract states is not a media type.
    #[error("the {direction} content type `{content_type}` is not a media type (none: any)")]
    NotMediaType {
        /// Direction of the payloads that have the content type.
        direction: Direction,
        /// Content type that the contract states.
        content_type: String,
    },
    /// A schema that the contract states is not JSON.
    #[error("the {direction} json-schema is not JSON: {source}")]
    NotJson {
        /// Direction of the payloads that the schema is for.
        direction: Direction,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
    /// A schema that the contract states is JSON, but is not a JSON Schema.
    #[error("the {direction} json-schema is not a JSON Schema: {source}")]
    NotSchema {
        /// Direction of the payloads that the schema is for.
        direction: Direction,
        /// Error of the JSON Schema compiler.
        source: ValidationError<'static>,
    },
}
