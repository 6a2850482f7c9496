//! Errors that keep the host from starting, and the exit codes of the program.
//!
//! Owns [`StartupError`] and each exit code of the program except those of `invoke`. Must not know
//! calls.

use std::path::PathBuf;

use crate::manifest::ManifestError;
use crate::text::inset;

/// Returns the exit code of a server that was asked to stop.
///
/// The Functions host never restarts a handler that ended with 0. It counts every other code except
/// 200 as an error (`WorkerConstants.IntentionalRestartExitCode`).
#[must_use]
pub fn stopped_exit_code(is_started_by_functions_host: bool) -> u8 {
    if is_started_by_functions_host { 200 } else { 0 }
}

/// Exit code of `check --connect` if a store does not answer.
pub const UNREACHED_EXIT_CODE: u8 = 10;

/// An error that keeps the host from starting.
///
/// Each variant is for a certain person to fix: the author, the operator or the caller. The texts
/// say how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// A component that this host cannot run as a scorer, for the author to fix.
    #[error("component {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Component {
        /// Path of the `.wasm` file.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// A library of the engine for graphs that cannot be used, for the operator to fix.
    #[error("engine {}: {}\n  fix: {}", inset(&library.display()), inset(problem), inset(fix))]
    Engine {
        /// Path of the library's file.
        library: PathBuf,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// An environment variable with an unusable value, for the operator to fix. The value is never
    /// shown.
    #[error(
        "environment variable {}: {}\n  fix: {}",
        inset(variable),
        inset(problem),
        inset(fix)
    )]
    Environment {
        /// Name of the environment variable.
        variable: String,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// A problem in `host.json` or a `function.json`, for the author or the operator to fix.
    #[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Functions {
        /// Path of the file.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// A fault of the host itself or of the machine.
    #[error("{}", inset(.0))]
    Host(String),
    /// A scorer whose `init` did not succeed, for the author to fix.
    #[error("init of {}: {}\n  fix: {}", inset(scorer), inset(problem), inset(fix))]
    Init {
        /// Name of the scorer.
        scorer: String,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// A text that is not an input of `invoke`, for the caller to fix.
    #[error("{}: {}\n  fix: {}", inset(name), inset(problem), inset(fix))]
    Input {
        /// Name of the input: a file, or standard input.
        name: String,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// A port that cannot be listened on, for the operator to fix.
    #[error(
        "cannot listen on {address}: {problem}\n  fix: choose another with --port or --address"
    )]
    Listen {
        /// Address and port to listen on.
        address: String,
        /// Description of the problem by the operating system.
        problem: String,
    },
    /// A problem in `scorebox.toml`, for the author to fix.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A problem with the model's files, for the author to fix.
    #[error("model {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Model {
        /// Path of the file or folder.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
}

impl StartupError {
    /// Returns the exit code, one for each kind of error.
    ///
    /// It is never 0, because the Functions host does not restart a handler that exits with 0. It
    /// is never 2, which is the exit code of errors in the command line.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Host(_) => 1,
            Self::Manifest(_) => 3,
            Self::Component { .. } => 4,
            Self::Model { .. } => 5,
            Self::Init { .. } => 6,
            Self::Listen { .. } => 7,
            Self::Environment { .. } => 8,
            Self::Functions { .. } => 9,
            Self::Engine { .. } => 11,
            Self::Input { .. } => 20,
        }
    }
}
