//! Stores of keys and values, usually in Redis: a bucket is one `[stores.<name>]` of
//! `scorebox.toml`.
//!
//! Owns the type that unites wasi:keyvalue and the contract's interface `cache`. Must not know
//! addresses, prefixes or credentials: the host holds them. If a method takes no `ttl`, the store's
//! `default_ttl` applies. Without a `default_ttl`, the value does not expire.
//!
//! Each method fails if the store cannot be used, e.g. because it does not answer, and if the host
//! or the store refuses the operation. The host refuses a key of more than 64 KiB, a value of more
//! than 32 MiB, and a `ttl` of zero or of more than a thousand years. The store refuses, for
//! example, a write if it is full, and an operation that its access list forbids.

mod json;
mod snapshot;

use std::cell::OnceCell;
use std::time::Duration;

use crate::imports::{atomics, batch, cache as wit, keyvalue as store};

pub use self::snapshot::{Snapshot, Swap};
pub use store::{Error, KeyResponse};
pub use wit::{Condition, Lifetime};

/// A key of a store and the value of this key.
///
/// ```
/// # use scorebox_guest::cache::Entry;
/// # let host = scorebox_guest::testing::Host::new().store("default").install();
/// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
/// let entry: Entry = ("user:1".to_owned(), b"41".to_vec());
/// bucket.set_many(&[entry]).unwrap();
/// ```
pub type Entry = (String, Vec<u8>);

/// A store of keys and values, in Redis or in the memory of the host: one `[stores.<name>]` of
/// `scorebox.toml`.
///
/// ```
/// # use scorebox_guest::cache::Bucket;
/// # use std::time::Duration;
/// # let host = scorebox_guest::testing::Host::new().store("default").install();
/// let bucket = Bucket::lazy("default");
/// bucket.set_for("user:1", "41", Duration::from_secs(60)).unwrap();
/// assert_eq!(bucket.get("user:1").unwrap().as_deref(), Some(b"41".as_slice()));
/// ```
#[derive(Debug)]
pub struct Bucket {
    name: String,
    handle: OnceCell<store::Bucket>,
}

