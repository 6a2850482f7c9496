//! Answers to invocations, in the form that the Functions host accepts.
//!
//! Owns the contents of `Outputs`, `Logs` and `ReturnValue`, in forms that the Functions host
//! passes on unchanged. That host decodes a text that happens to be base64, and sends a list as
//! several messages. It parses text that looks like a date and writes it in its own form. It never
//! ends an invocation whose answer is empty. Must not know how a call is made, nor choose what
//! happens to a message.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Response;
use http::header::SET_COOKIE;
use serde_json::{Map, Value, json};

use super::bindings::{Function, OutputBinding, OutputKind, RETURN};
use crate::call::{Attribute, LOGS_BYTES, Payload};
use crate::codec::media_type::is_json;
use crate::error::Disposition;
use crate::text::{NAME_BYTES, REASON_BYTES, cut, escaped_bytes};

/// Answer to one invocation that the Functions host sent. The values of outputs and log lines are
/// added to it.
#[derive(Debug, Default)]
pub struct Answer {
    outputs: Map<String, Value>,
    return_value: Value,
    logs: Vec<String>,
    logged_bytes: usize,
}

/// Maximum size of the log lines in an answer to an invocation, in bytes of JSON. The log of
/// Scorebox itself has all lines.
///
/// One half of the size is for the log lines that the scorer writes in the calls of an invocation.
/// The other half is for the lines in which Scorebox reports failures.
const ANSWER_LOGS_BYTES: usize = 2 * LOGS_BYTES;

/// Number of bytes that the JSON of an answer adds to the text of a log line: quotation marks and a
/// comma.
const LINE_BYTES: usize = 3;

/// Maximum length of the value of an attribute, in bytes, in the record of a failed call that is
/// written to the output binding `park`.
const ATTRIBUTE_BYTES: usize = REASON_BYTES;

/// Maximum size of all attributes, in bytes, in the record of a failed call that is written to the
/// output binding `park`. A Service Bus message has at most 64 KB of attributes.
const ATTRIBUTES_BYTES: usize = 64 << 10;

/// Reason why an answer to an invocation cannot carry an HTTP response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The body is binary, but cannot be sent as the return value. Only the output `$return` can
    /// carry bytes, and only if the scorer chose neither the status nor headers.
    Binary,
    /// The response sets several cookies, and an answer has one value for each header: the
    /// Functions host fails if a header is a list.
    Cookies,
}

impl Answer {
    /// Adds log lines of the invocation to the answer, up to a total size of `ANSWER_LOGS_BYTES`.
    /// If some lines do not fit, a last line refers to the log of Scorebox itself.
    pub fn log(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let had_room = self.logged_bytes <= ANSWER_LOGS_BYTES;
            self.logged_bytes = self
                .logged_bytes
                .saturating_add(LINE_BYTES + escaped_bytes(&line));
            if self.logged_bytes <= ANSWER_LOGS_BYTES {
                self.logs.push(line);
            } else if had_room {
                self.logs.push(format!(
                    "more than {ANSWER_LOGS_BYTES} bytes of lines: the log of the host has the rest"
                ));
            }
        }
    }

    /// Adds one payload to the answer, as the value of an output binding. A blob output gets the
    /// bytes of the payload, and a message output gets a JSON object.
    pub fn put(&mut self, output: &OutputBinding, payload: &Payload) {
        let value = match output.kind {
            // The Functions host always decodes this base64, so the bytes arrive unchanged.
            OutputKind::Blob => BASE64.encode(&payload.body).into(),
            OutputKind::Message => match object(payload) {
                // The Functions host would parse this object and write it anew. It sends the
                // elements of a list unchanged.
                object if is_rewritten(&object) => json!([object.to_string()]),
                // The text starts with a brace, so it is never taken for base64 or for a list.
                object => object.to_string().into(),
            },
        };
        self.set(&output.name, value);
    }

    /// Adds the payloads of a batch to the answer, as the value of an output binding. A message
    /// output sends each payload as its own message, and a blob output writes one list of all
    /// payloads.
    pub fn put_all(&mut self, output: &OutputBinding, payloads: &[Payload]) {
        match output.kind {
            // A blob output takes one blob, however many messages there were.
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

    /// Adds the response to an HTTP request to the answer. `output` is the name of the function's
    /// HTTP output. `is_chosen` is true if the scorer chose the status or headers of the response.
    ///
    /// An answer has one value for each header, because the Functions host fails if a header is a
    /// list. Several values of a header are joined as a list in one line (RFC 9110, section 5.3).
    ///
    /// # Errors
    /// Fails if the body is binary and `output` is not `$return`, because the Functions host would
    /// send base64. Also fails if the body is binary and the status or headers must be kept, and if
    /// the response sets several cookies, which cannot be joined.
    pub fn respond(
        &mut self,
        output: &str,
        response: &Response<Bytes>,
        is_chosen: bool,
    ) -> Result<(), Unfit> {
        let Ok(body) = std::str::from_utf8(response.body()) else {
            if output == RETURN && response.status().is_success() && !is_chosen {
                // The return value is the only way to send bytes through an envelope. It has no
                // room for headers.
                self.return_value = BASE64.encode(response.body()).into();
                return Ok(());
            }
            return Err(Unfit::Binary);
        };
        // The Functions host would rewrite a text that is only a date. With a second line it is not
        // a date.
        let end = if is_like_a_date(body) { "\n" } else { "" };
        let body = format!("{body}{end}");
        // Each header has one value, because the Functions host fails the call at a list of values.
        // The headers are inserted one by one, because `collect` would add code that sorts.
        let mut headers = Map::new();
        for (name, value) in response.headers() {
            let Ok(value) = value.to_str() else { continue };
            match headers.get_mut(name.as_str()) {
                None => drop(headers.insert(name.as_str().to_owned(), value.into())),
                Some(_) if name == SET_COOKIE => return Err(Unfit::Cookies),
                Some(Value::String(joined)) => {
                    joined.push_str(", ");
                    joined.push_str(value);
                }
                Some(_) => {}
            }
        }
        self.set(
            output,
            json!({"statusCode": response.status().as_u16(), "headers": headers, "body": body}),
        );
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
        let Self {
            outputs,
            logs,
            return_value,
            ..
        } = self;
        write!(
            f,
            "{}",
            json!({"Outputs": outputs, "Logs": logs, "ReturnValue": return_value})
        )
    }
}

/// Converts a payload to a JSON object. A JSON object is returned unchanged, and any other JSON
/// value becomes the field `result`. Other payloads become the field `text`, or `base64` if they
/// are not UTF-8, next to the field `content_type`.
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
        Err(_) => {
            json!({"content_type": payload.content_type, "base64": BASE64.encode(&payload.body)})
        }
    }
}

