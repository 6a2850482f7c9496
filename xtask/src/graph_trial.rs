//! A scorer that is a graph, tried by a host program.
//!
//! Owns that process and what its end means: this program is static and cannot load the library, and what a hostile file
//! does to the library is not to be done to the packager. Must not know images.

use std::path::Path;
use std::process::{Command, Stdio};

use scorebox_host::CheckReport;
use scorebox_host::deployment::ENGINE_VARIABLE;
use scorebox_host::manifest::Manifest;

use crate::app::Trial;
use crate::engine_library;
use crate::failure::Failure;
use crate::host_program::{self, Kind};
use crate::workspace::shown;

/// Exit code of a host that cannot load the library.
const NO_ENGINE: i32 = 11;

/// Has a host check an app folder whose scorer is a graph.
pub fn check(manifest: &Manifest, dir: &Path, trial: Trial<'_>) -> Result<CheckReport, Failure> {
    let library = engine_library::locate(trial.library)?;
    let host = trial.host.map_or_else(|| host_program::build(Kind::Developer), |host| Ok(host.to_path_buf()))?;
    let library =
        std::path::absolute(&library.file).map_err(|error| Failure::file(&library.file, "be named", error))?;
    let mut command = Command::new(&host);
    // Nothing else of the environment: a check is the same everywhere.
    command.env_clear().env(ENGINE_VARIABLE, library).stdin(Stdio::null());
    let output = command.args(["check", "--output", "json", "--app"]).arg(dir).output();
    let output = output.map_err(|error| Failure::file(&host, "be run", error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("error: ");
        let problem =
            |said: &str| format!("{}: the host would not start with this scorer: {said}", manifest.path.display());
        let (text, fix) =
            said.split_once("\n  fix: ").unwrap_or((said, "mend the model or the manifest, and build again"));
        return Err(match output.status.code() {
            Some(NO_ENGINE) => Failure::toolchain(problem(text), fix),
            Some(_) => Failure::project(problem(text), fix),
            None => Failure::project(problem(&format!("it ended with {}: {text}", output.status)), fix),
        });
    }
    let report: CheckReport = serde_json::from_slice(&output.stdout).map_err(|error| {
        Failure::toolchain(
            format!("{}: `check` says what is not understood: {error}", shown(&host)),
            "take the host and `cargo xtask` from one release",
        )
    })?;
    let version = if report.version.is_empty() { String::new() } else { format!(" {}", report.version) };
    eprintln!(
        "checked: {}{version} serves {}; model {}",
        report.name,
        report.code,
        report.model_digest.as_deref().unwrap_or("none")
    );
    Ok(report)
}
