//! The Cargo workspace of this repository: its folders on this machine, and how Cargo is run in it.
//!
//! Owns the paths below the root, the runs of Cargo, and the reading of Cargo's JSON messages. Must
//! not know the purpose of a build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::Failure;
use crate::installation;

/// Compilation target of the components of scorers, as Rust names it.
pub const GUEST_TARGET: &str = "wasm32-wasip2";

/// Returns the path of the root folder of the Cargo workspace.
pub fn root() -> PathBuf {
    // `cargo xtask` sets the folder of the package xtask at run time too, also for the programs
    // that it starts. The compiled-in folder, that of this package, is for a program that is
    // started in another way.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.ends_with("xtask"))
        .or_else(|| {
            Some(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .parent()?
                    .to_path_buf(),
            )
        })
        .unwrap_or_default();
    package.parent().map_or(package.clone(), Path::to_path_buf)
}

/// Returns the folder for everything that is built. In a clone of the repository, it is the target
/// folder of Cargo. For an installed tool, it is `target` in the current folder.
pub fn target() -> PathBuf {
    if installation::parts().is_some() {
        // If the current folder was removed, the build fails with a message that names the path.
        return std::env::current_dir().unwrap_or_default().join("target");
    }
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Formats a path as a user would type it. A path below the current folder is shown relative to the
/// current folder.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here
        .as_deref()
        .and_then(|here| path.strip_prefix(here).ok())
        .filter(|rest| !rest.as_os_str().is_empty());
    // Collected from its parts, a path loses a trailing `.`.
    short
        .unwrap_or(path)
        .components()
        .collect::<PathBuf>()
        .display()
        .to_string()
}

/// Returns a command that runs Cargo in the folder `dir`. The command runs the Cargo that started
/// this program, or else the Cargo on PATH.
pub fn cargo(dir: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(dir);
    // `cargo run` describes the package xtask in the environment. A build script of another package
    // must not see it.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    command
}

/// An artifact that Cargo built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Path of the Cargo.toml of the artifact's package.
    pub manifest: PathBuf,
    /// Name of the artifact, which is a library, a program or an example.
    pub name: String,
    /// Paths of the files of which the artifact consists.
    pub files: Vec<PathBuf>,
    /// Path of the program. `None` if the artifact is not a program.
    pub executable: Option<PathBuf>,
}

/// Runs `cargo build` in the folder `dir` with the given arguments, and returns the artifacts that
/// Cargo built. Compiler messages are printed to standard error. Fails if the build fails.
pub fn build(dir: &Path, arguments: &[&str]) -> Result<Vec<Artifact>, Failure> {
    run_build(cargo(dir), dir, arguments, &[])
}

/// Settings and environment variables of a build, in addition to the configuration files of Cargo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Settings, each as the option `--config` of Cargo takes it.
    pub settings: Vec<String>,
    /// Environment variables of the build, each with its name and its value.
    pub variables: Vec<(&'static str, OsString)>,
}

/// Runs `cargo build` like [`build`], with additional settings and environment variables.
///
/// Compiler flags in the environment, e.g. in `RUSTFLAGS`, are not used, because they belong to
/// this machine. Cargo would also ignore the compiler flags in all settings because of them.
pub fn build_configured(
    dir: &Path,
    arguments: &[&str],
    configuration: &Configuration,
) -> Result<Vec<Artifact>, Failure> {
    let mut command = cargo(dir);
    for name in MACHINE_FLAGS {
        if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
            eprintln!("note: {name} is not used, because the result would depend on this machine");
        }
        command.env_remove(name);
    }
    for (name, value) in &configuration.variables {
        command.env(name, value);
    }
    run_build(command, dir, arguments, &configuration.settings)
}

/// Environment variables of Cargo that change the compiled code. With them, the same sources give
/// other files on another machine.
const MACHINE_FLAGS: [&str; 3] = ["CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL", "RUSTFLAGS"];

fn run_build(
    mut command: Command,
    dir: &Path,
    arguments: &[&str],
    settings: &[String],
) -> Result<Vec<Artifact>, Failure> {
    let shown_call = format!("cargo build {}", arguments.join(" "));
    let settings = settings.iter().flat_map(|setting| ["--config", setting]);
    let output = command
        .arg("build")
        .args(arguments)
        .args(settings)
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            Failure::toolchain(
                format!("`{shown_call}` cannot be started: {error}"),
                installation::toolchain_fix(),
            )
        })?;
    if !output.status.success() {
        return Err(Failure::toolchain(
            format!(
                "`{shown_call}` in {} ended with {}",
                shown(dir),
                output.status
            ),
            format!(
                "fix the errors of the compiler above; or {}",
                installation::toolchain_fix()
            ),
        ));
    }
    Ok(artifacts(&String::from_utf8_lossy(&output.stdout)))
}

fn artifacts(messages: &str) -> Vec<Artifact> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|message| artifact(&message))
        .collect()
}

fn artifact(message: &Value) -> Option<Artifact> {
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    Some(Artifact {
        manifest: message.get("manifest_path")?.as_str()?.into(),
        name: message.get("target")?.get("name")?.as_str()?.to_owned(),
        files: files
            .iter()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .collect(),
        executable: message
            .get("executable")
            .and_then(Value::as_str)
            .map(PathBuf::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_read_among_other_messages() {
        let messages = r#"not JSON
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","target":{"name":"digits"},"filenames":["/t/digits.wasm"],"executable":null}
{"reason":"compiler-artifact","manifest_path":"/h/Cargo.toml","target":{"name":"scorebox-host"},"filenames":["/t/scorebox-host"],"executable":"/t/scorebox-host"}
{"reason":"build-finished","success":true}"#;
        let found = artifacts(messages);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].files, [PathBuf::from("/t/digits.wasm")]);
        assert_eq!(
            (&found[0].executable, found[1].executable.as_deref()),
            (&None, Some(Path::new("/t/scorebox-host")))
        );
    }
}
