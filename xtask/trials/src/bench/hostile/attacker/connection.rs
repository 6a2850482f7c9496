//! Connections of an attack: their source addresses, and the requests and answers on them.
//!
//! Owns the source addresses and the small part of HTTP that an attacker needs. Must not know
//! which attack uses it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::counters::Counters;

/// Time within which the host must accept a connection.
const CONNECTING: Duration = Duration::from_secs(2);

/// Last byte of the first source address of an attack.
///
/// Attacks connect from 127.0.0.2 to 127.0.0.250, because the well-behaved client uses 127.0.0.1.
const FIRST_SOURCE: u8 = 2;
/// Number of source addresses from which an attack connects.
const SOURCES: u16 = 249;

/// The host under attack, and the counters of the attack.
#[derive(Clone)]
pub struct Target {
    /// Address on which the host listens.
    pub address: SocketAddr,
    /// Counters of the attack's connections and of the answers on them.
    pub counters: Arc<Counters>,
}

/// One connection of an attack to the host.
pub struct Connection {
    /// Read half of the connection, with a buffer for answers that arrive together.
    pub reader: BufReader<OwnedReadHalf>,
    /// Write half of the connection.
    pub writer: OwnedWriteHalf,
}

/// The parts of an HTTP response that an attack needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Status code of the answer.
    pub status: u16,
    /// True if the connection can be used for another request.
    ///
    /// False if the server closes the connection after this answer, or answered before it had
    /// received the whole request.
    pub goes_on: bool,
}

impl Target {
    /// Opens a connection to the host. `index` is the number of the connection, which determines
    /// its source address. `receive_buffer` is the size of the socket's receive buffer in bytes. If
    /// `receive_buffer` is `None`, the kernel chooses the size. Fails if the host does not accept
    /// the connection within 2 s.
    pub async fn connect(&self, index: u16, receive_buffer: Option<u32>) -> io::Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let last = FIRST_SOURCE.saturating_add((index % SOURCES) as u8);
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        let connected = tokio::time::timeout(CONNECTING, socket.connect(self.address)).await;
        let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        self.counters.opened();
        let (reader, writer) = stream.into_split();
        Ok(Connection {
            reader: BufReader::new(reader),
            writer,
        })
    }
}

impl Connection {
    /// Sends a request and reads the answer, which may arrive before the whole request was sent.
    /// Fails if the connection ends before the answer.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let Self { reader, writer } = self;
        let mut reading = std::pin::pin!(read_answer(reader));
        tokio::select! {
            biased;
            early = &mut reading => return early.map(|answer| Answer { goes_on: false, ..answer }),
            // A server that refuses may close its side first. Its answer says more than this error.
            _ = writer.write_all(request) => {}
        }
        reading.await
    }

    /// Sends bytes. Returns the answer if the server answers before all bytes are sent, and `None`
    /// otherwise. Fails if the server closes the connection first.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<Option<Answer>> {
        let Self { reader, writer } = self;
        tokio::select! {
            biased;
            answer = read_answer(reader) => answer.map(Some),
            sent = writer.write_all(bytes) => sent.map(|()| None),
        }
    }

    /// Sends `byte` again and again, with a pause of `period` before each, until the server
    /// answers. Returns the answer. Fails if the server closes the connection.
    pub async fn trickle(&mut self, byte: u8, period: Duration) -> io::Result<Answer> {
        let Self { reader, writer } = self;
        let mut reading = std::pin::pin!(read_answer(reader));
        loop {
            tokio::select! {
                biased;
                answer = &mut reading => return answer,
                () = tokio::time::sleep(period) => writer.write_all(&[byte]).await?,
            }
        }
    }
}

/// Reads one HTTP response and drops its body. Fails if the connection ends before the end of the
/// response.
pub async fn read_answer(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Answer> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    let (mut length, mut goes_on) = (0_u64, true);
    loop {
        line.clear();
        reader.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| broken())?;
        } else if name.eq_ignore_ascii_case("connection") {
            goes_on = !value.eq_ignore_ascii_case("close");
        }
    }
    let copied = tokio::io::copy(&mut reader.take(length), &mut tokio::io::sink()).await?;
    if copied < length {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(Answer { status, goes_on })
    }
}

/// Returns the bytes of an HTTP request that asks the host to score the JSON body `body`.
pub fn request(body: &str) -> Vec<u8> {
    let mut bytes = head(body.len());
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// Returns the bytes of an HTTP request that asks the host to score a compressed body. `coding` is
/// the value of the header `content-encoding`, and `body` has the compressed bytes.
pub fn packed_request(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = head(body.len());
    // The header goes before the empty line.
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(format!("content-encoding: {coding}\r\n\r\n").as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Returns the head of an HTTP request that asks the host to score a JSON body of `length` bytes.
pub fn head(length: usize) -> Vec<u8> {
    let head = "POST /score HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {length}\r\n\r\n").into_bytes()
}
