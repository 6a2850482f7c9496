//! Key-value stores of the host: a scorer sees each of them as a bucket.
//!
//! Owns [`Store`] (key prefix, default expiry) and the operations that every back end offers. The
//! operations that only a Redis server has are in [`raw`]. Must not know WebAssembly, nor which
//! scorer asks.

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

/// Maximum number of keys that one page of a listing asks the back end for. A page is a round trip
/// of a few tens of kilobytes.
const PAGE_KEYS: usize = 512;

/// Maximum size of a value that can be written, in bytes. For larger values a store is the wrong
/// place, because Redis answers one client at a time.
pub const VALUE_LIMIT_BYTES: usize = 32 << 20;

/// Maximum length of a key that a scorer names, in bytes, without the store's prefix. The limit
/// exists because a server compares and hashes whole keys.
pub const KEY_LIMIT_BYTES: usize = 64 << 10;

/// An error that explains why a store operation did not happen. Its texts are safe to show to a
/// scorer: they hold no address and no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be used now: the server does not answer in time, is not ready, or refuses
    /// the credentials.
    #[error("the store cannot be reached now: {0}")]
    Disconnected(String),
    /// The arguments are not valid, independent of the state of the store.
    #[error("{0}")]
    Invalid(String),
    /// The server refused the operation; the text is the server's own message.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// Condition under which a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Writes the value in any case.
    Always,
    /// Writes the value only if the key does not exist.
    IfAbsent,
    /// Writes the value only if the key exists.
    IfPresent,
}

/// Remaining lifetime of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// The key does not exist.
    Absent,
    /// The key expires after this time.
    Remaining(Duration),
    /// The key does not expire.
    Unlimited,
}

/// One page of a listing of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Keys on this page. The list may be empty although more pages follow.
    pub keys: Vec<String>,
    /// Cursor of the next page. `None` on the last page.
    pub cursor: Option<String>,
}

/// The operations of a store's back end. Keys are complete, with the store's prefix. A `ttl` is at
/// least one millisecond.
#[async_trait]
pub trait Redis: Send + Sync {
    /// Returns the value of a key. `None` if the key does not exist.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Returns the first bytes of a value, at most `most` of them. An empty value counts as absent.
    async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError>;
    /// Returns the values of several keys, in the order of the keys.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;
    /// Writes a value. Returns false if the condition did not hold.
    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError>;
    /// Writes all entries, in order, in one round trip.
    async fn set_many(
        &self,
        entries: &[(String, Vec<u8>)],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError>;
    /// Removes the keys that are given.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError>;
    /// Returns true if the key exists.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;
    /// Returns one page of the keys that start with a prefix.
    async fn scan(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        page_keys: usize,
    ) -> Result<Page, StoreError>;
    /// Adds to a decimal integer; an absent key counts as 0. If the call creates the key, it
    /// expires after `ttl`.
    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError>;
    /// Writes a value if the key still has the expected value, and returns false if it does not.
    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError>;
    /// Returns the remaining lifetime of a key.
    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError>;
    /// Asks the back end to report changes that other clients make to keys with a prefix. Does
    /// nothing if the back end cannot do this. Only the first call on a back end has an effect.
    fn watch(&self, _prefix: &str, _told: Told) {}
    /// Sets the expiry of a key, or removes it if `ttl` is `None`. Returns false if the key does
    /// not exist.
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError>;
}

/// A named store: a back end with the settings that the manifest has for the store.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Redis>,
    /// Prefix of every key of the store, with its colon.
    prefix: String,
    default_ttl: Option<Duration>,
    connection: Option<raw::Connection>,
}

impl Store {
    /// Returns a store over a back end. `prefix` and a colon go before every key.
    #[must_use]
    pub fn new(backend: Arc<dyn Redis>, prefix: &str, default_ttl: Option<Duration>) -> Self {
        Self {
            backend,
            prefix: format!("{prefix}:"),
            default_ttl,
            connection: None,
        }
    }

    /// Returns this store with a connection for raw commands.
    #[must_use]
    pub fn with_connection(self, connection: raw::Connection) -> Self {
        Self {
            connection: Some(connection),
            ..self
        }
    }

    /// Returns the connection that sends raw commands. `None` if the manifest allows no raw
    /// commands.
    #[must_use]
    pub fn connection(&self) -> Option<&raw::Connection> {
        self.connection.as_ref()
    }

