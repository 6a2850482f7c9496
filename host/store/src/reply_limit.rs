//! A limit on the size of each Redis reply. A reply is held in memory before anyone can look at it.
//!
//! Owns the parser of RESP, which only determines the sizes of replies. Must not know what a value
//! means. A reply over the limit ends the connection, because the next reply starts only after the
//! rest was read. Bytes that are not RESP also end the connection: the client may skip them, and
//! then it is unknown where the next reply starts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use redis::RedisError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tls::Stream;

/// Maximum size of the memory that one reply of a Redis server may take, in bytes.
pub const REPLY_LIMIT_BYTES: u64 = 64 << 20;

/// Maximum size of all replies to one pipeline together, in bytes as the server sends them.
///
/// The replies are kept until the last one has arrived. Until then, replies to other calls on the
/// same connection count, too, so the limit leaves room for them.
pub const PIPELINE_LIMIT_BYTES: u64 = 4 * REPLY_LIMIT_BYTES;

/// Value of the counter of a connection's received bytes at which reading stops and the connection
/// ends.
pub const OVER: u64 = u64::MAX / 2;

/// Size of the memory that one value of a reply takes in addition to its content, in bytes.
const VALUE_BYTES: u64 = 64;

/// Size of the line end (CR LF) after a RESP value whose header states its length, in bytes.
const LINE_END_BYTES: u64 = 2;

/// Kind of the I/O error that reading from a connection returns for a reply that is too large.
pub const TOO_LARGE: io::ErrorKind = io::ErrorKind::FileTooLarge;

/// Kind of the I/O error that reading from a connection returns for bytes that are not RESP.
pub const NOT_RESP: io::ErrorKind = io::ErrorKind::InvalidData;

/// First bytes of the kinds of values in RESP.
const KINDS: &[u8] = b"+-:$*_#,(!=%~|>";

/// Stream of a connection to a Redis server. The stream limits the size of each reply that is read.
pub struct Bounded {
    stream: Box<dyn Stream>,
    frames: Frames,
    read: Arc<AtomicU64>,
}

impl Bounded {
    /// Wraps a stream so that the size of each reply is limited to [`REPLY_LIMIT_BYTES`].
    #[must_use]
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            frames: Frames::new(REPLY_LIMIT_BYTES),
            read: Arc::default(),
        }
    }

    /// Returns the counter of the bytes that the server has sent so far. To end the connection, a
    /// caller sets the counter to [`OVER`].
    pub fn read_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if this
            .read
            .fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed)
            >= OVER
        {
            return Poll::Ready(Err(io::Error::from(TOO_LARGE)));
        }
        if let Poll::Ready(Ok(())) = read
            && let Err(kind) = this
                .frames
                .pass(buffer.filled().get(before..).unwrap_or_default())
        {
            return Poll::Ready(Err(io::Error::from(kind)));
        }
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Parses the bytes that a server sent on one connection as RESP, and returns the size of the
/// memory that the last reply takes so far, in bytes. `pieces` are these bytes in order.
///
/// Returns 0 if the bytes end with a complete reply, and `None` if a reply takes more than
/// `limit_bytes` or is not RESP. Bytes of the last reply count as soon as they are announced, so
/// the result is never less than the number of bytes that have arrived since the last complete
/// reply.
#[must_use]
pub fn reply_bytes<'a>(
    limit_bytes: u64,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Option<u64> {
    let mut frames = Frames::new(limit_bytes);
    pieces
        .into_iter()
        .all(|piece| frames.pass(piece).is_ok())
        .then_some(frames.taken)
}

/// Returns the I/O error that caused a Redis error. Returns `None` if the cause is not an I/O
/// error.
#[must_use]
pub fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = std::error::Error::source(error)?
        .downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    source.downcast_ref::<io::Error>()
}

/// Parser of the replies on a connection, from its first byte on. The parser adds up the memory
/// that each reply takes.
struct Frames {
    limit: u64,
    /// Size of the memory that the current reply takes so far, in bytes. Values that are announced
    /// but have not arrived count, too.
    taken: u64,
    /// Number of values that the current reply has announced and that have not begun to arrive.
    values: u64,
    at: At,
}

