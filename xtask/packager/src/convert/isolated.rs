//! The Python process that loads a saved model, e.g. a pickle, and converts it.
//!
//! Owns the environment variables, the folder and the time limit of the process, and the failure
//! for each way in which it can end. Must not know what the process does: the request and the
//! answer are JSON.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use serde_json::Value;

use super::environment::{self, Environment};

/// Maximum number of bytes that are read from the answer of the Python process that converts a
/// model.
const ANSWER_BYTES: u64 = 16 << 20;
/// Maximum number of bytes that are read from the standard error of the Python process that
/// converts a model.
const TEXT_BYTES: u64 = 256 << 10;
/// Pause between two checks whether the Python process that converts a model has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// Answer, error output and exit status of the Python process that converts a model, after the
/// process has ended.
#[derive(Debug)]
pub struct Ended {
    /// Answer of the process. `None` if the process wrote no JSON, or more than `ANSWER_BYTES`
    /// bytes.
    pub answer: Option<Value>,
    /// Text that the process wrote to its standard error, cut to `TEXT_BYTES` bytes.
    pub said: String,
    /// Exit status of the process. `None` if the process was killed at its time limit.
    pub status: Option<ExitStatus>,
}

/// Runs the conversion that `request` describes in a Python process of its own, and kills the
/// process after the time `limit`.
///
/// `answer` is the path of the file to which `request` tells the process to write its answer.
/// `scratch` is the folder in which the process works. Processes that the process has started are
/// killed when it ends. Fails if the process cannot be started, or if a file for its standard error
/// cannot be created.
pub fn run(
    environment: &Environment,
    request: &Value,
    answer: &Path,
    scratch: &Path,
    limit: Duration,
) -> Result<Ended, Failure> {
    let log = scratch.join("stderr");
    // Standard error is a file, not a pipe: a process that this one leaves behind may keep a pipe
    // open for ever.
    let stderr = File::create(&log).map_err(|error| Failure::file(&log, "be made", error))?;
    let mut command = command(environment, scratch);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(stderr);
    let failed = |error: std::io::Error| Failure::file(&environment.python, "be run", error);
    let mut child = command.spawn().map_err(failed)?;
    let group = Pid::from_child(&child);
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ends before it has read the request reports the reason by itself.
        let _ = stdin.write_all(request.to_string().as_bytes());
    }
    let status = wait(&mut child, limit).map_err(failed);
    // The processes that the Python process has started are in its process group, and are killed,
    // too.
    let _ = kill_process_group(group, Signal::KILL);
    if !matches!(status, Ok(Some(_))) {
        child.wait().map_err(failed)?;
    }
    let said = read(&log, TEXT_BYTES).unwrap_or_default();
    let answer = read(answer, ANSWER_BYTES).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Ended {
        answer,
        said: String::from_utf8_lossy(&said).trim().to_owned(),
        status: status?,
    })
}

fn command(environment: &Environment, scratch: &Path) -> Command {
    let mut command = Command::new(&environment.python);
    command.env_clear().process_group(0).current_dir(scratch);
    // The process gets nothing of the caller's environment. It uses one thread, and iterates over
    // sets in the same order each time, so that the same file gives the same bytes.
    command.envs([
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("PYTHONHASHSEED", "0"),
    ]);
    command.envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")]);
    command.env("HOME", scratch).env("TMPDIR", scratch);
    // The process does not load libraries from the user's folder or from the current folder. It
    // writes no compiled files next to the pinned libraries either. PYTHONSAFEPATH is set in place
    // of the option -P, which a Python before 3.11 refuses: old pickles need an old Python.
    command.env("PYTHONSAFEPATH", "1").args(["-s", "-B"]);
    if let Some(libraries) = &environment.libraries {
        command.env("PYTHONPATH", libraries).arg("-S");
    }
    command.arg(environment::sources());
    command
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if start.elapsed() >= limit => return Ok(None),
            None => std::thread::sleep(PAUSE),
        }
    }
}

fn read(file: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)
        .ok()?
        .take(most)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

impl Ended {
    /// Returns the failure of the command for a Python process that ended without a usable answer.
    /// `model` is the file or folder that the process converts, and `limit` is the time limit of
    /// the process.
    pub fn failure(&self, model: &Path, limit: Duration) -> Failure {
        let last = self.said.lines().last().unwrap_or("it printed nothing");
        let last = quoted(last, REASON_BYTES);
        let trust = "check that the file is complete and that you trust it; --verbose shows \
                     everything that Python prints";
        match self.status {
            None => Failure::project(
                format!(
                    "{}: loading, converting and comparing took longer than {limit:?}",
                    model.display()
                ),
                "give it more time with --timeout, or fewer rows with --rows or --sample",
            ),
            Some(status) if status.signal().is_some() => Failure::project(
                format!(
                    "{}: ended the process that loaded it ({status}): {last}",
                    model.display()
                ),
                trust,
            ),
            Some(status) => Failure::project(
                format!(
                    "{}: the process that loaded it left no answer ({status}): {last}",
                    model.display()
                ),
                trust,
            ),
        }
    }
}
