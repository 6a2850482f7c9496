//! Bodies of requests, read within bounds.
//!
//! Owns how many bytes are taken, how long that may last, and what becomes of a body that nobody will read. Must not know
//! what a body means, or who sends it.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::budget::{self, Budget, Pages, Reserved, SMALL_BYTES};
use super::discard::{self, Discarding};
use crate::error::{Disposition, RequestFailure, ScoreFailure};
use crate::functions::envelope::Buffer;
use crate::timer;

/// Time for the body of a request. A client that takes longer is lost or hostile.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the progress of a body is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Bytes that must have come since the last look where others wait for the memory: a client below 32 KiB/s would hold its
/// reservation for minutes.
const PROGRESS_BYTES: u64 = 64 << 10;

/// Reserved at first for a body whose length is not announced, once it is no longer small.
const STEP_BYTES: u64 = 1 << 20;

/// What bounds one body.
pub(super) struct Bounds<'a> {
    /// Largest body that is taken, in bytes.
    pub(super) limit_bytes: u64,
    /// Memory of all bodies.
    pub(super) budget: &'a Budget,
    /// When waiting for memory ends.
    pub(super) deadline: Instant,
}

/// Reads a body. What a caller's large body takes of the budget is given back when the last clone of the result is gone.
///
/// # Errors
/// The body is too large, breaks off, is too slow, or there is no memory for it before the deadline.
pub(super) async fn read(headers: &HeaderMap, mut body: Body, bounds: &Bounds<'_>) -> Result<Received, Disposition> {
    let limit_bytes = bounds.limit_bytes;
    let too_large = || ScoreFailure::TooLarge { limit_bytes }.disposition();
    let announced = announced_bytes(headers);
    if announced.is_some_and(|length| length > limit_bytes) {
        // A client that asks first has sent nothing yet, and need not.
        if !headers.contains_key(EXPECT) {
            discard(body);
        }
        return Err(too_large());
    }
    let reserved = match announced {
        Some(length) if length > SMALL_BYTES => match bounds.budget.reserve(length, bounds.deadline).await {
            Some(reserved) => Some((length, reserved)),
            None => {
                discard_unless_asked(headers, body);
                return Err(RequestFailure::BodiesFull.disposition());
            }
        },
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
        let Ok(data) = frame.into_data() else { continue };
        progress.came(data.len() as u64, bounds.budget)?;
        if progress.total > limit_bytes {
            discard(body);
            return Err(too_large());
        }
        // Most bodies come in one piece, which need not be copied.
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

/// Waits until the requests that this thread has in hand have moved on. Of all large bodies one goes on at a time. A thread
/// would otherwise read a body to its end, and then the bodies of fifteen others, before it looks at a small request.
async fn let_others_go_first() {
    static NEXT: Semaphore = Semaphore::const_new(1);
    // The semaphore is never closed.
    let _turn = NEXT.acquire().await;
    tokio::task::yield_now().await;
}

/// Returns the length that a client announces. It may be a lie: much may be announced and nothing sent.
pub(super) fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Has a refused body read and dropped in the background, unless its client waits for a word before it sends any.
pub(super) fn discard_unless_asked(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(EXPECT) {
        discard(body);
    }
}

/// Reads the rest of a body in the background, slowly and within bounds, while the answer is on its way.
fn discard(mut body: Body) {
    let Some(discarding) = Discarding::try_begin() else { return };
    tokio::spawn(async move {
        let reading = async {
            let mut total = 0;
            while let Some(Ok(frame)) = body.frame().await {
                total += frame.data_ref().map_or(0, Bytes::len);
                if total > discard::MOST_BYTES {
                    return;
                }
                drop(frame);
                discarding.pause().await;
            }
        };
        // What is left then ends with its connection.
        let _ = tokio::time::timeout(discard::TIMEOUT, reading).await;
    });
}

/// A body that is being read, or was.
pub(super) enum Received {
    Small(Vec<u8>),
    /// At least as many bytes are reserved as the pages hold.
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
        Ok(Self::Large { pages, reserved, reserved_bytes })
    }

    /// Sees that a body of `total` bytes has its reservation. A body whose length is not announced gets a step, then twice as
    /// much each time. Those who hold some and wait for more could wait for one another: the deadline ends that.
    async fn make_room(&mut self, total: u64, bounds: &Bounds<'_>) -> Result<(), Disposition> {
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
            Self::Large { reserved, reserved_bytes, .. } => {
                let wanted = reserved_bytes.saturating_mul(2).max(total).min(bounds.limit_bytes);
                reserved.add(reserve(wanted.saturating_sub(*reserved_bytes)).await?);
                *reserved_bytes = wanted;
                Ok(())
            }
        }
    }

    fn extend(&mut self, data: &[u8]) -> Result<(), Disposition> {
        match self {
            Self::Small(bytes) => {
                bytes.extend_from_slice(data);
                Ok(())
            }
            Self::Large { pages, .. } => match pages.extend(data) {
                true => Ok(()),
                // The HTTP reader ends a body at its announced length, and the limit is looked at before.
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
            Self::Large { pages, reserved, .. } => pages.into_bytes(reserved),
        }
    }
}

/// How far a body has come, and how long it takes.
struct Progress {
    total: u64,
    started: Option<Instant>,
    looked: Option<Instant>,
    total_at_look: u64,
}

impl Progress {
    fn new() -> Self {
        Self { total: 0, started: None, looked: None, total_at_look: 0 }
    }

    /// Counts bytes; the clock is looked at only for bodies that are not small.
    fn came(&mut self, bytes: u64, budget: &Budget) -> Result<(), Disposition> {
        self.total = self.total.saturating_add(bytes);
        let is_due = |looked: Instant| looked.elapsed() >= LOOK;
        if self.total > SMALL_BYTES && self.looked.is_none_or(is_due) {
            return self.look(budget);
        }
        Ok(())
    }

    /// Ends a body that takes too long, or that hardly comes on while others wait for its memory.
    fn look(&mut self, budget: &Budget) -> Result<(), Disposition> {
        let now = Instant::now();
        let started = *self.started.get_or_insert(now);
        let came = self.total.saturating_sub(self.total_at_look);
        let is_slow = self.looked.is_some_and(|looked| now.duration_since(looked) >= LOOK / 2 && came < PROGRESS_BYTES);
        if now.duration_since(started) >= BODY_TIMEOUT || is_slow && budget.is_short() {
            return Err(RequestFailure::BodyTooSlow.disposition());
        }
        (self.looked, self.total_at_look) = (Some(now), self.total);
        Ok(())
    }
}

/// Reserves memory for an answer that is large, so that clients who do not read cannot fill it. An answer that waits takes
/// memory as well, so only a few may.
///
/// # Errors
/// There is no memory before the deadline, or too many answers wait for some.
pub(super) async fn count_answer(body: Bytes, budget: &Budget, deadline: Instant) -> Result<Bytes, Disposition> {
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
