//! Values in the form in which the Functions host writes them into an envelope.
//!
//! Owns the one table of forms: objects, base64, and JSON text within a JSON string. Owns also how
//! a text message overwrites metadata, and the parts of a request that reach the handler. Must not
//! know the handler.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Returns the JSON text of a text, number, boolean or list as a JSON string.
#[must_use]
pub fn wrapped(value: impl Into<Value>) -> Value {
    value.into().to_string().into()
}

/// Returns bytes in base64, as a JSON string.
#[must_use]
pub fn base64(bytes: impl AsRef<[u8]>) -> Value {
    STANDARD.encode(bytes).into()
}

/// Returns the envelope of an invocation whose binding `name` has the value `value`. Metadata whose
/// names end in `trigger` are removed, because the Functions host never sends them.
#[must_use]
pub fn envelope(name: &str, value: Value, metadata: Value) -> Vec<u8> {
    let mut metadata = match metadata {
        Value::Object(metadata) => metadata,
        _ => Map::new(),
    };
    metadata.retain(|name, _| !name.to_lowercase().ends_with("trigger"));
    metadata.insert(
        "sys".into(),
        json!({"MethodName": "f", "UtcNow": "2024-05-01T12:34:56.1234567Z", "RandGuid": "g"}),
    );
    json!({"Data": {name: value}, "Metadata": metadata})
        .to_string()
        .into_bytes()
}

/// Returns the envelope of an invocation whose blob trigger `name` has the content `bytes`.
#[must_use]
pub fn blob(name: &str, bytes: &[u8], metadata: Value) -> Vec<u8> {
    envelope(name, base64(bytes), metadata)
}

/// Returns the envelope of an invocation with one text message. If the text is a JSON object, its
/// members overwrite the metadata.
#[must_use]
pub fn text_message(name: &str, text: &str, mut metadata: Value) -> Vec<u8> {
    let fields = metadata.as_object_mut().expect("metadata are an object");
    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        for (member, value) in members {
            let written = match value {
                Value::Null | Value::Array(_) => continue,
                object @ Value::Object(_) => object,
                scalar => wrapped(scalar),
            };
            fields.retain(|other, _| !other.eq_ignore_ascii_case(&member));
            fields.insert(member, written);
        }
    }
    envelope(name, wrapped(text), metadata)
}

/// Returns the metadata of one Service Bus message with the id `id`.
#[must_use]
pub fn message_metadata(id: &str, delivery_count: u32) -> Value {
    json!({
        "MessageId": wrapped(id),
        "DeliveryCount": delivery_count.to_string(),
        "SequenceNumber": "9007199254740993",
        "EnqueuedTimeUtc": "2024-05-01T12:34:56",
        "LockToken": wrapped("f00d-secret"),
        "ApplicationProperties": {"k": 1},
        "UserProperties": {"k": 1},
        "MessageReceiver": {},
    })
}

/// Returns the metadata of one message of a storage queue with the id `id`, in the form that was
/// recorded on a real Functions host.
#[must_use]
pub fn queue_metadata(id: &str, dequeue_count: u32) -> Value {
    json!({
        "DequeueCount": dequeue_count.to_string(),
        "ExpirationTime": "2026-12-03T15:45:02+00:00",
        "Id": wrapped(id),
        "InsertionTime": "2026-11-26T15:45:02+00:00",
        "NextVisibleTime": "2026-11-26T15:55:04+00:00",
        "PopReceipt": wrapped("MjZOb3YyMDI2"),
    })
}

/// Returns an HTTP request in the form in which an envelope has it in `Data`.
///
/// A body of the type octet-stream or multipart becomes base64. Any other body becomes text, and
/// bytes that are not UTF-8 are replaced. If the client did not state a length, there is no body.
#[must_use]
pub fn request(headers: &[(&str, &str)], body: Option<&[u8]>) -> Value {
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.map(|(_, value)| *value).unwrap_or_default();
    let listed: Map<String, Value> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!([value])))
        .collect();
    let mut request = json!({
        "Url": "https://app.azurewebsites.net/api/score?v=2&code=k3y",
        "Method": "POST",
        "Query": {"v": "2", "code": "k3y"},
        "Headers": listed,
        "Params": {"model": "a", "absent": null},
        "Identities": [{"AuthenticationType": "WebJobsAuthLevel", "IsAuthenticated": true, "Actor": null}],
    });
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        let is_encoded = content_type.starts_with("application/octet-stream")
            || content_type.starts_with("multipart/");
        request["Body"] = if is_encoded {
            base64(body)
        } else {
            String::from_utf8_lossy(body).into()
        };
    }
    request
}

/// Returns the bytes that a text in base64 encodes.
#[track_caller]
#[must_use]
pub fn bytes(text: &str) -> Vec<u8> {
    STANDARD
        .decode(text)
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}
