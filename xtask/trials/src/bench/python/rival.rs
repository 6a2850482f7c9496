//! Azure ML's inference server, in a virtual environment of its own.
//!
//! Owns the installation with pip, the command line and environment of the server, and the processes
//! that it consists of. Must not know what is measured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{tools, workspace};
use serde_json::Value;

use super::{PROJECT, client};
use crate::bench::answer::Question;
use crate::bench::server::{Program, Server};

/// File that pins the server and all packages that it imports, relative to the workspace's root.
const REQUIREMENTS: &str = "tests/data/scripts/requirements.txt";

/// File whose presence says that the installation was finished.
const FINISHED: &str = "finished";

/// Azure ML's inference server, installed and ready to be started.
pub struct Rival {
    python: PathBuf,
    logs: PathBuf,
}

/// Installs Azure ML's inference server into a virtual environment below `folder`, unless an earlier
/// run has installed it. Fails if there is no suitable Python, or if pip fails.
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

/// Runs a command to its end. Fails with what it said if it fails.
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
    /// Returns the server with `workers` processes that answer requests. The script is loaded once,
    /// before the processes are forked.
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

/// A server that runs, with all of its processes. They are killed when this value is dropped.
pub struct Running {
    /// The first process. `None` only while the value is dropped.
    server: Option<Server>,
    pid: u32,
    address: SocketAddr,
}

impl Running {
    /// Starts a server, and waits until it has answered a request with success. Also returns the
    /// time from the start of its process to the answer. Fails if the server ends, or if it answers
    /// with an error.
    pub fn start(program: &Program, question: &Question) -> Result<(Self, Duration), Failure> {
        let mut server = program.start()?;
        let (answer, time) = server.first_answer(&question.bytes)?;
        if answer.status != 200 {
            let words = String::from_utf8_lossy(&answer.body);
            let problem = format!("the first answer is {} {words}", answer.status);
            return Err(server.failure(&problem));
        }
        let (pid, address) = (server.pid(), server.address);
        let server = Some(server);
        Ok((
            Self {
                server,
                pid,
                address,
            },
            time,
        ))
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the ids of the server's processes: the first one, and its children.
    pub fn pids(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = std::fs::read_to_string(path).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(self.pid).chain(children).collect()
    }

    /// Asks the server on a new connection, and returns the answer as JSON. Fails if the connection
    /// breaks, or if the answer is not a success.
    pub fn ask(&self, request: &[u8]) -> Result<Value, Failure> {
        let broken = |error: std::io::Error| self.failure(&error.to_string());
        let stream = client::connect(self.address).map_err(broken)?;
        let answer = client::ask(&stream, request).map_err(broken)?;
        let body = serde_json::from_slice(&answer.body).ok();
        body.filter(|_| answer.status == 200).ok_or_else(|| {
            let words = String::from_utf8_lossy(&answer.body);
            self.failure(&format!("it answers {} {words}", answer.status))
        })
    }

    /// Returns the failure for a problem of the server, with the last lines of its log.
    pub fn failure(&self, problem: &str) -> Failure {
        match &self.server {
            Some(server) => server.failure(problem),
            None => Failure::other(problem.to_owned(), "report it"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The first process would start its children again, so it is killed first.
        let children: Vec<u32> = self.pids().into_iter().skip(1).collect();
        drop(self.server.take());
        for child in children {
            let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
            // A child that has ended cannot be killed, and does not need to be.
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}
