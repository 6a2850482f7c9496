//! Python environments with packages of fixed versions.
//!
//! Owns where they are, and their installation with pip. Must not know what a package is used for.
//! An environment is made once and kept.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{place, run};

/// Maximum time for the installation of an environment.
const INSTALL_TIME: Duration = Duration::from_secs(600);

/// Returns the Python interpreter of the environment `name`, which has these packages. Each package
/// is a requirement such as `kserve==0.21.0`, and the modules `imports` prove that all are there.
///
/// # Errors
/// Fails if Python has no module `venv`, or if pip cannot install a package.
pub fn environment(name: &str, packages: &[&str], imports: &str) -> Result<PathBuf, String> {
    let folder = place::workspace().join("target/test-tools").join(name);
    let python = folder.join("bin/python");
    let is_there = || {
        let code = format!("import {imports}");
        run::finish(Command::new(&python).args(["-c", &code]), b"")
    };
    if python.is_file() && is_there().status.success() {
        return Ok(python);
    }
    let made = run::finish(
        run::tool("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
        b"",
    );
    if !made.status.success() {
        return Err(format!(
            "python3 -m venv failed: {}{}",
            made.stdout, made.stderr
        ));
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let mut install = Command::new(&python);
    install.args(pip).args(packages);
    let installed = run::finish_within(INSTALL_TIME, &mut install, b"");
    if installed.status.success() {
        Ok(python)
    } else {
        Err(format!("pip failed: {}", installed.stderr))
    }
}
