//! The state of a mock host.
//!
//! Owns what a mock host holds and what it records. Must not know how a test builds a host, or how
//! the mocks implement the interfaces that a scorer imports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::model_folder::Stored;
use super::redis_value::Value;
use crate::graphs::{self, Input, Outputs};
use crate::log::Level;
use crate::model::ModelInfo;
use crate::redis;

/// Function of a test that answers Redis commands. It gets the name of a command and its arguments,
/// and returns the reply.
pub(crate) type Redis = dyn Fn(&[&str]) -> Result<Value, redis::Error> + Send + Sync;
/// Function of a test that stands in for a graph. It gets the inputs of a run, and returns the
/// outputs.
pub(crate) type Graph = dyn Fn(&Outputs) -> Result<Vec<Input>, graphs::Error> + Send + Sync;

/// Phase of a scorer: `describe`, `init` at build time, or everything later. The phase determines
/// which capabilities of the host the scorer may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `describe`, which may not use any capability.
    Describe,
    /// `init` while the container image is built. It may only read the model and write to the log.
    Init,
    /// `run`, or `init` with `snapshot = false`, which may use every capability.
    Run,
}

/// Capability of the host, as far as the rules for `describe` and `init` distinguish capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    Model,
    Log,
    Other,
}

impl Phase {
    /// Returns the reason why a scorer may not use `capability` in this phase, or `None` if it may.
    pub(crate) fn refusal(self, capability: Capability) -> Option<&'static str> {
        match (self, capability) {
            (Self::Run, _) | (Self::Init, Capability::Model | Capability::Log) => None,
            (Self::Describe, _) => Some("`describe` must not call the host"),
            (Self::Init, Capability::Other) => Some(
                "`init` may only read the model and write to the log, unless the project says \
                 `snapshot = false`",
            ),
        }
    }
}

/// State of a mock host: the capabilities that a test chose, and records of what a scorer did.
pub(crate) struct State {
    pub(crate) info: ModelInfo,
    pub(crate) tensors: BTreeMap<String, Arc<Stored>>,
    pub(crate) files: BTreeMap<String, Arc<Vec<u8>>>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) stores: BTreeMap<String, Store>,
    pub(crate) redis: BTreeMap<String, Arc<Redis>>,
    pub(crate) graphs: BTreeMap<String, Arc<Graph>>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) is_away: bool,
    pub(crate) phase: Phase,
    pub(crate) has_snapshot: bool,
    /// Time on the clock of the mock host, by which keys expire. Only `Host::advance` moves it.
    pub(crate) now: Duration,
}

/// A store of keys and values in a mock host.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) default_ttl: Option<Duration>,
    pub(crate) entries: BTreeMap<String, Entry>,
}

/// The value of a key, and the time on the mock host's clock at which the key expires, which is
/// `None` if it never expires.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    pub(crate) expires: Option<Duration>,
}

/// A line that a scorer wrote to the log.
///
/// ```
/// use scorebox_guest::log::{self, Level};
/// use scorebox_guest::testing::Host;
///
/// let host = Host::new().install();
/// log::warn!("the model has {} classes", 11);
/// let line = &host.log()[0];
/// assert_eq!((line.level, line.message.as_str()), (Level::Warn, "the model has 11 classes"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Level at which the scorer logged the line.
    pub level: Level,
    /// Context of the line. The macros of [`log`](crate::log) set it to the path of the module.
    pub context: String,
    /// Text of the log line.
    pub message: String,
}

/// A measurement that a scorer made.
///
/// ```
/// use scorebox_guest::metrics;
/// use scorebox_guest::testing::Host;
///
/// let host = Host::new().install();
/// metrics::record("score", 0.93, &[("label", "7")]);
/// let measured = &host.measurements()[0];
/// assert_eq!((measured.name.as_str(), measured.value), ("score", 0.93));
/// assert_eq!(measured.attributes, [("label".to_owned(), "7".to_owned())]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Name of the counter or the distribution.
    pub name: String,
    /// The recorded value, or the number that was added to the counter.
    pub value: f64,
    /// True if the value was added to a counter, and false if it was recorded in a distribution.
    pub is_count: bool,
    /// Attributes of the measurement, each with a name and a value.
    pub attributes: Vec<(String, String)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            info: ModelInfo {
                name: "model".to_owned(),
                version: String::new(),
                digest: format!("sha256:{}", "0".repeat(64)),
                labels: Vec::new(),
            },
            tensors: BTreeMap::new(),
            files: BTreeMap::new(),
            settings: BTreeMap::new(),
            stores: BTreeMap::new(),
            redis: BTreeMap::new(),
            graphs: BTreeMap::new(),
            log: Vec::new(),
            measurements: Vec::new(),
            commands: Vec::new(),
            is_away: false,
            phase: Phase::Run,
            has_snapshot: true,
            now: Duration::ZERO,
        }
    }
}
