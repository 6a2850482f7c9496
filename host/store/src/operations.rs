//! Operations of a store: what every back end offers, in memory or on a server.
//!
//! Owns the trait [`Redis`], the types of its arguments and answers, its limits and its errors.
//! Must not know any back end, WebAssembly, nor which scorer asks.

use std::time::Duration;

use async_trait::async_trait;

use crate::watching::Told;

/// Maximum size of a value that can be written to a store, in bytes. A larger value would delay all
/// other clients, because Redis answers one client at a time.
pub const VALUE_LIMIT_BYTES: usize = 32 << 20;

/// Maximum length of a key of a store, without the store's prefix, in bytes. The length is limited
/// because a server compares and hashes whole keys.
pub const KEY_LIMIT_BYTES: usize = 64 << 10;

/// Reason why an operation on a store failed. The text of a reason may be shown to a scorer,
/// because it holds no address and no credential. The SDK knows by the start of the text if the
/// operation may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The server's access list does not allow the operation to the user. The text says what is not
    /// allowed.
    #[error("the store refused: {0}")]
    Denied(String),
    /// The store cannot be used now: the server does not answer in time, is not ready, or refuses
    /// the credentials.
    #[error("the store cannot be reached now: {0}")]
    Disconnected(String),
    /// The store has no room for more. The text is the message of the back end.
    #[error("the store is full: {0}")]
    Full(String),
    /// The arguments of the operation are not valid. The text says why.
    #[error("{0}")]
    Invalid(String),
    /// The server refused the operation, or its answer cannot be used, and a repeat would end in
    /// the same way. The text is the server's own message, or says what is wrong with the answer.
    #[error("the store refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Returns the error for a cursor that no listing of keys returned. All back ends return the
    /// same error.
    pub(crate) fn not_a_cursor() -> Self {
        Self::Invalid("the cursor is not one that list-keys gave".to_owned())
    }

    /// Returns the error for a batch whose values are together larger than [`BATCH_BYTES`].
    pub(crate) fn large_batch() -> Self {
        Self::Invalid(format!(
            "a batch gives at most {BATCH_BYTES} bytes; ask for fewer keys"
        ))
    }
}

/// Condition under which a value is written to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The value is written in any case.
    Always,
    /// The value is written only if the key does not exist.
    IfAbsent,
    /// The value is written only if the key exists.
    IfPresent,
}

/// Remaining lifetime of a key in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// The key does not exist.
    Absent,
    /// The key expires after this time.
    Remaining(Duration),
    /// The key does not expire.
    Unlimited,
}

/// One page of a listing of a store's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Keys on this page. The list may be empty although more pages follow.
    pub keys: Vec<String>,
    /// Cursor to pass in order to get the next page. `None` on the last page.
    pub cursor: Option<String>,
}

/// Operations that every back end of a store offers. Keys are complete, with the store's prefix. A
/// `ttl` (the time until a key expires) is at least one millisecond. Each operation fails with a
/// [`StoreError`] if the store cannot be reached or refuses the operation.
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
    /// Writes a value to a key if the condition holds. The key expires after `ttl`, or never if
    /// `ttl` is `None`. Returns false if the condition does not hold.
    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError>;
    /// Writes all entries, which are pairs of a key and a value, in their order and in one round
    /// trip. The keys expire after `ttl`, or never if `ttl` is `None`.
    async fn set_many(
        &self,
        entries: &[(String, Vec<u8>)],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError>;
    /// Removes keys and their values. Keys that do not exist are ignored.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError>;
    /// Returns true if the store has the key `key`.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;
    /// Returns one page of the keys that start with a prefix. `cursor` is the cursor of the
    /// previous page, or `None` for the first page. `page_keys` is the approximate number of keys
    /// on a page.
    async fn scan(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        page_keys: usize,
    ) -> Result<Page, StoreError>;
    /// Adds `delta` to the decimal integer that a key holds, and returns the sum. A key that does
    /// not exist counts as 0. If the call creates the key, the key expires after `ttl`, or never if
    /// `ttl` is `None`. Fails if the key holds another value than an integer, or if the sum does
    /// not fit into 64 bits.
    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError>;
    /// Writes a value to a key if the key still has the value `expected`, or, if `expected` is
    /// `None`, if the key still does not exist. Otherwise writes nothing and returns false. The key
    /// expires after `ttl`, or never if `ttl` is `None`.
    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError>;
    /// Returns the remaining lifetime of a key.
    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError>;
    /// Asks the back end to call `told` with each key that another client changes and that starts
    /// with `prefix`. Does nothing if the back end cannot report changes. Only the first call on a
    /// back end has an effect.
    fn watch(&self, _prefix: &str, _told: Told) {}
    /// Makes a key expire after `ttl`. If `ttl` is `None`, the key no longer expires. Returns false
    /// if the key does not exist.
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError>;
}

/// Error text for a counter whose value is not an integer. All back ends return it, and the words
/// are those of Redis.
pub(crate) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// Error text for a counter that would overflow. All back ends return it, and the words are those
/// of Redis.
pub(crate) const OVERFLOW: &str = "ERR increment or decrement would overflow";

/// Maximum number of keys in one batch. The number is limited because the host holds a whole batch
/// in memory.
pub const BATCH_KEYS: usize = 4096;
/// Maximum total size of the keys and values of one batch, or of the values in its response, in
/// bytes.
pub const BATCH_BYTES: usize = 64 << 20;
