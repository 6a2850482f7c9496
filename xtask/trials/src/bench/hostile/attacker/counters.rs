//! Counters of the connections and answers of an attack.
//!
//! Owns what is counted while an attack runs. Must not know how a connection is driven, or how
//! the counters are printed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that all connections of an attack share.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) broken: AtomicU64,
}

impl Counters {
    /// Counts a connection that was opened.
    pub fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer: as refused if its status code is 400 or more, and as answered otherwise.
    pub fn answered(&self, status: u16) {
        let counter = if status < 400 {
            &self.answered
        } else {
            &self.refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that ended without an answer.
    pub fn broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }
}
