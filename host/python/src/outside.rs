//! Services of the host that a script may use.
//!
//! Owns the trait [`Outside`], and the implementation of it that serves an instance during its
//! start or its current call. Must not know how a store, a log or a graph works.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

/// Severity of a log line of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Detail for the author of the script.
    Debug,
    /// Normal event, such as text that the script prints.
    Info,
    /// Unexpected event after which the script goes on.
    Warning,
    /// Failure of the script.
    Error,
}

/// Reason why Redis commands of a script have no replies. The text is for the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisFailure {
    /// The store cannot be reached. The script gets a `ConnectionError`.
    Unreachable(String),
    /// The store did not answer in time. The script gets a `TimeoutError`.
    TimedOut(String),
}

/// Reason why a graph has no outputs. The text is for the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphFailure(pub String);

/// Services of the host that a script may use, for one start or one call.
///
/// Everything that a script does outside of its sandbox goes through these functions. Their
/// arguments come from the script, so implementations check them.
pub trait Outside: Send + Sync + 'static {
    /// Runs Redis commands, and returns their replies.
    ///
    /// `commands` has one or more commands in the form in which a client sends them. `protocol` is
    /// the version of the protocol in which the script reads the replies, 2 or 3.
    ///
    /// # Errors
    /// Fails if the store cannot be reached or does not answer in time. A refused command is not a
    /// failure: its reply is an error of Redis.
    fn redis(
        &self,
        protocol: u8,
        commands: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, RedisFailure>>;

    /// Writes a log line of the script.
    fn log(&self, level: Level, text: &str);

    /// Records a metric, which the script describes in JSON.
    fn metric(&self, json: &[u8]);

    /// Runs a graph of the model. The request and the returned bytes have a form that the host and
    /// the Python files of Scorebox agree on.
    ///
    /// # Errors
    /// Fails if the graph does not exist or cannot run.
    fn graph(&self, request: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>>;

    /// Returns facts of the model as a JSON object: its name, version, digest and labels.
    fn model_info(&self) -> String;

    /// Notes that a script has run for a whole tick of the engine without waiting. This function is
    /// called before the script yields to other work of its thread, so that the host can move the
    /// call to another thread.
    fn tick(&self) {}
}

/// Host that answers a script at the moment. An instance has one for its start and one for each
/// call. Between calls nobody answers.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Option<Arc<dyn Outside>>>>);

impl Current {
    /// Replaces the host that answers.
    pub(crate) fn set(&self, outside: Option<Arc<dyn Outside>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outside;
    }

    /// Returns the host that answers, if there is one.
    pub(crate) fn get(&self) -> Option<Arc<dyn Outside>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
