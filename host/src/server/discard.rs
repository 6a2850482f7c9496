//! Limits for discarding the rest of a request that was refused.
//!
//! Owns how much is read and dropped, how fast, and for how many requests at a time. Without this,
//! a client that sends its whole request before it reads would get a reset connection in place of
//! its response. Must not know why a request was refused.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Most bytes of one request that are read and dropped.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// Longest time for which one request is read and dropped.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Size of one piece that is read and dropped, in bytes. hyper reads pieces of this size, too.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Pause after each discarded piece. A client that sends 8 MiB in vain can thus retry only after
/// two seconds, and uses little CPU time meanwhile.
const PAUSE: Duration = Duration::from_millis(15);

/// Most requests that are discarded at a time. Together they are read at 64 MiB per second, which
/// takes a few hundredths of a core.
///
/// Reading costs what refusing saves. So further requests are not read, or wait, and end with their
/// connection.
const PLACES: usize = 16;

static FREE: Semaphore = Semaphore::const_new(PLACES);

/// Place among the requests that may be discarded at a time. Dropping it frees the place.
pub(super) struct Discarding(
    #[expect(dead_code, reason = "held, not read")] SemaphorePermit<'static>,
);

impl Discarding {
    /// Takes a free place. Returns `None` at once if there is none.
    pub(super) fn try_begin() -> Option<Self> {
        FREE.try_acquire().ok().map(Self)
    }

    /// Takes a place, and waits until one is free.
    pub(super) async fn begin() -> Option<Self> {
        // The semaphore is never closed, so there is always a permit in the end.
        FREE.acquire().await.ok().map(Self)
    }

    /// Waits for the pause between two pieces.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}
