//! Request bodies, read within bounds.
//!
//! Owns how many bytes of a body are read, how long that may take, and what happens to a body that
//! is not needed. Must not know what a body means, or who sends it.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::budget::{self, Budget, Reserved, SMALL_BYTES, whole_units};
use super::discard::Discarding;
use super::pages::Pages;
use crate::error::{Disposition, RequestFailure, ScoreFailure};
use crate::functions::envelope::Buffer;
use crate::timer;

/// Timeout for reading the body of a request. A client that takes longer has lost its network or is
/// hostile.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Interval between two checks of the progress of a request's body.
const LOOK: Duration = Duration::from_secs(2);

/// Minimum number of bytes of a body that must arrive between two checks of its progress, while
/// other requests wait for memory. A client below 32 KiB/s would hold its reservation for minutes.
const PROGRESS_BYTES: u64 = 64 << 10;

/// Size of the first memory reservation for a body without an announced length, in bytes. The
/// reservation is made when the body exceeds `SMALL_BYTES`.
const STEP_BYTES: u64 = 1 << 20;

/// Limits on the size, the memory and the waiting time of one request body that is read.
pub(super) struct Bounds<'a> {
    /// Maximum size of the body, in bytes. A larger body is refused.
    pub(super) limit_bytes: u64,
    /// Memory budget that all request bodies share.
    pub(super) budget: &'a Budget,
    /// Time at which the request stops waiting for memory.
    pub(super) deadline: Instant,
}

