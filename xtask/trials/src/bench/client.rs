//! A minimal HTTP client that sends one request at a time.
//!
//! Owns the bytes of a request and the reading of its response. A client library would take longer
//! to start than a server takes to answer, and that time is what is measured. Must not know what a
//! request asks for.

use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Timeout for reading an answer. The timeout is longer than the deadline of any call.
const PATIENCE: Duration = Duration::from_secs(60);

/// The parts of an HTTP response that the benchmarks need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code of the response.
    pub status: u16,
    /// Value of the header `Cache-Status`, which states whether the answer came from a cache. Empty
    /// if the header is missing.
    pub cache_status: String,
    /// Body of the response.
    pub body: Vec<u8>,
}

/// Returns the bytes of an HTTP request that asks a server to score the JSON body `json`.
pub fn request(json: &str) -> Vec<u8> {
    let length = json.len();
    let head = "POST /score HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {length}\r\n\r\n{json}").into_bytes()
}

/// Connects to the server at an address. Fails with `ConnectionRefused` as long as no process
/// listens on the address.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends a request on an open connection and reads the server's answer. Fails if the connection
/// breaks, or if the server sends nothing for 60 s.
pub fn ask(mut stream: &TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    read(BufReader::new(stream))
}

fn read(mut answer: impl io::BufRead) -> io::Result<Answer> {
    let broken = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the answer is not HTTP/1.1 with a length",
        )
    };
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    let (mut length, mut cache_status) = (None, String::new());
    loop {
        line.clear();
        answer.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case("cache-status") {
            value.trim().clone_into(&mut cache_status);
        }
    }
    let mut body = vec![0; length.ok_or_else(broken)?];
    answer.read_exact(&mut body)?;
    Ok(Answer {
        status,
        cache_status,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = read(
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Status: s; hit\r\n\r\n{}more"[..],
        )
        .unwrap();
        assert_eq!(
            answer,
            Answer {
                status: 200,
                cache_status: "s; hit".to_owned(),
                body: b"{}".to_vec()
            }
        );
        assert!(read(&b"HTTP/1.1 200 OK\r\n\r\n{}"[..]).is_err());
        assert!(read(&b""[..]).is_err());
        assert!(read(&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"[..]).is_err());
        assert!(request("{}").ends_with(b"content-length: 2\r\n\r\n{}"));
    }
}
