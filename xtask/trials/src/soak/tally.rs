//! Counters and latencies of the calls of a soak, and the first failure, for each path. A path is
//! one kind of call to one host.
//!
//! Owns what is noted while the calls run. Must not know what a path sends, or how a figure is
//! computed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and latencies of all calls on one path of the soak. A path is one kind of call to one
/// host.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) calls: AtomicU64,
    pub(super) wrong: AtomicU64,
    pub(super) lost: AtomicU64,
    /// Latency of each answer, right or wrong, in microseconds, in the order of the answers.
    pub(super) latencies_us: Mutex<Vec<u32>>,
    /// Error of the first failed call. A call with a wrong answer counts as failed. `None` if no
    /// call failed.
    pub(super) first: Mutex<Option<String>>,
}

impl Tally {
    pub(super) fn note(&self, counter: &AtomicU64, what: impl FnOnce() -> String) {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut first = self
            .first
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if first.is_none() {
            *first = Some(what().chars().take(500).collect());
        }
    }
}
