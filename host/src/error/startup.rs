//! Why the host does not start, or ends, as exit codes.
//!
//! Owns [`StartupError`] and each exit code of the program but those of `invoke`. Must not know calls.

use std::path::PathBuf;

use crate::manifest::ManifestError;
use crate::text::inset;

/// The exit code of a server that was told to stop. The Functions host never starts a handler again that ended with 0, and
/// counts every other code as an error but 200 (`WorkerConstants.IntentionalRestartExitCode`).
#[must_use]
pub fn stopped_exit_code(is_started_by_functions_host: bool) -> u8 {
    if is_started_by_functions_host { 200 } else { 0 }
}

/// The exit code of `check --connect` where a store does not answer.
pub const UNREACHED_EXIT_CODE: u8 = 10;

/// Why the host does not start. Each variant is somebody's to mend; the texts say how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// The author's: the component is not a scorer of a world this host knows.
    #[error("component {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Component {
        /// The `.wasm` file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// The operator's: the library of the engine for graphs.
    #[error("engine {}: {}\n  fix: {}", inset(&library.display()), inset(problem), inset(fix))]
    Engine {
        /// The library's file.
        library: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// The operator's: an environment variable holds something unusable. Its value is never shown.
    #[error("environment variable {}: {}\n  fix: {}", inset(variable), inset(problem), inset(fix))]
    Environment {
        /// Its name.
        variable: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// The author's or the operator's: `host.json` or a `function.json`.
    #[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Functions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// Ours or the machine's.
    #[error("{}", inset(.0))]
    Host(String),
    /// The author's: `init` did not succeed.
    #[error("init of {}: {}\n  fix: {}", inset(scorer), inset(problem), inset(fix))]
    Init {
        /// The scorer's name.
        scorer: String,
        /// What happened.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// The caller's: the input of `invoke` is none.
    #[error("{}: {}\n  fix: {}", inset(name), inset(problem), inset(fix))]
    Input {
        /// The file, or standard input.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// The operator's: the port cannot be listened on.
    #[error("cannot listen on {address}: {problem}\n  fix: choose another with --port or --address")]
    Listen {
        /// Address and port.
        address: String,
        /// The system's words.
        problem: String,
    },
    /// The author's: `scorebox.toml`.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The author's: the model's files.
    #[error("model {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Model {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: String,
    },
}

impl StartupError {
    /// The exit code, one for each kind. Never 0: the Functions host does not restart a handler that exits with 0; and
    /// never 2, which is the command line's own.
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
