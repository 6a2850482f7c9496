//! Operations of a store: what every back end offers, in memory or on a server.
//!
//! Owns the trait [`Redis`], the types of its arguments and answers, its limits and its errors. Must
//! not know any back end, WebAssembly, nor which scorer asks.

use std::time::Duration;

use async_trait::async_trait;

use crate::watching::Told;

/// Maximum size of a value that can be written to a store, in bytes. A store is the wrong place for
/// larger values, because Redis answers one client at a time.
pub const VALUE_LIMIT_BYTES: usize = 32 << 20;

/// Maximum length of a key that a scorer names, in bytes, without the store's prefix. The limit
/// exists because a server compares and hashes whole keys.
pub const KEY_LIMIT_BYTES: usize = 64 << 10;

/// Reason why a store operation did not happen. Its texts may be shown to a scorer, because they
/// hold no address and no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be used now: the server does not answer in time, is not ready, or refuses
    /// the credentials.
    #[error("the store cannot be reached now: {0}")]
    Disconnected(String),
    /// The arguments are not valid, whatever the state of the store is.
    #[error("{0}")]
    Invalid(String),
    /// The server refused the operation. The text is the server's own message.
    #[error("the store refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Returns the error of all back ends for a cursor that no listing returned.
    pub(crate) fn not_a_cursor() -> Self {
        Self::Invalid("the cursor is not one that list-keys gave".to_owned())
    }

    /// Returns the error of a batch whose values are larger than [`BATCH_BYTES`].
    pub(crate) fn large_batch() -> Self {
        Self::Invalid(format!(
            "a batch gives at most {BATCH_BYTES} bytes; ask for fewer keys"
        ))
    }
}

/// Condition under which a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The value is written in any case.
    Always,
    /// The value is written only if the key does not exist.
    IfAbsent,
    /// The value is written only if the key exists.
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
    /// Cursor that requests the next page. `None` on the last page.
    pub cursor: Option<String>,
}

/// Operations that every back end of a store offers. Keys are complete, with the store's prefix. A
/// `ttl` (the time until a key expires) is at least one millisecond.
#[async_trait]
pub trait Redis: Send + Sync {
    /// Returns the value of a key. Returns `None` if the key does not exist.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Returns the first bytes of a key's value, at most `most` of them. Returns `None` if the key
    /// does not exist or its value is empty.
    async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError>;
    /// Returns the values of several keys, in the order of the keys. A value is `None` if its key
    /// does not exist.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;
    /// Writes a value if the condition holds. Returns false if the condition does not hold.
    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError>;
    /// Writes all entries, in the given order, in one round trip.
    async fn set_many(
        &self,
        entries: &[(String, Vec<u8>)],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError>;
    /// Removes keys and their values. Keys that do not exist are ignored.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError>;
    /// Returns true if the key exists.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;
    /// Returns one page of the keys that start with a prefix. `cursor` comes from the previous
    /// page, and is `None` for the first page.
    async fn scan(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        page_keys: usize,
    ) -> Result<Page, StoreError>;
    /// Adds `delta` to the decimal integer that a key holds, and returns the sum. An absent key
    /// counts as 0. If the call creates the key, the key expires after `ttl`.
    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError>;
    /// Writes a value if the key still has the expected value. Returns false if the key has another
    /// value. `expected` is `None` for an absent key.
    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError>;
    /// Returns the remaining lifetime of a key.
    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError>;
    /// Asks the back end to call `told` for each key with a prefix that another client changes.
    /// Does nothing if the back end cannot report changes. Only the first call on a back end has an
    /// effect.
    fn watch(&self, _prefix: &str, _told: Told) {}
    /// Sets the time after which a key expires. If `ttl` is `None`, the key no longer expires.
    /// Returns false if the key does not exist.
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError>;
}

/// Error text of all back ends for a counter whose value is not an integer. The words are those of
/// Redis.
pub(crate) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// Error text of all back ends for a counter that would overflow. The words are those of Redis.
pub(crate) const OVERFLOW: &str = "ERR increment or decrement would overflow";

/// Maximum number of keys in one batch. The host first holds everything that a scorer asks for in
/// memory.
pub const BATCH_KEYS: usize = 4096;
/// Maximum size of one batch or of its response, in bytes.
pub const BATCH_BYTES: usize = 64 << 20;
