//! Compare-and-swap: a new value is written to a key only if nobody has changed the key's value
//! since it was read.
//!
//! Owns the types of a compare-and-swap, [`Snapshot`] and [`Swap`]. Must not know how a store is
//! opened.

use super::Error;
use crate::imports::atomics;

/// A key with the value that the key had when it was read, for a compare-and-swap.
///
/// ```
/// # let host = scorebox_guest::testing::Host::new().store("default").install();
/// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
/// let snapshot = bucket.snapshot("user:1").unwrap();
/// assert_eq!(snapshot.current().unwrap(), None);
/// ```
#[derive(Debug)]
pub struct Snapshot(pub(super) atomics::Cas);

/// Result of [`Snapshot::swap`].
///
/// ```
/// # use scorebox_guest::cache::Swap;
/// # let host = scorebox_guest::testing::Host::new().store("default").install();
/// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
/// let snapshot = bucket.snapshot("user:1").unwrap();
/// bucket.set("user:1", "another caller's").unwrap();
/// assert!(matches!(snapshot.swap("mine").unwrap(), Swap::Changed(_)));
/// ```
#[derive(Debug)]
pub enum Swap {
    /// The new value was written.
    Done,
    /// Nothing was written, because another caller changed the value after the snapshot was read.
    ///
    /// The new snapshot contains the changed value.
    Changed(Snapshot),
}

impl Snapshot {
    /// Returns the value that the snapshot read, or `None` if the key did not exist.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set("user:1", "41").unwrap();
    /// let snapshot = bucket.snapshot("user:1").unwrap();
    /// assert_eq!(snapshot.current().unwrap().as_deref(), Some(b"41".as_slice()));
    /// ```
    ///
    /// # Errors
    /// Fails if the host refuses the call. The store is not read again, so it need not answer.
    pub fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        self.0.current()
    }

    /// Writes `value` to the key of the snapshot if the key still has the value that the snapshot
    /// read, or still does not exist. The value expires after the store's `default_ttl`, or never
    /// if `default_ttl` is not set.
    ///
    /// ```
    /// # use scorebox_guest::cache::Swap;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// let snapshot = bucket.snapshot("user:1").unwrap();
    /// assert!(matches!(snapshot.swap("42").unwrap(), Swap::Done));
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full, because
    /// `value` has more than 32 MiB, or because all open snapshots together would hold more than 64
    /// MiB. The value may have been written. A value that another caller changed is not an error,
    /// but the result [`Swap::Changed`].
    pub fn swap(self, value: impl AsRef<[u8]>) -> Result<Swap, Error> {
        match atomics::swap(self.0, value.as_ref()) {
            Ok(()) => Ok(Swap::Done),
            Err(atomics::CasError::CasFailed(newer)) => Ok(Swap::Changed(Snapshot(newer))),
            Err(atomics::CasError::StoreError(error)) => Err(error),
        }
    }
}
