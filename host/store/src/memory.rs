//! A store without a server: the semantics of Redis in this process's memory, lost at exit.
//!
//! Owns expiry and the limit on size. Must not know key prefixes or default expiries.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::operations::{
    BATCH_BYTES, Condition, Lifetime, NOT_AN_INTEGER, OVERFLOW, Page, Redis, StoreError,
};

/// Maximum size of all entries of a store in memory, in bytes. Such a store is for development and
/// small deployments. A deployment that needs more needs a Redis server.
const CAPACITY_BYTES: usize = 64 << 20;

/// Approximate size of the memory that an entry takes in addition to its key and value, in bytes.
const ENTRY_BYTES: usize = 64;

/// Minimum time between two searches of a full store for expired entries.
const SWEEP_PAUSE: Duration = Duration::from_millis(100);

/// Back end of a store that keeps its entries in this process's memory. The entries are lost when
/// the process ends.
#[derive(Default)]
pub struct Memory(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// Entries sorted by key, so that a listing can continue after the last key of the previous
    /// page.
    by_key: BTreeMap<String, Entry>,
    bytes: usize,
    /// Time at which expired entries were last removed. `None` if they were never removed.
    swept: Option<Instant>,
}

struct Entry {
    value: Vec<u8>,
    expires: Option<Instant>,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

impl Entries {
    fn live(&self, key: &str) -> Option<&Entry> {
        self.by_key
            .get(key)
            .filter(|entry| entry.is_live(Instant::now()))
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.by_key.remove(key) {
            self.bytes -= cost(key, &entry.value);
        }
    }

    fn insert(
        &mut self,
        key: &str,
        value: &[u8],
        expires: Option<Instant>,
    ) -> Result<(), StoreError> {
        let bytes_after = |entries: &Self| {
            let replaced = entries.by_key.get(key);
            let freed = replaced.map_or(0, |entry| cost(key, &entry.value));
            entries.bytes - freed + cost(key, value)
        };
        if bytes_after(self) > CAPACITY_BYTES {
            self.sweep();
        }
        let bytes = bytes_after(self);
        if bytes > CAPACITY_BYTES {
            return Err(StoreError::Full(format!(
                "OOM the store in memory holds at most {CAPACITY_BYTES} bytes; configure a Redis URL"
            )));
        }
        self.bytes = bytes;
        self.by_key.insert(
            key.to_owned(),
            Entry {
                value: value.to_vec(),
                expires,
            },
        );
        Ok(())
    }

    /// Removes expired entries, unless this was done less than [`SWEEP_PAUSE`] ago. This function
    /// is called only when the store is full. Until then an expired entry is only invisible.
    ///
    /// A full store can have a million entries. Without a pause between two searches, a batch would
    /// search the whole store for each of its keys.
    fn sweep(&mut self) {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now < swept + SWEEP_PAUSE) {
            return;
        }
        self.swept = Some(now);
        self.by_key.retain(|_, entry| entry.is_live(now));
        self.bytes = self
            .by_key
            .iter()
            .map(|(key, entry)| cost(key, &entry.value))
            .sum();
    }
}

fn cost(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

impl Memory {
    /// Locks the entries. No operation leaves them half changed, so a poisoned lock still guards
    /// valid entries.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn expiry(ttl: Option<Duration>) -> Option<Instant> {
    ttl.and_then(|ttl| Instant::now().checked_add(ttl))
}

#[async_trait]
impl Redis for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().live(key).map(|entry| entry.value.clone()))
    }

    async fn get_start(&self, key: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let entries = self.lock();
        let start = entries
            .live(key)
            .and_then(|entry| entry.value.get(..most.min(entry.value.len())));
        Ok(start.filter(|start| !start.is_empty()).map(<[u8]>::to_vec))
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let entries = self.lock();
        let found: Vec<_> = keys.iter().map(|key| entries.live(key)).collect();
        // A key may be named many times, and each time its value is copied.
        if found
            .iter()
            .flatten()
            .map(|entry| entry.value.len())
            .sum::<usize>()
            > BATCH_BYTES
        {
            return Err(StoreError::large_batch());
        }
        Ok(found
            .into_iter()
            .map(|entry| entry.map(|entry| entry.value.clone()))
            .collect())
    }

    async fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        let mut entries = self.lock();
        let holds = match condition {
            Condition::Always => true,
            Condition::IfAbsent => entries.live(key).is_none(),
            Condition::IfPresent => entries.live(key).is_some(),
        };
        if holds {
            entries.insert(key, value, expiry(ttl))?;
        }
        Ok(holds)
    }

    async fn set_many(
        &self,
        pairs: &[(String, Vec<u8>)],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let mut entries = self.lock();
        pairs
            .iter()
            .try_for_each(|(key, value)| entries.insert(key, value, expiry(ttl)))
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let mut entries = self.lock();
        keys.iter().for_each(|key| entries.remove(key));
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.lock().live(key).is_some())
    }

    async fn scan(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        page_keys: usize,
    ) -> Result<Page, StoreError> {
        let entries = self.lock();
        let now = Instant::now();
        if cursor.is_some_and(|cursor| !cursor.starts_with(prefix)) {
            return Err(StoreError::not_a_cursor());
        }
        // The cursor is the last key that was returned, so keys that are added or removed between
        // pages do no harm.
        let start = cursor.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut keys = Vec::new();
        let mut cursor = None;
        let listed = entries.by_key.range::<str, _>((start, Bound::Unbounded));
        for (key, entry) in listed {
            if !key.starts_with(prefix) {
                break;
            }
            if keys.len() == page_keys {
                cursor = keys.last().cloned();
                break;
            }
            if entry.is_live(now) {
                keys.push(key.clone());
            }
        }
        Ok(Page { keys, cursor })
    }

    async fn increment(
        &self,
        key: &str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError> {
        let mut entries = self.lock();
        let (before, expires) = match entries.live(key) {
            None => (0, expiry(ttl)),
            Some(entry) => {
                // In Redis, `+5` and `007` are not integers either.
                let number = str::from_utf8(&entry.value).ok().and_then(|text| {
                    text.parse::<i64>()
                        .ok()
                        .filter(|number| number.to_string() == text)
                });
                (
                    number.ok_or_else(|| StoreError::Refused(NOT_AN_INTEGER.to_owned()))?,
                    entry.expires,
                )
            }
        };
        let after = before
            .checked_add(delta)
            .ok_or_else(|| StoreError::Refused(OVERFLOW.to_owned()))?;
        entries.insert(key, after.to_string().as_bytes(), expires)?;
        Ok(after)
    }

    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let mut entries = self.lock();
        let same = entries.live(key).map(|entry| entry.value.as_slice()) == expected;
        if same {
            entries.insert(key, value, expiry(ttl))?;
        }
        Ok(same)
    }

    async fn lifetime(&self, key: &str) -> Result<Lifetime, StoreError> {
        Ok(match self.lock().live(key) {
            None => Lifetime::Absent,
            Some(Entry { expires: None, .. }) => Lifetime::Unlimited,
            Some(Entry {
                expires: Some(at), ..
            }) => Lifetime::Remaining(at.saturating_duration_since(Instant::now())),
        })
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        let mut entries = self.lock();
        if entries.live(key).is_none() {
            return Ok(false);
        }
        if let Some(entry) = entries.by_key.get_mut(key) {
            entry.expires = expiry(ttl);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
