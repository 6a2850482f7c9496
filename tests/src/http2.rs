//! One HTTP/2 connection whose frames a test sends itself.
//!
//! Owns the frames, and the small part of header compression that a test needs. Must not know what
//! is requested.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::wait;

/// Connection preface: the first bytes that a client sends (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113, section 6).
pub mod kind {
    /// Frame with a part of a body.
    pub const DATA: u8 = 0;
    /// Frame with the first part of the headers of a request or response.
    pub const HEADERS: u8 = 1;
    /// Frame that ends a stream because of an error.
    pub const RST_STREAM: u8 = 3;
    /// Frame with the settings of its sender.
    pub const SETTINGS: u8 = 4;
    /// Frame that the peer must acknowledge.
    pub const PING: u8 = 6;
    /// Frame that announces the end of the connection.
    pub const GOAWAY: u8 = 7;
    /// Frame that allows the peer to send more bytes (flow control).
    pub const WINDOW_UPDATE: u8 = 8;
    /// Frame with a further part of the headers.
    pub const CONTINUATION: u8 = 9;
}

/// Flag of a frame that acknowledges a PING or SETTINGS frame.
pub const ACK: u8 = 1;
/// Flag of the last frame of a stream.
pub const END_STREAM: u8 = 1;
/// Flag of the last frame with headers.
pub const END_HEADERS: u8 = 4;
/// Error code of a connection on which the peer sent too much.
pub const ENHANCE_YOUR_CALM: u32 = 0xB;

/// A frame that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Type of the frame.
    pub kind: u8,
    /// Flags of the frame.
    pub flags: u8,
    /// Number of the stream, or 0 for the connection.
    pub stream: u32,
    /// Content of the frame.
    pub payload: Vec<u8>,
}

/// Returns the bytes of a frame.
///
/// # Panics
/// Panics if the payload is longer than a frame can be.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short payload")
        .to_be_bytes();
    assert_eq!(length[0], 0, "a short payload");
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the bytes of the HEADERS frame of a request. `method` is `GET` or `POST`. If there is no
/// body, the frame ends the request.
///
/// # Panics
/// Panics if the path is longer than 126 bytes.
#[must_use]
pub fn request(stream: u32, method: &str, path: &str, has_body: bool) -> Vec<u8> {
    // Indexes of HPACK's static table: the method, `:scheme: http`, and `:path` with a literal
    // value.
    let method = if method == "GET" { 0x82 } else { 0x83 };
    let length = u8::try_from(path.len()).expect("a short path");
    assert!(length < 0x7F, "a short path");
    let header = [&[method, 0x86, 0x04, length], path.as_bytes(), b"\x01\x01x"].concat();
    let end = if has_body { 0 } else { END_STREAM };
    frame(kind::HEADERS, END_HEADERS | end, stream, &header)
}

/// Returns the bytes of a whole request that scores JSON.
#[must_use]
pub fn scoring(stream: u32, body: &str) -> Vec<u8> {
    let header = request(stream, "POST", "/score", true);
    [
        header,
        frame(kind::DATA, END_STREAM, stream, body.as_bytes()),
    ]
    .concat()
}

/// An HTTP/2 connection. It acknowledges each PING that it reads, unless [`Http2::leave_pings`] was
/// called.
pub struct Http2 {
    stream: TcpStream,
    unread: Vec<u8>,
    confirms: bool,
    /// Error code of the last GOAWAY that was read.
    goodbye: Option<u32>,
}

impl Http2 {
    /// Connects to an address, and sends the preface and a SETTINGS frame with `settings`, which
    /// has six bytes for each setting.
    ///
    /// # Errors
    /// Fails if the address refuses the connection.
    pub fn open(address: &str, settings: &[u8]) -> Result<Self> {
        let mut connection = Self::silent(address)?;
        connection.write(PREFACE)?;
        connection.write(&frame(kind::SETTINGS, 0, 0, settings))?;
        Ok(connection)
    }

