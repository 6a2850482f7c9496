//! Key-value stores: what a scorer calls a bucket.
//!
//! Owns [`Store`] (key prefix, default expiry) and the operations that every back end offers; what only a server has is in
//! [`raw`]. Must not know WebAssembly, nor which scorer asks.

mod dialer;
mod endpoint;
mod entra;
mod identity;
mod memory;
mod node;
mod parcel;
pub mod raw;
mod reach;
mod reply_limit;
mod router;
mod server;
mod slots;
mod tls;
mod watching;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::endpoint::{Endpoint, FORM as URL_FORM};
pub use self::entra::Platform;
pub use self::identity::{Clock, Credentials, Granted, Login, TokenSource};
pub use self::memory::Memory;
pub use self::reach::Reached;
pub use self::server::Server;
pub use self::watching::Told;

/// Most keys that one page of a listing asks the back end for. A round trip of a few tens of kilobytes.
const PAGE_KEYS: usize = 512;

/// Largest value that can be written, in bytes. Above it a store is the wrong place: Redis answers one client at a time.
pub const VALUE_LIMIT_BYTES: usize = 32 << 20;

/// Longest key that a scorer names, in bytes, without the store's prefix. A server compares and hashes whole keys.
pub const KEY_LIMIT_BYTES: usize = 64 << 10;

/// Why an operation did not happen. The texts are fit for a scorer: no address, no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The server does not answer, or not in time.
    #[error("the store cannot be reached now: {0}")]
    Disconnected(String),
    /// The arguments make no sense, whatever the store's state.
    #[error("{0}")]
    Invalid(String),
    /// The server refused, in its words.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// When to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    Always,
    /// Only if the key does not exist.
    IfAbsent,
    /// Only if the key exists.
    IfPresent,
}

/// How long a key still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// There is no such key.
    Absent,
    /// This long.
    Remaining(Duration),
    /// It does not expire.
    Unlimited,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// May be empty although more follow.
    pub keys: Vec<String>,
    /// Where the next page starts; `None` on the last.
    pub cursor: Option<String>,
}

/// The operations of a back end. Keys are whole, prefix included; a `ttl` is at least one millisecond.
#[async_trait]
pub trait Redis: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// The first bytes of a value, at most so many; an empty value counts as absent.
    async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError>;
    /// The values of keys, in their order.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;
    /// Writes; false if the condition did not hold.
    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError>;
    /// Writes all, in order, in one round trip.
    async fn set_many(&self, entries: &[(String, Vec<u8>)], ttl: Option<Duration>) -> Result<(), StoreError>;
    /// Removes keys.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError>;
    /// True if the key exists.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;
    /// Keys that start with a prefix, a page at a time.
    async fn scan(&self, prefix: &str, cursor: Option<&str>, page_keys: usize) -> Result<Page, StoreError>;
    /// Adds to a decimal integer, absent counting as 0; a key that this creates expires after `ttl`.
    async fn increment(&self, key: &str, delta: i64, ttl: Option<Duration>) -> Result<i64, StoreError>;
    /// Writes if the key still has the expected value; false if not.
    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError>;
    /// How long a key still lives.
    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError>;
    /// Asks to be told of changes to keys with a prefix that others make, where the back end can; once at most.
    fn watch(&self, _prefix: &str, _told: Told) {}
    /// Sets or, with `None`, removes the expiry; false if the key does not exist.
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError>;
}

/// A named store: a back end, and what the manifest says of it.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Redis>,
    /// With its colon.
    prefix: String,
    default_ttl: Option<Duration>,
    connection: Option<raw::Connection>,
}

impl Store {
    /// A store over a back end. `prefix` goes before every key, with a colon.
    #[must_use]
    pub fn new(backend: Arc<dyn Redis>, prefix: &str, default_ttl: Option<Duration>) -> Self {
        Self { backend, prefix: format!("{prefix}:"), default_ttl, connection: None }
    }

    /// The same, open to raw commands.
    #[must_use]
    pub fn with_connection(self, connection: raw::Connection) -> Self {
        Self { connection: Some(connection), ..self }
    }

    /// What raw commands are sent by, if some are allowed.
    #[must_use]
    pub fn connection(&self) -> Option<&raw::Connection> {
        self.connection.as_ref()
    }

