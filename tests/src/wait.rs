//! Waiting for a condition, with a timeout.
//!
//! Owns the timeouts and the interval of polling. Must not know what is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Timeout of a test's waits. It is longer than anything in a test takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `probe` until it returns a value, and returns the value. `what` says what is waited for,
/// for the error message.
///
/// # Panics
/// Panics if `probe` returns no value within [`LIMIT`].
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, probe).unwrap_or_else(|| panic!("waited {LIMIT:?} in vain for {what}"))
}

/// Calls `probe` until it returns a value, and returns the value. Returns `None` if it returns no
/// value within the time `limit`.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Calls `probe` until it returns a value, and returns the value. Other tasks of the runtime
/// continue meanwhile. `what` says what is waited for, for the error message.
///
/// # Panics
/// Panics if `probe` returns no value within [`LIMIT`].
pub async fn until_async<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {LIMIT:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A guard that sets a flag when it is dropped, so that threads end even if a test fails.
pub struct AtEnd<'a>(pub &'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