    /// Connects to an address and sends nothing.
    ///
    /// # Errors
    /// Fails if the address refuses the connection.
    pub fn silent(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(wait::LIMIT))?;
        stream.set_write_timeout(Some(wait::LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            confirms: true,
            goodbye: None,
        })
    }

    /// Stops acknowledging PINGs, so that the test can acknowledge them itself.
    pub fn leave_pings(&mut self) {
        self.confirms = false;
    }

    /// Sets the timeout for the next frame.
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

    /// Waits for the next frame. Returns `None` if the peer ends the connection first.
    ///
    /// # Errors
    /// Fails if no frame arrives in time, or the connection is reset.
    pub fn receive(&mut self) -> Result<Option<Frame>> {
        loop {
            if let [l0, l1, l2, kind, flags, s0, s1, s2, s3, rest @ ..] = &self.unread[..] {
                let length = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
                if rest.len() >= length {
                    let found = Frame {
                        kind: *kind,
                        flags: *flags,
                        stream: u32::from_be_bytes([*s0, *s1, *s2, *s3]),
                        payload: rest[..length].to_vec(),
                    };
                    self.unread.drain(..9 + length);
                    if found.kind == kind::GOAWAY
                        && let Some(&[c0, c1, c2, c3]) = found.payload.get(4..8)
                    {
                        self.goodbye = Some(u32::from_be_bytes([c0, c1, c2, c3]));
                    }
                    if self.confirms && found.kind == kind::PING && found.flags & ACK == 0 {
                        // The error is ignored, because the next read fails as well.
                        drop(self.write(&frame(kind::PING, ACK, 0, &found.payload)));
                    }
                    return Ok(Some(found));
                }
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer)? {
                0 => return Ok(None),
                bytes => self.unread.extend_from_slice(&buffer[..bytes]),
            }
        }
    }

    /// Waits for the next frame of the type `wanted`. Frames of other types are ignored.
    ///
    /// # Panics
    /// Panics if the connection ends first, or if no frame of this type arrives in time.
    #[track_caller]
    pub fn expect(&mut self, wanted: u8) -> Frame {
        loop {
            let next = self.receive().expect("the connection is there");
            let Some(next) = next else {
                let goodbye = self.goodbye;
                panic!("it ended before a frame of type {wanted}, with the code {goodbye:?}");
            };
            if next.kind == wanted {
                return next;
            }
        }
    }

    /// Waits for the response of a stream, and returns its status code. Only 200, 400, 401, 404 and
    /// 500 are known. Any other status is returned as 0.
    ///
    /// # Panics
    /// Panics if no response arrives.
    #[track_caller]
    pub fn status(&mut self, stream: u32) -> u16 {
        loop {
            let header = self.expect(kind::HEADERS);
            if header.stream == stream {
                // Indexes of HPACK's static table. The status 401 is not in the table, and is a
                // Huffman code.
                return match header.payload.as_slice() {
                    [0x88, ..] => 200,
                    [0x8C, ..] => 400,
                    [0x8D, ..] => 404,
                    [0x8E, ..] => 500,
                    [0x48, 0x82, 0x68, 0x01, ..] => 401,
                    _ => 0,
                };
            }
        }
    }

    /// Waits until the connection ends, and returns the error code of its last GOAWAY, which may
    /// have been read before this call. Returns `None` if there was none. A reset counts as the
    /// end.
    ///
    /// # Panics
    /// Panics if the connection does not end in time.
    #[track_caller]
    pub fn end(&mut self) -> Option<u32> {
        loop {
            match self.receive() {
                Ok(Some(_)) => {}
                Ok(None) => return self.goodbye,
                Err(error) => {
                    let timeouts = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                    assert!(
                        !timeouts.contains(&error.kind()),
                        "it does not end: {error}"
                    );
                    return self.goodbye;
                }
            }
        }
    }
}
