//! Redis as keys and values: a bucket is one `[stores.<name>]` of `scorebox.toml`.
//!
//! Owns the joining of wasi:keyvalue and the contract's `cache` into one type. Must not know
//! addresses, prefixes or credentials: the host holds them. If a method takes no `ttl`, the store's
//! `default_ttl` applies. Without a `default_ttl`, the value does not expire.

use std::cell::OnceCell;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::OrProblem;
use crate::bindings::capabilities::scorebox::scoring::cache as wit;
use crate::bindings::capabilities::wasi::keyvalue::{atomics, batch, store};

pub use store::{Error, KeyResponse};
pub use wit::{Condition, Lifetime};

/// A key and its value.
pub type Entry = (String, Vec<u8>);

/// A store of keys and values.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    handle: OnceCell<store::Bucket>,
}

impl Bucket {
    /// Opens a store by its name in `scorebox.toml`.
    ///
    /// # Errors
    /// The manifest has no store of this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        let bucket = Self::lazy(name);
        bucket.handle()?;
        Ok(bucket)
    }

    /// Names a store that is opened when it is first used.
    ///
    /// This is for `init`, which runs where the image is built and no store can be reached. If the
    /// manifest does not have the name, the first use fails.
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
    /// # Errors
    /// The store does not answer.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.handle()?.get(key)
    }

    /// Writes the value of a key.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.handle()?.set(key, value.as_ref())
    }

    /// Writes a value that expires after `ttl`.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn set_for(&self, key: &str, value: impl AsRef<[u8]>, ttl: Duration) -> Result<(), Error> {
        self.set_if(key, value, Condition::Always, Some(ttl))
            .map(|_| ())
    }

    /// Writes a value if `condition` holds. Returns false if it did not hold and nothing was
    /// written.
    ///
    /// # Errors
    /// The store does not answer.
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

    /// Returns the JSON value of a key, or `None` if the key does not exist.
    ///
    /// # Errors
    /// The store does not answer, or holds something else (`stored-json`).
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> crate::Result<Option<T>> {
        let Some(bytes) = self.get(key)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .or_fail("stored-json", "a stored value is not the JSON expected")
    }

    /// Writes a value as JSON. Without a `ttl`, the store's `default_ttl` applies.
    ///
    /// # Errors
    /// The store does not answer, or the value cannot be written as JSON.
    pub fn set_json<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        ttl: Option<Duration>,
    ) -> crate::Result<()> {
        self.set_if(key, serde_json::to_vec(value)?, Condition::Always, ttl)?;
        Ok(())
    }

    /// Removes a key. A key that does not exist is not an error.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.handle()?.delete(key)
    }

    /// Returns true if a key exists.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.handle()?.exists(key)
    }

    /// Returns one page of keys, in no particular order. Its cursor gives the next page.
    ///
    /// # Errors
    /// The store does not answer, or never gave this cursor.
    pub fn page(&self, cursor: Option<&str>) -> Result<KeyResponse, Error> {
        self.handle()?.list_keys(cursor)
    }

    /// Returns all keys, in no particular order.
    ///
    /// # Errors
    /// The store does not answer.
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

    /// Returns each key with its value, in the order of `keys`, or `None` if a key does not exist.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, Error> {
        batch::get_many(self.handle()?, keys)
    }

    /// Writes all pairs in one round trip, not atomically.
    ///
    /// # Errors
    /// The store does not answer. Some pairs may have been written.
    pub fn set_many(&self, entries: &[Entry]) -> Result<(), Error> {
        batch::set_many(self.handle()?, entries)
    }

    /// Writes all pairs in one round trip, not atomically, so that they expire after `ttl`.
    ///
    /// Without a `ttl`, the store's `default_ttl` applies.
    ///
    /// # Errors
    /// The store does not answer. Some pairs may have been written.
    pub fn set_many_for(&self, entries: &[Entry], ttl: Option<Duration>) -> Result<(), Error> {
        wit::set_many(self.handle()?, entries, ttl.map(milliseconds))
    }

    /// Removes all keys in one round trip, not atomically.
    ///
    /// # Errors
    /// The store does not answer. Some keys may have been removed.
    pub fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        batch::delete_many(self.handle()?, keys)
    }

    /// Adds to a counter and returns the sum. An absent key counts from 0. The operation is atomic.
    ///
    /// # Errors
    /// The store does not answer, or the value is not a decimal integer.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        atomics::increment(self.handle()?, key, delta)
    }

    /// Adds to a counter that expires `ttl` after it was first counted, and returns the sum.
    ///
    /// The operation is atomic.
    ///
    /// # Errors
    /// Those of [`Bucket::increment`].
    pub fn increment_for(&self, key: &str, delta: i64, ttl: Duration) -> Result<i64, Error> {
        wit::increment(self.handle()?, key, delta, milliseconds(ttl))
    }

    /// Returns how long a key still lives.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn lifetime(&self, key: &str) -> Result<Lifetime, Error> {
        wit::lifetime_of(self.handle()?, key)
    }

    /// Changes the expiry of a key to `ttl` from now, or removes the expiry.
    ///
    /// Returns false if the key does not exist.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, Error> {
        wit::touch(self.handle()?, key, ttl.map(milliseconds))
    }

    /// Reads a key in order to [`swap`](Snapshot::swap) its value.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn snapshot(&self, key: &str) -> Result<Snapshot, Error> {
        atomics::Cas::new(self.handle()?, key).map(Snapshot)
    }

    /// Replaces a value by what `change` returns for it, and returns the new value.
    ///
    /// If another caller changed the value in the meantime, `change` is called again with the newer
    /// value.
    ///
    /// # Errors
    /// The store does not answer.
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

/// A key and the value that it had when it was read.
#[derive(Debug)]
pub struct Snapshot(atomics::Cas);

/// Result of a swap.
#[derive(Debug)]
pub enum Swap {
    /// A swap that wrote the value.
    Done,
    /// A swap that wrote nothing, because another caller changed the value after it was read.
    ///
    /// Contains the key with its newer value.
    Changed(Snapshot),
}

impl Snapshot {
    /// Returns the value that was read; `None` if the key did not exist.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        self.0.current()
    }

    /// Writes the value if the key still has the value that was read.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn swap(self, value: impl AsRef<[u8]>) -> Result<Swap, Error> {
        match atomics::swap(self.0, value.as_ref()) {
            Ok(()) => Ok(Swap::Done),
            Err(atomics::CasError::CasFailed(newer)) => Ok(Swap::Changed(Snapshot(newer))),
            Err(atomics::CasError::StoreError(error)) => Err(error),
        }
    }
}

/// Returns a time in milliseconds, rounded up.
///
/// A part of a millisecond must not become the zero that the host refuses.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
