//! A scorer's contract with its callers, as `describe` states it.
//!
//! Owns the step from the generated types, the checks that `describe` itself must pass, and the checks at the door:
//! media type and JSON Schema. Must not know HTTP, nor run a guest.

use serde_json::Value;

use super::Payload;
use crate::error::ScoreFailure;
use crate::graph::Ports;
use crate::scorer::bindings::capabilities::scorebox::scoring::types as wit;
use crate::scorer::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer;
pub use crate::tensor::Port;
use crate::tensor::{self, Tensor};
use crate::text::{NAME_BYTES, REASON_BYTES, cut, displayed};

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// The media type of bytes that are only bytes.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// The contract, one variant for each world.
#[derive(Debug)]
pub enum Signature {
    /// World `scoring`.
    Payload(PayloadSignature),
    /// World `tensor-scoring`.
    Tensor(TensorSignature),
}

/// The contract of a payload scorer.
#[derive(Debug)]
pub struct PayloadSignature {
    /// What comes in.
    pub input: Shape,
    /// What goes out.
    pub output: Shape,
    /// True if equal payloads always give equal answers.
    pub deterministic: bool,
}

/// One direction of a payload scorer's contract.
#[derive(Debug)]
pub struct Shape {
    /// Media types, preferred first; empty: any.
    pub content_types: Vec<String>,
    /// For JSON bodies.
    pub schema: Option<Schema>,
    /// Named bodies.
    pub examples: Vec<Example>,
}

/// A JSON Schema, ready to check with.
#[derive(Debug)]
pub struct Schema {
    /// The document.
    pub document: Value,
    validator: Box<jsonschema::Validator>,
}

/// A named body.
#[derive(Debug, Clone)]
pub struct Example {
    /// In kebab-case.
    pub name: String,
    /// The body and its media type.
    pub value: Payload,
}

/// The contract of a tensor scorer.
#[derive(Debug)]
pub struct TensorSignature {
    /// At least one, names unique.
    pub inputs: Vec<Port>,
    /// At least one, names unique.
    pub outputs: Vec<Port>,
    /// True if axis 0 of every port is a batch of independent rows.
    pub batchable: bool,
    /// True if equal tensors always give equal answers.
    pub deterministic: bool,
    /// Named bodies.
    pub examples: Vec<Example>,
}

/// Most dimensions of a port. JSON nests as deep, and nobody's tensor does.
const DIMENSIONS: usize = 16;

impl Signature {
    /// True if equal inputs always give equal answers.
    #[must_use]
    pub fn deterministic(&self) -> bool {
        match self {
            Self::Payload(signature) => signature.deterministic,
            Self::Tensor(signature) => signature.deterministic,
        }
    }

    /// Bodies that the scorer says it answers.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        match self {
            Self::Payload(signature) => &signature.input.examples,
            Self::Tensor(signature) => &signature.examples,
        }
    }

    /// Takes over what `describe` of world `scoring` said; the error says what cannot be.
    pub(super) fn from_payload(signature: wit::Signature) -> Result<Self, String> {
        Ok(Self::Payload(PayloadSignature {
            input: Shape::from_wit("input", signature.input)?,
            output: Shape::from_wit("output", signature.output)?,
            deterministic: signature.deterministic,
        }))
    }

    /// The same of world `tensor-scoring`.
    pub(super) fn from_tensor(signature: tensor_scorer::TensorSignature) -> Result<Self, String> {
        let ports = |direction: &str, ports: Vec<tensor_scorer::Port>| -> Result<Vec<Port>, String> {
            let port =
                |port: tensor_scorer::Port| Port { name: port.name, dtype: port.dtype.into(), shape: port.shape };
            let ports = checked(direction, ports.into_iter().map(port).collect())?;
            match ports.iter().find(|port| signature.batchable && port.shape.first() != Some(&None)) {
                Some(port) => Err(format!("it is batchable, and the first dimension of `{}` is not open", port.name)),
                None => Ok(ports),
            }
        };
        Ok(Self::Tensor(TensorSignature {
            inputs: ports("input", signature.inputs)?,
            outputs: ports("output", signature.outputs)?,
            batchable: signature.batchable,
            deterministic: signature.deterministic,
            examples: examples(signature.examples),
        }))
    }

    /// The contract of a graph that is served itself. Whether its rows are independent, a file does not say.
    pub(crate) fn of_graph(ports: &Ports) -> Result<Self, String> {
        Ok(Self::Tensor(TensorSignature {
            inputs: checked("input", ports.inputs.clone())?,
            outputs: checked("output", ports.outputs.clone())?,
            batchable: false,
            deterministic: true,
            examples: Vec::new(),
        }))
    }
}

