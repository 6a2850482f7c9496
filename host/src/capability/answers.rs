//! A store, as a place for the host's own entries.
//!
//! Must not know what an entry is. What a scorer keeps in the same store has another prefix: neither can reach the other's.

use std::time::Duration;

use super::BucketHandle;
use crate::redis::Condition;

/// Where answers are kept.
#[derive(Clone)]
pub struct Answers(BucketHandle);

impl Answers {
    /// Beside what scorers keep in a store.
    #[must_use]
    pub fn beside(store: &BucketHandle) -> Self {
        Self(store.beside("predictions"))
    }

    /// Asks to be told of entries that others change or remove; `None`: of all.
    pub fn watch(&self, told: impl Fn(Option<&str>) + Send + Sync + 'static) {
        self.0.watch(told);
    }

    /// The entry of a key, or none if it cannot be had: the store is a help, not a need. Of a longer entry only the first
    /// `most` bytes are fetched.
    pub async fn get(&self, key: &str, most: usize) -> Option<Vec<u8>> {
        match self.0.get_start(key, most).await {
            Ok(entry) => entry,
            Err(error) => {
                tracing::debug!("no answer from the prediction cache: {error}");
                None
            }
        }
    }

    /// Whether this instance is the one that computes a key's entry, until `time` is over or [`Answers::release`]; none if
    /// nobody can tell.
    pub async fn claim(&self, key: &str, time: Duration) -> Option<bool> {
        match self.0.set(&claim(key), b"1", Some(time), Condition::IfAbsent).await {
            Ok(is_ours) => Some(is_ours),
            Err(error) => {
                tracing::debug!("nobody can tell who computes an answer: {error}");
                None
            }
        }
    }

    /// Lets another instance compute a key's entry.
    pub async fn release(&self, key: &str) {
        if let Err(error) = self.0.delete(&[claim(key)]).await {
            tracing::debug!("a claim on an answer ends by itself: {error}");
        }
    }

    /// Keeps entries by their keys, in one round trip, if that can be done.
    pub async fn put(&self, entries: Vec<(String, Vec<u8>)>, ttl: Duration) {
        if let Err(error) = self.0.set_many(entries, Some(ttl)).await {
            tracing::debug!("an answer was not kept in the prediction cache: {error}");
        }
    }
}

/// Beside the entry, and like it nowhere that a scorer reaches.
fn claim(key: &str) -> String {
    format!("{key}/claim")
}