impl Bucket {
    /// Opens the store `name` of `scorebox.toml`.
    ///
    /// ```
    /// # use scorebox_guest::cache::{Bucket, Error};
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// assert!(Bucket::open("default").is_ok());
    /// assert!(matches!(Bucket::open("other"), Err(Error::NoSuchStore)));
    /// ```
    ///
    /// # Errors
    /// Fails if `scorebox.toml` has no store of this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        let bucket = Self::lazy(name);
        bucket.handle()?;
        Ok(bucket)
    }

    /// Returns the store `name` of `scorebox.toml`. The store is opened when it is first used.
    ///
    /// Use this function in `init`, which by default runs while the container image is built,
    /// without a store. If `scorebox.toml` has no store of this name, the first use fails.
    ///
    /// ```
    /// # use scorebox_guest::cache::Bucket;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// let bucket = Bucket::lazy("default");
    /// assert!(!bucket.exists("user:1").unwrap());
    /// ```
    #[must_use]
    pub fn lazy(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            handle: OnceCell::new(),
        }
    }

    fn handle(&self) -> Result<&store::Bucket, Error> {
        if let Some(handle) = self.handle.get() {
            return Ok(handle);
        }
        let opened = store::open(&self.name)?;
        Ok(self.handle.get_or_init(|| opened))
    }

    /// Returns the value of a key, or `None` if the key does not exist.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// assert_eq!(bucket.get("user:1").unwrap(), None);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because the key has more
    /// than 64 KiB.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.handle()?.get(key)
    }

    /// Writes the value of a key. The value expires after the store's `default_ttl`, or never if
    /// `default_ttl` is not set.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set("user:1", "41").unwrap();
    /// assert!(bucket.exists("user:1").unwrap());
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full, or
    /// because the value has more than 32 MiB.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.handle()?.set(key, value.as_ref())
    }

    /// Writes the value of a key. The value expires after the time `ttl`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set_for("user:1", "41", Duration::from_secs(60)).unwrap();
    /// # host.advance(Duration::from_secs(60));
    /// // A minute later:
    /// assert_eq!(bucket.get("user:1").unwrap(), None);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full, because
    /// the value has more than 32 MiB, or because `ttl` is zero.
    pub fn set_for(&self, key: &str, value: impl AsRef<[u8]>, ttl: Duration) -> Result<(), Error> {
        self.set_if(key, value, Condition::Always, Some(ttl))
            .map(|_| ())
    }

    /// Writes the value of a key if `condition` holds. Returns true if the value was written, and
    /// false if `condition` does not hold.
    ///
    /// The value expires after the time `ttl`. If `ttl` is `None`, the store's `default_ttl`
    /// applies.
    ///
    /// ```
    /// # use scorebox_guest::cache::Condition;
    /// # use std::time::Duration;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// assert!(bucket.set_if("lock", "1", Condition::IfAbsent, Some(Duration::from_secs(5))).unwrap());
    /// assert!(!bucket.set_if("lock", "1", Condition::IfAbsent, Some(Duration::from_secs(5))).unwrap());
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full, because
    /// the value has more than 32 MiB, or because `ttl` is zero.
    pub fn set_if(
        &self,
        key: &str,
        value: impl AsRef<[u8]>,
        condition: Condition,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        wit::set(
            self.handle()?,
            key,
            value.as_ref(),
            wit::SetOptions {
                ttl_ms: ttl.map(milliseconds),
                condition,
            },
        )
    }

    /// Removes a key from the store. If the key does not exist, nothing happens.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.delete("user:1").unwrap();
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because the key has more
    /// than 64 KiB.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.handle()?.delete(key)
    }

    /// Returns true if the store has the key `key`.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// assert!(!bucket.exists("user:1").unwrap());
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because the key has more
    /// than 64 KiB.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.handle()?.exists(key)
    }

    /// Returns one page of the store's keys, in no particular order. A key may be on several pages,
    /// and a key that is written or removed while the pages are read may be missing.
    ///
    /// If `cursor` is `None`, the first page is returned. To get the next page, pass the cursor
    /// that this page contains.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set("user:1", "41").unwrap();
    /// let page = bucket.page(None).unwrap();
    /// assert_eq!((page.keys.len(), page.cursor), (1, None));
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because `cursor` is not one
    /// that this store returned.
    pub fn page(&self, cursor: Option<&str>) -> Result<KeyResponse, Error> {
        self.handle()?.list_keys(cursor)
    }

    /// Returns the keys of the store, in no particular order. A key may be listed twice, and a key
    /// that is written or removed meanwhile may be missing.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set("user:1", "41").unwrap();
    /// assert_eq!(bucket.keys().unwrap(), ["user:1"]);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation.
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.page(cursor.as_deref())?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Returns an entry for each of `keys`, in the order of `keys`: the key with its value, or
    /// `None` if the key does not exist.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set("a", "1").unwrap();
    /// let found = bucket.get_many(&["a".to_owned(), "b".to_owned()]).unwrap();
    /// assert_eq!(found, [Some(("a".to_owned(), b"1".to_vec())), None]);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because `keys` has more
    /// than 4,096 keys, or because the values have more than 64 MiB in total.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, Error> {
        batch::get_many(self.handle()?, keys)
    }

    /// Writes the values of several keys, but not atomically. The values expire after the store's
    /// `default_ttl`, or never if `default_ttl` is not set.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set_many(&[("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())]).unwrap();
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full. Some of
    /// the values may have been written. Also fails, without writing a value, if `entries` has more
    /// than 4,096 entries or 64 MiB in total, or if a key or a value is too large.
    pub fn set_many(&self, entries: &[Entry]) -> Result<(), Error> {
        batch::set_many(self.handle()?, entries)
    }

    /// Writes the values of several keys, but not atomically. The values expire after the time
    /// `ttl`.
    ///
    /// If `ttl` is `None`, the store's `default_ttl` applies.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// bucket.set_many_for(&[("a".to_owned(), b"1".to_vec())], Some(day)).unwrap();
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full. Some of
    /// the values may have been written. Also fails, without writing a value, if `entries` has more
    /// than 4,096 entries or 64 MiB in total, if a key or a value is too large, or if `ttl` is zero
    /// or more than a thousand years.
    pub fn set_many_for(&self, entries: &[Entry], ttl: Option<Duration>) -> Result<(), Error> {
        wit::set_many(self.handle()?, entries, ttl.map(milliseconds))
    }

    /// Removes several keys, but not atomically. Keys that do not exist are ignored.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.delete_many(&["a".to_owned(), "b".to_owned()]).unwrap();
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation. Some of the keys may have been
    /// removed. Also fails, without removing a key, if `keys` has more than 4,096 keys or 64 MiB in
    /// total, or if a key has more than 64 KiB.
    pub fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        batch::delete_many(self.handle()?, keys)
    }

    /// Adds `delta` to the counter of a key, and returns the sum. The counter of a key that does
    /// not exist starts at 0, and gets the store's `default_ttl` if this is set. The operation is
    /// atomic.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// assert_eq!(bucket.increment("calls", 1).unwrap(), 1);
    /// assert_eq!(bucket.increment("calls", 2).unwrap(), 3);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because the value of the
    /// key is not a decimal integer, or because the sum does not fit into an `i64`.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        atomics::increment(self.handle()?, key, delta)
    }

    /// Adds `delta` to the counter of a key, and returns the sum. The counter of a key that does
    /// not exist starts at 0, and expires when the time `ttl` has passed since this first
    /// increment.
    ///
    /// The operation is atomic.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// // At most ten calls of a user in a minute:
    /// let calls = bucket.increment_for("calls:user:1", 1, Duration::from_secs(60)).unwrap();
    /// assert!(calls <= 10);
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because the value of the
    /// key is not a decimal integer, because the sum does not fit into an `i64`, or because `ttl`
    /// is zero.
    pub fn increment_for(&self, key: &str, delta: i64, ttl: Duration) -> Result<i64, Error> {
        wit::increment(self.handle()?, key, delta, milliseconds(ttl))
    }

    /// Returns the remaining lifetime of a key, or that the key never expires or does not exist.
    ///
    /// ```
    /// # use scorebox_guest::cache::Lifetime;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// assert!(matches!(bucket.lifetime("user:1").unwrap(), Lifetime::Absent));
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because the key has more
    /// than 64 KiB.
    pub fn lifetime(&self, key: &str) -> Result<Lifetime, Error> {
        wit::lifetime_of(self.handle()?, key)
    }

    /// Makes a key expire when the time `ttl` has passed from now. If `ttl` is `None`, the key no
    /// longer expires.
    ///
    /// Returns true if the key exists, and false if it does not.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// assert!(!bucket.touch("user:1", Some(Duration::from_secs(60))).unwrap());
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because `ttl` is zero.
    pub fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, Error> {
        wit::touch(self.handle()?, key, ttl.map(milliseconds))
    }

    /// Reads the value of a key for a compare-and-swap: [`swap`](Snapshot::swap) then writes a new
    /// value only if the value of the key has not changed.
    ///
    /// ```
    /// # use scorebox_guest::cache::Swap;
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// let snapshot = bucket.snapshot("user:1").unwrap();
    /// assert!(matches!(snapshot.swap("41").unwrap(), Swap::Done));
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because all open snapshots
    /// together would hold more than 64 MiB.
    pub fn snapshot(&self, key: &str) -> Result<Snapshot, Error> {
        atomics::Cas::new(self.handle()?, key).map(Snapshot)
    }

    /// Replaces the value of a key with the result of `change`, and returns the new value.
    ///
    /// `change` gets the current value, or `None` if the key does not exist. If another caller
    /// changes the value in the meantime, `change` is called again with the newer value. The new
    /// value expires after the store's `default_ttl`, or never if `default_ttl` is not set.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// let longer = |old: Option<Vec<u8>>| [old.unwrap_or_default(), b"x".to_vec()].concat();
    /// assert_eq!(bucket.update("trail", longer).unwrap(), b"x");
    /// assert_eq!(bucket.update("trail", longer).unwrap(), b"xx");
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, e.g. because it is full, because
    /// the new value has more than 32 MiB, or because all open snapshots together would hold more
    /// than 64 MiB. The new value may have been written.
    pub fn update(
        &self,
        key: &str,
        change: impl Fn(Option<Vec<u8>>) -> Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let mut snapshot = self.snapshot(key)?;
        loop {
            let value = change(snapshot.current()?);
            match snapshot.swap(&value)? {
                Swap::Done => return Ok(value),
                Swap::Changed(newer) => snapshot = newer,
            }
        }
    }
}

/// Converts the time `ttl` to milliseconds, rounded up.
///
/// Without rounding up, a time below one millisecond would become 0, which the host refuses.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