/// Ports that a caller can name and send; the error says which cannot be.
fn checked(direction: &str, ports: Vec<Port>) -> Result<Vec<Port>, String> {
    if ports.is_empty() {
        return Err(format!("it has no {direction} port"));
    }
    for (index, port) in ports.iter().enumerate() {
        if port.name.is_empty() || ports.iter().take(index).any(|other| other.name == port.name) {
            return Err(format!("the {direction} port name `{}` is empty or taken twice", port.name));
        }
        if port.shape.len() > DIMENSIONS {
            return Err(format!("the {direction} port `{}` has more than {DIMENSIONS} dimensions", port.name));
        }
    }
    Ok(ports)
}

impl TensorSignature {
    /// The scorer's tensors in the order of its output ports, each checked.
    pub(super) fn in_order(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, ScoreFailure> {
        tensor::in_order(&self.outputs, tensors).map_err(ScoreFailure::InvalidOutput)
    }
}

impl PayloadSignature {
    /// Labels a payload as JSON where its own label is one that says nothing and the scorer would have JSON; without any
    /// label its bytes are just bytes.
    #[must_use]
    pub fn labelled(&self, mut payload: Payload) -> Payload {
        let accepts = |wanted: &str| self.input.content_types.iter().any(|accepted| same_type(accepted, wanted));
        if payload.content_type.is_empty() {
            OCTET_STREAM.clone_into(&mut payload.content_type);
        }
        let label = payload.content_type.as_str();
        if (says_nothing(label) || same_type(label, OCTET_STREAM)) && accepts(JSON) && !accepts(label) {
            JSON.clone_into(&mut payload.content_type);
        }
        payload
    }

    /// Checks a payload before a guest sees it.
    ///
    /// # Errors
    /// Its media type is not accepted, or its JSON does not conform to the schema.
    pub fn admit(&self, payload: &Payload) -> Result<(), ScoreFailure> {
        let accepted = &self.input.content_types;
        if !accepted.is_empty() && !accepted.iter().any(|accepted| same_type(accepted, &payload.content_type)) {
            return Err(ScoreFailure::Unsupported {
                content_type: cut(&payload.content_type, NAME_BYTES).into_owned(),
                accepted: accepted.clone(),
            });
        }
        let Some(schema) = self.input.schema.as_ref().filter(|_| is_json(&payload.content_type)) else {
            return Ok(());
        };
        let body: Value = serde_json::from_slice(&payload.body).map_err(|error| ScoreFailure::NotConforming {
            message: format!("The body is not JSON: {}.", displayed(&error, REASON_BYTES / 2)),
            pointer: String::new(),
        })?;
        schema.validator.validate(&body).map_err(|error| ScoreFailure::NotConforming {
            // Keys of the body and values of the schema stand in it.
            message: format!(
                "The body does not conform to the scorer's schema: {}.",
                displayed(&error.masked(), REASON_BYTES / 2)
            ),
            pointer: displayed(error.instance_path(), REASON_BYTES),
        })
    }
}

impl Shape {
    fn from_wit(direction: &str, shape: wit::Shape) -> Result<Self, String> {
        for content_type in &shape.content_types {
            if content_type.parse::<mime::Mime>().is_err() || content_type.contains('*') {
                return Err(format!("the {direction} content type `{content_type}` is not a media type (none: any)"));
            }
        }
        Ok(Self {
            content_types: shape.content_types,
            schema: shape.json_schema.map(|text| Schema::parse(direction, &text)).transpose()?,
            examples: examples(shape.examples),
        })
    }
}

impl Schema {
    fn parse(direction: &str, text: &str) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("the {direction} json-schema is not JSON: {error}"))?;
        let validator = jsonschema::draft202012::new(&document)
            .map_err(|error| format!("the {direction} json-schema is not a JSON Schema: {error}"))?;
        Ok(Self { document, validator: Box::new(validator) })
    }
}

