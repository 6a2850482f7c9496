//! Log lines that are kept in memory, for tests.
//!
//! Owns the choice of the lines: JSON, from the level `info`. Must not know which lines a test
//! waits for.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::Threshold;
use super::line::{Form, Lines};

/// Log lines that a test keeps in memory, in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct KeptLines(Arc<Mutex<Vec<String>>>);

impl KeptLines {
    /// Returns a `tracing` subscriber that keeps every event, from the level `info`, as a line of
    /// JSON.
    pub(crate) fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static + use<> {
        let kept = Arc::clone(&self.0);
        let write = move |line: &str, _: bool| kept.lock().unwrap().push(line.to_owned());
        let lines = Lines {
            form: Form::Json,
            is_for_functions_host: false,
            write,
        };
        let info = Threshold(Targets::new().with_default(LevelFilter::INFO));
        tracing_subscriber::registry().with(lines.with_filter(info))
    }

    /// Returns the last kept line, as JSON, whose field `name` has the value `value`.
    ///
    /// # Panics
    /// Panics if there is no such line, or if a line is not JSON.
    pub(crate) fn line(&self, name: &str, value: &str) -> Value {
        let lines = self.0.lock().unwrap();
        let mut parsed = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        parsed
            .rfind(|line| line[name] == value)
            .unwrap_or_else(|| panic!("no {value}: {lines:?}"))
    }
}
