//! Environment of the process: variables and programs on PATH.
//!
//! Owns the lookup of variables and programs, and the running of a program. Must not know what any
//! of them is used for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Maximum time to wait for a program to end. The time is long because a program may ask its user
/// for something.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Environment variables of this process or, in a test, the variables that the test sets.
#[derive(Clone)]
pub struct Surroundings(HashMap<String, String>);

/// Writes only the name of the type, because variables may hold secrets.
impl std::fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Surroundings")
    }
}

impl Surroundings {
    /// Returns the environment variables of this process whose names and values are UTF-8.
    pub fn current() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Creates an environment that consists of the given variables only. Each is a pair of a name
    /// and a value.
    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// Returns the value of an environment variable, or `None` if the variable is unset or empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Returns the path of the program `name`, or `None` if no folder on PATH has the program.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.variable("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    }

    /// Runs a program with `input` on its standard input, waits for it to end, and returns its
    /// output. Fails if the program cannot be started, or does not end within `LONGEST_WAIT`. The
    /// arguments must not contain a secret, because every process of the machine can read them.
    pub async fn ask(
        &self,
        program: &PathBuf,
        arguments: &[&str],
        input: &str,
    ) -> std::io::Result<Output> {
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program may end without reading its input. That is not an error.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        match tokio::time::timeout(LONGEST_WAIT, child.wait_with_output()).await {
            Ok(output) => output,
            Err(_) => Err(std::io::Error::other(format!(
                "no answer within {} s",
                LONGEST_WAIT.as_secs()
            ))),
        }
    }
}

/// Writes an executable shell script for a test.
///
/// A child process writes the file. If this process had the file open for writing, a child process
/// of another test could inherit the open file, and the system would refuse to run the script.
#[cfg(test)]
pub fn script(path: &std::path::Path, text: &str) {
    let command = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let status = std::process::Command::new("sh")
        .args(["-c", command, "sh"])
        .arg(path)
        .arg(text)
        .status();
    assert!(status.unwrap().success());
}
