//! Recordings of a real Functions host: the requests that it sent, and what it made of answers.
//!
//! Owns the form of the files in `tests/data/functions-recorded`. Must not know the handler or the
//! simulated Functions host.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::place;

/// Answer of the handler of an HTTP function, and the response that the client got.
#[derive(Debug, Deserialize)]
pub struct HttpRow {
    /// Name of the function's HTTP output.
    pub http_output: String,
    /// Envelope that the handler answered.
    pub answer: Box<RawValue>,
    /// Status of the response.
    pub status: u16,
    /// Body of the response: a text, or an object with base64.
    pub body: Value,
    /// Content type of the response. `None` if it did not have one.
    pub content_type: Option<String>,
}

/// Answer of a handler that breaks the protocol, and what the client got.
#[derive(Debug, Deserialize)]
pub struct BrokenRow {
    /// Description of the answer.
    pub handler_sent: String,
    /// Status of the response, or a text if there was none.
    pub client_got: Value,
}

/// Value of a queue output, and the messages that the Functions host wrote.
#[derive(Debug, Deserialize)]
pub struct QueueRow {
    /// Value of the output in the answer.
    pub output: Box<RawValue>,
    /// Messages that were written: texts, or objects with base64.
    pub messages: Vec<Value>,
}

/// Returns the names of all recorded requests, in order, without the ending of the files.
#[must_use]
pub fn requests() -> Vec<String> {
    let files = std::fs::read_dir(folder().join("requests")).expect("the folder is there");
    let mut names: Vec<_> = files
        .filter_map(|file| {
            let name = file.expect("a folder can be listed").file_name();
            let name = name.to_string_lossy().into_owned();
            Some(name.strip_suffix(".http")?.to_owned())
        })
        .collect();
    names.sort();
    names
}

/// Returns the bytes of the recorded request with the name `name`.
#[track_caller]
#[must_use]
pub fn request(name: &str) -> Vec<u8> {
    let path = folder().join("requests").join(format!("{name}.http"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the head of a request, and its body without the framing of chunks.
#[must_use]
pub fn head_and_body(request: &[u8]) -> (String, Vec<u8>) {
    let end = position(request, b"\r\n\r\n").expect("a request has a head");
    let (head, body) = request.split_at(end);
    let head = String::from_utf8(head.to_vec()).expect("a head is text");
    let mut rest = &body[4..];
    if !head.contains("Transfer-Encoding: chunked") {
        return (head, rest.to_vec());
    }
    let mut whole = Vec::new();
    loop {
        let end = position(rest, b"\r\n").expect("a chunk has a size");
        let size = str::from_utf8(&rest[..end]).expect("a size is text");
        let size = usize::from_str_radix(size, 16).expect("a size is a number");
        rest = &rest[end + 2..];
        if size == 0 {
            return (head, whole);
        }
        whole.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Returns the recorded answers of HTTP functions.
#[must_use]
pub fn answers() -> Vec<HttpRow> {
    rows("answers.json")
}

/// Returns the recorded answers that break the protocol.
#[must_use]
pub fn broken_answers() -> Vec<BrokenRow> {
    rows("answers-raw.json")
}

/// Returns the recorded values of a queue output.
#[must_use]
pub fn queue_outputs() -> Vec<QueueRow> {
    rows("queue-outputs.json")
}

/// Returns the bytes of a recorded body or message.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    match (value, value["base64"].as_str()) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Some(text)) => STANDARD.decode(text).expect("it is base64"),
        _ => panic!("neither a text nor base64: {value}"),
    }
}

fn rows<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let text = std::fs::read(folder().join(file)).expect("the file is there");
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn folder() -> PathBuf {
    place::workspace().join("tests/data/functions-recorded")
}
