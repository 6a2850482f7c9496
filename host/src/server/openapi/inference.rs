//! JSON schemas of requests and answers of the Open Inference Protocol.
//!
//! Owns these schemas. Must not know routes, or bodies outside the protocol. The reader ignores
//! fields that it does not know, so the objects of a request are open.

use serde_json::{Map, Value, json};

use super::forms::Schemas;
use super::schema::{Direction, any_of, element, list, nested, object, reference};
use crate::codec::open_inference::{accepted_datatypes, datatype};
use crate::scorer::signature::TensorSignature;
use crate::tensor::Port;

/// Adds the schemas of a request and of an answer for a tensor scorer.
pub(super) fn put_schemas(signature: &TensorSignature, schemas: &mut Schemas) {
    let mut inputs = Vec::with_capacity(signature.inputs.len());
    for port in &signature.inputs {
        inputs.push(input(port));
    }
    let count = inputs.len() as u64;
    schemas.push(("InferInput", any_of(inputs)));
    let mut names = Vec::new();
    let mut datatypes = Vec::new();
    let mut types = Vec::new();
    for port in &signature.outputs {
        names.push(Value::String(port.name.clone()));
        let datatype = Value::from(datatype(port.dtype));
        if !datatypes.contains(&datatype) {
            datatypes.push(datatype);
        }
        let element = element(port, Direction::Output);
        if !types.contains(&element) {
            types.push(element);
        }
    }
    schemas.push((
        "InferRequest",
        json!({
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {"type": ["string", "null"], "maxLength": 1024},
                "parameters": reference("InferParameters"),
                "inputs": list(reference("InferInput"), Some(count)),
                "outputs": {"type": ["array", "null"], "items": reference("InferRequestedOutput")},
            },
        }),
    ));
    schemas.push((
        "InferRequestedOutput",
        json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "enum": names},
                "parameters": reference("InferParameters"),
            },
        }),
    ));
    let mut output = Map::new();
    output.insert("name".to_owned(), json!({"type": "string", "enum": names}));
    output.insert(
        "datatype".to_owned(),
        json!({"type": "string", "enum": datatypes}),
    );
    output.insert("shape".to_owned(), list(json!({"type": "integer"}), None));
    output.insert("data".to_owned(), list(any_of(types), None));
    output.insert("parameters".to_owned(), json!({"type": "object"}));
    let output = object(output, &["data", "parameters"], false);
    schemas.push(("InferOutput", output));
    schemas.push((
        "InferResponse",
        json!({
            "type": "object",
            "required": ["model_name", "outputs"],
            "additionalProperties": false,
            "properties": {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": {"type": "string"},
                "outputs": list(reference("InferOutput"), None),
            },
        }),
    ));
}

/// Returns the schema of the input of a request for a port, with its data in JSON.
fn input(port: &Port) -> Value {
    let mut sizes = Vec::with_capacity(port.shape.len());
    for size in &port.shape {
        sizes.push(match size {
            None => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
            Some(size) => json!({"type": "integer", "minimum": size, "maximum": size}),
        });
    }
    let rank = sizes.len() as u64;
    let mut shape = list(json!({"type": "integer"}), Some(rank));
    if let Some(shape) = shape.as_object_mut().filter(|_| rank > 0) {
        shape.remove("items");
        shape.insert("prefixItems".to_owned(), sizes.into());
    }
    let flat = |length| list(element(port, Direction::Input), length);
    let data = match port.shape.as_slice() {
        [] => flat(Some(1)),
        [length] => flat(*length),
        shape => any_of(vec![flat(None), nested(port, Direction::Input, shape)]),
    };
    json!({
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string", "enum": [port.name]},
            "shape": shape,
            "datatype": {"type": "string", "enum": accepted_datatypes(port)},
            "parameters": reference("InferInputParameters"),
            "data": data,
        },
    })
}
