//! Rules for bodies in Azure ML's format.
//!
//! Owns what a body without a media type must come to. Must not know how tensors are compared.

use serde_json::Value;

use crate::readers::{BodyFormat, Dtype, JSON, Tensor, count};
use crate::tensors::{self, Request};

/// Checks the bytes as the body of a request.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(body: &[u8]) {
    let request = Request {
        format: BodyFormat::Labelled,
        content_type: JSON,
        json_length: None,
        body: body.to_vec(),
    };
    // A byte order mark may be at the start of a text.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    for (signature, tensors) in tensors::check(&request) {
        let Ok(document) = serde_json::from_slice::<Value>(body) else {
            panic!("no JSON was read as {tensors:?}");
        };
        if let Some(rows) = rows(&document) {
            for tensor in &tensors {
                same_rows(rows, signature.len(), tensor);
            }
            continue;
        }
        let Value::Object(document) = document else {
            panic!("no object was read as {tensors:?}");
        };
        let is_input =
            |name: &String| name == "data" || signature.iter().any(|port| port.name == *name);
        // Requests of the Open Inference Protocol come in JSON, too, and so do objects that hold
        // columns or their names.
        if !document.keys().all(is_input) {
            continue;
        }
        assert!(document.len() <= signature.len());
        for tensor in &tensors {
            let value = document.get(&tensor.name).or(document.get("data"));
            same_elements(value.expect("the tensor has a list"), tensor);
        }
    }
}

/// Returns the rows of a body, if they are in the order of the ports.
fn rows(document: &Value) -> Option<&Vec<Value>> {
    match document {
        Value::Array(rows) => Some(rows),
        Value::Object(fields) if fields.contains_key("columns") => None,
        Value::Object(fields) => {
            let key = ["instances", "dataframe_records"];
            let rows = key.iter().find_map(|key| fields.get(*key))?;
            rows.as_array()
        }
        _ => None,
    }
}

/// Checks that a tensor has the elements of its column, in the order of the rows. `columns` is the
/// number of the columns.
fn same_rows(rows: &[Value], columns: usize, tensor: &Tensor) {
    let cell = |row: &Value| match row {
        Value::Object(row) => row.get(&tensor.name).cloned(),
        row => (columns == 1).then(|| row.clone()),
    };
    let cells: Option<Vec<Value>> = rows.iter().map(cell).collect();
    if let Some(cells) = cells {
        same_elements(&Value::Array(cells), tensor);
    }
}

/// Checks that a tensor has the elements of a nested list, in their order.
fn same_elements(list: &Value, tensor: &Tensor) {
    let mut leaves = Vec::new();
    flatten(list, &mut leaves);
    let elements = count(tensor.dtype, &tensor.data);
    assert_eq!(elements, Some(leaves.len() as u64), "{tensor:?}");
    match tensor.dtype {
        Dtype::I64 => {
            let (numbers, _) = tensor.data.as_chunks();
            for (leaf, number) in leaves.iter().zip(numbers) {
                let number = i64::from_le_bytes(*number);
                match leaf.as_i64() {
                    Some(expected) => assert_eq!(number, expected),
                    // A whole number may have a point or an exponent. The second reader rounds it.
                    None => {
                        let float = leaf.as_f64().expect("the element is a number");
                        let error = (number as f64 - float).abs();
                        assert!(error <= float.abs() * 1e-15, "{number} for {leaf}");
                    }
                }
            }
        }
        Dtype::F64 => {
            let (numbers, _) = tensor.data.as_chunks();
            for (leaf, number) in leaves.iter().zip(numbers) {
                let (number, expected) = (f64::from_le_bytes(*number), leaf.as_f64());
                // The second reader rounds less exactly.
                let expected = expected.expect("the element is a number");
                let error = (number - expected).abs();
                assert!(
                    error <= expected.abs() * 1e-15 + 1e-300,
                    "{number} for {leaf}"
                );
            }
        }
        _ => {}
    }
}

fn flatten<'a>(value: &'a Value, leaves: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, leaves)),
        leaf => leaves.push(leaf),
    }
}