enum At {
    /// The next byte is the first byte of a value.
    Kind,
    /// The next bytes are the rest of a value's first line. `kind` is the first byte of the line,
    /// and `number` is the number in the line so far. `is_ending` is true if the last byte was a
    /// carriage return: only CR LF ends a line.
    Line {
        kind: u8,
        number: u64,
        is_negative: bool,
        is_ending: bool,
    },
    /// The next bytes are the content of a value, which is skipped. The number is the number of
    /// these bytes.
    Bytes(u64),
    /// An earlier byte was not RESP, so the bytes can no longer be parsed.
    Unknown,
}

impl Frames {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: 0,
            values: 1,
            at: At::Kind,
        }
    }

    /// Parses the next bytes of the connection as RESP, and counts the size of the current reply.
    ///
    /// # Errors
    /// Fails with [`TOO_LARGE`] if a reply is too large, and with [`NOT_RESP`] if the bytes are not
    /// RESP. All further calls fail, too.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), io::ErrorKind> {
        while let Some((first, rest)) = bytes.split_first() {
            // Once a reply was too large, the result stays an error: the bytes that follow are in
            // the middle of that reply.
            if self.taken > self.limit {
                return Err(TOO_LARGE);
            }
            match &mut self.at {
                At::Unknown => return Err(NOT_RESP),
                At::Kind if !KINDS.contains(first) => self.at = At::Unknown,
                At::Kind => {
                    self.taken += VALUE_BYTES;
                    self.values = self.values.saturating_sub(1);
                    self.at = At::Line {
                        kind: *first,
                        number: 0,
                        is_negative: false,
                        is_ending: false,
                    };
                    bytes = rest;
                }
                At::Line {
                    kind,
                    number,
                    is_negative,
                    is_ending,
                } => {
                    let is_end = *is_ending && *first == b'\n';
                    *is_ending = *first == b'\r';
                    match first {
                        b'0'..=b'9' => {
                            *number = number
                                .saturating_mul(10)
                                .saturating_add(u64::from(first - b'0'))
                        }
                        b'-' => *is_negative = true,
                        _ => {}
                    }
                    self.taken += 1;
                    bytes = rest;
                    if is_end {
                        // The client reads `-0` as 0.
                        let is_nil = *is_negative && *number > 0;
                        let (kind, number) = (*kind, Some(*number).filter(|_| !is_nil));
                        self.line(kind, number);
                    }
                }
                At::Bytes(left) => {
                    let skipped = (bytes.len() as u64).min(*left);
                    *left -= skipped;
                    bytes = bytes
                        .get(usize::try_from(skipped).unwrap_or(bytes.len())..)
                        .unwrap_or_default();
                    if *left == 0 {
                        self.value_ended();
                    }
                }
            }
        }
        match self.at {
            At::Unknown => Err(NOT_RESP),
            _ if self.taken > self.limit => Err(TOO_LARGE),
            _ => Ok(()),
        }
    }

    /// Handles the end of a value's first line. `kind` is the first byte of the line, and `number`
    /// is the number in the line. `number` is `None` if the number is negative, which means nil.
    fn line(&mut self, kind: u8, number: Option<u64>) {
        match (kind, number) {
            // Bytes, text with a format, or a long error.
            (b'$' | b'=' | b'!', Some(count)) => {
                self.taken = self.taken.saturating_add(count);
                self.at = At::Bytes(count.saturating_add(LINE_END_BYTES));
                return;
            }
            // Only a string, a list and a set may have a negative length, which means nil.
            (b'=' | b'!' | b'%' | b'|', None) => {
                self.at = At::Unknown;
                return;
            }
            (b'*' | b'~' | b'>', Some(count)) => self.announce(count),
            (b'%', Some(count)) => self.announce(count.saturating_mul(2)),
            // These pairs are attributes of the value that follows them.
            (b'|', Some(count)) => self.announce(count.saturating_mul(2).saturating_add(1)),
            _ => {}
        }
        self.value_ended();
    }

    /// Counts `count` values that the current reply has announced. These values count again when
    /// they arrive, but counting a little too much does no harm.
    fn announce(&mut self, count: u64) {
        self.values = self.values.saturating_add(count);
        self.taken = self
            .taken
            .saturating_add(count.saturating_mul(VALUE_BYTES) / 2);
    }

    fn value_ended(&mut self) {
        self.at = At::Kind;
        if self.values == 0 {
            (self.taken, self.values) = (0, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true if no reply in the bytes is larger than `limit` bytes. Checks that the result
    /// is equal for the bytes in one piece and for single bytes. If it is true, also checks that
    /// the bytes end with a complete reply.
    fn passes(limit: u64, bytes: &[u8]) -> bool {
        let whole = Frames::new(limit).pass(bytes).is_ok();
        let mut frames = Frames::new(limit);
        let single = bytes
            .iter()
            .all(|byte| frames.pass(std::slice::from_ref(byte)).is_ok());
        assert_eq!(whole, single);
        if whole {
            assert_eq!(
                (frames.taken, frames.values),
                (0, 1),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
        whole
    }

    #[test]
    fn each_reply_counts_alone() {
        let replies: [&[u8]; 12] = [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":-12\r\n",
            b"$5\r\nhe\nlo\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
            b"%1\r\n+a\r\n~2\r\n#t\r\n_\r\n",
            b"=8\r\ntxt:\r\n3.\r\n",
            b"|1\r\n+ttl\r\n:3\r\n,1.5\r\n",
            b">2\r\n+message\r\n$1\r\n*\r\n",
        ];
        for reply in replies {
            assert!(passes(600, reply), "{:?}", String::from_utf8_lossy(reply));
        }
        assert!(passes(600, &replies.concat().repeat(100)));
    }

    #[test]
    fn what_is_announced_is_enough() {
        for reply in [
            b"$1001\r\n".as_slice(),
            b"*100\r\n",
            b"%50\r\n",
            b"$99999999999999999999999\r\n",
            b"*99999999999999999999999\r\n",
            b"*2\r\n$600\r\n",
        ] {
            let mut frames = Frames::new(1000);
            let passed = frames.pass(reply).is_ok();
            let more = frames.pass(&[b'x'; 602]).is_ok() && frames.pass(b"$600\r\n").is_ok();
            assert!(!(passed && more), "{:?}", String::from_utf8_lossy(reply));
        }
        assert!(!passes(
            1000,
            &[b"+".as_slice(), &[b'x'; 2000], b"\r\n"].concat()
        ));
    }

    #[test]
    fn a_reply_is_counted_to_its_end_as_the_client_reads_it() {
        // The client reads all of these bytes as one reply that has not ended, or not at all.
        for (start, piece) in [
            (b"+".as_slice(), b"x\n".as_slice()),
            (b"+", b"x\r"),
            (b"=-1\r\n", b"+x\r\n"),
            (b"!-1\r\n", b"+x\r\n"),
            (b"%-1\r\n", b"+x\r\n"),
            (b"|-1\r\n", b"+x\r\n"),
            (b"\0$10000\r\n", b"+x\r\n"),
        ] {
            let bytes = [start, &piece.repeat(1000)].concat();
            assert!(
                !passes(1000, &bytes),
                "{:?}",
                String::from_utf8_lossy(start)
            );
        }
        let zeros = [b"*50\r\n".as_slice(), &b"$-0\r\n\r\n".repeat(49)].concat();
        assert!(reply_bytes(10_000, [zeros.as_slice()]) > Some(49 * VALUE_BYTES));
        assert_eq!(
            reply_bytes(1000, [b"$5\n\r\nhello\r\n+a".as_slice()]),
            Some(65)
        );
        assert_eq!(
            reply_bytes(1000, [b"$-0\r\n\r\n".as_slice(), b"$-1\r\n"]),
            Some(0)
        );
    }
}
