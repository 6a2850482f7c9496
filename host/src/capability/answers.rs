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

    /// The entry of a key, or none if it cannot be had: the store is a help, not a need.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.0.get(key).await {
            Ok(entry) => entry,
            Err(error) => {
                tracing::debug!("no answer from the prediction cache: {error}");
                None
            }
        }
    }

    /// Keeps an entry, if that can be done.
    pub async fn put(&self, key: &str, entry: &[u8], ttl: Duration) {
        if let Err(error) = self.0.set(key, entry, Some(ttl), Condition::Always).await {
            tracing::debug!("an answer was not kept in the prediction cache: {error}");
        }
    }
}
