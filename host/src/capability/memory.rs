//! Linear memory of instances: how much one instance may have, and how much all of them together.
//!
//! Owns the two limits, and which of them was exceeded. Must not know what an instance does with
//! its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use crate::engine::TABLE_ELEMENTS;

/// Limit on the linear memory of all instances of one host together.
///
/// Without this limit, each of the instances that may run at a time could grow to `limits.memory`,
/// and a container would be killed because of one scorer.
#[derive(Debug)]
pub struct SharedMemory {
    /// Size of the memory that every instance may have, no matter how much the others have, in
    /// bytes.
    share_bytes: u64,
    /// Size of the memory that is left for instances that need more than `share_bytes`, in bytes.
    free_bytes: AtomicU64,
}

impl SharedMemory {
    /// Creates a limit of `total_bytes` bytes for `instances` instances. Half of the memory is
    /// divided into equal shares, and half is for instances that need more than their share.
    #[must_use]
    pub fn new(total_bytes: u64, instances: usize) -> Self {
        let half = total_bytes / 2;
        let instances = u64::try_from(instances).unwrap_or(u64::MAX).max(1);
        Self {
            share_bytes: half / instances,
            free_bytes: AtomicU64::new(half),
        }
    }

    fn take(&self, bytes: u64) -> bool {
        let left = |free: u64| free.checked_sub(bytes);
        bytes == 0
            || self
                .free_bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
                .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        if bytes > 0 {
            self.free_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// Reason why an instance did not get more memory: the limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The limit on one instance was reached: `limits.memory`.
    Own,
    /// The limit on all instances together was reached.
    Shared,
}

/// Limit on the memory of one instance, with the reason why the instance was last refused memory.
///
/// A guest sees a refused growth as a failed allocation, and most guests then end with a trap that
/// does not state the reason. So the reason is kept here for the error message.
pub(super) struct MemoryLimit {
    shared: Arc<SharedMemory>,
    limit_bytes: u64,
    /// Total size of all linear memories of the instance, in bytes. A component may have several.
    used_bytes: u64,
    refusal: Option<Refusal>,
}

impl MemoryLimit {
    pub(super) fn new(shared: Arc<SharedMemory>, limit_bytes: u64) -> Self {
        Self {
            shared,
            limit_bytes,
            used_bytes: 0,
            refusal: None,
        }
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Records that a host function refused memory to the instance because of the instance's own
    /// limit.
    pub(super) fn refuse_own(&mut self) {
        self.refusal = Some(Refusal::Own);
    }

    pub(super) fn forget_refusal(&mut self) {
        self.refusal = None;
    }

    /// Returns how many of `used_bytes` bytes exceed the instance's share, and so are taken from
    /// the memory for instances that need more.
    fn beyond_share(&self, used_bytes: u64) -> u64 {
        used_bytes.saturating_sub(self.shared.share_bytes)
    }

    fn grow(&mut self, more: u64) -> Result<(), Refusal> {
        let wanted = self.used_bytes.saturating_add(more);
        if wanted > self.limit_bytes {
            return Err(Refusal::Own);
        }
        if !self
            .shared
            .take(self.beyond_share(wanted) - self.beyond_share(self.used_bytes))
        {
            return Err(Refusal::Shared);
        }
        self.used_bytes = wanted;
        Ok(())
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        self.shared.give_back(self.beyond_share(self.used_bytes));
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = (desired as u64).saturating_sub(current as u64);
        match self.grow(more) {
            Ok(()) => Ok(true),
            Err(refusal) => {
                self.refusal = Some(refusal);
                Ok(false)
            }
        }
    }

    /// Does nothing. Wasmtime also calls this function for a growth that no memory can have,
    /// without [`Self::memory_growing`] before it. If bytes were released here, a guest could grow
    /// by a page and then ask for 4 GiB, again and again, and no page would be counted. So bytes
    /// that the operating system refused stay counted until the instance ends.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn one_instance_cannot_take_the_shares_of_the_others() {
        // Each of the eight instances has 16 MiB, and 128 MiB are for instances that need more.
        let shared = Arc::new(SharedMemory::new(256 * MIB, 8));
        let instance = || MemoryLimit::new(Arc::clone(&shared), 256 * MIB);
        let mut hog = instance();
        assert_eq!(hog.grow(144 * MIB), Ok(()));
        assert_eq!(hog.grow(1), Err(Refusal::Shared));
        let mut others: Vec<_> = (0..7).map(|_| instance()).collect();
        for other in &mut others {
            assert_eq!(other.grow(16 * MIB), Ok(()));
            assert_eq!(other.grow(1), Err(Refusal::Shared));
        }
        drop(hog);
        assert_eq!(others[0].grow(128 * MIB), Ok(()));
        assert_eq!(others[1].grow(1), Err(Refusal::Shared));
        drop(others);
        assert_eq!(shared.free_bytes.load(Ordering::Relaxed), 128 * MIB);
    }

    #[test]
    fn a_growth_that_fails_releases_no_memory() {
        let shared = Arc::new(SharedMemory::new(64 * MIB, 1));
        let mut memory = MemoryLimit::new(Arc::clone(&shared), 8 * MIB);
        let free = shared.free_bytes.load(Ordering::Relaxed);
        for page in 0..128 {
            let size = page << 16;
            assert!(memory.memory_growing(size, size + (1 << 16), None).unwrap());
            // Wasmtime reports a growth to more than 4 GiB without asking first.
            let error = wasmtime::Error::msg("memory growth exceeds memory type's limits");
            memory.memory_grow_failed(error).unwrap();
        }
        assert!(!memory.memory_growing(8 << 20, 9 << 20, None).unwrap());
        assert_eq!(memory.refusal(), Some(Refusal::Own));
        memory.forget_refusal();
        drop(memory);
        assert_eq!(shared.free_bytes.load(Ordering::Relaxed), free);
    }
}
