//! The commands of the host program: `scorebox serve`, `invoke`, `check` and `graph`.
//!
//! Owns their names, the choice of the host program that runs them, and of the app folder if none
//! is named. Must not know what they do: the host program parses their flags. Only one line about
//! each command and the names of the flags are known here, because the help lists the commands, and
//! shells complete the flags.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_host::deployment::{ENGINE_VARIABLE, TOOL_VARIABLE};
use scorebox_host::engine::VERSION;
use scorebox_host::graph::LIBRARY;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::{self, shown};

use crate::engine_library;
use crate::host_program::{self, Kind};
use crate::installed::DEVELOPER_HOST;

/// Environment variable with the path of the host program, which the tests of the repository set.
const HOST_VARIABLE: &str = "SCOREBOX_HOST_PROGRAM";

/// Environment variable in which the Functions host names the app folder.
const APP_VARIABLE: &str = "FUNCTIONS_APP_ROOT_PATH";

/// A command of the host program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCommand {
    /// Name of the command.
    pub name: &'static str,
    /// Description of the command in one line.
    pub about: &'static str,
    /// Names of the command's long flags, without the dashes. A shell completes them.
    pub flags: &'static [&'static str],
    /// True if the command takes an app folder.
    takes_app: bool,
}

/// The commands of the host program, in the order of the help.
pub const COMMANDS: [HostCommand; 4] = [
    HostCommand {
        name: "check",
        about: "Load an app as `serve` would, and print a report about it",
        flags: &["app", "explain", "connect", "sample", "output"],
        takes_app: true,
    },
    HostCommand {
        name: "invoke",
        about: "Score one input and print the answer, without a server",
        flags: &[
            "app",
            "input",
            "content-type",
            "trigger",
            "function",
            "attempt",
            "print-envelope",
        ],
        takes_app: true,
    },
    HostCommand {
        name: "serve",
        about: "Serve an app over HTTP until SIGTERM",
        flags: &["app", "address", "port"],
        takes_app: true,
    },
    HostCommand {
        name: "graph",
        about: "Print the inputs and outputs of an ONNX file",
        flags: &["sample"],
        takes_app: false,
    },
];

/// Returns the command of the host program that the arguments `words` of this process name, also in
/// `help COMMAND`. Returns `None` if they name another command or none.
pub fn named(words: &[OsString]) -> Option<HostCommand> {
    let name = words.iter().find(|word| *word != "help")?;
    COMMANDS.into_iter().find(|command| *name == *command.name)
}

/// Runs a command of the host program in place of this process. `words` are all arguments of this
/// process. Returns the failure if the host cannot be found or started, and does not return
/// otherwise.
pub fn run(command: HostCommand, words: &[OsString]) -> Failure {
    match prepared(command, words) {
        // Signals and the exit code need no forwarding, because the process is the same.
        Ok(mut host) => {
            let error = host.exec();
            Failure::file(Path::new(host.get_program()), "be run", error)
        }
        Err(failure) => failure,
    }
}

/// Prepares a process that calls the scorer in the app folder `app` once, with the request on
/// standard input. The process is not started yet. Fails if the host program cannot be found or
/// built.
pub fn invoke(app: &Path) -> Result<Command, Failure> {
    let mut host = started(&[OsString::from("invoke")])?;
    host.arg("--app").arg(app);
    Ok(host)
}

/// Prepares a process that runs the host program with the arguments `words`. The process is not
/// started yet. Fails if the host program cannot be found or built.
fn started(words: &[OsString]) -> Result<Command, Failure> {
    let mut host = Command::new(host()?);
    host.args(words).env(TOOL_VARIABLE, VERSION);
    let library = engine_library::folder().join(LIBRARY);
    if std::env::var_os(ENGINE_VARIABLE).is_none() && library.is_file() {
        host.env(ENGINE_VARIABLE, library);
    }
    Ok(host)
}

fn prepared(command: HostCommand, words: &[OsString]) -> Result<Command, Failure> {
    let names_app = std::env::var_os(APP_VARIABLE).is_some_and(|folder| !folder.is_empty());
    let mut words = words.to_vec();
    if command.takes_app && !names_app && lacks_app(&words) {
        let app = default_app(Path::new("."));
        eprintln!("app: {}", shown(&app));
        // Right after the command's name, the flag cannot be taken for an operand.
        words.splice(1..1, [OsString::from("--app"), app.into()]);
    }
    started(&words)
}

/// Returns the path of the host program for developers. An installed tool has one. In the
/// repository, it is the program that `SCOREBOX_HOST_PROGRAM` names, or else the one next to this
/// program, or else it is built. Fails if it cannot be built, or if it is not the one that the tool
/// was installed with.
fn host() -> Result<PathBuf, Failure> {
    if installation::parts().is_some() {
        return host_program::build(Kind::Developer);
    }
    let given = std::env::var_os(HOST_VARIABLE).map(PathBuf::from);
    let program = std::env::current_exe().ok();
    let next_to_this = program.map(|program| program.with_file_name(DEVELOPER_HOST));
    match given.or(next_to_this).filter(|host| host.is_file()) {
        Some(host) => Ok(host),
        None => host_program::build(Kind::Developer),
    }
}

/// Returns true if the arguments of a command name no app folder and do not ask for help.
fn lacks_app(words: &[OsString]) -> bool {
    !words.iter().any(|word| {
        let text = word.to_string_lossy();
        matches!(&*text, "help" | "--help" | "-h" | "--app") || text.starts_with("--app=")
    })
}

/// Returns the app folder of the project in the folder `project`: the folder that `build` wrote, or
/// else `project` itself, which is an app folder if nothing in it has to be built.
pub fn default_app(project: &Path) -> PathBuf {
    let manifest = Manifest::read(&project.join(MANIFEST_FILE)).ok();
    let built = manifest.map(|manifest| built_app(&manifest.scorer.name));
    built
        .filter(|app| app.join(MANIFEST_FILE).is_file())
        .unwrap_or_else(|| project.to_path_buf())
}

/// Returns the default path of the app folder that `build` writes. `scorer` is the name of the
/// scorer.
pub fn built_app(scorer: &str) -> PathBuf {
    workspace::target().join("apps").join(scorer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn commands_of_the_host_are_recognized() {
        let name = |line: &str| named(&words(line)).map(|command| command.name);
        assert_eq!(name("serve --port 1"), Some("serve"));
        assert_eq!(name("help check"), Some("check"));
        assert_eq!(name("package --host serve"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn an_app_is_added_if_none_is_named() {
        assert!(lacks_app(&words("serve --port 8080")));
        for line in [
            "serve --app x",
            "serve --app=x",
            "serve --help",
            "help serve",
        ] {
            assert!(!lacks_app(&words(line)), "{line}");
        }
        let project = tempfile::tempdir().unwrap();
        assert_eq!(default_app(project.path()), project.path());
    }
}
