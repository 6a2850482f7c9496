//! The host that `bench python` measures: the host program of images with a script, the engine
//! pack, and the app folder of the script.
//!
//! Owns how they are built, and copies of the app folder with other settings. Must not know what is
//! measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_host::manifest::MANIFEST_FILE;
use scorebox_workspace::commands;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

use super::PROJECT;
use crate::bench::server::Program;
use crate::bench::stage::altered;

/// Name of the environment variable with the path of the engine pack, for the host and the
/// packager.
const PACK_VARIABLE: &str = "SCOREBOX_PYTHON_PACK";

/// Paths of the host program, of the engine pack that runs scripts in Python, and of the app folder
/// of the script that the host serves.
pub struct Built {
    host: PathBuf,
    pack: String,
    app: PathBuf,
    folder: PathBuf,
}

/// Builds the host and the engine pack unless they exist, and writes the app folder of the script
/// to a subfolder of `folder`. Fails if a build fails.
pub fn prepare(folder: &Path) -> Result<Built, Failure> {
    let packager = commands::Program::Packager.build()?;
    let part = |name: &str| -> Result<String, Failure> {
        let printed = said(Command::new(&packager).args(["part", name]))?;
        Ok(printed.trim_end().to_owned())
    };
    let (host, pack) = (part("python-host")?, part("python-pack")?);
    let app = folder.join("app");
    let manifest = workspace::root().join(PROJECT).join(MANIFEST_FILE);
    let mut build = Command::new(&packager);
    build.arg("build").arg("--manifest").arg(manifest);
    build.arg("--app").arg(&app).env(PACK_VARIABLE, &pack);
    said(&mut build)?;
    Ok(Built {
        host: host.into(),
        pack,
        app,
        folder: folder.to_path_buf(),
    })
}

/// Runs a command to its end, and returns its standard output. Its standard error is shown. Fails
/// if the command fails.
fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let failed = |problem: String| {
        Failure::other(
            format!("{command:?}: {problem}"),
            "correct what the command says above",
        )
    };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(output.status.to_string()))
}

impl Built {
    /// Returns the program that starts the host with the settings that an image of the script has.
    pub fn as_packaged(&self) -> Program {
        self.program("scorebox", &self.app)
    }

    /// Returns the program that starts the host with `count` instances of the script. Fails if the
    /// host refuses the number, or if a file cannot be written.
    pub fn with_instances(&self, count: usize) -> Result<Program, Failure> {
        let name = format!("scorebox-{count}");
        let number = toml::Value::Integer(count as i64);
        let settings = [
            ("limits", "instances", number.clone()),
            ("instances", "at_start", number),
        ];
        let copy = altered(&self.app, &self.folder.join(&name), &settings)?;
        let copy = copy.map_err(|error| {
            let problem = format!("the host refuses {count} instances: {}", error.problem);
            Failure::other(problem, "report it")
        })?;
        Ok(self.program(&name, &copy))
    }

    fn program(&self, name: &str, app: &Path) -> Program {
        Program::host(name, &self.host, app, &self.folder).with_variable(PACK_VARIABLE, &self.pack)
    }
}
