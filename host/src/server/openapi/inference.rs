//! JSON schemas of requests and answers in the Open Inference Protocol.
//!
//! Owns these schemas. The file `tensors.json` has the parts that are equal for all scorers. Must
//! not know routes, or bodies outside the protocol. The host ignores unknown fields of a request,
//! so the schemas of a request allow additional properties.

use serde_json::{Value, json};

use super::put;
use super::schema::{Direction, any_of, element, list, nested, tuple};
use crate::codec::open_inference::{accepted_datatypes, datatype};
use crate::scorer::signature::TensorSignature;
use crate::tensor::Port;

/// JSON schemas of the Open Inference Protocol, to which the names and types of the ports are
/// added.
const SCHEMAS: &str = include_str!("tensors.json");

/// Adds the schemas of a tensor scorer's requests and responses in the Open Inference Protocol to
/// the OpenAPI document.
#[inline(never)]
pub(super) fn put_schemas(signature: &TensorSignature, document: &mut Value) {
    // The text is a constant, so parsing it does not fail.
    let Ok(Value::Object(schemas)) = serde_json::from_str(SCHEMAS) else {
        return;
    };
    let common = schemas.get("InferInput").cloned().unwrap_or_default();
    for (name, schema) in schemas {
        put(document, "/components/schemas", &name, schema);
    }
    let (mut inputs, mut required) = (Vec::with_capacity(signature.inputs.len()), 0);
    for port in &signature.inputs {
        inputs.push(input(port, common.clone()));
        required += u64::from(!port.optional);
    }
    let most = inputs.len() as u64;
    let (mut names, mut datatypes, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for port in &signature.outputs {
        names.push(Value::from(port.name.as_str()));
        put_new(&mut datatypes, datatype(port.dtype).into());
        put_new(&mut types, element(port, Direction::Output));
    }
    let names = Value::Array(names);
    for (place, key, value) in [
        ("", "InferInput", any_of(inputs)),
        (
            "/InferRequest/properties/inputs",
            "minItems",
            required.into(),
        ),
        ("/InferRequest/properties/inputs", "maxItems", most.into()),
        (
            "/InferRequestedOutput/properties/name",
            "enum",
            names.clone(),
        ),
        ("/InferOutput/properties/name", "enum", names),
        ("/InferOutput/properties/datatype", "enum", datatypes.into()),
        ("/InferOutput/properties/data", "items", any_of(types)),
    ] {
        put(document, &format!("/components/schemas{place}"), key, value);
    }
}

/// Appends `value` to `values`, unless `values` already has it.
#[inline(never)]
fn put_new(values: &mut Vec<Value>, value: Value) {
    if !values.contains(&value) {
        values.push(value);
    }
}

/// Returns the schema of one input in a request of the Open Inference Protocol, with its data in
/// JSON. `port` is the input's port. `schema` has the parts that all inputs have in common.
#[inline(never)]
fn input(port: &Port, mut schema: Value) -> Value {
    let mut sizes = Vec::with_capacity(port.shape.len());
    for size in &port.shape {
        let (least, most) = size.map_or((0, u64::MAX), |size| (size, size));
        sizes.push(json!({"type": "integer", "minimum": least, "maximum": most}));
    }
    let flat = |length| list(element(port, Direction::Input), length);
    let data = match port.shape.as_slice() {
        [] => flat(Some(1)),
        [length] => flat(*length),
        shape => any_of(vec![flat(None), nested(port, Direction::Input, shape)]),
    };
    let names = vec![Value::from(port.name.as_str())];
    let datatypes = accepted_datatypes(port).into();
    put(&mut schema, "/properties", "shape", tuple(sizes));
    put(&mut schema, "/properties", "data", data);
    put(&mut schema, "/properties/name", "enum", names.into());
    put(&mut schema, "/properties/datatype", "enum", datatypes);
    schema
}
