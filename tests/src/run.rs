//! Programs that end by themselves.
//!
//! Owns their outcome, and the bound on how long they may take. Must not know any program.

use std::io::{Read, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// The outcome of a program that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit status of the program.
    pub status: ExitStatus,
    /// Standard output of the program.
    pub stdout: String,
    /// Standard error of the program.
    pub stderr: String,
}

impl Finished {
    /// Asserts that the program ended with the exit code `code`, and returns the outcome.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that the program's standard error contains each of `parts`, and returns the outcome.
    #[track_caller]
    pub fn said(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no `{part}` in stderr: {}\nstdout: {}",
                self.stderr,
                self.stdout
            );
        }
        self
    }

    /// Returns the program's standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "stdout is not JSON: {error}: {}\n{}",
                self.stdout, self.stderr
            )
        })
    }
}

/// Runs a program to its end, with `input` on its standard input.
///
/// # Panics
/// Panics if the program cannot be started, or does not end in time. In the latter case it is
/// killed.
#[track_caller]
pub fn finish(command: &mut Command, input: &[u8]) -> Finished {
    finish_within(wait::LIMIT * 2, command, input)
}

/// Runs a program that must end within `limit`, with `input` on its standard input.
///
/// # Panics
/// Panics if the program cannot be started, or does not end in time. In the latter case it is
/// killed.
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
    // A program that does not read its input closes it. That is not a failure.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let status = wait::within(limit, || {
        child.try_wait().expect("a child can be waited for")
    });
    if status.is_none() {
        child.kill().expect("a child can be killed");
    }
    let stdout = stdout.join().expect("reading does not panic");
    let stderr = stderr.join().expect("reading does not panic");
    drop(writer.join());
    let status = status
        .unwrap_or_else(|| panic!("{shown} does not end\nstdout: {stdout}\nstderr: {stderr}"));
    Finished {
        status,
        stdout,
        stderr,
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Returns a command that runs a tool of this machine. The tool gets the environment of the test,
/// because it needs `PATH` and `HOME`.
#[must_use]
pub fn tool(program: &str) -> Command {
    let mut command = Command::new(crate::place::tool(program).unwrap_or_else(|| program.into()));
    command.stdin(Stdio::null());
    command
}
