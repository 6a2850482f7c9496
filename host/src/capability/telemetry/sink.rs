//! The log of one instance: its lines, and the limits on what one call may write.
//!
//! Owns these limits. Must not know where the log goes, or how a scorer calls it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Level as LogLevel;

use super::lines::Lines;
use crate::capability::bindings::capabilities::scorebox::scoring::metrics;
use crate::text::{NAME_BYTES, cut, escaped_bytes};

/// Maximum number of lines that one call may write to the log. A scorer that writes more has a loop
/// in its logging, and a log costs money.
const LINES_PER_CALL: usize = 1000;

/// Maximum total size of the lines that one call may write to the log, in bytes. The escaped text
/// of each line counts, and so do the bytes that the host adds to the line.
///
/// This is a quarter of the queue for standard output, so that one call cannot displace the lines
/// of all other calls.
const BYTES_PER_CALL: usize = 1 << 20;

/// Factor by which the limits per call are higher for lines at the level `error`. The error that
/// ends a call must be logged, even if a loop has used up the limits.
const ERRORS_FACTOR: usize = 2;

/// Maximum length of the text of a log line, in bytes. The rest of the text is cut off.
const LINE_BYTES: usize = 16 << 10;

/// Number of bytes that the host adds to a log line for the time, the level and the names of
/// fields. The name of the scorer and the id of the invocation are counted separately.
const FRAME_BYTES: usize = 224;

/// Maximum length of the invocation id in a log line, in bytes. One id has at most a hundred
/// characters, but joined calls have several ids in a line.
const ID_BYTES: usize = 512;

/// Maximum length of the name of a metric, in bytes.
const METRIC_NAME_BYTES: usize = 64;

/// Maximum number of attributes of a measurement that are logged.
const METRIC_ATTRIBUTES: usize = 8;

/// Writer of the log lines of one instance, with the limits on the lines of each call. Clones share
/// the state of the current call.
#[derive(Clone)]
pub(crate) struct LogSink(Arc<Mutex<Call>>);

pub(super) struct Call {
    pub(super) scorer: Arc<str>,
    pub(super) invocation: String,
    /// Collector that passes the lines of the current call to its caller. `None` if the caller does
    /// not get log lines.
    collected: Option<Lines>,
    lines: usize,
    bytes: usize,
    /// True if a line of this call exceeded the limits on the lines of a call and was dropped. The
    /// log says so once per call.
    overflowed: bool,
    /// Bytes that the scorer printed after the last line end, by the name of the stream.
    partial: BTreeMap<&'static str, Vec<u8>>,
    /// True if a warning about an invalid name of a metric was logged. This warning is logged once
    /// per instance.
    bad_metric_said: bool,
}

impl LogSink {
    pub(crate) fn new(scorer: Arc<str>) -> Self {
        let call = Call {
            scorer,
            // Most ids have 36 characters.
            invocation: String::with_capacity(40),
            collected: None,
            lines: 0,
            bytes: 0,
            overflowed: false,
            partial: BTreeMap::new(),
            bad_metric_said: false,
        };
        Self(Arc::new(Mutex::new(call)))
    }

    pub(crate) fn begin(&self, invocation: &str, collected: Option<Lines>) {
        let mut call = self.lock();
        call.collected = collected;
        call.invocation.clear();
        call.invocation.push_str(&cut(invocation, ID_BYTES));
        call.lines = 0;
        call.bytes = 0;
        call.overflowed = false;
    }

    /// Ends a call. Logs what the scorer printed after its last line end.
    pub(crate) fn end(&self) {
        let mut call = self.lock();
        for (stream, bytes) in std::mem::take(&mut call.partial) {
            call.write(LogLevel::INFO, stream, &String::from_utf8_lossy(&bytes));
        }
        call.collected = None;
    }

