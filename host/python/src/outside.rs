//! What the host gives to a script.
//!
//! Owns the trait that the host implements. Must not know how a store, a log or a graph works.

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

/// Services of the host that a script may use, for one start or one call.
///
/// Everything that a script does outside of its sandbox goes through these functions. Their
/// arguments come from the script, so implementations check them.
pub trait Outside: Send + Sync + 'static {
    /// Runs Redis commands, and returns their replies.
    ///
    /// `commands` is the text of one or more commands as a client sends them. `protocol` is the
    /// version of the protocol in which the script reads replies, 2 or 3.
    ///
    /// # Errors
    /// Fails with a text for the script if the store cannot be reached. A refused command is not a
    /// failure: its reply is an error of Redis.
    fn redis(&self, protocol: u8, commands: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>>;

    /// Writes a log line of the script.
    fn log(&self, level: Level, text: &str);

    /// Records a metric, which the script describes in JSON.
    fn metric(&self, json: &[u8]);

    /// Runs a graph of the model. `request` and the returned bytes are frames of tensors.
    ///
    /// # Errors
    /// Fails with a text for the script if the graph does not exist or cannot run.
    fn graph(&self, request: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, String>>;

    /// Returns facts of the model as a JSON object: name, version, digest and labels.
    fn model_info(&self) -> String;

    /// Notes that a script has run for a whole tick of the engine without waiting. The function is
    /// called before the script yields to other work of its thread, so that the caller can move the
    /// call to another thread.
    fn tick(&self) {}
}
