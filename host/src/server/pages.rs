//! Memory of large bodies, in memory pages of its own.
//!
//! Owns the pages of a body, and the pages that are kept for the next bodies. Must not know how
//! much memory all bodies may hold together, or what a body means.
//!
//! The operating system fills a new page with zeros when it is first written. For bodies of
//! megabytes this costs more than reading them: while large bodies arrive at a high rate, keeping
//! the pages halves the CPU time of the serving threads, as measured. When no large body has come
//! for a while, the pages go back to the operating system. An allocator would keep them for later.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use memmap2::MmapMut;

/// Maximum total size of the memory maps that have been kept for a next body, in bytes. Maps that
/// were taken from the kept ones and hold a body now are included, because such a map may be larger
/// than the body's reservation.
const KEPT_BYTES: usize = 32 << 20;

/// Maximum ratio of the size of a kept memory map to the capacity that a body asks for. Otherwise
/// small bodies would use up the maps of large ones.
const MAX_RATIO: usize = 4;

/// Time without large bodies after which the kept memory maps go back to the operating system.
const IDLE: Duration = Duration::from_secs(1);

/// Memory of one large body. Only the bytes that were written to this body can be read, although
/// the pages may have held another body before.
pub(super) struct Pages {
    /// Memory map that holds the body. `None` only while this value is dropped.
    map: Option<MmapMut>,
    length: usize,
    /// True if the map held another body before, so that it is counted in [`Kept::total_bytes`].
    is_counted: bool,
}

impl Pages {
    /// Reserves address space for a body of at most `capacity` bytes. New memory is used only for
    /// bytes that are written.
    ///
    /// # Errors
    /// Fails if the operating system cannot reserve the address space.
    pub(super) fn new(capacity: usize) -> std::io::Result<Self> {
        let kept = kept().take(capacity);
        let is_counted = kept.is_some();
        let map = match kept {
            Some(map) => map,
            None => MmapMut::map_anon(capacity.max(1))?,
        };
        Ok(Self {
            map: Some(map),
            length: 0,
            is_counted,
        })
    }

    /// Appends bytes to the body. Returns false, and appends nothing, if the bytes exceed the
    /// capacity.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> bool {
        let end = self.length.saturating_add(bytes.len());
        let free = self
            .map
            .as_mut()
            .and_then(|map| map.get_mut(self.length..end));
        match free {
            Some(free) => free.copy_from_slice(bytes),
            None => return false,
        }
        self.length = end;
        true
    }

    /// Returns the bytes of the body that were written so far, so that they can be changed in
    /// place.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        let written = self.map.as_mut().and_then(|map| map.get_mut(..self.length));
        written.unwrap_or_default()
    }

    /// Shortens the body to its first `length` bytes. Does nothing if the body is shorter.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        let written = self.map.as_ref().and_then(|map| map.get(..self.length));
        written.unwrap_or_default()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some(map) = self.map.take() {
            keep(map, self.is_counted);
        }
    }
}

