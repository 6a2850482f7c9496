//! Services of the host that a script may use.
//!
//! Owns the trait [`Outside`], which has these services, and the handle to the implementation that
//! serves an instance during its start or a call. Must not know how a store, a log or a graph
//! works.

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

/// Reason why Redis commands of a script have no replies. Each variant holds the message of the
/// exception that the script gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisFailure {
    /// The Redis store cannot be reached. The script gets a `ConnectionError`.
    Unreachable(String),
    /// The Redis store did not answer in time. The script gets a `TimeoutError`.
    TimedOut(String),
}

/// Reason why a run of an ONNX graph has no outputs, as a text for the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphFailure(pub String);

/// Services of the host that a script may use, for one start or one call.
///
/// Everything that a script does outside of its sandbox goes through these functions. Their
/// arguments come from the script, so implementations check them.
pub trait Outside: Send + Sync + 'static {
    /// Runs Redis commands, and returns their replies.
    ///
    /// `commands` has one or more commands in the form in which a Redis client sends them.
    /// `protocol` is the version of the Redis protocol in which the script reads the replies, 2 or
    /// 3.
    ///
    /// # Errors
    /// Fails if the Redis store cannot be reached or does not answer in time. A refused command is
    /// not a failure: its reply is an error of Redis.
    fn redis(
        &self,
        protocol: u8,
        commands: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, RedisFailure>>;

    /// Writes a log line of the script.
    fn log(&self, level: Level, text: &str);

    /// Records a metric, which the script describes in JSON.
    fn metric(&self, json: &[u8]);

    /// Runs an ONNX graph of the model. The request and the returned bytes have a form that the
    /// host and the Python files of Scorebox agree on.
    ///
    /// # Errors
    /// Fails if the graph does not exist or cannot run.
    fn graph(&self, request: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>>;

    /// Returns facts of the model as a JSON object: its name, version, digest and labels.
    fn model_info(&self) -> String;

    /// Notes that a script has run for a whole [`TICK`](crate::engine::TICK) without waiting. This
    /// function is called before the script yields to other work of its thread, so that the host
    /// can move the call to another thread.
    fn tick(&self) {}
}

/// Handle to the [`Outside`] that serves an instance at the moment. The start and each call of the
/// instance have their own. Between calls there is none.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Option<Arc<dyn Outside>>>>);

impl Current {
    /// Replaces the [`Outside`] that serves the instance. `None` leaves the instance without one.
    pub(crate) fn set(&self, outside: Option<Arc<dyn Outside>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outside;
    }

    /// Returns the [`Outside`] that serves the instance, or `None` between calls.
    pub(crate) fn get(&self) -> Option<Arc<dyn Outside>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
