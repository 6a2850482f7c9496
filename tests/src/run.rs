//! Programs that end by themselves.
//!
//! Owns their outcome, and the bound on how long they may take.

use std::io::{Read, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Asserts that it ended with this exit code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts that its standard error holds each of the parts.
    #[track_caller]
    pub fn said(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` in stderr: {}\nstdout: {}", self.stderr, self.stdout);
        }
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// Runs a program to its end, with this standard input.
///
/// # Panics
/// It cannot be started, or does not end in time; then it is killed.
#[track_caller]
pub fn finish(command: &mut Command, input: &[u8]) -> Finished {
    finish_within(wait::LIMIT * 2, command, input)
}

/// Runs a program that should end soon.
///
/// # Panics
/// As [`finish`].
#[track_caller]
pub fn finish_within(limit: Duration, command: &mut Command, input: &[u8]) -> Finished {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = collect(child.stdout.take().expect("it is piped"));
    let stderr = collect(child.stderr.take().expect("it is piped"));
    let input = input.to_vec();
    // A program that does not read its input closes it; that is no failure.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let status = wait::within(limit, || child.try_wait().expect("a child can be waited for"));
    if status.is_none() {
        child.kill().expect("a child can be killed");
    }
    let stdout = stdout.join().expect("reading does not panic");
    let stderr = stderr.join().expect("reading does not panic");
    drop(writer.join());
    let status = status.unwrap_or_else(|| panic!("{shown} does not end\nstdout: {stdout}\nstderr: {stderr}"));
    Finished { status, stdout, stderr }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A tool of this machine, which needs `PATH` and a home.
#[must_use]
pub fn tool(program: &str) -> Command {
    let mut command = Command::new(crate::place::tool(program).unwrap_or_else(|| program.into()));
    command.stdin(Stdio::null());
    command
}