/// Memory maps that are kept for the next bodies, so that the operating system need not fill new
/// pages with zeros.
#[derive(Default)]
struct Kept {
    maps: Vec<MmapMut>,
    /// Total size of `maps`, and of the maps that were taken from `maps` and hold a body now, in
    /// bytes.
    total_bytes: usize,
    /// True if a memory map was taken from `maps` or added to `maps` since the releasing thread
    /// last set this flag to false. If it is still false after [`IDLE`], the thread releases all
    /// maps.
    is_used: bool,
    /// True if a thread is running that will release the maps.
    has_releaser: bool,
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, Kept> {
    // The state is consistent after every statement.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// Takes a kept memory map that has room for `capacity` bytes and is not too large for them.
    /// Returns `None` if there is none.
    fn take(&mut self, capacity: usize) -> Option<MmapMut> {
        let fits = |map: &MmapMut| map.len() >= capacity && map.len() / MAX_RATIO <= capacity;
        let index = self.maps.iter().position(fits)?;
        self.is_used = true;
        Some(self.maps.swap_remove(index))
    }

    /// Keeps a memory map for the next bodies, or returns it if too many bytes are kept already.
    /// `is_counted` is true if the map was taken from the kept ones.
    fn add(&mut self, map: MmapMut, is_counted: bool) -> Option<MmapMut> {
        if !is_counted {
            let total_bytes = self.total_bytes.saturating_add(map.len());
            if total_bytes > KEPT_BYTES {
                return Some(map);
            }
            self.total_bytes = total_bytes;
        }
        self.is_used = true;
        self.maps.push(map);
        None
    }

    /// Removes all memory maps that are kept for the next bodies, and returns them.
    fn clear(&mut self) -> Vec<MmapMut> {
        let maps = std::mem::take(&mut self.maps);
        let bytes: usize = maps.iter().map(|map| map.len()).sum();
        self.total_bytes = self.total_bytes.saturating_sub(bytes);
        maps
    }
}

/// Keeps the memory map of a body that has ended for a next body, and starts a thread that releases
/// the kept maps after [`IDLE`] without large bodies. If there is no room for the map, or if the
/// thread cannot be started, releases the map at once.
#[inline(never)]
fn keep(map: MmapMut, is_counted: bool) {
    let mut kept = kept();
    let refused = kept.add(map, is_counted);
    if !kept.has_releaser && !kept.maps.is_empty() {
        let releaser = thread::Builder::new()
            .name("pages".to_owned())
            .spawn(release_when_idle);
        kept.has_releaser = releaser.is_ok();
    }
    // Without a thread nothing would release the maps later.
    let released = match kept.has_releaser {
        true => Vec::new(),
        false => kept.clear(),
    };
    // Memory is unmapped without the lock, because it takes long.
    drop(kept);
    drop((refused, released));
}

/// Waits until no kept memory map was taken or added for [`IDLE`], and releases all kept maps.
fn release_when_idle() {
    loop {
        kept().is_used = false;
        thread::sleep(IDLE);
        let mut kept = kept();
        if !kept.is_used {
            kept.has_releaser = false;
            let released = kept.clear();
            drop(kept);
            return drop(released);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(bytes: usize) -> MmapMut {
        MmapMut::map_anon(bytes).unwrap()
    }

    #[test]
    fn a_body_ends_at_its_capacity_and_shows_only_its_own_bytes() {
        let mut first = Pages::new(1 << 20).unwrap();
        assert!(first.extend(&vec![7; 1 << 20]) && !first.extend(b"9"));
        drop(first);
        let mut second = Pages::new(1 << 20).unwrap();
        assert!(second.as_ref().is_empty() && second.as_mut_slice().is_empty());
        assert!(second.extend(b"1234"));
        second.truncate(3);
        assert_eq!(second.as_ref(), b"123");
    }

    #[test]
    fn a_body_gets_a_map_that_fits() {
        let mut kept = Kept::default();
        for bytes in [9000, 5000] {
            assert!(kept.add(map(bytes), false).is_none());
        }
        assert!(kept.take(9001).is_none(), "no map is as large");
        assert!(kept.take(1000).is_none(), "all maps are much larger");
        assert_eq!(kept.take(5001).unwrap().len(), 9000);
        assert_eq!(kept.take(5000).unwrap().len(), 5000);
        assert!(kept.take(5000).is_none());
    }

    #[test]
    fn maps_that_hold_a_body_again_count_as_kept() {
        let mut kept = Kept::default();
        let half = KEPT_BYTES / 2;
        assert!(kept.add(map(half), false).is_none());
        assert!(kept.add(map(half), false).is_none());
        let taken = kept.take(half).unwrap();
        assert!(kept.add(map(half), false).is_some());
        assert_eq!(kept.clear().len(), 1);
        assert!(kept.add(taken, true).is_none());
        assert_eq!(kept.total_bytes, half);
        assert_eq!((kept.clear().len(), kept.total_bytes), (1, 0));
    }

    #[test]
    fn kept_maps_are_released_when_no_body_comes() {
        // No other test asks for a map of this size, or of a quarter of it.
        let bytes = 6 << 20;
        drop(Pages::new(bytes).unwrap());
        let has = || kept().maps.iter().any(|map| map.len() == bytes);
        assert!(has());
        while has() {
            thread::sleep(IDLE / 10);
        }
    }
}
