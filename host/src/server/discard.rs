//! Limits for discarding the rest of a request that was refused.
//!
//! Owns how much of a request is read and dropped, how fast, and for how many requests at a time.
//! If nothing were dropped, a client that sends its whole request before it reads would get a reset
//! connection in place of its response. Must not know why a request was refused.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of bytes that are read and dropped of one refused request.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// Maximum time for which the rest of one refused request is read and dropped.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Size of one piece of a refused request that is read and dropped, in bytes. hyper reads pieces of
/// this size, too.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Pause after each piece of a refused request that was read and dropped. Because of this pause, a
/// client whose body of 8 MiB is refused can retry only after two seconds, and costs little CPU
/// time until then.
const PAUSE: Duration = Duration::from_millis(15);

/// Maximum number of refused requests whose rest is read and dropped at a time. Together, these
/// requests are read at 64 MiB per second, which takes a few hundredths of a CPU core.
///
/// Reading a request costs the work that its refusal was meant to save. Further refused requests
/// are therefore not read at all, or wait until one of these has been read.
const PLACES: usize = 16;

static FREE: Semaphore = Semaphore::const_new(PLACES);

/// Permit to read and drop the rest of a refused request. Dropping the permit frees it for another
/// request.
pub(super) struct Discarding(
    #[expect(dead_code, reason = "held, not read")] SemaphorePermit<'static>,
);

impl Discarding {
    /// Takes a permit to read and drop the rest of a refused request. Returns `None` if no permit
    /// is free, and does not wait for one.
    pub(super) fn try_begin() -> Option<Self> {
        FREE.try_acquire().ok().map(Self)
    }

    /// Waits until a permit to read and drop the rest of a refused request is free, and takes it.
    /// The result is never `None`.
    pub(super) async fn begin() -> Option<Self> {
        // The semaphore is never closed, so there is always a permit in the end.
        FREE.acquire().await.ok().map(Self)
    }

    /// Reads and drops the rest of a body, slowly, and for at most [`MOST_BYTES`] and [`TIMEOUT`].
    pub(super) async fn discard(self, mut body: Body) {
        let reading = async {
            let mut total = 0;
            while let Some(Ok(frame)) = body.frame().await {
                total += frame.data_ref().map_or(0, Bytes::len);
                if total > MOST_BYTES {
                    return;
                }
                drop(frame);
                self.pause().await;
            }
        };
        // Bytes that are left after the timeout end with their connection.
        let _ = tokio::time::timeout(TIMEOUT, reading).await;
    }

    /// Waits for the length of the pause between two pieces of a refused request that are read and
    /// dropped.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}
