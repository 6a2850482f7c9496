//! The contract of a script with its callers: what its decorators state, as a signature.
//!
//! Owns the reading of this contract. Must not know how a script is run. Python checks a request
//! against the decorators, as natively, so the host only documents the schemas: a JSON Schema of
//! Swagger would refuse values that NumPy converts.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Direction, SignatureError};
use super::{Example, PayloadSignature, Schema, Shape};
use crate::call::Payload;
use crate::codec::media_type::JSON;

/// Name of the example of a request, and of the example of an answer.
const EXAMPLE: &str = "sample";

/// Contract of a script, as the Python files of Scorebox state it.
#[derive(Deserialize)]
struct Contract {
    /// Part of a request that `run` gets: `text` for the body as text, `object` for the values of a
    /// JSON object, or `raw` for the request itself.
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    parameters: Vec<Parameter>,
    input: Option<Value>,
    output: Option<Value>,
}

#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Text,
    Object,
    Raw,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    required: bool,
}

impl PayloadSignature {
    /// Reads the contract of a script from JSON. A script whose `run` has no decorators takes and
    /// answers anything.
    ///
    /// # Errors
    /// Fails if the contract is not valid.
    pub(in super::super) fn of_script(
        contract: &str,
        deterministic: bool,
    ) -> Result<Self, SignatureError> {
        let not_json = |source| SignatureError::NotJson {
            direction: Direction::Input,
            source,
        };
        let contract: Contract = serde_json::from_str(contract).map_err(not_json)?;
        let required = contract.parameters.into_iter();
        let required = required.filter(|parameter| parameter.required);
        let required: Vec<_> = required.map(|parameter| parameter.name).collect();
        let (input, output) = match contract.mode {
            Mode::Object => (contract.input, contract.output),
            Mode::Text | Mode::Raw => (None, None),
        };
        let mut input = documented(input);
        if let (Some(Value::Object(document)), false) = (
            input.schema.as_mut().map(|schema| &mut schema.document),
            required.is_empty(),
        ) {
            document.insert("required".to_owned(), json!(required));
        }
        Ok(Self {
            input,
            output: documented(output),
            deterministic,
        })
    }
}

/// Returns the input or output that a schema of Swagger describes, with the example in it. Without
/// a schema, payloads may have any media type.
fn documented(schema: Option<Value>) -> Shape {
    let Some(Value::Object(mut schema)) = schema else {
        return Shape {
            content_types: Vec::new(),
            schema: None,
            examples: Vec::new(),
        };
    };
    let example = schema.remove("example").map(|value| Example {
        name: EXAMPLE.to_owned(),
        value: Payload {
            content_type: JSON.to_owned(),
            body: value.to_string().into(),
        },
    });
    Shape {
        content_types: vec![JSON.to_owned()],
        schema: Some(Schema {
            document: Value::Object(schema),
            validator: None,
        }),
        examples: example.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorators_become_schemas_and_examples() {
        let contract = json!({
            "mode": "object",
            "parameters": [{"name": "data", "required": true}, {"name": "n", "required": false}],
            "request_headers": false,
            "input": {
                "type": "object",
                "properties": {"data": {"type": "array", "items": {"type": "integer", "format": "int64"}}},
                "example": {"data": [1, 2]},
            },
            "output": {"type": "array", "items": {"type": "integer"}, "example": [3]},
            "versions": ["2.0", "3.0", "3.1"],
        });
        let signature = PayloadSignature::of_script(&contract.to_string(), true).unwrap();
        assert!(signature.deterministic);
        assert_eq!(signature.input.content_types, [JSON]);
        let schema = &signature.input.schema.as_ref().unwrap().document;
        assert_eq!(schema["required"], json!(["data"]));
        assert_eq!(
            &signature.input.examples[0].value.body[..],
            b"{\"data\":[1,2]}"
        );
        assert_eq!(&signature.output.examples[0].value.body[..], b"[3]");
        // NumPy converts a text to a number, so the host does not refuse it.
        let body = Payload {
            content_type: String::new(),
            body: r#"{"data": ["1"]}"#.into(),
        };
        let body = signature.labelled(body);
        assert_eq!(body.content_type, JSON);
        signature.admit(&body).unwrap();
    }

    #[test]
    fn other_scripts_take_anything() {
        for contract in ["{}", r#"{"mode": "raw", "parameters": []}"#] {
            let signature = PayloadSignature::of_script(contract, false).unwrap();
            assert!(signature.input.content_types.is_empty() && signature.input.schema.is_none());
        }
        assert!(PayloadSignature::of_script("[", false).is_err());
        assert!(PayloadSignature::of_script(r#"{"mode": "other"}"#, false).is_err());
    }
}
