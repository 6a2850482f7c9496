//! Requests in the Functions host's form: header names in its own case, bodies in chunks without a
//! length.
//!
//! Owns the bytes on the socket, which are those of a recorded Functions host. Must not know what
//! they mean.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The response of a handler.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// Status code of the response.
    pub status: u16,
    /// Headers of the response, as pairs of a name in lower case and a value.
    pub headers: Vec<(String, String)>,
    /// Body of the response.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// Returns the value of the header with the name `name`, in lower case. Returns `None` if the
    /// response does not have it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Length of a chunk of a request body, in UTF-16 code units. A .NET writer of texts passes this
/// amount on at a time.
const CHUNK_UNITS: usize = 1024;

const HOST_VERSION: &str = "4.1037.0.0";

/// Sends an invocation to the handler as the Functions host does, and waits for the response.
///
/// # Errors
/// Fails if the connection fails, or the response does not arrive in time.
pub fn post(
    port: u16,
    function: &str,
    id: &str,
    body: &[u8],
    limit: Duration,
) -> io::Result<RawAnswer> {
    let head = format!(
        "POST /{function} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Azure-Functions-HostVersion: {HOST_VERSION}\r\n\
         X-Azure-Functions-InvocationId: {id}\r\nUser-Agent: Azure-Functions-Host/{HOST_VERSION}\r\n\
         Transfer-Encoding: chunked\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    );
    let stream = connected(port, limit)?;
    let mut writer = io::BufWriter::with_capacity(64 << 10, &stream);
    writer.write_all(head.as_bytes())?;
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk_bytes(rest));
        rest = after;
        write!(writer, "{:X}\r\n", chunk.len())?;
        writer.write_all(chunk)?;
        writer.write_all(b"\r\n")?;
    }
    writer.write_all(b"0\r\n\r\n")?;
    writer.flush()?;
    drop(writer);
    read(&stream)
}

/// Returns the length of the next chunk of a body, in bytes. Each byte that does not belong to a
/// character counts as a unit.
fn chunk_bytes(body: &[u8]) -> usize {
    let (mut bytes, mut units) = (0, 0);
    // A character has at most 3 bytes of UTF-8 for each of its UTF-16 code units.
    let start = &body[..body.len().min(CHUNK_UNITS * 3)];
    for piece in start.utf8_chunks() {
        for character in piece.valid().chars() {
            if units >= CHUNK_UNITS {
                return bytes;
            }
            bytes += character.len_utf8();
            units += character.len_utf16();
        }
        let stray = piece.invalid().len().min(CHUNK_UNITS.saturating_sub(units));
        bytes += stray;
        units += stray;
        if units >= CHUNK_UNITS {
            return bytes;
        }
    }
    bytes
}

/// Sends the bytes of a request to the handler, and waits for the response.
///
/// # Errors
/// Fails if the connection fails, or the response does not arrive in time.
pub fn replay(port: u16, request: &[u8]) -> io::Result<RawAnswer> {
    let mut stream = connected(port, Duration::from_secs(60))?;
    stream.write_all(request)?;
    read(&stream)
}

/// Forwards an HTTP request with the method POST to the handler as the Functions host does, with
/// the original path and some added headers, and waits for the response.
///
/// # Errors
/// Fails if the connection fails, or the response does not arrive in time.
pub fn forward(
    port: u16,
    path: &str,
    headers: &[(&str, &str)],
    id: &str,
    body: &[u8],
) -> io::Result<RawAnswer> {
    forward_as("POST", port, path, headers, id, body)
}

/// Forwards an HTTP request with any method to the handler, as [`forward`] does.
///
/// # Errors
/// Fails if the connection fails, or the response does not arrive in time.
pub fn forward_as(
    method: &str,
    port: u16,
    path: &str,
    headers: &[(&str, &str)],
    id: &str,
    body: &[u8],
) -> io::Result<RawAnswer> {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nAccept: */*\r\nHost: app.azurewebsites.net\r\n\
         User-Agent: curl/8.0 Azure-Functions-Host/{HOST_VERSION}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!(
        "X-Azure-Functions-HostVersion: {HOST_VERSION}\r\nX-Azure-Functions-InvocationId: {id}\r\n\
         Content-Length: {}\r\n",
        body.len()
    ));
    let mut stream = connected(port, Duration::from_secs(60))?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    read(&stream)
}

/// Sends `GET /`, as the Functions host does to see if the handler is ready.
///
/// # Errors
/// Fails if the handler does not respond.
pub fn ping(port: u16) -> io::Result<RawAnswer> {
    let mut stream = connected(port, Duration::from_secs(5))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes())?;
    read(&stream)
}

fn connected(port: u16, limit: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn read(stream: &TcpStream) -> io::Result<RawAnswer> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| bad("no status"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    match length {
        Some(_) => reader.read_exact(&mut body)?,
        None => drop(reader.read_to_end(&mut body)?),
    }
    Ok(RawAnswer {
        status,
        headers,
        body,
    })
}