/// Reads the body of a request. The memory that is reserved for a large body is released when the
/// result, and the last clone of the bytes made from it, is dropped.
///
/// # Errors
/// Fails if the body is too large, breaks off or arrives too slowly, if the budget has no memory
/// for the body before `bounds.deadline`, or if the operating system cannot reserve address space.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    bounds: &Bounds<'_>,
) -> Result<Received, Disposition> {
    let limit_bytes = bounds.limit_bytes;
    let too_large = || ScoreFailure::TooLarge { limit_bytes }.disposition();
    let announced = announced_bytes(headers);
    if announced.is_some_and(|length| length > limit_bytes) {
        // A client that sends `Expect` has sent no body yet, so there is nothing to discard.
        if !headers.contains_key(EXPECT) {
            discard(body);
        }
        return Err(too_large());
    }
    let reserved = match announced {
        Some(length) if length > SMALL_BYTES => {
            match bounds.budget.reserve(length, bounds.deadline).await {
                Some(reserved) => Some((length, reserved)),
                None => {
                    discard_unless_asked(headers, body);
                    return Err(RequestFailure::BodiesFull.disposition());
                }
            }
        }
        _ => None,
    };
    let mut kept = match reserved {
        Some((length, reserved)) => Received::large(length, reserved, length)?,
        None => Received::Small(Vec::new()),
    };
    let mut progress = Progress::new();
    loop {
        let frame = match timer::within(LOOK, body.frame()).await {
            Some(Some(frame)) => frame.map_err(|_| RequestFailure::BodyLost.disposition())?,
            Some(None) => break,
            None => {
                progress.look(bounds.budget)?;
                continue;
            }
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        progress.came(data.len() as u64, bounds.budget)?;
        if progress.total > limit_bytes {
            discard(body);
            return Err(too_large());
        }
        // Most bodies arrive in one piece, which need not be copied.
        if announced == Some(data.len() as u64) && matches!(kept, Received::Small(_)) {
            return Ok(Received::Small(data.into()));
        }
        if let Err(full) = kept.make_room(progress.total, bounds).await {
            discard(body);
            return Err(full);
        }
        kept.extend(&data)?;
        if let Received::Large { .. } = kept {
            let_others_go_first().await;
        }
    }
    Ok(kept)
}

/// Lets the other requests of this thread continue before more of a large body is read. Large
/// bodies continue one at a time. Otherwise a thread would read many large bodies to their ends
/// before it looks at a small request.
async fn let_others_go_first() {
    static NEXT: Semaphore = Semaphore::const_new(1);
    // The semaphore is never closed.
    let _turn = NEXT.acquire().await;
    tokio::task::yield_now().await;
}

/// Returns the size in bytes that a client announces for the body of its request, or `None` if the
/// client does not announce a size. The size may be wrong: a client can announce a large body and
/// send nothing.
pub(super) fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Discards a refused body in the background. Does nothing if the client sent `Expect`, because
/// such a client has not sent the body yet, or if too many bodies are being discarded already.
pub(super) fn discard_unless_asked(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(EXPECT) {
        discard(body);
    }
}

/// Reads and drops the rest of a refused body in the background while the response is sent. This is
/// done slowly and within bounds. Does nothing if too many bodies are being discarded already.
fn discard(body: Body) {
    if let Some(discarding) = Discarding::try_begin() {
        tokio::spawn(discarding.discard(body));
    }
}

/// Request body that is being read, or was read.
pub(super) enum Received {
    Small(Vec<u8>),
    /// A body of more than `SMALL_BYTES` bytes. `reserved_bytes` is the size of the memory
    /// reservation `reserved`. This size is never less than the number of bytes in `pages`.
    Large {
        pages: Pages,
        reserved: Reserved,
        reserved_bytes: u64,
    },
}

impl Received {
    fn large(capacity: u64, reserved: Reserved, reserved_bytes: u64) -> Result<Self, Disposition> {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        let pages = Pages::new(capacity).map_err(|_| RequestFailure::BodiesFull.disposition())?;
        Ok(Self::Large {
            pages,
            reserved,
            reserved_bytes,
        })
    }

    /// Splits a compressed body into its bytes, and an empty body for the decompressed bytes. If
    /// the compressed body is large, the empty body has room for `limit_bytes` bytes, and takes
    /// over the memory reservation. Fails if the operating system cannot reserve address space for
    /// the empty body.
    pub(super) fn into_source(self, limit_bytes: u64) -> Result<(Bytes, Self), Disposition> {
        match self {
            Self::Small(bytes) => Ok((bytes.into(), Self::Small(Vec::new()))),
            Self::Large {
                pages,
                reserved,
                reserved_bytes,
            } => Ok((
                Bytes::from_owner(pages),
                Self::large(limit_bytes, reserved, reserved_bytes)?,
            )),
        }
    }

    /// Reserves memory for the body, which has grown to `total` bytes.
    ///
    /// A body without an announced length first reserves [`STEP_BYTES`], and then doubles its
    /// reservation each time it is exceeded. Requests that hold some memory and wait for more could
    /// block each other. The deadline ends their wait.
    ///
    /// # Errors
    /// Fails if the budget has no memory for the body before `bounds.deadline`, or if the operating
    /// system cannot reserve address space.
    pub(super) async fn make_room(
        &mut self,
        total: u64,
        bounds: &Bounds<'_>,
    ) -> Result<(), Disposition> {
        let reserve = async |bytes| {
            let reserved = bounds.budget.reserve(bytes, bounds.deadline).await;
            reserved.ok_or_else(|| RequestFailure::BodiesFull.disposition())
        };
        match self {
            Self::Small(_) if total <= SMALL_BYTES => Ok(()),
            Self::Small(bytes) => {
                let wanted = STEP_BYTES.max(total).min(bounds.limit_bytes);
                let bytes = std::mem::take(bytes);
                *self = Self::large(bounds.limit_bytes, reserve(wanted).await?, wanted)?;
                self.extend(&bytes)
            }
            Self::Large { reserved_bytes, .. } if total <= *reserved_bytes => Ok(()),
            Self::Large {
                reserved,
                reserved_bytes,
                ..
            } => {
                let wanted = reserved_bytes
                    .saturating_mul(2)
                    .max(total)
                    .min(bounds.limit_bytes);
                let held = whole_units(*reserved_bytes);
                reserved.add(reserve(whole_units(wanted).saturating_sub(held)).await?);
                *reserved_bytes = wanted;
                Ok(())
            }
        }
    }

    pub(super) fn extend(&mut self, data: &[u8]) -> Result<(), Disposition> {
        match self {
            Self::Small(bytes) => {
                bytes.extend_from_slice(data);
                Ok(())
            }
            Self::Large { pages, .. } => match pages.extend(data) {
                true => Ok(()),
                // Not expected: the HTTP reader ends a body at its announced length, and the limit
                // is checked before.
                false => Err(RequestFailure::BodyLost.disposition()),
            },
        }
    }
}

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large { pages, .. } => pages.as_ref(),
        }
    }
}

