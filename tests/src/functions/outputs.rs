//! The Functions host's treatment of an answer: which answers are accepted, and what happens to
//! their outputs.
//!
//! Owns these rules, including the surprising ones: an empty answer hangs, text that happens to be
//! base64 is decoded, a list becomes many messages. Must not know the handler.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::wire::RawAnswer;

/// Reason why an invocation fails.
pub enum Failed {
    /// No answer arrived in time.
    NoAnswer(std::io::Error),
    /// The answer has a status other than success. This is the status and the body. Its outputs and
    /// logs are discarded.
    Status(u16, Vec<u8>),
    /// The answer is invalid. The text is the reason.
    Refused(String),
    /// The invocation never ends. The real Functions host kills the handler after
    /// `functionTimeout`.
    Hangs,
}

/// Effects of an answer that the Functions host accepts.
#[derive(Default)]
pub struct Bound {
    /// Response of the HTTP output. `None` if the function has no HTTP output.
    pub response: Option<Response>,
    /// Blobs and messages that are written, in order, each as a pair of the name of its binding and
    /// its bytes.
    pub written: Vec<(String, Vec<u8>)>,
    /// Log lines in the answer.
    pub logs: Vec<String>,
}

/// Response that the caller of an HTTP trigger gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Status code of the response.
    pub status: u16,
    /// Headers of the response, as the handler sent them.
    pub headers: Map<String, Value>,
    /// Body of the response.
    pub body: Vec<u8>,
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(error) => write!(f, "no answer: {error}"),
            Self::Status(status, body) => write!(f, "{status}: {}", shown(body)),
            Self::Refused(why) => write!(f, "refused: {why:.1000}"),
            Self::Hangs => f.write_str("hangs"),
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            response,
            written,
            logs,
        } = self;
        write!(
            f,
            "response {:?}",
            response
                .as_ref()
                .map(|response| (response.status, shown(&response.body)))
        )?;
        written
            .iter()
            .try_for_each(|(name, bytes)| write!(f, "; {name}: {}", shown(bytes)))?;
        write!(f, "; logs {logs:?}")
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("{:.1000}", String::from_utf8_lossy(bytes))
}

impl Bound {
    /// Returns the blobs or messages that are written to a binding, in order.
    #[must_use]
    pub fn of(&self, binding: &str) -> Vec<&[u8]> {
        self.written
            .iter()
            .filter(|(name, _)| name == binding)
            .map(|(_, bytes)| bytes.as_slice())
            .collect()
    }

    /// Returns the only blob or message that is written to a binding, as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self, binding: &str) -> Value {
        let [bytes] = self.of(binding)[..] else {
            panic!("not one thing at {binding}: {self:?}")
        };
        serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Treats an answer as the Functions host does, and returns its effects. `bindings` is the
/// `function.json` of the function.
///
/// # Errors
/// Fails if the Functions host would count the invocation as failed.
pub fn bind(bindings: &Value, answer: &RawAnswer) -> Result<Bound, Failed> {
    if !(200..300).contains(&answer.status) {
        return Err(Failed::Status(answer.status, answer.body.clone()));
    }
    if answer.body.is_empty() {
        return Err(Failed::Hangs);
    }
    let content_type = answer.header("content-type").unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence != "application/json" && essence != "text/json" {
        return Err(Failed::Refused(format!(
            "Invalid HttpResponseMessage: content type {content_type:?}"
        )));
    }
    let document: Value =
        serde_json::from_slice(&answer.body).map_err(|error| Failed::Refused(error.to_string()))?;
    let document = with_dates(document);
    let members = match document {
        Value::Null => return Err(Failed::Hangs),
        Value::Object(members) => members,
        other => return Err(Failed::Refused(format!("not an object: {other}"))),
    };
    // The names `Logs`, `Outputs` and `ReturnValue` are not case-sensitive, but the names of
    // outputs are.
    let member = |name: &str| {
        members
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let logs = match member("Logs") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(lines)) => lines
            .iter()
            .map(|line| line.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| Failed::Refused("Logs holds what is no text".into()))?,
        Some(other) => return Err(Failed::Refused(format!("Logs is no list: {other}"))),
    };
    let nothing = Map::new();
    let outputs = match member("Outputs") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(outputs)) => outputs,
        Some(other) => return Err(Failed::Refused(format!("Outputs is no object: {other}"))),
    };
    let mut bound = Bound {
        logs,
        ..Bound::default()
    };
    for binding in bindings["bindings"]
        .as_array()
        .expect("bindings are a list")
    {
        if binding["direction"] != "out" {
            continue;
        }
        let name = binding["name"].as_str().expect("a binding has a name");
        let value = if name == "$return" {
            member("ReturnValue")
        } else {
            outputs.get(name)
        };
        if binding["type"] == "http" {
            bound.response = Some(response(name, value)?);
        } else if let Some(value) = value.filter(|value| !value.is_null()) {
            let written = write(
                binding["type"].as_str().unwrap_or_default(),
                binding["dataType"] == "binary",
                value,
            );
            bound
                .written
                .extend(written.into_iter().map(|bytes| (name.to_owned(), bytes)));
        }
    }
    Ok(bound)
}

