//! How long a run will take, as far as runs before it tell.
//!
//! Owns the decision whether a run may happen on the thread that asks for it. Handing a run to another thread and back
//! costs several times what a small network or a linear model computes, so what was short before stays where it is; a
//! long run would hold up everybody whom that thread serves, and nothing can interrupt it. Must not know what computes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A run within this holds nobody up: a fortieth of what a component may take before it is moved.
const SHORT: Duration = Duration::from_micros(250);

/// What is known of one graph.
pub(super) struct Pace {
    /// Whether inputs of one size take about one time.
    even: bool,
    /// Inputs of so many bytes were computed within [`SHORT`], and no fewer took longer since.
    short_bytes: AtomicU64,
}

impl Pace {
    /// `even`: a run's time depends on the sizes of its inputs alone, not on their values.
    pub(super) fn new(even: bool) -> Self {
        Self { even, short_bytes: AtomicU64::new(0) }
    }

    /// Whether a run of so many bytes can be expected to be short.
    pub(super) fn is_short(&self, bytes: u64) -> bool {
        self.even && bytes <= self.short_bytes.load(Ordering::Relaxed)
    }

    /// Notes how long a run took.
    pub(super) fn note(&self, bytes: u64, took: Duration) {
        let known = self.short_bytes.load(Ordering::Relaxed);
        let now = match took <= SHORT {
            true if bytes > known => bytes,
            // Perhaps only the thread was held up. The next short one of that size, elsewhere, tells.
            false if bytes <= known => bytes / 2,
            _ => return,
        };
        // Between two threads either is right.
        self.short_bytes.store(now, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_short_is_expected_to_be() {
        let pace = Pace::new(true);
        let (short, long) = (SHORT, SHORT * 2);
        let check = |expected: [bool; 3]| assert_eq!([100, 400, 1600].map(|bytes| pace.is_short(bytes)), expected);
        check([false, false, false]);
        pace.note(400, short);
        check([true, true, false]);
        pace.note(1600, long);
        check([true, true, false]);
        pace.note(100, short);
        check([true, true, false]);
        pace.note(400, long);
        check([true, false, false]);
        pace.note(1600, short);
        check([true, true, true]);
        pace.note(100, long);
        check([false, false, false]);
        let uneven = Pace::new(false);
        uneven.note(400, short);
        assert!(!uneven.is_short(0));
    }
}
