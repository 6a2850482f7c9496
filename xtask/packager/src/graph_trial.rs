//! The check of a scorer that is a script or an ONNX graph, or calls graphs, in a host process.
//!
//! Owns that process, its timeout, and the meaning of its answer and its exit code. The answer is
//! JSON on standard output. Standard error is only shown, because a scorer may write anything
//! there. The packager is linked statically and cannot load ONNX Runtime, the library that runs
//! graphs. Also, a hostile file may crash that library, and the packager must survive. Must not
//! know images.

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use scorebox_host::CheckReport;
use scorebox_host::deployment::{ENGINE_VARIABLE, TOOL_VARIABLE};
use scorebox_host::engine::VERSION;
use scorebox_host::error::{ErrorAnswer, exit_code};
use scorebox_host::graph::EXTENSION;
use scorebox_host::manifest::Manifest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde_json::Value;

use crate::engine_library;
use crate::host_program::{self, Kind};
use crate::leash::Leash;
use crate::model::{self, ModelFile, Pickles};
use crate::python::engine::{Engine, PACK_VARIABLE};

/// Time that a host gets to start and to read a model, in addition to the time for loading the
/// model's graphs. A host hashes a gigabyte in this time.
const STARTING: Duration = Duration::from_secs(60);
/// Pause between two checks whether the host process has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// Host program, ONNX Runtime library and engine pack for checking a scorer in a host process. A
/// component that does not call graphs needs none of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trial<'a> {
    /// Path of a host program that runs graphs. If `None`, the host program for developers is
    /// built, or that of the installed tool is used.
    pub host: Option<&'a Path>,
    /// Path of the shared library of ONNX Runtime, which runs graphs. If `None`, the library of the
    /// installed tool or in the cache folder is used. It is fetched if it is missing.
    pub library: Option<&'a Path>,
    /// Engine pack of a script. `None` if the scorer is not a script.
    pub engine: Option<&'a Engine>,
}

/// Number of times that a host may use up `limits.init_deadline` while it checks a scorer. The host
/// waits for that time at most in each step, such as the load of a graph or the scorer's `init`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits(u32);

impl Waits {
    /// Number of waits in the check of a scorer that is an ONNX graph. The host loads the graph
    /// twice, the first time in a process that the host itself stops.
    pub const GRAPH: Self = Self(2);

    /// Returns the number of waits in the check of a component that calls graphs. `model` has the
    /// names of the model's files. Each graph is loaded twice, and then `init` runs.
    pub fn of_component<'a>(model: impl IntoIterator<Item = &'a str>) -> Self {
        let graphs = model.into_iter().filter(|name| name.ends_with(EXTENSION));
        Self(u32::try_from(2 * graphs.count() + 1).unwrap_or(u32::MAX))
    }

    /// Returns the number of waits in the check of a script in Python. `model` has the names of the
    /// model's files. Each graph is loaded twice. Then `init` runs, and the samples are answered.
    pub fn of_script<'a>(model: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Self::of_component(model).0.saturating_add(1))
    }

    /// Returns the timeout of the check of a scorer: `init_deadline` for each wait of the host,
    /// plus 60 s to start and to read the model.
    fn limit(self, init_deadline: Duration) -> Duration {
        init_deadline
            .saturating_mul(self.0)
            .saturating_add(STARTING)
    }
}

/// Checks an app folder with graphs or a script by running a host program, prints the log lines
/// that the scorer writes during the check, and returns the host's report. Fails if the host
/// program, the ONNX Runtime library or the engine pack cannot be found, built or fetched, or if
/// the host refuses the scorer, does not end in time, or prints no valid report.
///
/// The timeout of the check is the manifest's `limits.init_deadline` for each of the `waits`, plus
/// 60 s to start and to read the model.
pub fn check(
    manifest: &Manifest,
    dir: &Path,
    waits: Waits,
    trial: Trial<'_>,
) -> Result<CheckReport, Failure> {
    let host = trial.host.map_or_else(
        || host_program::build(Kind::Developer),
        |host| Ok(host.to_path_buf()),
    )?;
    let mut command = Command::new(&host);
    // No other variable is passed on, so that a check is the same everywhere.
    command
        .env_clear()
        .env(TOOL_VARIABLE, VERSION)
        .stdin(Stdio::null());
    if needs_library(manifest) {
        let library = engine_library::locate(trial.library)?;
        let library = std::path::absolute(&library.file)
            .map_err(|error| Failure::file(&library.file, "be named", error))?;
        command.env(ENGINE_VARIABLE, library);
    }
    if let Some(engine) = trial.engine {
        command.env(PACK_VARIABLE, &engine.folder);
    }
    command
        .args(["check", "--output", "json", "--app"])
        .arg(dir);
    if let Some(sample) = &manifest.package.sample {
        // The staged manifest does not contain the packaging settings.
        command.arg("--sample").arg(sample);
    }
    let limit = waits.limit(manifest.limits.init_deadline);
    let output =
        finished(&mut command, limit).map_err(|error| Failure::file(&host, "be run", error))?;
    let Some(output) = output else {
        return Err(Failure::project(
            format!(
                "{}: the host was stopped after trying this scorer for {} s",
                manifest.path.display(),
                limit.as_secs()
            ),
            "convert the model again; or raise limits.init_deadline if it is that large",
        ));
    };
    if !output.status.success() {
        let refusal = Refusal::of(&output);
        eprint!("{}", refusal.log);
        return Err(refusal.failure(manifest, output.status));
    }
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let report: CheckReport = serde_json::from_slice(&output.stdout).map_err(|error| {
        Failure::toolchain(
            format!(
                "{}: the report of `check` is not understood: {error}",
                shown(&host)
            ),
            "use the host and `cargo xtask` of one release",
        )
    })?;
    if let Some(sample) = &manifest.package.sample {
        eprintln!("sample: {} is answered as it should be", shown(sample));
    }
    Ok(report)
}

