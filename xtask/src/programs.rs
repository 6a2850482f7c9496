//! The programs that `cargo xtask` builds and starts: they run some of its commands, or build what
//! it needs, such as the host.
//!
//! Owns the start of these programs, and the meaning of their exit status. Must not know what their
//! commands do.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use scorebox_workspace::commands::Program;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

/// Reason why a command ended without doing what the user asked for.
#[derive(Debug)]
pub enum Stop {
    /// A failure of this program, which was not printed yet.
    Failure(Failure),
    /// A program that failed and printed its error itself.
    Program {
        /// Command line of the program, for error messages.
        call: String,
        /// Exit status of the program.
        status: ExitStatus,
    },
}

impl Stop {
    /// Prints the error, unless a program has already printed it, and returns the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Failure(failure) => failure.report(),
            Self::Program { status, .. } => {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                code.map_or(ExitCode::FAILURE, ExitCode::from)
            }
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failure(failure) => failure,
            Stop::Program { call, status } => Self::other(
                format!("`{call}` ended with {status}"),
                "fix the error shown above",
            ),
        }
    }
}

/// Builds a program and runs it in place of this process. Returns the failure if the program cannot
/// be built or started, and does not return otherwise.
pub fn run_instead(program: Program, arguments: &[OsString]) -> Failure {
    match program.build() {
        // Signals and the exit code need no forwarding, because the process is the same.
        Ok(file) => {
            let error = Command::new(&file).args(arguments).exec();
            Failure::file(&file, "be run", error)
        }
        Err(failure) => failure,
    }
}

/// The built packager. The field is the path of its program.
#[derive(Debug)]
pub struct Packager(PathBuf);

impl Packager {
    /// Builds the packager with Cargo. Fails if it does not compile.
    pub fn build() -> Result<Self, Failure> {
        Program::Packager.build().map(Self)
    }

    /// Returns the path of the packager's program.
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// Builds or fetches something that `cargo xtask` needs, with the packager's command `part`,
    /// and returns its path. `name` selects it, e.g. `host` or `engine-library`, and `more` are
    /// further arguments of the command. Fails if the command fails.
    pub fn part(&self, name: &str, more: &[OsString]) -> Result<PathBuf, Stop> {
        let words = ["part", name].map(OsString::from);
        let said = self.said(&[&words, more].concat())?;
        Ok(PathBuf::from(said.trim_end_matches('\n')))
    }

    /// Runs the packager with the given arguments to its end, and returns its standard output.
    /// Fails if the exit code is not 0.
    pub fn said(&self, arguments: &[OsString]) -> Result<String, Stop> {
        let output = Command::new(&self.0)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Failure::file(&self.0, "be run", error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = arguments.iter().map(|word| word.to_string_lossy());
        Err(Stop::Program {
            call: format!("{} {}", shown(&self.0), words.collect::<Vec<_>>().join(" ")),
            status: output.status,
        })
    }
}