/// Returns true if the Functions host may change a JSON document when it forwards the document.
///
/// The JSON parser of the Functions host (Newtonsoft's, with default settings) parses strings that
/// look like dates. The Functions host writes the dates back in one format, without trailing zeros
/// in the fraction.
fn is_rewritten(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(is_rewritten),
        Value::Object(members) => members.values().any(is_rewritten),
        Value::String(text) => is_like_a_date(text) && !is_plain_date(text),
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}

/// Returns true for a text that the JSON parser of the Functions host may parse as a date: a text
/// that begins like `2024-05-01T12:34:56`, or with `/Date(`. Also returns true for some texts that
/// are not dates.
fn is_like_a_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_iso = bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.get(10) == Some(&b'T')
        && bytes.len() <= 40;
    is_iso || text.starts_with("/Date(")
}

/// Returns true for a date that the Functions host writes back unchanged: in UTC or without a time
/// zone, and without a zero at the end of the fraction.
fn is_plain_date(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "1"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    seconds.len() == 19
        && is_number(fraction)
        && (1..=7).contains(&fraction.len())
        && !fraction.ends_with('0')
}

/// Returns the record of a failed call for the output `park`: the problem, the call's attributes,
/// and the content of its message. `id` is the id of the call, which is the id of the invocation,
/// with the number of the message if the invocation is a batch.
///
/// The content of a blob is not in the record, because the blob stays in its container. The content
/// of a message is complete. Other texts are truncated, because their sender can make them of any
/// length.
#[must_use]
pub fn parked(
    function: &Function,
    id: &str,
    call: &ParkedCall<'_>,
    disposition: &Disposition,
) -> Payload {
    let mut attribute_bytes = 0;
    let mut attributes = Map::new();
    for (name, value) in call.attributes {
        // All attributes are texts in the record, because the properties of messages are texts on
        // many platforms.
        let Some(value) = value.text() else { continue };
        let (name, value) = (cut(name, NAME_BYTES), cut(&value, ATTRIBUTE_BYTES));
        attribute_bytes += name.len() + value.len();
        if attribute_bytes > ATTRIBUTES_BYTES {
            break;
        }
        attributes.insert(name.into_owned(), value.into());
    }
    let mut record = json!({
        "problem": {"code": disposition.code, "message": disposition.message},
        "id": id,
        "function": function.name,
        "attempt": call.attempt,
        "attributes": attributes,
    });
    if let (Some(pointer), Some(problem)) = (
        &disposition.pointer,
        record.get_mut("problem").and_then(Value::as_object_mut),
    ) {
        problem.insert("pointer".to_owned(), pointer.as_str().into());
    }
    if let (Some(body), Some(record)) = (call.body, record.as_object_mut()) {
        if !body.content_type.is_empty() {
            record.insert(
                "content_type".to_owned(),
                cut(&body.content_type, ATTRIBUTE_BYTES).into(),
            );
        }
        match std::str::from_utf8(&body.body) {
            Ok(text) => record.insert("body".to_owned(), text.into()),
            Err(_) => record.insert("body_base64".to_owned(), BASE64.encode(&body.body).into()),
        };
    }
    Payload {
        content_type: "application/json".to_owned(),
        body: record.to_string().into(),
    }
}

/// Failed call whose record is sent to the output `park`. Its message is then completed, so it is
/// not delivered again.
#[derive(Debug, Clone, Copy)]
pub struct ParkedCall<'a> {
    /// Attributes of the call, as the platform reported them.
    pub attributes: &'a [Attribute],
    /// Number of the delivery of the call's message. 1 for the first delivery.
    pub attempt: u32,
    /// Content of the call's message. `None` for a blob, because a blob stays in its container.
    pub body: Option<&'a Payload>,
}
