//! `scorebox graph`: one ONNX file, in a process that it may take down.
//!
//! Owns that process, from both ends: what bounds it, and what its end means to whoever started it. Must not know how a
//! file is loaded.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scorebox_host::graph::{self, Graph, Limits};
use scorebox_host::telemetry::{self, Output};
use scorebox_host::tensor::Port;
use scorebox_host::{StartupError, deployment};
use serde_json::{Value, json};

use super::exit;

/// Address space beside the file's own share: the library, its arenas, a first run.
const MEMORY_BYTES: u64 = 4 << 30;
/// Copies of the file that loading holds at a time, at most: as read, parsed, and laid out anew for the processor.
const COPIES: u64 = 4;
/// What a run on zeros may give.
const OUTPUT_BYTES: u64 = 1 << 30;

/// How often the end of the process is looked for.
const PAUSE: Duration = Duration::from_millis(2);
/// Most of what it says that is repeated.
const TEXT_BYTES: u64 = 4 << 10;

/// Runs the command.
pub fn run(file: &Path) -> ExitCode {
    let loaded = telemetry::start(Output::Talk, &deployment::process).and_then(|()| load(file));
    match loaded {
        Ok(report) => {
            // A reader that has seen enough is no error.
            let _ = writeln!(std::io::stdout(), "{report}");
            ExitCode::SUCCESS
        }
        Err(error) => exit(&error),
    }
}

fn load(file: &Path) -> Result<Value, StartupError> {
    let fail = |(problem, fix)| StartupError::Model { path: file.to_path_buf(), problem, fix };
    let size = std::fs::metadata(file)
        .map_err(|error| fail((format!("cannot be read: {error}"), "name an ONNX file that is there".to_owned())))?;
    let most = MEMORY_BYTES.saturating_add(size.len().saturating_mul(COPIES));
    let bound = Rlimit { current: Some(most), maximum: getrlimit(Resource::As).maximum };
    setrlimit(Resource::As, bound).map_err(|error| StartupError::Host(format!("memory cannot be bounded: {error}")))?;
    let engine = graph::engine(file, &deployment::engine_library(&deployment::process), OUTPUT_BYTES)?;
    let graph = Graph::load(engine, Limits { sessions: 1 }).map_err(fail)?;
    let ports = graph.ports();
    let port = |port: &Port| json!({"name": port.name, "dtype": port.dtype.name(), "shape": port.shape});
    let outputs = ports.outputs.iter().zip(&ports.classes).map(|(output, classes)| {
        let mut output = port(output);
        if let Some(output) = output.as_object_mut().filter(|_| !classes.is_empty()) {
            output.insert("classes".to_owned(), json!(classes));
        }
        output
    });
    Ok(json!({"inputs": ports.inputs.iter().map(port).collect::<Vec<_>>(), "outputs": outputs.collect::<Vec<_>>()}))
}

/// Has a file tried by a process of its own, which may take so long.
///
/// # Errors
/// The file is no graph that can be served: it was refused, took too long or too much memory, or ended the process.
pub fn examine(file: &Path, limit: Duration) -> Result<(), StartupError> {
    let host = |error: std::io::Error| StartupError::Host(format!("`scorebox graph` cannot be run: {error}"));
    let program = std::env::current_exe().map_err(host)?;
    let mut command = Command::new(program);
    command.arg("graph").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(host)?;
    let late = Instant::now() + limit;
    let ended = loop {
        match child.try_wait().map_err(host)? {
            Some(status) => break Some(status),
            None if Instant::now() >= late => break None,
            None => std::thread::sleep(PAUSE),
        }
    };
    if ended.is_none() {
        child.kill().map_err(host)?;
        child.wait().map_err(host)?;
    }
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(TEXT_BYTES).read_to_end(&mut said).map_err(host)?;
    }
    judged(file, ended, limit, String::from_utf8_lossy(&said).trim())
}

fn judged(file: &Path, ended: Option<ExitStatus>, limit: Duration, said: &str) -> Result<(), StartupError> {
    let fail = |problem: String, fix: &str| {
        Err(StartupError::Model { path: file.to_path_buf(), problem, fix: fix.to_owned() })
    };
    let again = "convert the model again where it was trained; do not serve a file from a source that you do not trust";
    match ended {
        Some(status) if status.success() => Ok(()),
        Some(status) => match (status.code(), said.split_once("error: ")) {
            // It says itself what is wrong, in the words of the same errors.
            (Some(_), Some((_, text))) => {
                let (problem, fix) = text.split_once("\n  fix: ").unwrap_or((text, again));
                let named = format!("model {}: ", file.display());
                fail(problem.strip_prefix(&named).unwrap_or(problem).to_owned(), fix)
            }
            _ => fail(format!("ended the process that tried it ({status}): {said}"), again),
        },
        None => fail(
            format!("was not loaded and run once within {} ms", limit.as_millis()),
            "raise limits.init_deadline if the model is that large; else convert it again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn each_end_has_its_text() {
        let check = |ended: Option<i32>, said: &str, parts: &[&str]| {
            let ended = ended.map(ExitStatus::from_raw);
            let text = judged(Path::new("m.onnx"), ended, Duration::from_secs(1), said).unwrap_err().to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert_eq!(text.matches("fix:").count(), 1, "{text}");
            assert_eq!(text.matches("model m.onnx").count(), 1, "{text}");
        };
        assert!(judged(Path::new("m.onnx"), Some(ExitStatus::from_raw(0)), Duration::ZERO, "").is_ok());
        check(Some(5 << 8), "error: model m.onnx: cannot be loaded: x\n  fix: y", &["cannot be loaded: x", "fix: y"]);
        check(Some(11), "", &["signal: 11", "fix: convert"]);
        check(None, "", &["1000 ms", "limits.init_deadline"]);
    }
}