fn examples(examples: Vec<wit::Example>) -> Vec<Example> {
    let example = |example: wit::Example| Example {
        name: example.name,
        value: Payload { content_type: example.value.content_type, body: example.value.body.into() },
    };
    examples.into_iter().map(example).collect()
}

/// True if two media types are one, parameters aside.
#[must_use]
pub fn same_type(left: &str, right: &str) -> bool {
    essence(left).eq_ignore_ascii_case(essence(right))
}

/// True for `application/json` and every `+json`.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.eq_ignore_ascii_case(JSON) || essence.to_ascii_lowercase().ends_with("+json")
}

/// True for a label that says nothing of the body: what curl puts on any `-d`, text, and none at all. The retired server
/// handed its script an empty string for a form.
#[must_use]
pub fn says_nothing(content_type: &str) -> bool {
    ["application/x-www-form-urlencoded", "text/plain", ""].iter().any(|loose| same_type(loose, content_type))
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(content_types: &[&str], schema: Option<&str>) -> wit::Shape {
        wit::Shape {
            content_types: content_types.iter().map(|&text| text.to_owned()).collect(),
            json_schema: schema.map(str::to_owned),
            examples: vec![],
        }
    }

    #[test]
    fn the_door_checks_media_type_and_schema() {
        let schema = r#"{"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}"#;
        let input = shape(&["application/json"], Some(schema));
        let described = wit::Signature { input, output: shape(&[], None), deterministic: true };
        let Ok(Signature::Payload(signature)) = Signature::from_payload(described) else { panic!() };
        let admit = |content_type: &str, body: &'static str| {
            signature.admit(&Payload { content_type: content_type.into(), body: body.as_bytes().into() })
        };
        assert_eq!(admit("application/json; charset=utf-8", r#"{"key": "a"}"#), Ok(()));
        assert!(matches!(admit("text/plain", "a"), Err(ScoreFailure::Unsupported { .. })));
        let label = |content_type: &str| {
            signature.labelled(Payload { content_type: content_type.into(), body: "a".into() }).content_type
        };
        assert_eq!(label("application/x-www-form-urlencoded"), JSON);
        assert_eq!(label("image/png"), "image/png");
        assert_eq!(label(""), JSON);
        let pointer = |result| match result {
            Err(ScoreFailure::NotConforming { pointer, .. }) => pointer,
            other => panic!("{other:?}"),
        };
        assert_eq!(pointer(admit("application/json", r#"{"key": 1}"#)), "/key");
        assert_eq!(pointer(admit("application/json", "{")), "");
    }

    #[test]
    fn a_contract_that_cannot_be_is_refused() {
        #[track_caller]
        fn check(input: wit::Shape, expected: &str) {
            let described = wit::Signature { input, output: shape(&[], None), deterministic: true };
            let message = Signature::from_payload(described).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        check(shape(&["json"], None), "not a media type");
        check(shape(&[], Some("{")), "not JSON");
        check(shape(&[], Some(r#"{"type": 3}"#)), "not a JSON Schema");
    }
}
