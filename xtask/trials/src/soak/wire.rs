//! A connection to a host that is kept open, sends requests and reads whole answers.
//!
//! Owns the bytes of HTTP/1.1 on the client's side. Must not know what a request asks for.

use std::io::{self, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Timeout for reading or writing on a connection. The timeout is longer than the deadline of any
/// call.
const PATIENCE: Duration = Duration::from_secs(30);

/// A complete HTTP response of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code of the response.
    pub status: u16,
    /// Length of the JSON that precedes binary tensors, in bytes. `None` if the response does not
    /// have the header with this length.
    pub json_length: Option<usize>,
    /// Body of the response.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the body of the response as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An open connection to a host, without a request under way.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Opens a connection to the host at an address. Fails if the host does not accept the
    /// connection.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends a request and reads the response. Also returns the connection, or `None` if the host
    /// closes it. Fails if no complete response arrives.
    pub fn ask(mut self, request: &[u8]) -> io::Result<(Answer, Option<Self>)> {
        self.0.write_all(request)?;
        let (answer, goes_on) = read(BufReader::new(&self.0))?;
        Ok((answer, goes_on.then_some(self)))
    }
}

/// Returns the bytes of an HTTP request with the method POST. `headers` are pairs of a name and a
/// value.
pub fn request(path: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

fn read(mut answer: impl io::BufRead) -> io::Result<(Answer, bool)> {
    let broken = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the connection closed without a complete answer",
        )
    };
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    let (mut length, mut json_length, mut goes_on) = (None, None, true);
    loop {
        line.clear();
        answer.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<u64>().ok(),
            "inference-header-content-length" => json_length = value.parse().ok(),
            "connection" => goes_on = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let length = length.ok_or_else(broken)?;
    let mut body = Vec::new();
    answer.take(length).read_to_end(&mut body)?;
    if body.len() as u64 != length {
        return Err(broken());
    }
    Ok((
        Answer {
            status,
            json_length,
            body,
        },
        goes_on,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let text = "HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}xyz";
        let (answer, goes_on) = read(text.as_bytes()).unwrap();
        assert_eq!(
            (answer, goes_on),
            (
                Answer {
                    status: 200,
                    json_length: Some(2),
                    body: b"{}x".to_vec()
                },
                true
            )
        );
        assert!(
            !read(&b"HTTP/1.1 503 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"[..])
                .unwrap()
                .1
        );
        assert!(read(&b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"[..]).is_err());
        assert!(read(&b""[..]).is_err());
        assert!(request("/a", &[("b", "c".to_owned())], b"{}").ends_with(b"b: c\r\n\r\n{}"));
    }
}
