//! Waiting for a condition, with a bound.
//!
//! Owns the bounds and the pause between two looks. Must not know what is waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything in a test takes on a busy machine; a test that waits this long fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns what the probe finds, as soon as it finds something.
///
/// # Panics
/// It finds nothing within [`LIMIT`].
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, probe).unwrap_or_else(|| panic!("waited {LIMIT:?} in vain for {what}"))
}

/// Returns what the probe finds, or `None` when the time is over.
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

/// Tells threads that work until then that it is over, also when a test fails meanwhile.
pub struct AtEnd<'a>(pub &'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