    /// Returns another store on the same back end. No key of this store can be a key of the other
    /// store.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        // A prefix has no colon, and a key starts with its store's prefix and a colon. No key of
        // this store can therefore start with the longer prefix.
        let prefix = format!(
            "{}:",
            self.prefix.trim_end_matches(':').to_owned() + "//" + name
        );
        Self {
            backend: Arc::clone(&self.backend),
            prefix,
            default_ttl: None,
            connection: None,
        }
    }

    /// Returns the value of a key. `None` if the key does not exist.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.get(&self.whole(key)).await
    }

    /// Returns the first bytes of a value, at most `most` of them. An empty value counts as absent.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.get_start(&self.whole(key), most).await
    }

    /// Returns the values of several keys, in the order of the keys.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if keys.len() > BATCH_KEYS {
            return Err(StoreError::Invalid(format!(
                "a batch is at most {BATCH_KEYS} keys"
            )));
        }
        let mut sorted: Vec<&String> = keys.iter().collect();
        sorted.sort_unstable();
        if sorted
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a != b))
        {
            return self.backend.get_many(&self.whole_many(keys)).await;
        }
        // A key that is named several times is asked for once. Otherwise the server would repeat
        // its value in the response.
        let mut places: BTreeMap<&String, usize> = BTreeMap::new();
        let mut distinct = Vec::with_capacity(keys.len());
        for key in keys {
            places.entry(key).or_insert_with(|| {
                distinct.push(key.clone());
                distinct.len() - 1
            });
        }
        let found = self.backend.get_many(&self.whole_many(&distinct)).await?;
        let value = |key| {
            places
                .get(key)
                .and_then(|place| found.get(*place))
                .and_then(Option::as_ref)
        };
        if keys.iter().filter_map(value).map(Vec::len).sum::<usize>() > BATCH_BYTES {
            return Err(StoreError::Invalid(format!(
                "a batch gives at most {BATCH_BYTES} bytes; ask for fewer keys"
            )));
        }
        Ok(keys.iter().map(|key| value(key).cloned()).collect())
    }

    /// Writes a value. Returns false if the condition did not hold. If `ttl` is `None`, the store's
    /// default expiry applies.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        check_value(value)?;
        self.backend
            .set(&self.whole(key), value, self.ttl(ttl)?, condition)
            .await
    }

    /// Writes all entries in one round trip, not atomically. If `ttl` is `None`, the store's
    /// default expiry applies.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn set_many(
        &self,
        entries: Vec<(String, Vec<u8>)>,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let ttl = self.ttl(ttl)?;
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| (self.whole(&key), value))
            .collect();
        for (_, value) in &entries {
            check_value(value)?;
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.backend.set_many(&entries, ttl).await
    }

    /// Removes the keys that are given.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.backend.delete(&self.whole_many(keys)).await
    }

    /// Returns true if the key exists.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.backend.exists(&self.whole(key)).await
    }

    /// Returns one page of the store's keys, without the prefix.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn keys(&self, cursor: Option<&str>) -> Result<Page, StoreError> {
        let mut page = self.backend.scan(&self.prefix, cursor, PAGE_KEYS).await?;
        page.keys = page
            .keys
            .iter()
            .filter_map(|key| key.strip_prefix(&self.prefix))
            .map(str::to_owned)
            .collect();
        Ok(page)
    }

    /// Adds to a decimal integer; an absent key counts as 0. If the call creates the key, it
    /// expires after `ttl`, or after the store's default expiry.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError> {
        self.backend
            .increment(&self.whole(key), delta, self.ttl(ttl)?)
            .await
    }

    /// Writes a value if the key still has the expected value, and returns false if it does not.
    /// The store's default expiry applies.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, StoreError> {
        check_value(value)?;
        self.backend
            .swap(&self.whole(key), expected, value, self.default_ttl)
            .await
    }

    /// Returns the remaining lifetime of a key.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError> {
        self.backend.lifetime(&self.whole(key)).await
    }

    /// Reports each key that another client changes, or `None` if all keys may have changed. Not
    /// every server can report changes.
    pub fn watch(&self, told: impl Fn(Option<&str>) + Send + Sync + 'static) {
        let prefix = self.prefix.clone();
        let own = move |key: Option<&str>| match key {
            None => told(None),
            Some(key) => key
                .strip_prefix(&prefix)
                .into_iter()
                .for_each(|key| told(Some(key))),
        };
        self.backend.watch(&self.prefix, Arc::new(own));
    }

    /// Sets the expiry of a key, or removes it if `ttl` is `None`. Returns false if the key does
    /// not exist.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
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

/// Maximum expiry of a key.
///
/// Redis counts an expiry in milliseconds since 1970 in 63 bits and refuses a value that overflows.
/// A thousand years is far below that and longer than any cache needs.
const TTL_LIMIT: Duration = Duration::from_secs(1000 * 366 * 24 * 3600);

fn check_ttl(ttl: Option<Duration>) -> Result<(), StoreError> {
    match ttl {
        Some(ttl) if ttl < Duration::from_millis(1) => Err(StoreError::Invalid(
            "an expiry of 0 ms would delete the key; say delete, or at least 1 ms".to_owned(),
        )),
        Some(ttl) if ttl > TTL_LIMIT => Err(StoreError::Invalid(
            "an expiry is at most a thousand years".to_owned(),
        )),
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

/// Message of both back ends for a counter whose value is not an integer. The words are those of
/// Redis.
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// Message of both back ends for a counter that would overflow. The words are those of Redis.
const OVERFLOW: &str = "ERR increment or decrement would overflow";

/// Message of both back ends for a cursor that no listing returned.
const NOT_A_CURSOR: &str = "the cursor is not one that list-keys gave";

/// Maximum number of keys in one batch. The host holds everything that a scorer asks for in memory
/// first.
pub const BATCH_KEYS: usize = 4096;
/// Maximum size of one batch or of its response, in bytes.
pub const BATCH_BYTES: usize = 64 << 20;
