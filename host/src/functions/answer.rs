//! From outcomes to an answer that the Functions host takes.
//!
//! Owns what goes into `Outputs`, `Logs` and `ReturnValue`, in the forms that the host passes on unharmed: it decodes a text
//! that happens to be base64, sends a list as many messages, reads whatever looks like a date as one and writes it in a form
//! of its own, and never ends an invocation whose answer is empty. Must not know how a call is made, nor choose what becomes
//! of a message.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};

use super::bindings::{Function, OutputBinding, OutputKind, RETURN};
use crate::error::Disposition;
use crate::scorer::signature::is_json;
use crate::scorer::{LOGS_BYTES, Payload};
use crate::text::{NAME_BYTES, REASON_BYTES, cut, escaped_bytes};

/// An answer in the making.
#[derive(Debug, Default)]
pub struct Answer {
    outputs: Map<String, Value>,
    return_value: Value,
    logs: Vec<String>,
    logged_bytes: usize,
}

/// Most that an answer carries of an invocation's lines, in bytes as JSON has them: what its scorers may write, and as much
/// again for what the host says of its failures. The log has more.
const ANSWER_LOGS_BYTES: usize = 2 * LOGS_BYTES;

/// Bytes that a line adds to its text: quotation marks and a comma.
const LINE_BYTES: usize = 3;

/// Longest value of an attribute in a parked record, in bytes.
const ATTRIBUTE_BYTES: usize = REASON_BYTES;

/// Most bytes of the attributes of a parked record. A message of Service Bus has 64 KB of them at most.
const ATTRIBUTES_BYTES: usize = 64 << 10;

/// A binary answer, which a named HTTP output cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary;

impl Answer {
    /// Adds lines of the invocation, as many as an answer carries.
    pub fn log(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let had_room = self.logged_bytes <= ANSWER_LOGS_BYTES;
            self.logged_bytes = self.logged_bytes.saturating_add(LINE_BYTES + escaped_bytes(&line));
            if self.logged_bytes <= ANSWER_LOGS_BYTES {
                self.logs.push(line);
            } else if had_room {
                self.logs
                    .push(format!("more than {ANSWER_LOGS_BYTES} bytes of lines: the log of the host has the rest"));
            }
        }
    }

    /// Sends one payload to an output.
    pub fn put(&mut self, output: &OutputBinding, payload: &Payload) {
        let value = match output.kind {
            // Always decoded, so always safe.
            OutputKind::Blob => BASE64.encode(&payload.body).into(),
            OutputKind::Message => match object(payload) {
                // It would be parsed and written anew; the elements of a list are sent as they are.
                object if is_rewritten(&object) => json!([object.to_string()]),
                // Begins with a brace, so it is never taken for base64 nor for a list.
                object => object.to_string().into(),
            },
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
            OutputKind::Message => {
                let texts = payloads.iter().map(|payload| object(payload).to_string());
                self.set(&output.name, texts.collect());
            }
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
        // A text that is nothing but a date would go out in another form; as two lines it is none.
        let end = if is_like_a_date(body) { "\n" } else { "" };
        let body = format!("{body}{end}");
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

/// Whether a document comes out otherwise than it went into the Functions host's reader of JSON (Newtonsoft's, as it is set
/// by default): that takes texts for dates, and writes them in one form, the fraction without zeros at its end.
fn is_rewritten(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(is_rewritten),
        Value::Object(members) => members.values().any(is_rewritten),
        Value::String(text) => is_like_a_date(text) && !is_plain_date(text),
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}

/// `2024-05-01T12:34:56` with more or less after it, or `/Date(…)/`; some texts that are no dates among them.
fn is_like_a_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_iso = bytes.first().is_some_and(u8::is_ascii_digit) && bytes.get(10) == Some(&b'T') && bytes.len() <= 40;
    is_iso || text.starts_with("/Date(")
}

/// A date in the one form: universal time or none in particular, and no zero at the end of its fraction.
fn is_plain_date(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "1"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    seconds.len() == 19 && is_number(fraction) && (1..=7).contains(&fraction.len()) && !fraction.ends_with('0')
}

/// The record of what can never be scored: what was wrong, with what, and the message itself. A blob stays where it is. The
/// message is whole; what is said about it is cut at a bound, since it can be as long as its sender likes.
#[must_use]
pub fn parked(function: &Function, id: &str, call: &ParkedCall<'_>, disposition: &Disposition) -> Payload {
    let mut attribute_bytes = 0;
    let attributes = call.attributes.iter().map(|(name, value)| (cut(name, NAME_BYTES), cut(value, ATTRIBUTE_BYTES)));
    let attributes = attributes.take_while(|(name, value)| {
        attribute_bytes += name.len() + value.len();
        attribute_bytes <= ATTRIBUTES_BYTES
    });
    let attributes: Map<String, Value> = attributes.map(|(name, value)| (name.into_owned(), value.into())).collect();
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
            record.insert("content_type".to_owned(), cut(&body.content_type, ATTRIBUTE_BYTES).into());
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
