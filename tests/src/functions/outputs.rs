//! The Functions host's treatment of an answer: which answers are accepted, and what happens to
//! their outputs.
//!
//! Owns these rules, the harsh ones too: an empty answer hangs, text that happens to be base64 is
//! decoded, a list becomes many messages. The rules were read from the source of the Functions host
//! and compared with what a real one did, see `tests/data/functions-recorded`. Must not know the
//! handler.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::json::Json;
use super::wire::RawAnswer;

/// Reason why an invocation fails.
pub enum Failed {
    /// No answer arrived in time.
    NoAnswer(std::io::Error),
    /// The answer has a status other than 200. The fields are the status and the body. The outputs
    /// and logs of the answer are discarded.
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
    /// Content type that the caller gets: that of the handler, or `text/plain`, with the charset of
    /// the Functions host. `None` if the response does not have one.
    pub content_type: Option<String>,
    /// Body of the response.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the response that the caller of an HTTP function gets for the outcome of its
    /// invocation. The caller gets 500 without a body if the invocation failed.
    ///
    /// # Panics
    /// Panics if the invocation never ends, or if the function does not have an HTTP output.
    #[track_caller]
    #[must_use]
    pub fn of(outcome: Result<Bound, Failed>) -> Self {
        match outcome {
            Ok(bound) => bound.response.expect("it is an HTTP function"),
            Err(Failed::Hangs) => panic!("the caller gets no response"),
            Err(_) => Self {
                status: 500,
                headers: Map::new(),
                content_type: None,
                body: Vec::new(),
            },
        }
    }
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
    if answer.status != 200 {
        return Err(Failed::Status(answer.status, answer.body.clone()));
    }
    if answer.body.is_empty() {
        return Err(Failed::Hangs);
    }
    let content_type = answer.header("content-type").unwrap_or_default();
    let essence = essence(content_type).to_ascii_lowercase();
    if essence != "application/json" && essence != "text/json" {
        return Err(Failed::Refused(format!(
            "Invalid HttpResponseMessage: content type {content_type:?}"
        )));
    }
    let document = Json::parse(&answer.body).map_err(|error| Failed::Refused(error.to_string()))?;
    match document {
        Json::Null => return Err(Failed::Hangs),
        Json::Object(_) => {}
        other => return Err(Failed::Refused(format!("not an object: {other:?}"))),
    }
    // The names `Logs`, `Outputs` and `ReturnValue` are not case-sensitive, but the names of
    // outputs are.
    let logs = match document.any_case("Logs") {
        None => Vec::new(),
        Some(Json::List(lines)) => lines
            .iter()
            .map(|line| line.text().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| Failed::Refused("Logs holds what is no text".into()))?,
        Some(other) => return Err(Failed::Refused(format!("Logs is no list: {other:?}"))),
    };
    let outputs = document.any_case("Outputs");
    if let Some(other) = outputs.filter(|outputs| outputs.members().is_none()) {
        return Err(Failed::Refused(format!("Outputs is no object: {other:?}")));
    }
    let returned = document.any_case("ReturnValue");
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
            returned
        } else {
            outputs.and_then(|outputs| outputs.member(name))
        };
        let value = value.filter(|value| **value != Json::Null);
        if binding["type"] == "http" {
            bound.response = Some(match (name, outputs, returned) {
                ("$return", ..) => return_value(value)?,
                // If an answer has no outputs, its return value is the response, whatever the name
                // of the output is.
                (_, None, Some(returned)) => plain(
                    "application/json; charset=utf-8",
                    returned.compact().into_bytes(),
                ),
                _ => response(name, value)?,
            });
        } else if let Some(value) = value {
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

/// Content type of a response whose handler does not choose one.
const PLAIN: &str = "text/plain; charset=utf-8";

fn plain(content_type: &str, body: Vec<u8>) -> Response {
    Response {
        status: 200,
        headers: Map::new(),
        content_type: Some(content_type.to_owned()),
        body,
    }
}

/// Returns the response of a function whose HTTP output is called `$return`.
fn return_value(value: Option<&Json>) -> Result<Response, Failed> {
    let Some(value) = value else {
        return Ok(plain(PLAIN, Vec::new()));
    };
    let Some(text) = value.text() else {
        return response_of(value, Json::compact);
    };
    // Any text that is valid base64 is decoded. That is a trap, and the only way to return bytes.
    if let Some(bytes) = decoded(text) {
        return Ok(Response {
            content_type: None,
            ..plain(PLAIN, bytes)
        });
    }
    match Json::parse(text.as_bytes()) {
        Ok(object @ Json::Object(_)) => response_of(&object, Json::compact),
        _ => Ok(plain(PLAIN, text.as_bytes().to_vec())),
    }
}

/// Returns the response of a function whose HTTP output has another name than `$return`.
fn response(name: &str, value: Option<&Json>) -> Result<Response, Failed> {
    match value {
        // The caller gets the JSON of an object without members.
        None => Ok(plain(PLAIN, b"{}".to_vec())),
        Some(Json::Text(text)) => {
            let parsed = Json::parse(text.as_bytes())
                .map_err(|error| Failed::Refused(format!("{name}: {error}")))?;
            response_of(&parsed, Json::shown)
        }
        Some(value) => response_of(value, Json::shown),
    }
}

/// Returns the response that an object states. `write` writes a body that is a list or an object.
fn response_of(object: &Json, write: fn(&Json) -> String) -> Result<Response, Failed> {
    if object.members().is_none() {
        return Err(Failed::Refused(format!(
            "the response is no object: {object:?}"
        )));
    }
    let status = match object.any_case("statusCode") {
        None => 200,
        Some(Json::Number(number)) => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok())
            .unwrap_or(500),
        Some(Json::Text(text)) => text.parse().unwrap_or(500),
        Some(other) => return Err(Failed::Refused(format!("statusCode: {other:?}"))),
    };
    let mut headers = Map::new();
    let listed = object.any_case("headers").and_then(Json::members);
    for (name, value) in listed.unwrap_or_default() {
        // A header has one value. The Functions host fails at a list.
        let Some(value) = value.text() else {
            return Err(Failed::Refused(format!(
                "the header {name} is no text: {value:?}"
            )));
        };
        headers.insert(name.clone(), value.into());
    }
    let chosen = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .and_then(|(_, value)| value.as_str());
    let content_type = chosen.map_or_else(|| PLAIN.to_owned(), with_charset);
    let body = match object.any_case("body") {
        None => String::new(),
        Some(body @ (Json::List(_) | Json::Object(_))) => write(body),
        Some(body) => body.shown(),
    };
    Ok(Response {
        status,
        headers,
        content_type: Some(content_type),
        body: body.into_bytes(),
    })
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Returns a content type whose charset is that of the Functions host, which writes every body as
/// UTF-8. It does so for images, too.
fn with_charset(content_type: &str) -> String {
    let parameters = content_type.split(';').skip(1).map(str::trim);
    let kept = parameters.filter(|parameter| {
        !parameter.is_empty() && !parameter.to_ascii_lowercase().starts_with("charset=")
    });
    let parts: Vec<_> = std::iter::once(essence(content_type))
        .chain(kept)
        .chain(["charset=utf-8"])
        .collect();
    parts.join("; ")
}

/// Returns the bytes that an output other than HTTP writes, with one item for each blob or message.
/// `kind` is the type of the binding, and `value` is the output in the answer.
fn write(kind: &str, is_binary: bool, value: &Json) -> Vec<Vec<u8>> {
    let bytes = value.text().filter(|_| !is_binary).and_then(decoded);
    let message = |value: &Json| value.shown().into_bytes();
    match (kind, bytes, value) {
        ("blob" | "queue", Some(bytes), _) => vec![bytes],
        // For any other binding, .NET renders a byte array as this text.
        (_, Some(_), _) => vec![b"System.Byte[]".to_vec()],
        ("blob", None, Json::List(_) | Json::Object(_)) => vec![value.compact().into_bytes()],
        ("blob", None, other) => vec![message(other)],
        (_, None, Json::Text(text)) => match Json::parse(text.as_bytes()) {
            Ok(Json::List(elements)) => elements.iter().map(message).collect(),
            Ok(object @ Json::Object(_)) => vec![message(&object)],
            _ => vec![text.clone().into_bytes()],
        },
        (_, None, Json::List(elements)) => elements.iter().map(message).collect(),
        (_, None, other) => vec![message(other)],
    }
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
