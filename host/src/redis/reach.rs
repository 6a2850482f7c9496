//! A connectivity check for the server of a store.
//!
//! Owns the questions of `scorebox check --connect`, which any user of a server may ask. Must
//! not know how the answer is shown.

use std::collections::HashMap;

use redis::Value;
use serde::Serialize;
use tokio::time::Instant;

use super::StoreError;
use super::server::{Server, translate};
use crate::text::{NAME_BYTES, bounded};

/// Result of a connectivity check that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Mode of the server, `standalone` or `cluster`, as the server reports it.
    pub mode: String,
    /// Version of the server.
    pub version: String,
    /// Number of servers that have keys.
    pub masters: usize,
    /// Round trip time of one command, in microseconds. For several servers, the slowest one
    /// counts.
    pub round_trip_us: u64,
}

impl Server {
    /// Checks every server that has keys.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if one of the servers does not answer.
    pub async fn reach(&self) -> Result<Reached, StoreError> {
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
            let told: HashMap<String, Value> = redis::from_redis_value(hello).unwrap_or_default();
            let text = |name: &str| {
                told.get(name)
                    .and_then(|value| redis::from_redis_value::<String>(value.clone()).ok())
            };
            let text = |name: &str| {
                text(name).map_or_else(|| "unknown".to_owned(), |text| bounded(text, NAME_BYTES))
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
    }
}
