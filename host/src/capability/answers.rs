//! A store that the host uses for entries of its own.
//!
//! Must not know what an entry is. The entries of a scorer in the same store have another prefix,
//! so neither can access the entries of the other.

use std::time::Duration;

use super::BucketHandle;
use crate::redis::Condition;

/// Place in a store where answers are kept.
#[derive(Clone)]
pub struct Answers(BucketHandle);

impl Answers {
    /// Returns a place for answers in a store, next to the entries of scorers.
    #[must_use]
    pub fn beside(store: &BucketHandle) -> Self {
        Self(store.sibling("predictions"))
    }

    /// Calls `told` when others change or remove an entry: with its key, or with `None` if that may
    /// be every entry.
    pub fn watch(&self, told: impl Fn(Option<&str>) + Send + Sync + 'static) {
        self.0.watch(told);
    }

    /// Returns the entry of a key, or `None` if it cannot be read: the store is a help, not a need.
    /// At most the first `most` bytes of an entry are fetched.
    pub async fn get(&self, key: &str, most: usize) -> Option<Vec<u8>> {
        match self.0.get_start(key, most).await {
            Ok(entry) => entry,
            Err(error) => {
                tracing::debug!("the prediction cache does not answer: {error}");
                None
            }
        }
    }

    /// Claims the computation of a key's entry for this instance, until `time` is over or
    /// [`Answers::release`] is called.
    ///
    /// Returns `Some(false)` if another instance has the claim, and `None` if the store gives no
    /// answer.
    pub async fn claim(&self, key: &str, time: Duration) -> Option<bool> {
        match self
            .0
            .set(&claim(key), b"1", Some(time), Condition::IfAbsent)
            .await
        {
            Ok(is_ours) => Some(is_ours),
            Err(error) => {
                tracing::debug!(
                    "the prediction cache does not say which instance computes an answer: {error}"
                );
                None
            }
        }
    }

    /// Gives up the claim on a key's entry, so that another instance can compute the entry.
    pub async fn release(&self, key: &str) {
        if let Err(error) = self.0.delete(&[claim(key)]).await {
            tracing::debug!("a claim on an answer was not released and expires later: {error}");
        }
    }

    /// Writes entries under their keys in one round trip. If that fails, it is only logged.
    pub async fn put(&self, entries: Vec<(String, Vec<u8>)>, ttl: Duration) {
        if let Err(error) = self.0.set_many(entries, Some(ttl)).await {
            tracing::debug!("an answer was not kept in the prediction cache: {error}");
        }
    }
}

/// Returns the key of a claim. It is next to the key of the entry, where no scorer can access
/// either.
fn claim(key: &str) -> String {
    format!("{key}/claim")
}