/// Returns true if a scorer needs ONNX Runtime. The scorer is a graph, a script, or a component
/// that calls graphs. Only a script whose model has no graphs does not need ONNX Runtime. If the
/// model of a script cannot be listed, returns false, because another check refuses the model.
pub fn needs_library(manifest: &Manifest) -> bool {
    let is_graph = |file: &ModelFile| file.name.ends_with(EXTENSION);
    let model = manifest.scorer.model.as_deref();
    let files = model.map(|model| model::list(model, Pickles::of(manifest)));
    match manifest.scorer.script {
        Some(_) => files.is_some_and(|files| files.is_ok_and(|files| files.iter().any(is_graph))),
        None => true,
    }
}

/// Reasons that a host program gave when it did not accept a scorer.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    /// Log lines that the scorer and the host wrote before the error.
    log: String,
    /// Text that says what is wrong, and where.
    problem: String,
    /// Instruction that fixes the problem. `None` if the host program gave no instruction.
    fix: Option<String>,
}

impl Refusal {
    /// Reads the reasons from the output of a host program that failed.
    ///
    /// A host that crashed or does not know its command line writes no error as JSON. In this case
    /// the text of the problem is the whole text on standard error.
    fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr);
        // A library may have printed lines before.
        let printed = output.stdout.trim_ascii_end();
        let last = printed.rsplit(|byte| *byte == b'\n').next();
        match serde_json::from_slice(last.unwrap_or_default()) {
            Ok(ErrorAnswer { error }) => {
                // The host also writes the error as text, after its log. This text is removed from
                // the log, because the failure shows the error.
                let text = format!("error: {error}\n");
                Self {
                    log: said.strip_suffix(text.as_str()).unwrap_or(&said).to_owned(),
                    problem: error.problem,
                    fix: error.fix,
                }
            }
            Err(_) => Self {
                log: String::new(),
                problem: said.trim().trim_start_matches("error: ").to_owned(),
                fix: None,
            },
        }
    }

    /// Converts the refusal to the failure of the command. The kind of the failure depends on the
    /// exit code in `status`.
    fn failure(self, manifest: &Manifest, status: ExitStatus) -> Failure {
        let Self { problem, fix, .. } = self;
        let problem = match status.code() {
            Some(_) => problem,
            None => format!("it ended with {status}: {problem}"),
        };
        let problem = format!(
            "{}: the host would not start with this scorer: {problem}",
            manifest.path.display()
        );
        let fix =
            fix.unwrap_or_else(|| "fix the model or the manifest, and build again".to_owned());
        if status.code() == Some(i32::from(exit_code::ENGINE)) {
            Failure::toolchain(problem, fix)
        } else {
            Failure::project(problem, fix)
        }
    }
}

/// Prints the name of a scorer that is a graph, the digest of its model, and its inputs and
/// outputs.
pub fn say(report: &CheckReport) {
    let digest = report.model_digest.as_deref().unwrap_or("none");
    eprintln!(
        "checked: {} serves {}; model {digest}",
        named(report),
        report.code
    );
    for (direction, key) in [("in", "inputs"), ("out", "outputs")] {
        let ports = report.signature.get(key).and_then(Value::as_array);
        ports
            .into_iter()
            .flatten()
            .for_each(|port| eprintln!("port: {direction} {}", told(port)));
    }
}

/// Returns the name of a scorer, followed by the scorer's version if it has one.
pub fn named(report: &CheckReport) -> String {
    if report.version.is_empty() {
        report.name.clone()
    } else {
        format!("{} {}", report.name, report.version)
    }
}

/// Formats an input or output of a graph as its name, type and shape, e.g. `X: f32 [N, 784]`.
fn told(port: &Value) -> String {
    let text = |key: &str| port.get(key).and_then(Value::as_str).unwrap_or_default();
    let dimensions = port
        .get("shape")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let dimensions = dimensions.map(|size| {
        size.as_u64()
            .map_or("N".to_owned(), |size| size.to_string())
    });
    format!(
        "{}: {} [{}]",
        text("name").escape_debug(),
        text("dtype"),
        dimensions.collect::<Vec<_>>().join(", ")
    )
}

/// Runs a process to its end, and returns its status and output. If the process does not end within
/// the time `limit`, it is killed and `None` is returned. Fails if the process cannot be started,
/// waited for or killed.
fn finished(command: &mut Command, limit: Duration) -> std::io::Result<Option<Output>> {
    fn whole(mut pipe: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        // If the pipe breaks, the bytes before that are used.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let _leash = Leash::on(&child);
    let stdout = child
        .stdout
        .take()
        .map(|pipe| std::thread::spawn(move || whole(pipe)));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| std::thread::spawn(move || whole(pipe)));
    let late = Instant::now() + limit;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() < late => std::thread::sleep(PAUSE),
            None => {
                // The processes that the host has started end with the host.
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
        }
    };
    let said = |listening: Option<std::thread::JoinHandle<Vec<u8>>>| {
        listening
            .and_then(|listening| listening.join().ok())
            .unwrap_or_default()
    };
    Ok(Some(Output {
        status,
        stdout: said(stdout),
        stderr: said(stderr),
    }))
}

#[cfg(test)]
mod tests;
