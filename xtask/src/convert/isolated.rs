//! The process that loads the pickle.
//!
//! Owns what it gets (no more of the environment than it needs, a folder, bounded time) and what its end means. Must not
//! know what it does: it takes and gives JSON.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::environment::{self, Environment};
use crate::failure::Failure;

/// Most of an answer that is read, and of what the process says.
const ANSWER_BYTES: u64 = 16 << 20;
const TEXT_BYTES: u64 = 256 << 10;
/// How often its end is looked for.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of the process.
#[derive(Debug)]
pub struct Ended {
    /// Its answer, if it gave one.
    pub answer: Option<Value>,
    /// What it wrote to its standard error.
    pub said: String,
    /// Its end; `None`: it was ended for lack of time.
    pub status: Option<ExitStatus>,
}

/// Runs the conversion; `answer` is where the request asks for the answer, and `scratch` is the process's folder.
pub fn run(
    environment: &Environment,
    request: &Value,
    answer: &Path,
    scratch: &Path,
    limit: Duration,
) -> Result<Ended, Failure> {
    let log = scratch.join("stderr");
    // A file, not a pipe: whoever the process leaves behind may keep a pipe open for ever.
    let stderr = File::create(&log).map_err(|error| Failure::file(&log, "be made", error))?;
    let mut command = command(environment, scratch);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
    let failed = |error: std::io::Error| Failure::file(&environment.python, "be run", error);
    let mut child = command.spawn().map_err(failed)?;
    let group = Pid::from_child(&child);
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read this says why by itself.
        let _ = stdin.write_all(request.to_string().as_bytes());
    }
    let status = wait(&mut child, limit).map_err(failed);
    // What it has started goes with it.
    let _ = kill_process_group(group, Signal::KILL);
    if !matches!(status, Ok(Some(_))) {
        child.wait().map_err(failed)?;
    }
    let said = read(&log, TEXT_BYTES).unwrap_or_default();
    let answer = read(answer, ANSWER_BYTES).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Ended { answer, said: String::from_utf8_lossy(&said).trim().to_owned(), status: status? })
}

fn command(environment: &Environment, scratch: &Path) -> Command {
    let mut command = Command::new(&environment.python);
    command.env_clear().process_group(0).current_dir(scratch);
    // Nothing of the caller's; one thread, and sets in the same order each time, so that the same file gives the same bytes.
    command.envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("PYTHONHASHSEED", "0")]);
    command.envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")]);
    command.env("HOME", scratch).env("TMPDIR", scratch);
    // No libraries of the user's, and none of the current folder's; of the pinned ones nothing is written either.
    command.args(["-s", "-P", "-B"]);
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
    File::open(file).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

impl Ended {
    /// Why there is no answer.
    pub fn failure(&self, model: &Path, limit: Duration) -> Failure {
        let last = self.said.lines().last().unwrap_or("it said nothing");
        let trust = "see that the file is whole and one that you trust; --verbose shows all that Python says";
        match self.status {
            None => Failure::project(
                format!("{}: loading, converting and comparing took longer than {limit:?}", model.display()),
                "give it more time with --timeout, or fewer rows with --rows or --sample",
            ),
            Some(status) if status.signal().is_some() => Failure::project(
                format!("{}: ended the process that loaded it ({status}): {last}", model.display()),
                trust,
            ),
            Some(status) => Failure::project(
                format!("{}: the process that loaded it left no answer ({status}): {last}", model.display()),
                trust,
            ),
        }
    }
}
