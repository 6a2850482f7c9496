//! A scorer's contract with its callers, as `describe`, a script or the ports of a graph state it.
//!
//! Owns the conversion from the generated types, the checks that the contract itself must pass, and
//! the checks of each payload: media type and JSON Schema. Must not know HTTP, and must not run a
//! guest.

mod error;
mod facts;
mod schema;
#[cfg(feature = "python")]
mod script;

use bytes::Buf as _;
use serde_json::Value;

pub(super) use self::facts::check_payloads;

use self::error::DIMENSIONS;
pub(super) use self::error::{Direction, SignatureError};
use self::schema::examples;
use crate::call::Payload;
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;
use crate::capability::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer;
use crate::codec::encoding::{mark_bytes, other_encoding};
use crate::codec::media_type::{
    JSON, OCTET_STREAM, has_other_charset, is_json, same_type, says_nothing,
};
use crate::codec::{json_error, not_utf_8};
use crate::error::ScoreFailure;
use crate::graph::Ports;
use crate::tensor::{self, EqualSizes, InputFacts, Port, PortLists, Requests, Tensor};
use crate::text::{NAME_BYTES, REASON_BYTES, displayed, quoted};

/// Contract of a scorer with its callers, with one variant for each world.
#[derive(Debug, Clone, Copy)]
pub enum Signature<'a> {
    /// Contract of a scorer of the world `scoring`, or of a script.
    Payload(&'a PayloadSignature),
    /// Contract of a scorer of the world `tensor-scoring`, or of a graph.
    Tensor(&'a TensorSignature),
}

/// Signature that the `describe` of a component returned, with one variant for each world.
pub(super) enum Described {
    Payload(PayloadSignature),
    Tensor(TensorSignature),
}

/// Contract of a payload scorer with its callers: which payloads it takes, and which it answers
/// with.
#[derive(Debug)]
pub struct PayloadSignature {
    /// Media types, schema and examples of the payloads that the scorer takes.
    pub input: Shape,
    /// Media types, schema and examples of the payloads that the scorer answers with.
    pub output: Shape,
    /// True if equal payloads always give equal answers.
    pub deterministic: bool,
}

/// One direction of a payload scorer's contract: its input or its output.
#[derive(Debug)]
pub struct Shape {
    /// Media types that the payloads of this input or output may have, the preferred one first. If
    /// the list is empty, the payloads may have any media type.
    pub content_types: Vec<String>,
    /// JSON Schema to which the bodies of payloads must conform if they are JSON. `None` if the
    /// scorer does not state a schema.
    pub schema: Option<Schema>,
    /// Example payloads of this input or output, each with a name.
    pub examples: Vec<Example>,
}

/// A JSON Schema that a scorer states, compiled for checking bodies.
#[derive(Debug)]
pub struct Schema {
    /// JSON Schema that the scorer states, as a JSON document.
    pub document: Value,
    /// Compiled schema. `None` if the schema of a script only documents its bodies.
    validator: Option<Box<jsonschema::Validator>>,
}

/// An example payload with a name, which a scorer states for its input or its output.
#[derive(Debug, Clone)]
pub struct Example {
    /// Name of the example. The contract asks for kebab-case, but the host does not check that.
    pub name: String,
    /// Example body, with its media type.
    pub value: Payload,
}

/// Contract of a tensor scorer with its callers: which tensors it takes, and which it answers with.
#[derive(Debug)]
pub struct TensorSignature {
    /// Input ports of the scorer. There is at least one, and their names are unique.
    pub inputs: Vec<Port>,
    /// Output ports of the scorer. There is at least one, and their names are unique.
    pub outputs: Vec<Port>,
    /// Section `[requests]` of the manifest: whether numbers may be the words `NaN` and `Infinity`,
    /// and whether unknown columns are ignored.
    pub requests: Requests,
    /// Dimensions of the inputs that must have equal sizes in one call.
    pub sizes: EqualSizes,
    /// True if axis 0 of every port is a batch of independent rows, so that calls can be joined.
    pub batchable: bool,
    /// True if equal tensors always give equal answers.
    pub deterministic: bool,
    /// Example inputs, each with a name. The scorer states that it answers them.
    pub examples: Vec<Example>,
}

impl<'a> Signature<'a> {
    /// Returns true if the scorer always answers equal inputs with equal outputs.
    #[must_use]
    pub fn deterministic(self) -> bool {
        match self {
            Self::Payload(signature) => signature.deterministic,
            Self::Tensor(signature) => signature.deterministic,
        }
    }

    /// Returns the example inputs that the scorer states. It states that it answers each of them.
    #[must_use]
    pub fn examples(self) -> &'a [Example] {
        match self {
            Self::Payload(signature) => &signature.input.examples,
            Self::Tensor(signature) => &signature.examples,
        }
    }
}