impl Buffer for Received {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large { pages, .. } => pages.as_mut_slice(),
        }
    }

    fn truncate(&mut self, length: usize) {
        match self {
            Self::Small(bytes) => bytes.truncate(length),
            Self::Large { pages, .. } => pages.truncate(length),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Small(bytes) => bytes.into(),
            Self::Large {
                pages, reserved, ..
            } => budget::counted(pages, reserved),
        }
    }
}

/// Progress of a body that is being read: the number of bytes so far and at the latest check, and
/// the times of the first and the latest check.
struct Progress {
    total: u64,
    started: Option<Instant>,
    looked: Option<Instant>,
    total_at_look: u64,
}

impl Progress {
    fn new() -> Self {
        Self {
            total: 0,
            started: None,
            looked: None,
            total_at_look: 0,
        }
    }

    /// Counts `bytes` more bytes of a body, and checks the progress of the body if [`LOOK`] has
    /// passed since the last check. Reads the clock only for bodies of more than `SMALL_BYTES`
    /// bytes. Fails if the check finds that the body is too slow.
    fn came(&mut self, bytes: u64, budget: &Budget) -> Result<(), Disposition> {
        self.total = self.total.saturating_add(bytes);
        let is_due = |looked: Instant| looked.elapsed() >= LOOK;
        if self.total > SMALL_BYTES && self.looked.is_none_or(is_due) {
            return self.look(budget);
        }
        Ok(())
    }

    /// Checks the progress of a body. Fails if reading the body takes longer than [`BODY_TIMEOUT`].
    /// Also fails if other requests wait for memory of `budget`, and fewer than [`PROGRESS_BYTES`]
    /// arrived since the last check, which was at least half of [`LOOK`] ago.
    fn look(&mut self, budget: &Budget) -> Result<(), Disposition> {
        let now = Instant::now();
        let started = *self.started.get_or_insert(now);
        let came = self.total.saturating_sub(self.total_at_look);
        let is_slow = self
            .looked
            .is_some_and(|looked| now.duration_since(looked) >= LOOK / 2 && came < PROGRESS_BYTES);
        if now.duration_since(started) >= BODY_TIMEOUT || is_slow && budget.is_short() {
            return Err(RequestFailure::BodyTooSlow.disposition());
        }
        (self.looked, self.total_at_look) = (Some(now), self.total);
        Ok(())
    }
}

/// Reserves memory for a large response body, so that clients that do not read their responses
/// cannot use up the memory. A response that waits for memory takes memory as well, so only a few
/// may wait. A body of at most `SMALL_BYTES` bytes needs no reservation.
///
/// # Errors
/// Fails if `budget` has no memory for the response before the deadline, or if too many responses
/// wait for memory.
pub(super) async fn count_answer(
    body: Bytes,
    budget: &Budget,
    deadline: Instant,
) -> Result<Bytes, Disposition> {
    if body.len() as u64 <= SMALL_BYTES {
        return Ok(body);
    }
    let reserved = match budget.has_few_waiting() {
        true => budget.reserve(body.len() as u64, deadline).await,
        false => None,
    };
    match reserved {
        Some(reserved) => Ok(budget::counted(body, reserved)),
        None => Err(RequestFailure::AnswersFull.disposition()),
    }
}