    /// A store on the same back end whose keys none of this one can be.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        // A prefix has no colon, so what stands before this one's is no whole prefix of anybody's.
        let prefix = format!("{}:", self.prefix.trim_end_matches(':').to_owned() + "//" + name);
        Self { backend: Arc::clone(&self.backend), prefix, default_ttl: None, connection: None }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As all operations: [`StoreError`].
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.get(&self.whole(key)).await
    }

    /// The first bytes of a value, at most so many; an empty value counts as absent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.get_start(&self.whole(key), most).await
    }

    /// The values of keys, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if keys.len() > BATCH_KEYS {
            return Err(StoreError::Invalid(format!("a batch is at most {BATCH_KEYS} keys")));
        }
        let mut sorted: Vec<&String> = keys.iter().collect();
        sorted.sort_unstable();
        if sorted.windows(2).all(|pair| matches!(pair, [a, b] if a != b)) {
            return self.backend.get_many(&self.whole_many(keys)).await;
        }
        // A key that is named often is asked for once: a server would put its value into the answer as often.
        let mut places: BTreeMap<&String, usize> = BTreeMap::new();
        let mut distinct = Vec::with_capacity(keys.len());
        for key in keys {
            places.entry(key).or_insert_with(|| {
                distinct.push(key.clone());
                distinct.len() - 1
            });
        }
        let found = self.backend.get_many(&self.whole_many(&distinct)).await?;
        let value = |key| places.get(key).and_then(|place| found.get(*place)).and_then(Option::as_ref);
        if keys.iter().filter_map(value).map(Vec::len).sum::<usize>() > BATCH_BYTES {
            return Err(StoreError::Invalid(format!("a batch gives at most {BATCH_BYTES} bytes; ask for fewer keys")));
        }
        Ok(keys.iter().map(|key| value(key).cloned()).collect())
    }

    /// Writes; false if the condition did not hold. Without a `ttl` the store's default holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        check_value(value)?;
        self.backend.set(&self.whole(key), value, self.ttl(ttl)?, condition).await
    }

    /// Writes all in one round trip, not atomically. Without a `ttl` the store's default holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_many(&self, entries: Vec<(String, Vec<u8>)>, ttl: Option<Duration>) -> Result<(), StoreError> {
        let ttl = self.ttl(ttl)?;
        let entries: Vec<_> = entries.into_iter().map(|(key, value)| (self.whole(&key), value)).collect();
        for (_, value) in &entries {
            check_value(value)?;
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.backend.set_many(&entries, ttl).await
    }

    /// Removes keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.backend.delete(&self.whole_many(keys)).await
    }

    /// True if the key exists.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.backend.exists(&self.whole(key)).await
    }

    /// The store's keys, a page at a time, without the prefix.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(&self, cursor: Option<&str>) -> Result<Page, StoreError> {
        let mut page = self.backend.scan(&self.prefix, cursor, PAGE_KEYS).await?;
        page.keys = page.keys.iter().filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned).collect();
        Ok(page)
    }

    /// Adds to a decimal integer, absent counting as 0. A key that this creates expires after `ttl`, or the store's
    /// default.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn increment(&self, key: &str, delta: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        self.backend.increment(&self.whole(key), delta, self.ttl(ttl)?).await
    }

    /// Writes if the key still has the expected value; false if not. The store's default expiry holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        check_value(value)?;
        self.backend.swap(&self.whole(key), expected, value, self.default_ttl).await
    }

    /// How long a key still lives.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError> {
        self.backend.lifetime(&self.whole(key)).await
    }

    /// Asks to be told of keys that others change, or of `None` where all may have changed. Not every server tells.
    pub fn watch(&self, told: impl Fn(Option<&str>) + Send + Sync + 'static) {
        let prefix = self.prefix.clone();
        let own = move |key: Option<&str>| match key {
            None => told(None),
            Some(key) => key.strip_prefix(&prefix).into_iter().for_each(|key| told(Some(key))),
        };
        self.backend.watch(&self.prefix, Arc::new(own));
    }

    /// Sets or, with `None`, removes the expiry; false if the key does not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        check_ttl(ttl)?;
        self.backend.touch(&self.whole(key), ttl).await
    }

    fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn whole_many(&self, keys: &[String]) -> Vec<String> {
        keys.iter().map(|key| self.whole(key)).collect()
    }

    fn ttl(&self, ttl: Option<Duration>) -> Result<Option<Duration>, StoreError> {
        check_ttl(ttl)?;
        Ok(ttl.or(self.default_ttl))
    }
}

/// Longest expiry. Redis counts expiry in milliseconds since 1970 in 63 bits and refuses what overflows; a thousand
/// years is far below that and beyond any cache.
const TTL_LIMIT: Duration = Duration::from_secs(1000 * 366 * 24 * 3600);

fn check_ttl(ttl: Option<Duration>) -> Result<(), StoreError> {
    match ttl {
        Some(ttl) if ttl < Duration::from_millis(1) => {
            Err(StoreError::Invalid("an expiry of 0 ms would delete the key; say delete, or at least 1 ms".to_owned()))
        }
        Some(ttl) if ttl > TTL_LIMIT => Err(StoreError::Invalid("an expiry is at most a thousand years".to_owned())),
        _ => Ok(()),
    }
}

fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > VALUE_LIMIT_BYTES {
        return Err(StoreError::Invalid(format!(
            "a value of {} bytes is larger than {VALUE_LIMIT_BYTES}",
            value.len()
        )));
    }
    Ok(())
}

/// What both back ends say of a counter that is none: the words of Redis.
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// And of one that has reached its end.
const OVERFLOW: &str = "ERR increment or decrement would overflow";

/// What both say of a cursor that nobody gave.
const NOT_A_CURSOR: &str = "the cursor is not one that list-keys gave";

/// Most keys of one batch: what a scorer asks for is held by the host first.
pub const BATCH_KEYS: usize = 4096;
/// Most bytes of one batch, or of its answer.
pub const BATCH_BYTES: usize = 64 << 20;