/// Returns the ports unchanged. Fails if there is no port, if a name is empty or used twice, or if
/// a port has too many dimensions. `direction` says for the error whether these are input or output
/// ports.
fn checked(direction: Direction, ports: Vec<Port>) -> Result<Vec<Port>, SignatureError> {
    if ports.is_empty() {
        return Err(SignatureError::NoPort(direction));
    }
    for (index, port) in ports.iter().enumerate() {
        if port.name.is_empty()
            || ports
                .iter()
                .take(index)
                .any(|other| other.name == port.name)
        {
            return Err(SignatureError::PortName {
                direction,
                name: port.name.clone(),
            });
        }
        if port.shape.len() > DIMENSIONS {
            return Err(SignatureError::ManyDimensions {
                direction,
                name: port.name.clone(),
            });
        }
    }
    Ok(ports)
}

impl TensorSignature {
    /// Converts and checks the signature that `describe` of the world `tensor-scoring` returned.
    ///
    /// # Errors
    /// Fails if a list of ports is empty or has an invalid port, if a fact about an input does not
    /// fit its port, or if the scorer is batchable and the first dimension of a port is not open.
    pub(super) fn from_wit(
        signature: tensor_scorer::TensorSignature,
    ) -> Result<Self, SignatureError> {
        let ports = |direction: Direction, ports: Vec<Port>| {
            let ports = checked(direction, ports)?;
            match ports
                .iter()
                .find(|port| signature.batchable && port.shape.first() != Some(&None))
            {
                Some(port) => Err(SignatureError::NotBatchable(port.name.clone())),
                None => Ok(ports),
            }
        };
        let input = |port: tensor_scorer::InputPort| Port {
            facts: InputFacts {
                missing: port.missing,
                boolean: port.boolean,
                columns: port.columns,
            },
            ..Port::new(port.name, port.dtype.into(), port.shape)
        };
        let output =
            |port: tensor_scorer::Port| Port::new(port.name, port.dtype.into(), port.shape);
        let inputs = signature.inputs.into_iter().map(input).collect();
        let inputs = ports(Direction::Input, inputs)?;
        facts::check_stated(&inputs)?;
        let outputs = signature.outputs.into_iter().map(output).collect();
        let outputs = ports(Direction::Output, outputs)?;
        Ok(Self {
            sizes: match signature.batchable {
                true => EqualSizes::of_rows(&inputs),
                false => EqualSizes::default(),
            },
            inputs,
            outputs,
            requests: Requests::default(),
            batchable: signature.batchable,
            deterministic: signature.deterministic,
            examples: examples(signature.examples),
        })
    }

    /// Returns the contract of a graph with the ports `ports` that is served without a component.
    /// The contract is not batchable, because a graph's file does not say whether the rows are
    /// independent.
    ///
    /// # Errors
    /// Fails if the graph does not have inputs or outputs, or has an invalid port.
    pub(super) fn of_graph(ports: &Ports) -> Result<Self, SignatureError> {
        Ok(Self {
            inputs: checked(Direction::Input, ports.inputs.clone())?,
            outputs: checked(Direction::Output, ports.outputs.clone())?,
            sizes: ports.sizes.clone(),
            requests: Requests::default(),
            batchable: false,
            deterministic: true,
            examples: Vec::new(),
        })
    }

    /// Returns the input and output ports of the scorer, which is what a wire format needs to know.
    #[must_use]
    pub fn ports(&self) -> PortLists<'_> {
        PortLists {
            inputs: &self.inputs,
            outputs: &self.outputs,
            requests: self.requests,
        }
    }

    /// Fails if dimensions of the inputs that must have equal sizes in one call have different
    /// sizes. `tensors` are the inputs of the call. They must fit their ports, and be in the order
    /// of the ports.
    pub(super) fn agree(&self, tensors: &[Tensor]) -> Result<(), ScoreFailure> {
        let agreed = self.sizes.check(&self.inputs, tensors);
        agreed.map_err(|unequal| ScoreFailure::NotConforming {
            message: format!("{unequal}."),
            pointer: String::new(),
        })
    }

    /// Checks the tensors that the scorer returned against its output ports, and returns them in
    /// the order of these ports.
    ///
    /// # Errors
    /// Fails if a tensor is missing or given twice, belongs to no output port, or does not fit its
    /// port.
    pub(super) fn in_order(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, ScoreFailure> {
        tensor::in_order(&self.outputs, tensors)
            .map_err(|misfit| ScoreFailure::InvalidOutput(misfit.to_string()))
    }
}

