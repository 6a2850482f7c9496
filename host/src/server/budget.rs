//! Memory budgets for bodies: how many bytes all bodies may hold together, and which bodies wait
//! for memory.
//!
//! Owns the reservation of bytes and their release when the last owner of a body is gone. Must not
//! know what a body means. Small bodies are not counted, so that usual calls pay nothing. The
//! number of connections limits their memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::timer;

/// Maximum size of a body that is not counted in a memory budget, in bytes. A thousand connections
/// hold at most 64 MiB of such small bodies.
pub(super) const SMALL_BYTES: u64 = 64 << 10;

/// Number of bytes that one permit of a budget's semaphore stands for. Permits are counted in 32
/// bits, and a budget may be larger than 4 GiB.
const UNIT_BYTES: u64 = 1 << 10;

/// Number of bodies that wait for memory, above which each body gives up at a random time before
/// its deadline. Otherwise bodies that arrived together would give up together.
const CROWD: usize = 16;

/// Memory budget of all request bodies together, or of all response bodies together.
pub(super) struct Budget {
    units: Arc<Semaphore>,
    total_units: u32,
    waiting: AtomicUsize,
    waiting_bytes: AtomicU64,
}

/// Reservation of memory in a budget. Dropping the reservation releases the memory.
#[derive(Debug)]
pub(super) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// Adds the reservation `more`, which must be of the same budget, to this reservation.
    pub(super) fn add(&mut self, more: Self) {
        self.0.merge(more.0);
    }
}

impl Budget {
    /// Creates a budget of `bytes` bytes, rounded down to whole units of `UNIT_BYTES`. The budget
    /// has at least one unit.
    pub(super) fn new(bytes: u64) -> Self {
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        let total_units = u32::try_from((bytes / UNIT_BYTES).clamp(1, most)).unwrap_or(u32::MAX);
        Self {
            units: Arc::new(Semaphore::new(total_units as usize)),
            total_units,
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicU64::new(0),
        }
    }

    /// Reserves `bytes` bytes of the budget for a body. Bodies that wait for memory are served in
    /// the order of their arrival. Returns `None` if the memory is not free before the deadline.
    ///
    /// If many bodies wait, the wait ends at a random time in the second half of the time until the
    /// deadline. A body that is larger than the whole budget gets the whole budget.
    pub(super) async fn reserve(&self, bytes: u64, deadline: Instant) -> Option<Reserved> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES))
            .unwrap_or(u32::MAX)
            .min(self.total_units);
        if let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(units) {
            return Some(Reserved(permit));
        }
        let _waiting = Waiting::new(self, bytes);
        let deadline = if self.waiting.load(Ordering::Relaxed) > CROWD {
            // Requests that came together would give up together, and their responses would delay
            // all other requests.
            let time = deadline.saturating_duration_since(Instant::now());
            deadline
                .checked_sub(time.mul_f64(rand::random_range(0.0..0.5)))
                .unwrap_or(deadline)
        } else {
            deadline
        };
        // The semaphore is never closed, so the acquisition itself does not fail.
        timer::until(deadline, Arc::clone(&self.units).acquire_many_owned(units))
            .await?
            .ok()
            .map(Reserved)
    }

    /// Returns true if a body waits for memory of this budget.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns true if less than a sixteenth of the budget is free.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.units.available_permits() < self.total_units as usize / 16
    }

    /// Returns true if the bodies that wait for memory of this budget together need less than a
    /// quarter of the budget.
    pub(super) fn has_few_waiting(&self) -> bool {
        self.waiting_bytes() < u64::from(self.total_units) * UNIT_BYTES / 4
    }

    /// Returns the total number of bytes of this budget that bodies wait for.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed)
    }
}

/// Returns the number of bytes of a budget that a reservation of `bytes` bytes takes, which is
/// rounded up to whole units. A body that extends its reservation has to count in these sizes,
/// because two parts that are rounded up may take more than the whole.
pub(super) fn whole_units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES).saturating_mul(UNIT_BYTES)
}

/// Guard that counts one body as waiting for memory of a budget until the guard is dropped.
struct Waiting<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl<'a> Waiting<'a> {
    fn new(budget: &'a Budget, bytes: u64) -> Self {
        budget.waiting.fetch_add(1, Ordering::Relaxed);
        budget.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { budget, bytes }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.budget.waiting.fetch_sub(1, Ordering::Relaxed);
        self.budget
            .waiting_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of a body with their reservation in a budget. Both are released together.
struct Owner<T> {
    bytes: T,
    _reserved: Reserved,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Owner<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Ties the bytes of a body to a reservation in a budget. The reservation is released, and `body`
/// is dropped, when the last clone of the result is dropped.
pub(super) fn counted(body: impl AsRef<[u8]> + Send + 'static, reserved: Reserved) -> Bytes {
    Bytes::from_owner(Owner {
        bytes: body,
        _reserved: reserved,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn bytes_come_back_with_the_last_owner_of_a_body() {
        let budget = Budget::new(1 << 20);
        let reserved = budget.reserve(1 << 20, soon()).await.unwrap();
        assert!(budget.reserve(1, soon()).await.is_none());
        assert!(!budget.is_short());
        let body = counted(b"12345678".to_vec(), reserved);
        let clone = body.clone();
        drop(body);
        assert_eq!(&clone[..], b"12345678");
        assert!(budget.reserve(1, soon()).await.is_none());
        drop(clone);
        assert!(budget.reserve(1 << 40, soon()).await.is_some());
    }

    #[tokio::test]
    async fn who_waits_is_counted_and_served_in_turn() {
        let budget = Arc::new(Budget::new(4 << 10));
        let first = budget.reserve(4 << 10, soon()).await.unwrap();
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move {
                budget
                    .reserve(2 << 10, Instant::now() + Duration::from_secs(60))
                    .await
                    .is_some()
            }
        });
        while !budget.is_short() {
            tokio::task::yield_now().await;
        }
        assert_eq!(budget.waiting_bytes(), 2 << 10);
        drop(first);
        assert!(waiting.await.unwrap());
        assert_eq!((budget.is_short(), budget.waiting_bytes()), (false, 0));
    }
}
