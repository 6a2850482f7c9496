//! A connectivity check for the server of a store.
//!
//! Owns the commands that `scorebox check --connect` sends, which any user of a server may send.
//! Must not know how the result is shown.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use redis::Value;
use scorebox_text::{NAME_BYTES, bounded};
use serde::Serialize;
use tokio::time::Instant;

use super::StoreError;
use super::server::{Server, translate};

/// Result of a connectivity check of a store that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Mode that the server reports: `standalone` or `cluster`.
    pub mode: String,
    /// Version that the server reports.
    pub version: String,
    /// Number of servers that have keys of the store. The number is 1 without a cluster.
    pub masters: usize,
    /// Round-trip time of one command, in microseconds. With several servers, it is the time of the
    /// slowest server.
    pub round_trip_us: u64,
}

impl Server {
    /// Checks that every server that has keys of the store answers. Returns facts about these
    /// servers. The future is boxed, as those of [`raw::Connection`](super::raw::Connection) are.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if one of these servers does not answer.
    pub fn reach(&self) -> BoxFuture<'_, Result<Reached, StoreError>> {
        Box::pin(async move {
            let router = self.router();
            let masters = router.masters().await.map_err(translate)?;
            let mut reached = Reached {
                mode: String::new(),
                version: String::new(),
                masters: masters.len(),
                round_trip_us: 0,
            };
            for master in &masters {
                let hello = router
                    .send_to(master, &redis::cmd("HELLO"))
                    .await
                    .map_err(translate)?;
                let told: HashMap<String, Value> =
                    redis::from_redis_value(hello).unwrap_or_default();
                let text = |name: &str| {
                    told.get(name)
                        .and_then(|value| redis::from_redis_value::<String>(value.clone()).ok())
                };
                let text = |name: &str| {
                    text(name)
                        .map_or_else(|| "unknown".to_owned(), |text| bounded(text, NAME_BYTES))
                };
                reached.mode = text("mode");
                reached.version = text("version");
                let started = Instant::now();
                router
                    .send_to(master, &redis::cmd("PING"))
                    .await
                    .map_err(translate)?;
                let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                reached.round_trip_us = reached.round_trip_us.max(took);
            }
            Ok(reached)
        })
    }
}
