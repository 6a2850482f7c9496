//! The interfaces `wasi:logging` and `metrics`: what a scorer writes becomes structured log events
//! of its invocation.
//!
//! Owns the two interfaces; `sink` has the limits on what one call may write. Must not know where
//! the log goes.

mod lines;
mod sink;

use tracing::Level as LogLevel;

pub use self::lines::{LOGS_BYTES, Lines};
pub(super) use self::sink::LogSink;

use super::state::InstanceState;
use crate::capability::bindings::capabilities::scorebox::scoring::metrics;
use crate::capability::bindings::capabilities::wasi::logging::logging::{self, Level};
use crate::text::{NAME_BYTES, cut};

impl logging::Host for InstanceState {
    async fn log(
        &mut self,
        level: Level,
        context: String,
        message: String,
    ) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => LogLevel::TRACE,
            Level::Debug => LogLevel::DEBUG,
            Level::Info => LogLevel::INFO,
            Level::Warn => LogLevel::WARN,
            Level::Error | Level::Critical => LogLevel::ERROR,
        };
        self.log.line(level, &cut(&context, NAME_BYTES), &message);
        Ok(())
    }
}

impl metrics::Host for InstanceState {
    async fn count(
        &mut self,
        name: String,
        delta: u64,
        attributes: metrics::Attributes,
    ) -> wasmtime::Result<()> {
        self.log.count(&name, delta, attributes);
        Ok(())
    }

    async fn record_value(
        &mut self,
        name: String,
        value: f64,
        attributes: metrics::Attributes,
    ) -> wasmtime::Result<()> {
        self.log.record(&name, value, attributes);
        Ok(())
    }
}

impl LogSink {
    /// Logs that the counter `name` grew by `delta`.
    pub(super) fn count(&self, name: &str, delta: u64, attributes: metrics::Attributes) {
        let mut call = self.lock();
        if let Some(attributes) = call.measured(name, attributes) {
            let (scorer, invocation) = (&*call.scorer, call.invocation.as_str());
            tracing::info!(target: "scorer", scorer, invocation, context = "metrics", metric = name, count = delta, attributes, "measured");
        }
    }

    /// Logs one value of the distribution `name`.
    pub(super) fn record(&self, name: &str, value: f64, attributes: metrics::Attributes) {
        let mut call = self.lock();
        if let Some(attributes) = call.measured(name, attributes) {
            let (scorer, invocation) = (&*call.scorer, call.invocation.as_str());
            tracing::info!(target: "scorer", scorer, invocation, context = "metrics", metric = name, value, attributes, "measured");
        }
    }
}
