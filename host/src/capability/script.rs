//! Services of the host for a script: its store, its log, its metrics, its graphs and its model.
//!
//! Owns the implementation of [`Outside`] over what all instances of a scorer share. Must not know
//! how a script is run, or what a call is about. `resp` knows the protocol of Redis, `commands` the
//! order of a script's commands, and `graph` the form in which a script passes tensors.

mod basics;
mod commands;
#[cfg(feature = "graphs")]
mod graph;
mod resp;

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use scorebox_python::{GraphFailure, Level, Outside, RedisFailure, SharedLimit};
use serde::Deserialize;
use serde_json::json;
use tracing::Level as LogLevel;

use super::memory::{MemoryLimit, SharedMemory};
use super::state::Capabilities;
use super::telemetry::{Lines, LogSink};
use crate::offload;
use crate::redis::Store;

/// Name of the store that a script uses. A script names no store, so it has only one.
const STORE: &str = "default";

/// Services of the host for one start of a script, or for one call.
pub(crate) struct ScriptServices {
    shared: Arc<Capabilities>,
    log: LogSink,
    /// Time at which the start or the call ends, and with it each run of a graph.
    #[cfg_attr(
        not(feature = "graphs"),
        allow(dead_code, reason = "only graphs need it")
    )]
    deadline: Instant,
}

/// Metric that a script records.
#[derive(Deserialize)]
struct Metric {
    kind: MetricKind,
    name: String,
    value: serde_json::Number,
    #[serde(default)]
    attributes: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum MetricKind {
    Count,
    Record,
}

impl ScriptServices {
    /// Creates the services for a start, or for the call with the id `invocation`. `lines` collects
    /// the log lines for the caller. It is `None` if the caller does not get log lines.
    pub(crate) fn new(
        shared: Arc<Capabilities>,
        invocation: &str,
        lines: Option<Lines>,
        deadline: Instant,
    ) -> Self {
        let log = LogSink::new(Arc::clone(&shared.scorer));
        log.begin(invocation, lines);
        Self {
            shared,
            log,
            deadline,
        }
    }

    /// Returns the script's store: the one with the name `default`, or the only store of the
    /// manifest if its name is another one.
    fn store(&self) -> Option<(&str, &Store)> {
        let stores = &self.shared.stores;
        let mut named = stores.iter();
        let found = match (stores.get_key_value(STORE), named.next(), named.next()) {
            (Some(found), ..) | (None, Some(found), None) => Some(found),
            _ => None,
        };
        found.map(|(name, store)| (name.as_str(), store))
    }
}

/// Returns the limit on the memory of all instances of a script together.
pub(crate) fn shared_limit(memory: Arc<SharedMemory>) -> SharedLimit {
    // An instance knows its own limit.
    Arc::new(move || Box::new(MemoryLimit::new(Arc::clone(&memory), u64::MAX)))
}

impl Outside for ScriptServices {
    fn redis(
        &self,
        protocol: u8,
        commands: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, RedisFailure>> {
        Box::pin(async move {
            let Some((name, store)) = self.store() else {
                return Err(RedisFailure::Unreachable(
                    "scorebox.toml defines no store for the script. Add a section [stores.default] to it.".to_owned(),
                ));
            };
            commands::answer(&self.log, name, store, protocol, &commands).await
        })
    }

    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Debug => LogLevel::DEBUG,
            Level::Info => LogLevel::INFO,
            Level::Warning => LogLevel::WARN,
            Level::Error => LogLevel::ERROR,
        };
        self.log.line(level, "", text);
    }

    fn metric(&self, json: &[u8]) {
        let Ok(metric) = serde_json::from_slice::<Metric>(json) else {
            self.log
                .warn("metrics", "a measurement was dropped: it is not valid");
            return;
        };
        let attributes = metric.attributes.into_iter().map(|(name, value)| {
            let text = value.as_str().map(str::to_owned);
            (name, text.unwrap_or_else(|| value.to_string()))
        });
        let attributes = attributes.collect();
        match metric.kind {
            MetricKind::Count => {
                let delta = metric.value.as_u64().unwrap_or_default();
                self.log.count(&metric.name, delta, attributes);
            }
            MetricKind::Record => {
                let value = metric.value.as_f64().unwrap_or_default();
                self.log.record(&metric.name, value, attributes);
            }
        }
    }

    #[cfg(feature = "graphs")]
    fn graph(&self, request: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>> {
        Box::pin(graph::answer(
            &self.shared,
            &self.log,
            self.deadline,
            request,
        ))
    }

    #[cfg(not(feature = "graphs"))]
    fn graph(&self, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>> {
        Box::pin(async {
            Err(GraphFailure(
                "this host was built without graphs".to_owned(),
            ))
        })
    }

    fn model_info(&self) -> String {
        let shared = &self.shared;
        json!({
            "name": &*shared.scorer,
            "version": shared.model_version,
            "digest": shared.model.digest(),
            "labels": shared.model_labels,
        })
        .to_string()
    }

    fn tick(&self) {
        offload::mark_long();
    }
}
