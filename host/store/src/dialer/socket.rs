//! TCP connections to servers, and what can be learned of a server from its first bytes.
//!
//! Owns the lookup of names, the options of sockets, and short connections that only find out which
//! protocol a server speaks. Must not know logins, nor when a connection is made.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::dial_error::{DialError, of_message};
use crate::endpoint::Address;

/// Pause between two keepalive probes of the kernel that are not answered.
const PROBE_PAUSE: Duration = Duration::from_secs(10);

/// Number of keepalive probes without an answer after which the kernel ends a connection.
const PROBES: u32 = 3;

/// Minimum time that the kernel waits until the server has acknowledged sent bytes. It is longer
/// than a short outage of a network.
const LEAST_UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Time for which a short connection waits for bytes that a server sends without being asked. A
/// server that refuses a client sends its reason at once.
const GREETING: Duration = Duration::from_millis(50);

/// Shortest message with which a TLS client may begin: version 1.2, two ciphers, no extensions. A
/// server that speaks TLS answers with its own part of the handshake, or with an alert.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03\
    ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ\x00\x00\x04\xc0\x2f\xc0\x2b\x01\x00\x00\x00";

/// First bytes of the records of TLS: an alert, and a part of the handshake.
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// Times from which the kernel's timeouts for a connection are set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Time without traffic after which the kernel sends a keepalive probe.
    pub keepalive: Duration,
    /// Timeout of one Redis command. The kernel ends a connection whose sent bytes are not
    /// acknowledged for twice this time, or for 10 s if that is longer.
    pub timeout: Duration,
}

/// Looks up a host, and connects to the first of its addresses that accepts. `is_found` is called
/// once the host is looked up.
///
/// # Errors
/// Fails with the reason why there is no connection.
pub(super) async fn connect(
    address: &Address,
    times: Times,
    is_found: impl FnOnce() + Send,
) -> Result<TcpStream, DialError> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let found = found.map_err(|error| of_lookup(&error))?;
    is_found();
    let mut problem = DialError::UnknownName;
    for address in found {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                keep_alive(&stream, times);
                return Ok(stream);
            }
            Err(error) => problem = of_connect(&error),
        }
    }
    Err(problem)
}

/// Sets the options of a connection. An option that cannot be set is ignored: small requests then
/// only take longer, or a dead connection is noticed later.
fn keep_alive(stream: &TcpStream, Times { keepalive, timeout }: Times) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(keepalive)
        .with_interval(PROBE_PAUSE.min(keepalive))
        .with_retries(PROBES);
    let _ = socket.set_tcp_keepalive(&probes);
    let _ = socket.set_tcp_user_timeout(Some((2 * timeout).max(LEAST_UNACKNOWLEDGED)));
}

/// Returns the reason why a name was not found. The error has no code for the reason. Its text
/// shows whether the name does not exist, or no DNS server responded.
fn of_lookup(error: &io::Error) -> DialError {
    let text = error.to_string();
    if text.contains("Temporary failure") || text.contains("system error") {
        DialError::NoDns
    } else {
        DialError::UnknownName
    }
}

fn of_connect(error: &io::Error) -> DialError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialError::ConnectionRefused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => DialError::NoRoute,
        kind => DialError::Connection(kind.to_string()),
    }
}

/// Returns the reason why a server closed a connection without TLS, or sent something that is not
/// in the protocol of Redis. A server may send the reason without being asked, and then close the
/// connection, which loses the reason. Therefore a new connection is made that sends nothing at
/// first. Returns `None` if the reason is not found.
pub(super) async fn why_closed(address: &Address, times: Times) -> Option<DialError> {
    let mut stream = connect(address, times, || {}).await.ok()?;
    let mut bytes = [0; 512];
    if let Ok(Ok(count @ 1..)) = tokio::time::timeout(GREETING, stream.read(&mut bytes)).await {
        let text = String::from_utf8_lossy(bytes.get(..count)?);
        let (code, detail) = text.strip_prefix('-')?.split_once(' ')?;
        return of_message(code, detail);
    }
    stream.write_all(CLIENT_HELLO).await.ok()?;
    let first = stream.read_u8().await.ok()?;
    TLS_RECORDS.contains(&first).then_some(DialError::SpeaksTls)
}

/// Returns true if a server answers a PING without TLS.
pub(super) async fn speaks_plain(address: &Address, times: Times) -> bool {
    let asked = async {
        let mut stream = connect(address, times, || {}).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        stream.read_u8().await.ok()
    };
    matches!(asked.await, Some(b'+' | b'-'))
}
