//! JSON schemas of elements, of tensors as nested lists, and of single rows.
//!
//! Owns the bounds of each element type, which are the same as in the code that decodes bodies.
//! Must not know routes, or the objects that hold rows.

use serde_json::{Map, Value, json};

use crate::model::Dtype;
use crate::scorer::signature::TensorSignature;
use crate::tensor::{Port, shape_text};

/// Direction of a tensor: what the scorer takes, or what it answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Input,
    Output,
}

/// Returns the description of a tensor scorer: its inputs and columns, in their order, and the
/// sizes that must be equal, which JSON Schema cannot state.
pub(super) fn described(signature: &TensorSignature) -> String {
    let mut text = "Inputs, in order: ".to_owned();
    for (index, port) in signature.inputs.iter().enumerate() {
        text.push_str(if index == 0 { "`" } else { ", `" });
        text.push_str(&port.name);
        text.push_str("` (");
        text.push_str(port.dtype.name());
        text.push(' ');
        text.push_str(&shape_text(port));
        text.push_str(if port.optional { ", optional)" } else { ")" });
    }
    text.push('.');
    for port in &signature.inputs {
        for (index, column) in port.facts.columns.iter().enumerate() {
            if index == 0 {
                text.push_str(" Columns of `");
                text.push_str(&port.name);
                text.push_str("`, in order: `");
            } else {
                text.push_str(", `");
            }
            text.push_str(column);
            text.push('`');
        }
        if !port.facts.columns.is_empty() {
            text.push('.');
        }
    }
    let sizes = signature.sizes.described(&signature.inputs);
    if !sizes.is_empty() {
        text.push(' ');
        text.push_str(&sizes);
    }
    text
}

#[inline(never)]
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Returns the schema of a body that is binary data.
#[inline(never)]
pub(super) fn binary() -> Value {
    json!({"type": "string", "format": "binary"})
}

/// Returns a schema that accepts every value that at least one of `schemas` accepts.
#[inline(never)]
pub(super) fn any_of(mut schemas: Vec<Value>) -> Value {
    match schemas.pop() {
        Some(last) if schemas.is_empty() => last,
        last => {
            schemas.extend(last);
            json!({"anyOf": schemas})
        }
    }
}

/// Returns the schema of a list. `length` is the number of its items, or `None` if any number is
/// accepted.
pub(super) fn list(items: Value, length: Option<u64>) -> Value {
    sized("items", items, length)
}

/// Returns the schema of a list that has one item for each schema in `items`, in this order.
pub(super) fn tuple(items: Vec<Value>) -> Value {
    let length = items.len() as u64;
    if length == 0 {
        return list(json!({}), Some(0));
    }
    sized("prefixItems", items.into(), Some(length))
}

#[inline(never)]
fn sized(key: &str, items: Value, length: Option<u64>) -> Value {
    let mut list = Map::new();
    list.insert("type".to_owned(), "array".into());
    list.insert(key.to_owned(), items);
    if let Some(length) = length {
        list.insert("minItems".to_owned(), length.into());
        list.insert("maxItems".to_owned(), length.into());
    }
    Value::Object(list)
}

/// Returns the schema of an object with these properties, all of which are required except those in
/// `optional`. `is_open` is true if the object may have other properties.
#[inline(never)]
pub(super) fn object(properties: Map<String, Value>, optional: &[&str], is_open: bool) -> Value {
    let mut required = Vec::with_capacity(properties.len());
    for name in properties.keys() {
        if !optional.contains(&name.as_str()) {
            required.push(Value::String(name.clone()));
        }
    }
    let mut object = json!({"type": "object", "required": required, "properties": properties});
    if let Some(object) = object.as_object_mut().filter(|_| !is_open) {
        object.insert("additionalProperties".to_owned(), false.into());
    }
    object
}

/// Returns the schema of an object with the tensors of these ports as nested lists. `is_open` is
/// true if the object may have other properties.
#[inline(never)]
pub(super) fn tensors(ports: &[Port], direction: Direction, is_open: bool) -> Value {
    match direction {
        Direction::Input => of_ports(ports, is_open, |port| tensor(port, Direction::Input)),
        Direction::Output => of_ports(ports, is_open, |port| tensor(port, Direction::Output)),
    }
}

/// Returns the schema of an object with a property for each port, which has the schema that
/// `schema` returns. `is_open` is true if the object may have other properties.
#[inline(never)]
pub(super) fn of_ports(ports: &[Port], is_open: bool, schema: fn(&Port) -> Value) -> Value {
    let (mut properties, mut optional) = (Map::new(), Vec::new());
    for port in ports {
        properties.insert(port.name.clone(), schema(port));
        if port.optional {
            optional.push(port.name.as_str());
        }
    }
    object(properties, &optional, is_open)
}

