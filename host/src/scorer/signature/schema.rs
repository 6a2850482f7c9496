//! JSON Schemas and examples of a signature, converted from the types of the WIT.
//!
//! Owns these conversions. Must not know what is checked against a schema.

use serde_json::Value;

use super::error::{Direction, SignatureError};
use super::{Example, Schema};
use crate::call::Payload;
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;

impl Schema {
    /// Parses a JSON Schema and compiles it.
    ///
    /// # Errors
    /// Fails if `text` is not JSON, or if the JSON is not a schema.
    pub(super) fn parse(direction: Direction, text: &str) -> Result<Self, SignatureError> {
        let document: Value = serde_json::from_str(text)
            .map_err(|source| SignatureError::NotJson { direction, source })?;
        let validator = jsonschema::draft202012::new(&document)
            .map_err(|source| SignatureError::NotSchema { direction, source })?;
        Ok(Self {
            document,
            validator: Some(Box::new(validator)),
        })
    }
}

/// Converts the examples of a signature from the type of the WIT to the host's type.
pub(super) fn examples(examples: Vec<wit::Example>) -> Vec<Example> {
    let example = |example: wit::Example| Example {
        name: example.name,
        value: Payload {
            content_type: example.value.content_type,
            body: example.value.body.into(),
        },
    };
    examples.into_iter().map(example).collect()
}
