//! Standard streams of the interpreter's native code.
//!
//! Owns the division of what native code writes into log lines. Python's own `print` does not pass
//! here, since the Python files of Scorebox send its lines as messages. Must not know messages.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::outside::{Current, Level};

/// Maximum size of a log line that native code writes, in bytes. A longer text without a line break
/// becomes several lines.
const LINE_BYTES: usize = 16 << 10;
/// Number of bytes that are kept from the end of what native code wrote. The reason of a trap shows
/// them.
const TAIL_BYTES: usize = 2 << 10;

/// Standard output or standard error of an interpreter. Each line that native code writes goes to
/// the log.
#[derive(Clone)]
pub(crate) struct Lines {
    outside: Current,
    level: Level,
    text: Arc<Mutex<Text>>,
}

#[derive(Default)]
struct Text {
    begun: Vec<u8>,
    tail: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(outside: Current, level: Level) -> Self {
        Self {
            outside,
            level,
            text: Arc::default(),
        }
    }

    /// Returns the end of what native code wrote to this stream, and forgets it.
    pub(crate) fn take_tail(&self) -> String {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = std::mem::take(&mut text.tail);
        String::from_utf8_lossy(&tail).trim().to_owned()
    }

    fn push(&self, bytes: &[u8]) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let Text { begun, tail } = &mut *text;
        let new = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..);
        tail.extend_from_slice(new.unwrap_or_default());
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(LINE_BYTES) {
                begun.extend_from_slice(piece);
                if begun.ends_with(b"\n") || begun.len() >= LINE_BYTES {
                    let line = String::from_utf8_lossy(begun);
                    if let Some(outside) = self.outside.get() {
                        outside.log(self.level, line.trim_end_matches(['\n', '\r']));
                    }
                    begun.clear();
                }
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
