//! The errors that can stop a command, grouped by who can fix them.
//!
//! Owns the exit codes and the form of every message: what is wrong, then how to fix it. Must not
//! know any command.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

/// Kind of a [`Failure`]. The kind states who can fix the failure, and determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A fault of the project: its manifest, model or component, or a file that an argument names.
    Project,
    /// A fault of the tools on this machine: a compiler, a compilation target or another tool is
    /// missing or failed.
    Toolchain,
    /// A refusal by the registry, which did answer the request.
    Registry,
    /// An answer of the registry that says that it cannot serve the request now, e.g. with status
    /// code 503. The answer says nothing about what was requested.
    Unavailable,
    /// No response from the registry or another server.
    Network,
    /// An image or a fetched file that is not what it claims to be, because someone may have
    /// altered it.
    Verification,
    /// A fault of any other kind, e.g. a full disk, a failed check or a bug.
    Other,
}

/// Reason why a command ended without doing what the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\n  fix: {fix}")]
pub struct Failure {
    /// Kind of the failure. The kind states who can fix the failure, and determines the exit code.
    pub kind: Kind,
    /// Description of the problem, with the file, key or address that has the problem.
    pub problem: String,
    /// Instruction that fixes the problem.
    pub fix: String,
}

/// Help text with the exit codes, as `cargo xtask --help` prints them.
pub const EXIT_CODES: &str = "Exit codes:
  0  done
  1  anything that no other code names: a failed check or test, a full disk
  2  usage: an argument is unknown, missing or malformed
  3  project: the manifest, the model, the component or a file that an argument names must change
  4  toolchain: a compiler, target or tool is missing or failed
  5  registry: it answered, and refused
  6  network: no answer
  7  verification: an image is not what it says it is";

impl Failure {
    /// Creates a failure of the kind `kind`. `problem` describes the problem, and `fix` is the
    /// instruction that fixes it.
    pub fn new(kind: Kind, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            kind,
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    /// Creates a failure of the kind [`Kind::Project`], for a fault of the project.
    pub fn project(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Kind::Project, problem, fix)
    }

    /// Creates a failure of the kind [`Kind::Toolchain`], for a fault of the tools on this machine.
    pub fn toolchain(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Kind::Toolchain, problem, fix)
    }

    /// Creates a failure of the kind [`Kind::Other`], for a fault that no other kind describes.
    pub fn other(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Kind::Other, problem, fix)
    }

    /// Creates a failure for a file that could not be used. `action` completes the sentence "the
    /// file cannot …", e.g. `be read`.
    pub fn file(path: &Path, action: &str, error: impl Display) -> Self {
        Self::other(
            format!("{}: cannot {action}: {error}", path.display()),
            "see that the path exists, that you may use it, and that the disk has room",
        )
    }

    /// Creates a failure for a file that a command-line argument names and that cannot be read.
    /// `fix` states which file the argument needs.
    pub fn unreadable(path: &Path, error: impl Display, fix: impl Into<String>) -> Self {
        Self::project(format!("{}: cannot be read: {error}", path.display()), fix)
    }

    /// Returns the exit code of this failure.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Other => 1,
            Kind::Project => 3,
            Kind::Toolchain => 4,
            Kind::Registry | Kind::Unavailable => 5,
            Kind::Network => 6,
            Kind::Verification => 7,
        }
    }

    /// Prints this failure to standard error and returns its exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        ExitCode::from(self.exit_code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_exit_codes() {
        let rows = EXIT_CODES.lines().skip(1).map(|line| {
            let (code, meaning) = line.trim().split_once("  ").unwrap();
            format!("| {code} | {meaning} |\n")
        });
        let head = "| exit code | meaning |\n|---|---|\n";
        let table: String = [head.to_owned()].into_iter().chain(rows).collect();
        scorebox_pages::check_part("xtask/README.md", "exit codes", &table);
    }
}
