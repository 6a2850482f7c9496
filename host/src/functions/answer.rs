//! From outcomes to an answer that the Functions host takes.
//!
//! Owns what goes into `Outputs`, `Logs` and `ReturnValue`, in the forms that the host passes on unharmed: it decodes a text
//! that happens to be base64, sends a list as many messages, and never ends an invocation whose answer is empty. Must not
//! know how a call is made, nor choose what becomes of a message.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};

use super::bindings::{Function, OutputBinding, OutputKind, RETURN};
use crate::error::Disposition;
use crate::scorer::Payload;
use crate::scorer::signature::is_json;

/// An answer in the making.
#[derive(Debug, Default)]
pub struct Answer {
    outputs: Map<String, Value>,
    return_value: Value,
    logs: Vec<String>,
    logged_bytes: usize,
}

/// Most that an answer carries of an invocation's lines, in bytes. The log has all of them.
const LOGS_BYTES: usize = 1 << 20;

/// A binary answer, which a named HTTP output cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary;

impl Answer {
    /// Adds lines of the invocation, as many as an answer carries.
    pub fn log(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let had_room = self.logged_bytes <= LOGS_BYTES;
            self.logged_bytes = self.logged_bytes.saturating_add(line.len());
            if self.logged_bytes <= LOGS_BYTES {
                self.logs.push(line);
            } else if had_room {
                self.logs.push(format!("more than {LOGS_BYTES} bytes of lines: the log of the host has the rest"));
            }
        }
    }

    /// Sends one payload to an output.
    pub fn put(&mut self, output: &OutputBinding, payload: &Payload) {
        let value = match output.kind {
            // Always decoded, so always safe.
            OutputKind::Blob => BASE64.encode(&payload.body).into(),
            // Begins with a brace, so it is never taken for base64 nor for a list.
            OutputKind::Message => object(payload).to_string().into(),
        };
        self.set(&output.name, value);
    }

    /// Sends the payloads of a batch to an output, each as a message of its own.
    pub fn put_all(&mut self, output: &OutputBinding, payloads: &[Payload]) {
        match output.kind {
            // A blob is one, however many messages there were.
            OutputKind::Blob => {
                let all = Value::from_iter(payloads.iter().map(object)).to_string();
                self.set(&output.name, BASE64.encode(all).into());
            }
            OutputKind::Message => self.set(&output.name, payloads.iter().map(object).collect()),
        }
    }

    /// Answers a request through the function's HTTP output.
    ///
    /// # Errors
    /// The body is binary, and the output has a name: the Functions host would send base64.
    pub fn respond(&mut self, output: &str, response: &Response<Bytes>) -> Result<(), Binary> {
        let Ok(body) = std::str::from_utf8(response.body()) else {
            if output == RETURN && response.status().is_success() {
                // The one way of bytes through an envelope; it has no room for headers.
                self.return_value = BASE64.encode(response.body()).into();
                return Ok(());
            }
            return Err(Binary);
        };
        let headers = response.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.into())));
        let headers: Map<String, Value> = headers.collect();
        self.set(output, json!({"statusCode": response.status().as_u16(), "headers": headers, "body": body}));
        Ok(())
    }

    fn set(&mut self, output: &str, value: Value) {
        if output == RETURN {
            self.return_value = value;
        } else {
            self.outputs.insert(output.to_owned(), value);
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outputs, logs, return_value, .. } = self;
        write!(f, "{}", json!({"Outputs": outputs, "Logs": logs, "ReturnValue": return_value}))
    }
}

/// A payload as a JSON object: itself if it is one, else in a field that says what it is.
fn object(payload: &Payload) -> Value {
    if is_json(&payload.content_type) || payload.content_type.is_empty() {
        match serde_json::from_slice(&payload.body) {
            Ok(object @ Value::Object(_)) => return object,
            Ok(value) => return json!({ "result": value }),
            Err(_) => {}
        }
    }
    match std::str::from_utf8(&payload.body) {
        Ok(text) => json!({"content_type": payload.content_type, "text": text}),
        Err(_) => json!({"content_type": payload.content_type, "base64": BASE64.encode(&payload.body)}),
    }
}

/// The record of what can never be scored: what was wrong, with what, and the message itself. A blob stays where it is.
#[must_use]
pub fn parked(function: &Function, id: &str, call: &ParkedCall<'_>, disposition: &Disposition) -> Payload {
    let attributes: Map<String, Value> =
        call.attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let mut record = json!({
        "problem": {"code": disposition.code, "message": disposition.message},
        "id": id,
        "function": function.name,
        "attempt": call.attempt,
        "attributes": attributes,
    });
    if let (Some(pointer), Some(problem)) =
        (&disposition.pointer, record.get_mut("problem").and_then(Value::as_object_mut))
    {
        problem.insert("pointer".to_owned(), pointer.as_str().into());
    }
    if let (Some(body), Some(record)) = (call.body, record.as_object_mut()) {
        if !body.content_type.is_empty() {
            record.insert("content_type".to_owned(), body.content_type.as_str().into());
        }
        match std::str::from_utf8(&body.body) {
            Ok(text) => record.insert("body".to_owned(), text.into()),
            Err(_) => record.insert("body_base64".to_owned(), BASE64.encode(&body.body).into()),
        };
    }
    Payload { content_type: "application/json".to_owned(), body: record.to_string().into() }
}

/// What is parked.
#[derive(Debug, Clone, Copy)]
pub struct ParkedCall<'a> {
    /// What the platform said about it.
    pub attributes: &'a [(String, String)],
    /// Its delivery.
    pub attempt: u32,
    /// The message; none of a blob.
    pub body: Option<&'a Payload>,
}
