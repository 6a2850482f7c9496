//! Memory for bodies: how many bytes all of them may hold at a time, and who waits for some.
//!
//! Owns the reservation of bytes and their return when the last owner of a body is gone. Must not know what a body means.
//! Small bodies are not counted, so that usual calls pay nothing: the number of connections bounds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use memmap2::MmapMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::timer;

/// Largest body that is not counted, in bytes. A thousand connections hold 64 MiB of such bodies at most.
pub(super) const SMALL_BYTES: u64 = 64 << 10;

/// Bytes that one permit stands for: permits are counted in 32 bits, and a budget may be larger than 4 GiB.
const UNIT_BYTES: u64 = 1 << 10;

/// A number of bytes that is shared by all bodies of one direction.
pub(super) struct Budget {
    units: Arc<Semaphore>,
    total_units: u32,
    waiting: AtomicUsize,
    waiting_bytes: AtomicU64,
}

/// Bytes of a budget. They are given back when this is dropped.
#[derive(Debug)]
pub(super) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// Joins two reservations of one budget.
    pub(super) fn add(&mut self, more: Self) {
        self.0.merge(more.0);
    }
}

impl Budget {
    /// Makes a budget of `bytes` bytes, at least one unit.
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

    /// Reserves bytes, in order of arrival. Returns `None` if they are not free by the deadline or a little earlier. A body that
    /// is larger than the whole budget gets all of it.
    pub(super) async fn reserve(&self, bytes: u64, deadline: Instant) -> Option<Reserved> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.total_units);
        if let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(units) {
            return Some(Reserved(permit));
        }
        let _waiting = Waiting::new(self, bytes);
        // Many that came together would give up together, and their answers would hold up everyone else.
        let time = deadline.saturating_duration_since(Instant::now());
        let deadline = deadline.checked_sub(time.mul_f64(rand::random_range(0.0..0.5))).unwrap_or(deadline);
        // The semaphore is never closed.
        timer::until(deadline, Arc::clone(&self.units).acquire_many_owned(units)).await?.ok().map(Reserved)
    }

    /// True if somebody waits for bytes.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// True if less than a sixteenth of the budget is free.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.units.available_permits() < self.total_units as usize / 16
    }

    /// True if less than a quarter of the budget is waited for.
    pub(super) fn has_few_waiting(&self) -> bool {
        self.waiting_bytes() < u64::from(self.total_units) * UNIT_BYTES / 4
    }

    /// Returns how many bytes are waited for.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed)
    }
}

/// Counts one waiting body for as long as it lives.
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
        self.budget.waiting_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Memory of a large body: pages of its own, which go back to the system when the body is dropped. An allocator would keep
/// them for later.
pub(super) struct Pages {
    map: MmapMut,
    length: usize,
}

impl Pages {
    /// Reserves addresses for `capacity` bytes. Memory is used only as far as bytes are written.
    ///
    /// # Errors
    /// The system has no more addresses.
    pub(super) fn new(capacity: usize) -> std::io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(capacity.max(1))?, length: 0 })
    }

    /// Appends bytes. Returns false, and appends nothing, if they do not fit.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> bool {
        let end = self.length.saturating_add(bytes.len());
        match self.map.get_mut(self.length..end) {
            Some(free) => free.copy_from_slice(bytes),
            None => return false,
        }
        self.length = end;
        true
    }

    /// Returns the bytes written so far.
    pub(super) fn as_slice(&self) -> &[u8] {
        self.map.get(..self.length).unwrap_or_default()
    }

    /// Returns the bytes written so far, to be changed.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.map.get_mut(..self.length).unwrap_or_default()
    }

    /// Drops all bytes but the first `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Makes a body of the pages. They and the reservation are given back when its last clone is dropped.
    pub(super) fn into_bytes(self, reserved: Reserved) -> Bytes {
        Bytes::from_owner(Owner { bytes: self, _reserved: reserved })
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Ties bytes to their reservation.
struct Owner<T> {
    bytes: T,
    _reserved: Reserved,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Owner<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Ties a body that exists already to a reservation, which is given back when the last clone of the result is dropped.
pub(super) fn counted(body: Bytes, reserved: Reserved) -> Bytes {
    Bytes::from_owner(Owner { bytes: body, _reserved: reserved })
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
        let mut pages = Pages::new(8).unwrap();
        assert!(pages.extend(b"12345678") && !pages.extend(b"9"));
        let body = pages.into_bytes(reserved);
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
            async move { budget.reserve(2 << 10, Instant::now() + Duration::from_secs(60)).await.is_some() }
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
