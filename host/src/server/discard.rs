//! Bytes that nobody needs: the rest of a request that was refused.
//!
//! Owns how much is read and dropped, how fast, and for how many connections at a time. A client that sends its whole request
//! before it reads would otherwise get a reset connection in place of its answer. Must not know why a request was refused.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// How much of one request is read and dropped at most.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// How long one request is read and dropped at most.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Size of a piece, as hyper reads it, too.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Pause after each piece. A client that sends 8 MiB for nothing comes back after two seconds, not at once, and takes little of
/// the processor meanwhile.
const PAUSE: Duration = Duration::from_millis(15);

/// Requests that are read and dropped at a time: 64 MiB a second for all of them, some hundredths of a core. Reading costs
/// what refusing saves, so further ones wait, and end with their connection.
const PLACES: usize = 16;

static FREE: Semaphore = Semaphore::const_new(PLACES);

/// One of the requests that are read and dropped at a time.
pub(super) struct Discarding(#[expect(dead_code, reason = "held, not read")] SemaphorePermit<'static>);

impl Discarding {
    /// Begins at once, or not at all.
    pub(super) fn try_begin() -> Option<Self> {
        FREE.try_acquire().ok().map(Self)
    }

    /// Waits until fewer requests are read and dropped.
    pub(super) async fn begin() -> Option<Self> {
        // The semaphore is never closed.
        FREE.acquire().await.ok().map(Self)
    }

    /// Waits before the next piece.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}
