//! `scorebox graph`: loads and runs one ONNX file in a process that the file may crash.
//!
//! Owns the limits of that process, and its report about the file. Must not know how a file is
//! loaded, nor what the end of the process means to the process that started it (that is `trial`).

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, Signal, getpid, getppid, getrlimit, kill_process,
    set_parent_process_death_signal, setrlimit,
};
use scorebox_host::app::SAMPLE_FIX;
use scorebox_host::error::exit_code;
use scorebox_host::graph::{self, Graph, Limits, Stop, is_out_of_memory};
use scorebox_host::sample::Sample;
use scorebox_host::telemetry::{self, Output};
use scorebox_host::tensor::Port;
use scorebox_host::text::{Problem, printable_json};
use scorebox_host::{StartupError, deployment};
use serde_json::{Value, json};

use super::{error_json, exit, print};

/// Size of the address space that this process may use in addition to copies of the ONNX file, in
/// bytes. This memory is for the library of the engine, its memory arenas and a first run.
const MEMORY_BYTES: u64 = 4 << 30;
/// Maximum number of copies of the ONNX file that exist at a time while the file is loaded, e.g. as
/// read, as parsed, and as laid out for the processor.
const COPIES: u64 = 4;
/// Maximum total size of the outputs of a run on zeros or on the sample, in bytes.
const OUTPUT_BYTES: u64 = 1 << 30;

/// Exit code of this process if its parent has ended. No process reads this code.
const ABANDONED: i32 = exit_code::HOST as i32;

/// Conditions under which this process ends itself: the end of the process that started it, and a
/// time limit.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Id of the process that started this one and waits for it. `None` if a person started this
    /// process.
    pub parent: Option<u32>,
    /// Maximum time for which this process may run. `None` if a person started this process and can
    /// stop it.
    pub limit: Option<Duration>,
}

/// Runs the command `scorebox graph` on the ONNX file `file`, and on a sample if one is given.
/// Returns the exit code of the command.
pub fn run(file: &Path, sample: Option<&Path>, waiting: Waiting) -> ExitCode {
    let bounded = tied(waiting).map_err(|error| {
        StartupError::Host(format!("the limits of this process cannot be set: {error}"))
    });
    let loaded = bounded
        .and_then(|()| telemetry::start(Output::Talk, &deployment::process))
        .and_then(|()| load(file, sample));
    match loaded {
        Ok(report) => {
            print(&printable_json(&report.to_string()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            print(&error_json(&error));
            exit(&error)
        }
    }
}

/// Runs a graph on zeros. Fails only if the run needs too much memory. Does nothing if the zeros
/// would be too large.
///
/// Not every graph accepts zeros as input, so other errors are ignored.
fn runs_on_zeros(graph: &Graph) -> Result<(), Problem> {
    let required = graph.ports().inputs.iter().filter(|port| !port.optional);
    let inputs: Option<Vec<_>> = required.map(graph::zeros).collect();
    match inputs.map(|inputs| graph.run(&inputs, &Stop::default())) {
        Some(Err(error)) if is_out_of_memory(&error.to_string()) => Err(Problem::new(
            format!("cannot be run on zeros: {error}"),
            "use a model that needs less memory",
        )),
        _ => Ok(()),
    }
}

/// Returns the size of the address space that a process may use to load and run an ONNX file of
/// `file_bytes` bytes, in bytes.
pub fn memory_bytes(file_bytes: u64) -> u64 {
    MEMORY_BYTES.saturating_add(file_bytes.saturating_mul(COPIES))
}

fn load(file: &Path, sample: Option<&Path>) -> Result<Value, StartupError> {
    let fail = |Problem { problem, fix }| StartupError::Model {
        path: file.to_path_buf(),
        problem,
        fix,
    };
    let size = std::fs::metadata(file).map_err(|error| {
        fail(Problem::new(
            format!("cannot be read: {error}"),
            "name an ONNX file that exists",
        ))
    })?;
    bound(memory_bytes(size.len())).map_err(|error| {
        StartupError::Host(format!("the limits of this process cannot be set: {error}"))
    })?;
    let sample = sample.map(Sample::read).transpose()?;
    let engine = graph::engine(
        file,
        &deployment::engine_library(&deployment::process),
        OUTPUT_BYTES,
    )?;
    let graph = Graph::load(engine, Limits { sessions: 1 }).map_err(fail)?;
    let tried = match &sample {
        Some(sample) => sample.try_graph(&graph).map_err(|error| {
            Problem::new(
                format!(
                    "does not answer {} as it should: {error}",
                    sample.path.display()
                ),
                SAMPLE_FIX,
            )
        }),
        None => runs_on_zeros(&graph),
    };
    tried.map_err(fail)?;
    let ports = graph.ports();
    let port =
        |port: &Port| json!({"name": port.name, "dtype": port.dtype.name(), "shape": port.shape});
    let inputs = ports.inputs.iter().map(|input| {
        let mut described = port(input);
        if let Some(described) = described.as_object_mut().filter(|_| input.optional) {
            described.insert("optional".to_owned(), true.into());
        }
        described
    });
    let outputs = ports
        .outputs
        .iter()
        .zip(&ports.classes)
        .map(|(output, classes)| {
            let mut output = port(output);
            if let Some(output) = output.as_object_mut().filter(|_| !classes.is_empty()) {
                output.insert("classes".to_owned(), json!(classes));
            }
            output
        });
    Ok(json!({"inputs": inputs.collect::<Vec<_>>(), "outputs": outputs.collect::<Vec<_>>()}))
}

/// Makes this process end when the process that waits for it ends, and when the time limit of this
/// process is over. `waiting` states both.
///
/// # Errors
/// Fails if the thread for the time limit cannot be started, or if the operating system does not
/// support a signal at the end of the other process.
fn tied(waiting: Waiting) -> std::io::Result<()> {
    if let Some(limit) = waiting.limit {
        // A thread is needed because native code may never return. The thread sends a signal,
        // because an exit would wait for that code.
        std::thread::Builder::new()
            .name("limit".to_owned())
            .spawn(move || {
                std::thread::sleep(limit);
                let _ = kill_process(getpid(), Signal::KILL);
            })?;
    }
    if let Some(parent) = waiting.parent {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // If the parent ended before the call above, no signal comes. This process then has another
        // parent.
        if getppid().is_none_or(|found| found.as_raw_nonzero().get().unsigned_abs() != parent) {
            std::process::exit(ABANDONED);
        }
    }
    Ok(())
}

/// Limits the address space of this process to `memory_bytes` bytes, or to less if its hard limit
/// is lower, and disables core dumps.
///
/// # Errors
/// Fails if the operating system refuses the limits.
fn bound(memory_bytes: u64) -> rustix::io::Result<()> {
    let lower = |resource, most| {
        let maximum = getrlimit(resource).maximum;
        setrlimit(
            resource,
            Rlimit {
                current: Some(maximum.map_or(most, |maximum| maximum.min(most))),
                maximum,
            },
        )
    };
    lower(Resource::As, memory_bytes)?;
    lower(Resource::Core, 0)
}
