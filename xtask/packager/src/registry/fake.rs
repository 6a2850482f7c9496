//! Scripted registry for the tests of registry requests.
//!
//! Owns a thread that records requests and responds from a script. Must not know what the tested
//! code does with the responses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// A request as the fake registry received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method, path and query of the request, e.g. `GET /v2/a/tags/list?n=1`.
    pub line: String,
    /// Value of the request's header `Content-Range`. Empty if the header is missing.
    pub range: String,
    /// Value of the request's header `Authorization`. Empty if the header is missing.
    pub authorization: String,
    /// Body of the request if it is text of less than 4 KiB. Empty for any other body.
    pub text: String,
    /// Size of the request's body in bytes, as the header `Content-Length` states it. `None` if the
    /// header is missing.
    pub body_bytes: Option<u64>,
}

/// Starts a fake registry that sends the given responses, one per connection. Returns the host and
/// port of the registry, and a channel of the requests that the registry receives.
///
/// A response is a status, optionally followed by `|` and headers, and by `||` and a body. The text
/// `hang up` closes the connection without a response. `{registry}` in a response is replaced by
/// the host and port of the registry.
pub fn start(answers: Vec<impl Into<String>>) -> (String, Receiver<Request>) {
    let answers: Vec<String> = answers.into_iter().map(Into::into).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let answers: Vec<String> = answers
        .iter()
        .map(|answer| answer.replace("{registry}", &name))
        .collect();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            sender.send(serve(stream, &answer)).unwrap();
        }
    });
    (name, receiver)
}

fn serve(mut stream: TcpStream, answer: &str) -> Request {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut request = Request {
        line: first.trim().trim_end_matches(" HTTP/1.1").to_owned(),
        range: String::new(),
        authorization: String::new(),
        text: String::new(),
        body_bytes: None,
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => request.body_bytes = Some(value.parse().unwrap()),
            "content-range" => request.range = value.to_owned(),
            "authorization" => request.authorization = value.to_owned(),
            _ => {}
        }
    }
    let mut body = Vec::new();
    reader
        .take(request.body_bytes.unwrap_or(0))
        .read_to_end(&mut body)
        .unwrap();
    if body.len() < 4096 {
        request.text = String::from_utf8(body).unwrap_or_default();
    }
    if answer == "hang up" {
        return request;
    }
    let (answer, content) = answer.split_once("||").unwrap_or((answer, ""));
    let (status, headers) = answer.split_once('|').unwrap_or((answer, ""));
    let headers: String = headers
        .split('|')
        .filter(|header| !header.is_empty())
        .map(|h| format!("{h}\r\n"))
        .collect();
    let length = content.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    write!(stream, "{head}{content}").unwrap();
    request
}
