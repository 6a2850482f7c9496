//! HTTP/1.1 of the fake registry, written by hand.
//!
//! Owns the reading of requests and the ways in which a connection can break. Must not know the
//! meaning of a request. No HTTP server library lets a test cut a connection in the middle of a
//! body.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// A request in the form in which it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method of the request, e.g. `PATCH`.
    pub method: String,
    /// Path of the request, without the query.
    pub path: String,
    /// Decoded fields of the query, as pairs of a name and a value, in their order.
    pub query: Vec<(String, String)>,
    /// Header values, by their names in lower case.
    pub headers: HashMap<String, String>,
    /// Bytes of the body that have arrived so far.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the value of the first query field with the name `name`. Returns `None` if there is
    /// no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the value of the header with the name `name`, in lower case. Returns `None` if the
    /// request does not have it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the fields of a URL-encoded form in the body, as pairs of a name and a value.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        fields(&String::from_utf8_lossy(&self.body))
    }
}

/// A response of the fake registry.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status code of the response.
    pub status: u16,
    /// Names and values of the headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body of the response.
    pub body: Vec<u8>,
}

impl Answer {
    /// Creates a response without headers and body.
    #[must_use]
    pub fn of(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Creates a response with an error in the form of the OCI distribution specification.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
        Self::of(status)
            .with("content-type", "application/json")
            .body(body.to_string().into_bytes())
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Replaces the body of the response.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// A fault that is injected into one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A response with this status code is sent instead of the real one. With 429 and 503, it has
    /// the header `Retry-After`.
    Status(u16),
    /// The connection is closed before the body is read.
    CutBefore,
    /// The connection is closed when a part of the body has been read.
    CutInside,
    /// The request is carried out, and the connection is closed before the response is sent.
    CutAfter,
    /// The registry drops all uploads in progress.
    Forget,
    /// The registry invalidates every access token.
    Expire,
    /// The registry invalidates every access token and every refresh token.
    Revoke,
}

/// A byte stream that carries an HTTP connection, with TLS or without.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// An HTTP connection that a client has opened.
pub struct Connection(BufReader<Box<dyn Stream>>);

impl Connection {
    /// Creates an HTTP connection over a TCP stream. If a configuration is given, it uses TLS.
    ///
    /// # Errors
    /// Fails if the socket or the TLS configuration fails.
    pub fn new(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let connection =
                    rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
                Box::new(rustls::StreamOwned::new(connection, stream))
            }
        };
        Ok(Self(BufReader::new(stream)))
    }

    /// Reads the next request without its body. Returns `None` at the end of the connection.
    pub fn head(&mut self) -> Option<Request> {
        let mut line = String::new();
        self.0
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Some(Request {
            method,
            path: decode(path),
            query: fields(query),
            headers,
            body: Vec::new(),
        })
    }

    /// Reads the fraction `part / of` of the body and appends it to `request`. Returns false if the
    /// body ended too early.
    pub fn body(&mut self, request: &mut Request, part: u64, of: u64) -> bool {
        if request
            .headers
            .get("transfer-encoding")
            .is_some_and(|encoding| encoding == "chunked")
        {
            return self.chunks(request).is_some();
        }
        let length: u64 = request
            .header("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let wanted = length * part / of;
        let read = self.0.by_ref().take(wanted).read_to_end(&mut request.body);
        read.is_ok_and(|count| count as u64 == wanted)
    }

    fn chunks(&mut self, request: &mut Request) -> Option<()> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).ok()?;
            let size = u64::from_str_radix(line.trim(), 16).ok()?;
            self.0
                .by_ref()
                .take(size)
                .read_to_end(&mut request.body)
                .ok()?;
            self.0.read_line(&mut line).ok()?;
            if size == 0 {
                return Some(());
            }
        }
    }

    /// Writes a response. Returns false if the connection is broken.
    pub fn answer(&mut self, request: &Request, answer: &Answer) -> bool {
        let mut text = format!("HTTP/1.1 {} x\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if answer.status != 204 {
            text.push_str(&format!("content-length: {}\r\n", answer.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if request.method != "HEAD" {
            bytes.extend(&answer.body);
        }
        self.0
            .get_mut()
            .write_all(&bytes)
            .and_then(|()| self.0.get_mut().flush())
            .is_ok()
    }
}

fn fields(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (
            decode(&name.replace('+', " ")),
            decode(&value.replace('+', " ")),
        )
    };
    pairs.map(pair).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = (*first == b'%')
            .then(|| more.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
