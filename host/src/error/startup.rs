//! Errors that keep the host from starting, and the exit codes of the program.
//!
//! Owns [`StartupError`] and each exit code of the program except those of `invoke`. Must not know
//! calls.

use std::path::PathBuf;

use crate::manifest::ManifestError;
use crate::text::inset;

/// Returns the exit code of a server that stops because it was asked to: 200 if the Functions host
/// started it, and 0 otherwise.
///
/// The Functions host never restarts a handler that ended with 0. It counts every other code except
/// 200 as an error (`WorkerConstants.IntentionalRestartExitCode`).
#[must_use]
pub fn stopped_exit_code(is_started_by_functions_host: bool) -> u8 {
    if is_started_by_functions_host { 200 } else { 0 }
}

/// Exit code of the command `check --connect` if a store does not answer.
pub const UNREACHED_EXIT_CODE: u8 = 10;

/// Error that keeps the host from starting.
///
/// Each variant is for one person to fix: the author of the scorer, the operator, or the caller of
/// the command. The text of the error says how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// This host cannot run the component as a scorer. The author has to fix the component.
    #[error("component {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Component {
        /// Path of the `.wasm` file.
        path: PathBuf,
        /// Text that says what is wrong with the component.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// The library of ONNX Runtime, which runs graphs, cannot be used. The operator has to fix it.
    #[error("engine {}: {}\n  fix: {}", inset(&library.display()), inset(problem), inset(fix))]
    Engine {
        /// Path of the library's file.
        library: PathBuf,
        /// Text that says what is wrong with the library.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// An environment variable has an unusable value. The operator has to fix it. The value is
    /// never shown, because it may hold a password.
    #[error(
        "environment variable {}: {}\n  fix: {}",
        inset(variable),
        inset(problem),
        inset(fix)
    )]
    Environment {
        /// Name of the environment variable.
        variable: String,
        /// Text that says what is wrong with the value, without showing it.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// There is a problem in `host.json` or a `function.json`. The author or the operator has to
    /// fix it.
    #[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Functions {
        /// Path of the file that has the problem.
        path: PathBuf,
        /// Text that says what is wrong with the file.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// The host itself or the machine is at fault. The text describes the problem.
    #[error("{}", inset(.0))]
    Host(String),
    /// The scorer's `init` did not succeed. The author has to fix the scorer.
    #[error("init of {}: {}\n  fix: {}", inset(scorer), inset(problem), inset(fix))]
    Init {
        /// Name of the scorer.
        scorer: String,
        /// Text that says why `init` did not succeed.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// A text is not an input that `invoke` accepts. The caller of the command has to fix it.
    #[error("{}: {}\n  fix: {}", inset(name), inset(problem), inset(fix))]
    Input {
        /// Name of the input: a file, or standard input.
        name: String,
        /// Text that says what is wrong with the input.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// The server cannot listen on its address and port. The operator has to fix it.
    #[error(
        "cannot listen on {address}: {problem}\n  fix: choose another with --port or --address"
    )]
    Listen {
        /// Address and port that the server should listen on.
        address: String,
        /// Text of the operating system that says why it is not possible to listen.
        problem: String,
    },
    /// There is a problem in `scorebox.toml`. The author has to fix it.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// There is a problem with the model's files. The author has to fix it.
    #[error("model {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Model {
        /// Path of the model's file or folder that has the problem.
        path: PathBuf,
        /// Text that says what is wrong with the model.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
}

impl StartupError {
    /// Returns the exit code of the program for this error. Each kind of error has a code of its
    /// own.
    ///
    /// The code is never 0, because the Functions host does not restart a handler that exits with
    /// 0. It is never 2, which is the exit code of errors in the command line.
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
