//! One HTTP connection whose bytes a test sends itself.
//!
//! Owns the socket and the reading of one response after the other. Must not know what is
//! requested.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::http::Answer;
use crate::wait;

/// A connection that stays open between requests.
pub struct Connection {
    stream: TcpStream,
    /// Bytes that were read beyond the last response.
    unread: Vec<u8>,
}

impl Connection {
    /// Connects to an address.
    ///
    /// # Errors
    /// Fails if the address refuses the connection.
    pub fn open(address: &str) -> Result<Self> {
        let address: SocketAddr = address.parse().expect("an address");
        Self::of(TcpStream::connect_timeout(&address, wait::LIMIT)?)
    }

    /// Connects to `address` from the address `peer` of this machine, as another peer would.
    ///
    /// # Errors
    /// Fails if the address refuses the connection.
    pub fn open_from(peer: IpAddr, address: &str) -> Result<Self> {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((peer, 0)).into())?;
        socket.connect_timeout(&address.into(), wait::LIMIT)?;
        Self::of(socket.into())
    }

    fn of(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(wait::LIMIT))?;
        stream.set_write_timeout(Some(wait::LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Sets the maximum time for which a read waits for the next bytes of a response.
    pub fn patience(&mut self, limit: Duration) {
        self.stream
            .set_read_timeout(Some(limit))
            .expect("a socket has options");
    }

    /// Sends bytes without changing them.
    ///
    /// # Errors
    /// Fails if the connection is closed, or its peer does not read.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends `GET` and waits for the response.
    ///
    /// # Errors
    /// Fails if no response arrives.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// Sends `POST /score` with JSON and waits for the response.
    ///
    /// # Errors
    /// Fails if no response arrives.
    pub fn score(&mut self, input: &Value) -> Result<Answer> {
        self.write(&scoring(input))?;
        self.answer()
    }

    /// Waits until a response begins, and does not consume it.
    ///
    /// # Errors
    /// Fails if no response begins in time.
    pub fn answer_begins(&self) -> Result<()> {
        self.stream.peek(&mut [0]).map(drop)
    }

    /// Waits for the next response.
    ///
    /// # Errors
    /// Fails if the connection ends first, or the response does not arrive in time.
    pub fn answer(&mut self) -> Result<Answer> {
        let head = self.wait_for(|unread| {
            unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .map(|end| end + 4)
        })?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .expect("a status");
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let length = headers
            .get("content-length")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        let body = self.wait_for(|unread| (unread.len() >= length).then_some(length))?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Waits until the peer ends the connection. Returns false if the peer sends something first.
    ///
    /// # Errors
    /// Fails if the connection does not end in time, or ends with a reset.
    pub fn ends(&mut self) -> Result<bool> {
        match self.fill() {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads until `look` returns the length of a complete part at the start of the unread bytes.
    /// Returns this part and removes it from the unread bytes. Fails if the connection ends first,
    /// or if no bytes arrive in time.
    fn wait_for(&mut self, look: impl Fn(&[u8]) -> Option<usize>) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = look(&self.unread) {
                return Ok(self.unread.drain(..end).collect());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer)? {
            0 => Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended")),
            bytes => {
                self.unread.extend_from_slice(&buffer[..bytes]);
                Ok(())
            }
        }
    }
}

/// Returns the bytes of a request that scores JSON.
#[must_use]
pub fn scoring(input: &Value) -> Vec<u8> {
    let body = input.to_string();
    let length = body.len();
    format!(
        "POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Raises this process's limit of open files to the maximum.
pub fn allow_many() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .expect("it is no more than it may have");
}
