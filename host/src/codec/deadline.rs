//! The deadline for reading a body.
//!
//! Owns the deadline of the body that this thread reads. The deadline is a thread-local variable: a
//! body is read on one thread without an await, and serde passes no further arguments to the
//! visitors that read it. Must not know the format of the body.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// True if a call of [`is_passed`] has found that the deadline of this thread has passed.
    static IS_PASSED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `read`, which decodes a body and ends early when the deadline passes. Returns the result
/// of `read`, or `None` if the deadline passed before the whole body was decoded.
pub fn reading_until<T>(deadline: Instant, read: impl FnOnce() -> T) -> Option<T> {
    let _set = Set::new(deadline);
    let value = read();
    (!IS_PASSED.get()).then_some(value)
}

/// Returns true if the deadline for decoding the body that this thread decodes has passed. Each
/// call reads the clock, so the decoder calls this function only every few thousand elements.
pub(super) fn is_passed() -> bool {
    let is_passed = DEADLINE
        .get()
        .is_some_and(|deadline| Instant::now() >= deadline);
    if is_passed {
        IS_PASSED.set(true);
    }
    is_passed
}

/// Guard that sets the deadline of this thread while a body is decoded. Dropping the guard clears
/// the deadline, also if decoding panics.
struct Set;

impl Set {
    fn new(deadline: Instant) -> Self {
        DEADLINE.set(Some(deadline));
        IS_PASSED.set(false);
        Self
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        DEADLINE.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::azure_ml;
    use super::*;
    use crate::model::Dtype;
    use crate::tensor::{Port, Requests};

    #[test]
    fn a_large_body_is_read_no_further_than_its_deadline() {
        let ports = [Port::new("x", Dtype::F32, vec![None, None])];
        let flat = format!("{{\"data\": [[{}0]]}}", "0,".repeat(500_000));
        let rows = format!("{{\"data\": [{}[0, 0]]}}", "[0, 0],".repeat(500_000));
        for body in [flat, rows] {
            let read = || azure_ml::read(&ports, Requests::default(), body.as_bytes());
            assert!(
                reading_until(Instant::now() + Duration::from_secs(60), read)
                    .is_some_and(|read| read.is_ok())
            );
            assert!(reading_until(Instant::now(), read).is_none());
            // Without a deadline nothing ends the reading, e.g. when a sample is tried.
            assert!(read().is_ok());
        }
    }
}
