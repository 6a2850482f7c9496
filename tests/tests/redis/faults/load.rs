//! Answers that clients got during a fault of Redis, and times of requests without the store.
//!
//! Owns the bounds of both. Must not know the faults.

use std::time::Duration;

use super::TIMEOUT;

/// Maximum median time of requests without the store during a fault, relative to the same requests
/// to a host without Redis.
pub(super) const MOST: f64 = 1.5;

/// Results of requests by four clients.
pub(super) struct Load {
    /// Number of requests that needed no store.
    pub(super) plain: usize,
    /// Number of requests that got the value.
    pub(super) found: usize,
    /// Number of requests that got the error that the store is unavailable.
    pub(super) away: usize,
    pub(super) longest_plain: Duration,
    /// Median time of requests without the store in the second half, when the fault is known.
    pub(super) p50_plain: Duration,
    /// Median time of requests to a host without Redis, sent in turn. The machine's other work
    /// slows both hosts.
    pub(super) p50_control: Duration,
}

impl Load {
    /// Returns the median time of requests without the store, relative to the host without Redis.
    pub(super) fn ratio(&self) -> f64 {
        self.p50_plain.as_secs_f64() / self.p50_control.as_secs_f64()
    }

    /// Asserts that an unavailable store costs a request its timeout only a few times, and then
    /// almost nothing.
    #[track_caller]
    pub(super) fn is_quick(&self, lasted: Duration) {
        let (fault, normal, ratio) = (self.p50_plain, self.p50_control, self.ratio());
        println!(
            "p50 without the store: {fault:?} with the fault, {normal:?} without, ratio {ratio:.2}"
        );
        assert!(ratio <= MOST, "{fault:?} instead of {normal:?}");
        let each = lasted.as_secs_f64() * 4.0
            / f64::from(u32::try_from(self.away.max(1)).expect("a number"));
        println!(
            "{} plain, {} found, {} away, longest plain {:?}",
            self.plain, self.found, self.away, self.longest_plain
        );
        assert!(
            self.away > 20,
            "{} calls were told, {each} s each",
            self.away
        );
        assert!(
            self.longest_plain < TIMEOUT * 5,
            "a call without the store took {:?}",
            self.longest_plain
        );
    }
}
