//! The entries of the prediction cache in a store.
//!
//! Owns the access to these entries. Must not know what an entry contains. The entries that scorers
//! write to the same store have another prefix. So scorers cannot access the entries of the cache,
//! and the cache cannot access those of scorers.

use std::time::Duration;

use super::BucketHandle;
use crate::redis::Condition;

/// Part of a store in which the host keeps the entries of the prediction cache.
#[derive(Clone)]
pub struct Answers(BucketHandle);

impl Answers {
    /// Returns the part of a store that holds the entries of the prediction cache. These entries
    /// are separate from those that scorers write to the store.
    #[must_use]
    pub fn beside(store: &BucketHandle) -> Self {
        Self(store.sibling("predictions"))
    }

    /// Calls `told` when another client of the store changes or removes an entry of the prediction
    /// cache. Does nothing if the store cannot report changes. The argument is the entry's key, or
    /// `None` if every entry may have changed.
    pub fn watch(&self, told: impl Fn(Option<&str>) + Send + Sync + 'static) {
        self.0.watch(told);
    }

    /// Returns at most the first `most` bytes of the entry of a key. Returns `None` if there is no
    /// entry. Also returns `None` if the store fails, because a call can be answered without the
    /// cache.
    pub async fn get(&self, key: &str, most: usize) -> Option<Vec<u8>> {
        match self.0.get_start(key, most).await {
            Ok(entry) => entry,
            Err(error) => {
                crate::text::debug!("the prediction cache does not answer: {error}");
                None
            }
        }
    }

    /// Claims the computation of the entry of a key for this process. The claim ends after `time`,
    /// or when [`Answers::release`] is called.
    ///
    /// Returns `Some(true)` if this process got the claim, `Some(false)` if there already is a
    /// claim on the entry, and `None` if the store fails.
    pub async fn claim(&self, key: &str, time: Duration) -> Option<bool> {
        match self
            .0
            .set(&claim(key), b"1", Some(time), Condition::IfAbsent)
            .await
        {
            Ok(is_ours) => Some(is_ours),
            Err(error) => {
                crate::text::debug!(
                    "the prediction cache does not say which instance computes an answer: {error}"
                );
                None
            }
        }
    }

    /// Gives up the claim of this process on the entry of a key, so that another process can
    /// compute the entry. A failure is only logged, because the claim expires.
    pub async fn release(&self, key: &str) {
        if let Err(error) = self.0.delete(&[claim(key)]).await {
            crate::text::debug!("a claim on an answer was not released and expires later: {error}");
        }
    }

    /// Writes entries, each with its key, in one round trip. The entries expire after `ttl`. A
    /// failure is only logged, because a call can be answered without the cache.
    pub async fn put(&self, entries: Vec<(String, Vec<u8>)>, ttl: Duration) {
        if let Err(error) = self.0.set_many(entries, Some(ttl)).await {
            crate::text::debug!("an answer was not kept in the prediction cache: {error}");
        }
    }
}

/// Returns the key of the store under which a claim on the entry of `key` is stored. No scorer can
/// access this key.
fn claim(key: &str) -> String {
    format!("{key}/claim")
}
