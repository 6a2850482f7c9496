//! The section `[prediction_cache]`: answers of a deterministic scorer, kept for equal requests.
//!
//! Owns the section and its checks. Must not know how answers are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use scorebox_text::Problem;
use serde::Deserialize;

use super::settings::default_of;
use super::{LIMIT_MOST, StoreSection, TTL_MOST, bytes, duration};

/// Section `[prediction_cache]` of the manifest: the store of the prediction cache, and the limits
/// on the lifetime and size of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionCacheSection {
    /// Name of the store in which answers are kept.
    pub store: String,
    /// Time for which an answer is kept in the store.
    pub ttl: Duration,
    /// Maximum time for which a call waits for the store. After this time the call is scored.
    pub timeout: Duration,
    /// Maximum time for which one host process may compute an answer while other host processes of
    /// the app wait for it. `None` if each process computes the answer for itself.
    pub claim: Option<Duration>,
    /// Maximum size of the answers that a host process keeps in its own memory in addition to the
    /// store, in bytes. 0 if it does not keep answers in memory.
    pub memory_bytes: u64,
}

#[derive(Deserialize)]
pub(super) struct RawPredictionCache {
    store: Option<String>,
    ttl: Option<String>,
    timeout: Option<String>,
    claim: Option<String>,
    memory: Option<String>,
}

impl RawPredictionCache {
    pub(super) fn into_section(
        self,
        stores: &BTreeMap<String, StoreSection>,
    ) -> Result<PredictionCacheSection, Problem> {
        let or_default = |value: Option<String>, key: &str| {
            value.unwrap_or_else(|| default_of(&format!("prediction_cache.{key}")).to_owned())
        };
        let store = or_default(self.store, "store");
        if !stores.contains_key(&store) {
            return Err(Problem::new(
                format!("`prediction_cache.store`: there is no [stores.{store}]"),
                format!("add [stores.{store}], or name a store that the manifest has"),
            ));
        }
        let memory = or_default(self.memory, "memory");
        let claim = or_default(self.claim, "claim");
        let claim = (claim != "0")
            .then(|| duration("prediction_cache.claim", &claim, LIMIT_MOST))
            .transpose()?;
        Ok(PredictionCacheSection {
            store,
            ttl: duration(
                "prediction_cache.ttl",
                &or_default(self.ttl, "ttl"),
                TTL_MOST,
            )?,
            timeout: duration(
                "prediction_cache.timeout",
                &or_default(self.timeout, "timeout"),
                LIMIT_MOST,
            )?,
            claim,
            memory_bytes: if memory == "0" {
                0
            } else {
                bytes("prediction_cache.memory", &memory)?
            },
        })
    }
}
