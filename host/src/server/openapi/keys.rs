//! Keys of the server in the OpenAPI document: where a request carries a key, and which operations
//! need one.
//!
//! Owns the security schemes, and the response to a request without a key. The file `keys.json` has
//! them as text. Must not know the keys themselves.

use serde_json::{Value, json};

use super::put;
use crate::server::health::is_probe;

/// OpenAPI objects as JSON: the security schemes, the requirement of one of them, and the response
/// to a request without a valid key.
const KEYS: &str = include_str!("keys.json");

/// Adds the security schemes to the OpenAPI document. Every operation needs one of them, except for
/// the probes.
#[inline(never)]
pub(super) fn put_keys(document: &mut Value) {
    // The text is a constant, so parsing it does not fail.
    let mut keys: Value = serde_json::from_str(KEYS).unwrap_or_default();
    let mut take = |name: &str| keys.get_mut(name).map(Value::take).unwrap_or_default();
    put(document, "", "security", take("security"));
    put(
        document,
        "/components",
        "securitySchemes",
        take("securitySchemes"),
    );
    put(
        document,
        "/components/responses",
        "Error401",
        take("Error401"),
    );
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    for (path, operations) in paths {
        let Some(operations) = operations.as_object_mut() else {
            continue;
        };
        for (_, operation) in operations {
            if is_probe(path) {
                put(operation, "", "security", json!([]));
            } else {
                let failure = json!({"$ref": "#/components/responses/Error401"});
                put(operation, "/responses", "401", failure);
            }
        }
    }
}