/// Returns the schema of a tensor as nested lists. The elements of an input of one column and any
/// number of rows may also be one flat list.
#[inline(never)]
pub(super) fn tensor(port: &Port, direction: Direction) -> Value {
    let nested = nested(port, direction, &port.shape);
    match port.shape.as_slice() {
        [None, Some(1)] if direction == Direction::Input => {
            // Clients that are generated from the document send the first form of a list.
            any_of(vec![list(element(port, direction), None), nested])
        }
        _ => nested,
    }
}

/// Returns the schema of a part of a tensor that has the dimensions `shape`, as nested lists.
#[inline(never)]
pub(super) fn nested(port: &Port, direction: Direction, shape: &[Option<u64>]) -> Value {
    match shape.split_first() {
        None => element(port, direction),
        Some((length, inner)) => list(nested(port, direction, inner), *length),
    }
}

/// Returns the schema of the value that one row has for a port: nested lists for the dimensions of
/// the tensor after the first. If a row has only one element, the element need not be in a list.
#[inline(never)]
pub(super) fn cell(port: &Port) -> Value {
    let inner = port.shape.get(1..).unwrap_or_default();
    let nested = nested(port, Direction::Input, inner);
    match inner {
        [Some(1)] => any_of(vec![element(port, Direction::Input), nested]),
        _ => nested,
    }
}

/// Returns the schema of an element of a port. An element of an input may also be `null` or a
/// boolean if the facts about the input say so. A float of an answer may be `null`, which stands
/// for NaN and infinity.
#[inline(never)]
pub(super) fn element(port: &Port, direction: Direction) -> Value {
    let is_input = direction == Direction::Input;
    let mut schema = of_dtype(port.dtype, is_input);
    let is_null = if is_input {
        port.facts.missing
    } else {
        port.dtype.is_float()
    };
    if let Some(kind) = schema
        .get_mut("type")
        .filter(|_| is_null || port.facts.boolean)
    {
        let mut kinds = vec![kind.take()];
        if is_null {
            kinds.push("null".into());
        }
        if port.facts.boolean {
            kinds.push("boolean".into());
        }
        *kind = Value::Array(kinds);
    }
    schema
}

/// Returns the schema of an element of the type `dtype`. The bounds of an input are those that the
/// host checks when it decodes a body. An answer has no bounds, because its elements are always
/// within them.
#[inline(never)]
fn of_dtype(dtype: Dtype, is_input: bool) -> Value {
    let (kind, format) = match dtype {
        Dtype::Bool => ("boolean", ""),
        Dtype::F16 | Dtype::Bf16 => ("number", ""),
        Dtype::F32 => ("number", "float"),
        Dtype::F64 => ("number", "double"),
        Dtype::Text => ("string", ""),
        Dtype::I8 => ("integer", "int8"),
        Dtype::I16 => ("integer", "int16"),
        Dtype::I32 => ("integer", "int32"),
        Dtype::I64 => ("integer", "int64"),
        Dtype::U8 => ("integer", "uint8"),
        Dtype::U16 => ("integer", "uint16"),
        Dtype::U32 => ("integer", "uint32"),
        Dtype::U64 => ("integer", "uint64"),
    };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), kind.into());
    if !format.is_empty() {
        schema.insert("format".to_owned(), format.into());
    }
    if !is_input {
        return Value::Object(schema);
    }
    let mut bounds = |least: &str, from: Value, most: &str, to: Value| {
        schema.insert(least.to_owned(), from);
        schema.insert(most.to_owned(), to);
    };
    let bits = dtype.bytes() * 8;
    match kind {
        "integer" if format.starts_with('u') => {
            let largest = u64::MAX >> (64 - bits);
            bounds("minimum", 0.into(), "maximum", largest.into());
        }
        "integer" => {
            let largest = i64::MAX >> (64 - bits);
            bounds("minimum", (-largest - 1).into(), "maximum", largest.into());
        }
        // A number at half a unit in the last place above the largest one becomes infinite, so it is
        // refused. JSON's shortest text of the `f64` at that limit states a number just below it,
        // except for `f16`, whose limit this text states exactly.
        "number" => {
            let (least, most, limit) = match dtype {
                Dtype::F16 => ("exclusiveMinimum", "exclusiveMaximum", 65_520.0),
                // 2^128 - 2^119
                Dtype::Bf16 => ("minimum", "maximum", 3.396_177_529_230_46e38),
                // 2^128 - 2^103
                Dtype::F32 => ("minimum", "maximum", 3.402_823_567_797_336_6e38),
                _ => ("minimum", "maximum", f64::MAX),
            };
            bounds(least, (-limit).into(), most, limit.into());
        }
        "string" => {
            schema.insert("pattern".to_owned(), "^[^\\u0000]*$".into());
        }
        _ => {}
    }
    Value::Object(schema)
}
