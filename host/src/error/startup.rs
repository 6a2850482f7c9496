//! Errors that keep the host from starting.
//!
//! Owns [`StartupError`] and its texts. Must not know calls, or how the program ends.

use std::path::PathBuf;

use crate::manifest::ManifestError;
use crate::text::inset;

/// Error because of which the host does not start, or a command of the host fails.
///
/// The variants differ in who can fix the problem: the author of the scorer, the operator, or the
/// caller of the command. The text of the error says how to fix it, if a fix is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// This host cannot run the component as a scorer. The author has to fix the component.
    #[error("component {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Component {
        /// Path of the file that is at fault: the component, its source, its precompiled code, or
        /// the manifest if it names no component.
        path: PathBuf,
        /// Text that says what is wrong with the component.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// The library of ONNX Runtime, which runs graphs, or the engine pack, which runs scripts,
    /// cannot be used. The operator has to fix this.
    #[error("engine {}: {}\n  fix: {}", inset(&library.display()), inset(problem), inset(fix))]
    Engine {
        /// Path of the library of ONNX Runtime, or of the folder of the engine pack.
        library: PathBuf,
        /// Text that says what is wrong with the library of ONNX Runtime or the engine pack.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// An environment variable has an unusable value. The operator has to fix the value. The value
    /// is never shown, because it may hold a password.
    #[error(
        "environment variable {}: {}\n  fix: {}",
        inset(variable),
        inset(problem),
        inset(fix)
    )]
    Environment {
        /// Name of the environment variable.
        variable: String,
        /// Text that says what is wrong with the variable's value. It does not show the value.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// There is a problem in `host.json` or a `function.json`, or the app does not have exactly one
    /// function that the command `invoke` can mean. The author, the operator or the caller of the
    /// command has to fix this.
    #[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Functions {
        /// Path of the file that has the problem, or of the app folder.
        path: PathBuf,
        /// Text that says what is wrong with the file or the app.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// The host or the machine is at fault. The text describes the problem.
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
    /// The command `invoke` does not accept its input. The caller of the command has to fix the
    /// input.
    #[error("{}: {}\n  fix: {}", inset(name), inset(problem), inset(fix))]
    Input {
        /// Name of the input: a file, standard input, or the function or route that it is for.
        name: String,
        /// Text that says what is wrong with the input.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// The server cannot listen on its address and port. The operator has to fix this.
    #[error(
        "cannot listen on {address}: {problem}\n  fix: choose another with --port or --address"
    )]
    Listen {
        /// Address and port that the server should listen on.
        address: String,
        /// Text of the operating system that says why the server cannot listen.
        problem: String,
    },
    /// The machine does not provide something that the host needs. The operator has to fix this.
    #[error(
        "this machine has no {resource}: {}\n  fix: {}",
        inset(problem),
        inset(fix)
    )]
    Machine {
        /// Name of the resource, e.g. `threads`.
        resource: &'static str,
        /// Error that occurred when the host checked the resource.
        problem: String,
        /// Instruction that fixes the problem.
        fix: &'static str,
    },
    /// There is a problem in `scorebox.toml`, or in the file of a sample. The author has to fix the
    /// file.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// There is a problem with the model's files. The author has to fix the model.
    #[error("model {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Model {
        /// Path of the model's file or folder that is at fault.
        path: PathBuf,
        /// Text that says what is wrong with the model.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
    /// There is a problem with the script, its packages or its saved state, or this host was built
    /// without Python. The author has to fix this.
    #[error("script {}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
    Script {
        /// Path of the file or folder that is at fault: the script, its requirements, its packages
        /// or its saved state.
        path: PathBuf,
        /// Text that says what is wrong with the script.
        problem: String,
        /// Instruction that fixes the problem.
        fix: String,
    },
}
