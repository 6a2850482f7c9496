//! A named store: a back end with a prefix for its keys and a default expiry.
//!
//! Owns the key prefix, the default expiry, and the checks that hold for every back end. Must not
//! know which back end a store has, nor which scorer asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    BATCH_BYTES, BATCH_KEYS, Condition, Lifetime, Page, Redis, StoreError, VALUE_LIMIT_BYTES, raw,
};

/// Number of keys that are requested from the back end for one page of a listing. A page of this
/// size takes a round trip with a few tens of kilobytes.
const PAGE_KEYS: usize = 512;

/// Key-value store of a scorer: a back end with the key prefix and the default expiry that the
/// manifest sets.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Redis>,
    /// Prefix of every key of the store, including the colon at its end.
    prefix: String,
    default_ttl: Option<Duration>,
    connection: Option<raw::Connection>,
}

impl Store {
    /// Creates a store on a back end. `prefix` and a colon are put before every key. `default_ttl`
    /// is the expiry of values that are written without an expiry. If it is `None`, such values do
    /// not expire.
    #[must_use]
    pub fn new(backend: Arc<dyn Redis>, prefix: &str, default_ttl: Option<Duration>) -> Self {
        Self {
            backend,
            prefix: format!("{prefix}:"),
            default_ttl,
            connection: None,
        }
    }

    /// Adds a connection on which a scorer can send Redis commands to this store.
    #[must_use]
    pub fn with_connection(self, connection: raw::Connection) -> Self {
        Self {
            connection: Some(connection),
            ..self
        }
    }

    /// Returns the connection on which a scorer sends Redis commands to this store. Returns `None`
    /// if [`Store::with_connection`] was not called, e.g. because the manifest allows a component
    /// no Redis commands.
    #[must_use]
    pub fn connection(&self) -> Option<&raw::Connection> {
        self.connection.as_ref()
    }

    /// Returns another store on the same back end, with `name` in its prefix and without a default
    /// expiry. No key of this store can be a key of the other store.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
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

    /// Returns the value of a key. Returns `None` if the key does not exist.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.get(&self.whole(key)).await
    }

    /// Returns the first bytes of a key's value, at most `most` of them. Returns `None` if the key
    /// does not exist or its value is empty.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.get_start(&self.whole(key), most).await
    }

    /// Returns the values of several keys, in the order of the keys. A value is `None` if its key
    /// does not exist.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails if there are more than [`BATCH_KEYS`] keys, or more than [`BATCH_BYTES`] bytes of
    /// values.
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
            return Err(StoreError::large_batch());
        }
        Ok(keys.iter().map(|key| value(key).cloned()).collect())
    }

    /// Writes a value to a key if the condition holds. Returns false if the condition does not
    /// hold. The key expires after `ttl`, or after the store's default expiry if `ttl` is `None`.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails, and writes nothing, if the value is larger than [`VALUE_LIMIT_BYTES`], or if `ttl` is
    /// less than 1 ms or more than 1,000 years.
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

    /// Writes all entries, which are pairs of a key and a value, in one round trip, but not
    /// atomically. The keys expire after `ttl`, or after the store's default expiry if `ttl` is
    /// `None`.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails, and writes nothing, if a value is larger than [`VALUE_LIMIT_BYTES`], or if `ttl` is
    /// less than 1 ms or more than 1,000 years.
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

    /// Removes keys and their values. Keys that do not exist are ignored.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.backend.delete(&self.whole_many(keys)).await
    }

    /// Returns true if the store has the key `key`.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation.
    pub async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.backend.exists(&self.whole(key)).await
    }

    /// Returns one page of the store's keys, without the store's prefix. `cursor` is the cursor of
    /// the previous page, or `None` for the first page.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails if `cursor` is not a cursor of this store.
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

    /// Adds `delta` to the decimal integer that a key holds, and returns the sum. A key that does
    /// not exist counts as 0. If the call creates the key, the key expires after `ttl`, or after
    /// the store's default expiry if `ttl` is `None`.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails if the value of the key is not an integer, if the sum does not fit into 64 bits, or if
    /// `ttl` is less than 1 ms or more than 1,000 years.
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

    /// Writes a value to a key if the key still has the value `expected`, or, if `expected` is
    /// `None`, if the key still does not exist. Otherwise writes nothing and returns false. The key
    /// expires after the store's default expiry.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails, and writes nothing, if the value is larger than [`VALUE_LIMIT_BYTES`].
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

    /// Calls `told` with each key of the store that another client changes, or with `None` if all
    /// keys may have changed. Does nothing if the back end cannot report changes. Only the first
    /// call on a back end has an effect.
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

    /// Makes a key expire after `ttl`. If `ttl` is `None`, the key no longer expires. Returns false
    /// if the key does not exist.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the store cannot be reached or refuses the operation. Also
    /// fails, and changes nothing, if `ttl` is less than 1 ms or more than 1,000 years.
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
/// Redis stores the time at which a key expires as milliseconds since 1970 in 63 bits, and refuses
/// an expiry that would overflow. A thousand years are far below that limit and longer than any
/// cache needs.
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
