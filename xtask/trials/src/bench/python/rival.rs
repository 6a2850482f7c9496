//! Azure ML's inference server, in a virtual environment of its own.
//!
//! Owns the installation with pip, and the command line and environment of the server. Must not
//! know what is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{tools, workspace};

use super::PROJECT;
use crate::bench::server::Program;

/// File for pip with the versions and hashes of Azure ML's inference server and of all packages
/// that it imports, relative to the workspace's root.
const REQUIREMENTS: &str = "tests/data/scripts/requirements.txt";

/// Name of the file in the virtual environment of Azure ML's inference server that is written when
/// the installation is finished.
const FINISHED: &str = "finished";

/// Azure ML's inference server, installed in a virtual environment and ready to be started.
pub struct Rival {
    python: PathBuf,
    logs: PathBuf,
}

/// Installs Azure ML's inference server into a virtual environment below `folder`, unless an
/// earlier run has installed it. Fails if there is no suitable Python, or if pip fails.
pub fn prepare(folder: &Path) -> Result<Rival, Failure> {
    let requirements = workspace::root().join(REQUIREMENTS);
    let text = std::fs::read(&requirements)
        .map_err(|error| Failure::file(&requirements, "be read", error))?;
    let digest = Digest::of(&text);
    let environment = folder.join(format!("venv-{}", digest.hex()));
    let python = environment.join("bin/python");
    let finished = environment.join(FINISHED);
    if !finished.is_file() {
        eprintln!("installing azureml-inference-server-http");
        let interpreter = tools::find("python3").ok_or_else(|| {
            let packages = ["python3", "python3-pip", "python3-venv"];
            Failure::toolchain("there is no program `python3`", tools::apt_line(&packages))
        })?;
        said(
            Command::new(interpreter)
                .args(["-m", "venv", "--clear"])
                .arg(&environment),
        )?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ]);
        pip.args([
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "--requirement",
        ]);
        said(pip.arg(&requirements))?;
        std::fs::write(&finished, "")
            .map_err(|error| Failure::file(&finished, "be written", error))?;
    }
    Ok(Rival {
        python,
        logs: folder.to_path_buf(),
    })
}

/// Runs a command to its end. Fails if the command fails, with the text that the command wrote to
/// standard error.
fn said(command: &mut Command) -> Result<(), Failure> {
    let fix = "run the command by hand; the packages are for Python 3.11, 3.12 and 3.13";
    let output = command
        .output()
        .map_err(|error| Failure::toolchain(format!("{command:?}: {error}"), fix))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Failure::toolchain(
        format!("{command:?}: {}", text.trim()),
        fix,
    ))
}

impl Rival {
    /// Returns the program that starts Azure ML's inference server with `workers` processes that
    /// answer requests. The server loads the script once, before it forks these processes.
    pub fn with_workers(&self, workers: usize) -> Program {
        let project = workspace::root().join(PROJECT);
        let shown = |path: PathBuf| path.display().to_string();
        let arguments = vec![
            shown(project.join("azure_ml.py")),
            "--entry_script".to_owned(),
            shown(project.join("score.py")),
            "--model_dir".to_owned(),
            shown(workspace::root().join("guest/examples/tutorial/model")),
            "--worker_count".to_owned(),
            workers.to_string(),
        ];
        Program::new("azure-ml", &self.python, arguments, &self.logs)
            .with_variable("WORKER_PRELOAD", "true")
            .with_variable("AML_APP_ROOT", &shown(project))
            // A worker has a core, so more threads of the matrix library would only disturb another.
            .with_variable("OPENBLAS_NUM_THREADS", "1")
            .with_variable("PYTHONUNBUFFERED", "1")
    }
}