    /// Takes bytes that a scorer prints to the stream `stream`. Complete lines are logged
    /// immediately. The rest is kept until its line is complete or exceeds `LINE_BYTES`, or until
    /// the call ends.
    pub(crate) fn print(&self, stream: &'static str, bytes: &[u8]) {
        let mut call = self.lock();
        let mut pending = call.partial.remove(stream).unwrap_or_default();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") || pending.len() > LINE_BYTES {
                let line = std::mem::take(&mut pending);
                call.write(
                    LogLevel::INFO,
                    stream,
                    String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']),
                );
            }
        }
        if !pending.is_empty() {
            call.partial.insert(stream, pending);
        }
    }

    /// Logs a warning of the host about the current call, e.g. that a store cannot be reached.
    pub(in crate::capability) fn warn(&self, context: &str, message: &str) {
        self.line(LogLevel::WARN, context, message);
    }

    pub(in crate::capability) fn line(&self, level: LogLevel, context: &str, message: &str) {
        self.lock().write(level, context, message);
    }

    /// Locks the state of the current call. A poisoned lock is used like any other, because the
    /// state is valid after every statement of the code that changes it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Returns true if the call may write one more line that consists of the given texts. If so,
    /// counts the line.
    fn admits(&mut self, level: LogLevel, texts: &[&str]) -> bool {
        if self.overflowed && level != LogLevel::ERROR {
            return false;
        }
        let names = [&*self.scorer, &self.invocation];
        let texts = names.iter().copied().chain(texts.iter().copied());
        let bytes = FRAME_BYTES + texts.map(escaped_bytes).sum::<usize>();
        let factor = if level == LogLevel::ERROR {
            ERRORS_FACTOR
        } else {
            1
        };
        let fits =
            self.lines < factor * LINES_PER_CALL && self.bytes + bytes <= factor * BYTES_PER_CALL;
        if fits {
            self.lines += 1;
            self.bytes += bytes;
            return true;
        }
        if !std::mem::replace(&mut self.overflowed, true) {
            let (scorer, invocation) = (&*self.scorer, self.invocation.as_str());
            tracing::warn!(
                target: "scorer",
                scorer,
                invocation,
                "more than {LINES_PER_CALL} lines or {BYTES_PER_CALL} bytes: the rest of this call is dropped"
            );
        }
        false
    }

    fn write(&mut self, level: LogLevel, context: &str, message: &str) {
        let message = cut(message, LINE_BYTES);
        if !self.admits(level, &[context, &message]) {
            return;
        }
        let (scorer, invocation) = (&*self.scorer, self.invocation.as_str());
        if let Some(collected) = self.collected.as_ref().filter(|_| level <= LogLevel::INFO) {
            collected.add(level, context, &message);
        }
        // The level of an event is part of its static description, so there is one macro for each
        // level.
        match level {
            LogLevel::TRACE => {
                crate::text::trace!(target: "scorer", scorer, invocation, context, "{message}")
            }
            LogLevel::DEBUG => {
                crate::text::debug!(target: "scorer", scorer, invocation, context, "{message}")
            }
            LogLevel::INFO => {
                tracing::info!(target: "scorer", scorer, invocation, context, "{message}")
            }
            LogLevel::WARN => {
                tracing::warn!(target: "scorer", scorer, invocation, context, "{message}")
            }
            LogLevel::ERROR => {
                tracing::error!(target: "scorer", scorer, invocation, context, "{message}")
            }
        }
    }

    /// Returns the attributes of a measurement as text, and counts the measurement as a log line.
    /// Returns `None` if the name of the metric is invalid, or if the call has reached its limits
    /// on log lines.
    pub(super) fn measured(
        &mut self,
        name: &str,
        attributes: metrics::Attributes,
    ) -> Option<String> {
        let good = (1..=METRIC_NAME_BYTES).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_'));
        if !good {
            if !std::mem::replace(&mut self.bad_metric_said, true) {
                self.write(
                    LogLevel::WARN,
                    "metrics",
                    "a measurement was dropped: its name is not lower-case letters, digits, `.` and `_`",
                );
            }
            return None;
        }
        let attributes = text(attributes);
        self.admits(LogLevel::INFO, &[name, &attributes])
            .then_some(attributes)
    }
}

/// Returns the first [`METRIC_ATTRIBUTES`] attributes of a measurement as `name=value` pairs, in
/// the scorer's order.
fn text(attributes: metrics::Attributes) -> String {
    let pairs: Vec<_> = attributes
        .into_iter()
        .take(METRIC_ATTRIBUTES)
        .map(|(name, value)| {
            format!(
                "{}={}",
                cut(&name, METRIC_NAME_BYTES),
                cut(&value, NAME_BYTES)
            )
        })
        .collect();
    pairs.join(" ")
}
