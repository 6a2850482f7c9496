//! Waiting for a condition, with a timeout.
//!
//! Owns the timeouts and the interval of polling. Must not know what is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Timeout of a test's waits. It is longer than anything in a test takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns the result of the probe, as soon as it finds something.
///
/// # Panics
/// If the probe finds nothing within [`LIMIT`].
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, probe).unwrap_or_else(|| panic!("waited {LIMIT:?} in vain for {what}"))
}

/// Returns the result of the probe. `None` if it finds nothing within the time.
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

/// Returns the result of the probe, as soon as it finds something. Other tasks go on meanwhile.
///
/// # Panics
/// If the probe finds nothing within [`LIMIT`].
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