fn response(name: &str, value: Option<&Value>) -> Result<Response, Failed> {
    let plain = |body: Vec<u8>| Response {
        status: 200,
        headers: Map::new(),
        body,
    };
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(plain(Vec::new()));
    };
    let parsed: Value;
    let object = match value {
        Value::String(text) if name == "$return" => {
            // Any text that is valid base64 is decoded. That is a trap, and the only way to return
            // bytes.
            if let Some(bytes) = decoded(text) {
                return Ok(plain(bytes));
            }
            match serde_json::from_str(text) {
                Ok(Value::Object(members)) => {
                    parsed = Value::Object(members);
                    &parsed
                }
                _ => return Ok(plain(text.clone().into_bytes())),
            }
        }
        Value::String(text) => {
            parsed = serde_json::from_str(text)
                .map_err(|error| Failed::Refused(format!("{name}: {error}")))?;
            &parsed
        }
        other => other,
    };
    let Some(members) = object.as_object() else {
        return Err(Failed::Refused(format!("{name} is no object: {object}")));
    };
    let member = |wanted: &str| {
        members
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    let status = match member("statusCode") {
        None => 200,
        Some(Value::Number(number)) => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok())
            .unwrap_or(500),
        Some(Value::String(text)) => text.parse().unwrap_or(500),
        Some(other) => return Err(Failed::Refused(format!("statusCode: {other}"))),
    };
    let headers = member("headers")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (name, value) in &headers {
        if !value.is_string() {
            return Err(Failed::Refused(format!(
                "the header {name} is no text: {value}"
            )));
        }
    }
    let body = match member("body") {
        None | Some(Value::Null) => Vec::new(),
        // Only a date changes its form here.
        Some(Value::String(text)) if is_date(text) => {
            format!("{text} in another form").into_bytes()
        }
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) => format!("{other:#}").into_bytes(),
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}

/// Returns the bytes that an output other than HTTP writes, with one item for each blob or message.
/// `kind` is the type of the binding, and `value` is the output in the answer.
fn write(kind: &str, is_binary: bool, value: &Value) -> Vec<Vec<u8>> {
    let bytes = value.as_str().filter(|_| !is_binary).and_then(decoded);
    match (kind, bytes, value) {
        ("blob" | "queue", Some(bytes), _) => vec![bytes],
        // .NET renders a byte array as this text there.
        (_, Some(_), _) => vec![b"System.Byte[]".to_vec()],
        ("blob", None, Value::String(text)) => vec![text.clone().into_bytes()],
        ("blob", None, other) => vec![other.to_string().into_bytes()],
        (_, None, Value::String(text)) => match serde_json::from_str(text).map(with_dates) {
            Ok(Value::Array(elements)) => elements.iter().map(message).collect(),
            Ok(object @ Value::Object(_)) => vec![message(&object)],
            _ => vec![text.clone().into_bytes()],
        },
        (_, None, Value::Array(elements)) => elements.iter().map(message).collect(),
        (_, None, other) => vec![message(other)],
    }
}

fn message(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => format!("{other:#}").into_bytes(),
    }
}

/// Rewrites dates as the JSON reader of the Functions host does: without zeros at the end of a
/// fraction, and in the machine's time zone if they state a zone.
fn with_dates(value: Value) -> Value {
    match value {
        Value::String(text) if is_date(&text) => {
            let (time, zone) = text.split_at(
                text.find(['Z', '+'])
                    .or(text.rfind('-').filter(|at| *at > 10))
                    .unwrap_or(text.len()),
            );
            let time = if time.contains('.') {
                time.trim_end_matches('0').trim_end_matches('.')
            } else {
                time
            };
            let zone = if zone.len() > 1 {
                " in another zone"
            } else {
                zone
            };
            format!("{time}{zone}").into()
        }
        Value::Array(values) => values.into_iter().map(with_dates).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, with_dates(value)))
            .collect(),
        other => other,
    }
}

/// Returns true for `2024-05-01T12:34:56`, with or without a fraction and a zone.
fn is_date(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let rest = rest
        .strip_prefix('.')
        .map_or(rest, |fraction| fraction.trim_start_matches('0'));
    matches!(rest, "" | "Z" | "+00:00" | "-00:00")
}

/// Decodes a text as base64, as .NET's decoder does: white space is skipped. Returns `None` if the
/// text is not base64. Ordinary words can be base64, such as any four letters.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
        .collect();
    STANDARD.decode(text).ok()
}
