//! The output of a running program, collected line by line while the program writes it.
//!
//! Owns the collection and the search. Must not know what a line means. A line of the host is a
//! JSON object; any other line is kept as text.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::http::Answer;
use crate::wait;

/// The lines that a program has written so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Starts a thread that collects the lines of a pipe until the pipe ends.
    #[must_use]
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                lines
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        log
    }

    /// Returns all lines that the program has written so far, as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// Returns all lines that the program has written so far and that are JSON.
    #[must_use]
    pub fn entries(&self) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a JSON line for which `fits` returns true, and returns the line. `what` says what
    /// is waited for, for the error message.
    #[track_caller]
    pub fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = wait::within(wait::LIMIT, || self.entries().into_iter().find(&fits));
        found.unwrap_or_else(|| panic!("no log line with {what} in:\n{}", self.text()))
    }

    /// Waits for a JSON line whose message is `message`, and returns the line.
    #[track_caller]
    pub fn wait_for_message(&self, message: &str) -> Value {
        self.wait_for(message, |line| line["message"] == message)
    }

    /// Waits for the log line that reports the failure of the invocation with the id `invocation`,
    /// and returns the line.
    #[track_caller]
    pub fn wait_for_failure(&self, invocation: &str) -> Value {
        self.wait_for("the call's failure", |line| {
            line["message"] == "scoring failed" && line["invocation"] == invocation
        })
    }

    /// Waits for the log line of the call that got `answer`, and asserts that its detail has the
    /// given part.
    #[track_caller]
    pub fn wait_for_detail(&self, answer: &Answer, part: &str) {
        let line = self.wait_for_failure(answer.header("x-request-id").expect("an id"));
        let detail = line["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(part), "no `{part}` in {line}");
    }
}
