//! Log lines of an invocation, for a caller who asked for them in addition to the log.
//!
//! Owns how many bytes of these lines are kept. Must not know what becomes of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Level;

use crate::text::{escaped_bytes, printable};

/// Maximum size of the log lines that are collected for the caller of one invocation, in bytes of
/// JSON. A batch of messages is one invocation.
pub const LOGS_BYTES: usize = 1 << 20;

/// Number of bytes that a collected line takes in addition to its text: quotation marks, a comma,
/// and the number of the line's message in a batch.
const LINE_BYTES: usize = 32;

/// Collector of the log lines of one call, which are returned to the caller. Clones collect into
/// the same list.
#[derive(Debug, Clone)]
pub struct Lines {
    texts: Arc<Mutex<Vec<String>>>,
    /// Number of bytes that are left for the lines of all calls of the invocation.
    left: Arc<AtomicUsize>,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            texts: Arc::default(),
            left: Arc::new(AtomicUsize::new(LOGS_BYTES)),
        }
    }
}

impl Lines {
    /// Returns an empty collector for another call of the same invocation. Both collectors share
    /// the limit [`LOGS_BYTES`].
    #[must_use]
    pub fn of_next_call(&self) -> Self {
        Self {
            texts: Arc::default(),
            left: Arc::clone(&self.left),
        }
    }

    /// Removes the lines that have been collected so far, and returns them.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }

    /// Adds a line without counting it towards [`LOGS_BYTES`]. The host writes only a few lines per
    /// call, and the lines of a scorer are counted where they come in.
    pub fn push(&self, line: String) {
        self.lock().push(line);
    }

    /// Adds a line that the scorer logs, unless the lines of the invocation have used up
    /// [`LOGS_BYTES`]. Instead of the first line that does not fit, adds a line that says that
    /// lines are missing. Line ends in the texts are escaped, so that the result is one line.
    pub(super) fn add(&self, level: Level, context: &str, message: &str) {
        let context = if context.is_empty() {
            String::new()
        } else {
            format!("{}: ", printable(context))
        };
        let line = format!("{} {context}{}", level.as_str(), printable(message));
        let bytes = LINE_BYTES + escaped_bytes(&line);
        let take = |left: usize| left.checked_sub(bytes);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => self.push(line),
            Err(0) => {}
            Err(_) => {
                // The first line that does not fit ends the collection, even if later lines are
                // shorter.
                if self.left.swap(0, Ordering::Relaxed) > 0 {
                    self.push(format!(
                        "more than {LOGS_BYTES} bytes of lines: the log of the host has the rest"
                    ));
                }
            }
        }
    }

    /// Locks the list of lines. The list is consistent after every line, so a poisoned lock is used
    /// like any other.
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_one_invocation_share_one_bound() {
        let first = Lines::default();
        let second = first.of_next_call();
        let long = "\u{1b}\"".repeat(8 << 10);
        for lines in [&first, &second] {
            (0..100).for_each(|_| lines.add(Level::INFO, "c", &long));
        }
        let lines = [first.take(), second.take()].concat();
        let json = serde_json::to_string(&lines).unwrap_or_default();
        assert!(
            (LOGS_BYTES / 2..=LOGS_BYTES + 1024).contains(&json.len()),
            "{}",
            json.len()
        );
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.starts_with("more than"))
                .count(),
            1
        );
    }

    #[test]
    fn a_line_of_a_scorer_is_one_line() {
        let lines = Lines::default();
        lines.add(Level::WARN, "a\nb", "c\n\u{1b}[2J");
        assert_eq!(lines.take(), ["WARN a\\nb: c\\n\\u{1b}[2J"]);
    }
}