impl PayloadSignature {
    /// Converts and checks the signature that `describe` of the world `scoring` returned.
    ///
    /// # Errors
    /// Fails if a content type is not a media type, or if a schema is not a JSON Schema.
    pub(super) fn from_wit(signature: wit::Signature) -> Result<Self, SignatureError> {
        Ok(Self {
            input: Shape::from_wit(Direction::Input, signature.input)?,
            output: Shape::from_wit(Direction::Output, signature.output)?,
            deterministic: signature.deterministic,
        })
    }

    /// Returns `payload` with the media type of JSON, if its own media type says nothing and the
    /// scorer takes JSON. Removes a byte order mark from the start of a JSON body.
    ///
    /// A media type that the scorer accepts is kept. `application/octet-stream` and the media types
    /// for which [`says_nothing`] returns true count as saying nothing. If a payload without a
    /// media type does not become JSON, its media type becomes `application/octet-stream`.
    #[must_use]
    pub fn labelled(&self, mut payload: Payload) -> Payload {
        let accepts = |wanted: &str| {
            self.input
                .content_types
                .iter()
                .any(|accepted| same_type(accepted, wanted))
        };
        if payload.content_type.is_empty() {
            OCTET_STREAM.clone_into(&mut payload.content_type);
        }
        let label = payload.content_type.as_str();
        if (says_nothing(label) || same_type(label, OCTET_STREAM))
            && accepts(JSON)
            && !accepts(label)
        {
            // A charset that is not UTF-8 is kept, so that it is refused.
            payload.content_type = match label.split_once(';') {
                Some((_, parameters)) if has_other_charset(label) => format!("{JSON};{parameters}"),
                _ => JSON.to_owned(),
            };
        }
        if is_json(&payload.content_type) {
            payload.body.advance(mark_bytes(&payload.body));
        }
        payload
    }

    /// Checks the media type and the JSON of an input payload, before the payload is passed to a
    /// guest.
    ///
    /// # Errors
    /// Fails if the scorer does not accept the media type of the payload, or if the payload is JSON
    /// that is not encoded in UTF-8 or does not conform to the scorer's schema.
    pub fn admit(&self, payload: &Payload) -> Result<(), ScoreFailure> {
        let accepted = &self.input.content_types;
        if !accepted.is_empty()
            && !accepted
                .iter()
                .any(|accepted| same_type(accepted, &payload.content_type))
        {
            return Err(ScoreFailure::Unsupported {
                content_type: quoted(&payload.content_type, NAME_BYTES),
                accepted: accepted.clone(),
            });
        }
        if is_json(&payload.content_type) {
            if has_other_charset(&payload.content_type) {
                return Err(not_utf_8(&payload.content_type));
            }
            if let Some(found) = other_encoding(&payload.body) {
                let message = format!(
                    "The body is not JSON in UTF-8, it looks like {found}. Send it in UTF-8."
                );
                return Err(ScoreFailure::NotConforming {
                    message,
                    pointer: String::new(),
                });
            }
        }
        let schema = self.input.schema.as_ref();
        let Some(validator) = schema
            .and_then(|schema| schema.validator.as_ref())
            .filter(|_| is_json(&payload.content_type))
        else {
            return Ok(());
        };
        let body: Value =
            serde_json::from_slice(&payload.body).map_err(|error| ScoreFailure::NotConforming {
                message: json_error(&payload.body, &error),
                pointer: String::new(),
            })?;
        validator
            .validate(&body)
            .map_err(|error| ScoreFailure::NotConforming {
                // The text is bounded, because it holds keys of the body and values of the schema.
                message: format!(
                    "The body does not conform to the scorer's schema: {}.",
                    displayed(&error.masked(), REASON_BYTES / 2)
                ),
                pointer: displayed(error.instance_path(), REASON_BYTES),
            })
    }
}

impl Shape {
    fn from_wit(direction: Direction, shape: wit::Shape) -> Result<Self, SignatureError> {
        for content_type in &shape.content_types {
            if content_type.parse::<mime::Mime>().is_err() || content_type.contains('*') {
                return Err(SignatureError::NotMediaType {
                    direction,
                    content_type: content_type.clone(),
                });
            }
        }
        Ok(Self {
            content_types: shape.content_types,
            schema: shape
                .json_schema
                .map(|text| Schema::parse(direction, &text))
                .transpose()?,
            examples: examples(shape.examples),
        })
    }
}

#[cfg(test)]
mod tests;
