//! Prediction of a run's duration from the runs before it.
//!
//! Owns the decision whether a run may happen on the thread that asks for it. Handing a run to
//! another thread and back costs several times what a small network or a linear model computes.
//! Therefore a run stays on its thread if runs of its size were short before. A long run would
//! delay all requests that the thread serves, and nothing can interrupt it. Must not know which
//! engine runs the graph.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Maximum duration of a short run of a graph, which does not delay other requests. The value is an
/// eighth of the shortest time after which the call of a component that computes is moved to
/// another thread.
const SHORT: Duration = Duration::from_micros(250);

/// Record of how long the runs of one graph took. The record predicts whether a run will be short.
pub(super) struct Latency {
    /// True if runs on inputs of the same size always take about the same time.
    predictable: bool,
    /// Total size of the largest inputs of a run that took at most [`SHORT`], in bytes.
    ///
    /// If a run on inputs of this size or less takes longer, the value becomes half of their size.
    short_bytes: AtomicU64,
}

impl Latency {
    /// Creates the record of a graph that has never run. The record does not predict short runs
    /// yet.
    ///
    /// `predictable` is true if the duration of a run depends on the sizes of its inputs alone, and
    /// not on their values. Otherwise no run is predicted to be short.
    pub(super) fn new(predictable: bool) -> Self {
        Self {
            predictable,
            short_bytes: AtomicU64::new(0),
        }
    }

    /// Returns true if a run is expected to take at most [`SHORT`]. `bytes` is the total size of
    /// its inputs.
    pub(super) fn is_short(&self, bytes: u64) -> bool {
        self.predictable && bytes <= self.short_bytes.load(Ordering::Relaxed)
    }

    /// Records that a run took the time `elapsed`. `bytes` is the total size of its inputs.
    pub(super) fn note(&self, bytes: u64, elapsed: Duration) {
        let known = self.short_bytes.load(Ordering::Relaxed);
        let now = match elapsed <= SHORT {
            true if bytes > known => bytes,
            // Perhaps only the thread was delayed. The next short run of that size, on another
            // thread, raises the size again.
            false if bytes <= known => bytes / 2,
            _ => return,
        };
        // If two threads store a size at once, either one is right.
        self.short_bytes.store(now, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_short_is_expected_to_be() {
        let latency = Latency::new(true);
        let (short, long) = (SHORT, SHORT * 2);
        let check = |expected: [bool; 3]| {
            assert_eq!(
                [100, 400, 1600].map(|bytes| latency.is_short(bytes)),
                expected
            )
        };
        check([false, false, false]);
        latency.note(400, short);
        check([true, true, false]);
        latency.note(1600, long);
        check([true, true, false]);
        latency.note(100, short);
        check([true, true, false]);
        latency.note(400, long);
        check([true, false, false]);
        latency.note(1600, short);
        check([true, true, true]);
        latency.note(100, long);
        check([false, false, false]);
        let unpredictable = Latency::new(false);
        unpredictable.note(400, short);
        assert!(!unpredictable.is_short(0));
    }
}
