//! The engine for graphs: ONNX Runtime, through the crate `ort`.
//!
//! Owns loading the library once per process, its settings, and one session. Must not know how many
//! sessions there are, or how a tensor is converted (`onnx_values`). The library is native code: a
//! file that someone manipulated can end the process. Therefore files are loaded and run in a
//! process of their own before they are packaged.

mod error;
mod outline;
mod ports;
mod reason;
mod refusal;
mod uneven;

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::ErrorCode;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session as OrtSession};

use self::error::LibraryError;
use super::interface::{Engine, GraphError, Outputs, Ports, Session};
use super::onnx_values;
use super::stop::Stop;
use crate::error::StartupError;
use crate::tensor::Tensor;

/// Engine that loads one ONNX file into sessions of ONNX Runtime.
struct Onnx {
    environment: &'static Environment,
    file: PathBuf,
    /// The ONNX file, kept open, so that each session has the same content even if the path has
    /// another file later, or none. `None` if the file could not be opened. The error of
    /// [`Engine::session`] then says why.
    opened: Option<File>,
    is_predictable: bool,
    limit_bytes: u64,
}

/// Session: one loaded copy of an ONNX file, with its ports.
struct Loaded {
    session: OrtSession,
    ports: Ports,
    limit_bytes: u64,
}

/// Environment of ONNX Runtime, or the reason why the library cannot be loaded. The library is
/// loaded once per process, because it cannot be unloaded.
static LIBRARY: OnceLock<Result<Environment, LibraryError>> = OnceLock::new();

pub(super) fn engine(
    file: &Path,
    library: &Path,
    limit_bytes: u64,
) -> Result<Box<dyn Engine>, StartupError> {
    let environment = LIBRARY.get_or_init(|| load(library)).as_ref().map_err(|error| StartupError::Engine {
        library: library.to_path_buf(),
        problem: error.to_string(),
        fix: "the installed tool brings the library, and `cargo xtask setup --graphs` fetches it into a clone; \
              SCOREBOX_ENGINE_LIBRARY names another place"
            .to_owned(),
    })?;
    // If the file cannot be read, loading it fails later and says why.
    let is_predictable = uneven::is_even(file).unwrap_or(false);
    Ok(Box::new(Onnx {
        environment,
        file: file.to_path_buf(),
        opened: File::open(file).ok(),
        is_predictable,
        limit_bytes,
    }))
}

fn load(library: &Path) -> Result<Environment, LibraryError> {
    // If the path were not absolute, the crate `ort` would look next to the program, and accept any
    // library that the dynamic loader finds.
    let library = std::path::absolute(library)?;
    if !library.is_file() {
        return Err(LibraryError::NoFile);
    }
    let loaded = std::panic::catch_unwind(|| {
        let builder = ort::init_from(&library).map_err(LibraryError::NotLoaded)?;
        let environment = builder
            .with_name("scorebox")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build();
        environment.map_err(LibraryError::NotStarted)
    });
    let environment = loaded.unwrap_or(Err(LibraryError::Other))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

/// Writes a log line of ONNX Runtime to the host's own log. `place` is the position in the source
/// code of ONNX Runtime.
///
/// ONNX Runtime would write these lines to standard error, where the platform would count them as
/// errors.
fn log(level: LogLevel, _category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            crate::text::trace!(target: "onnxruntime", place, "{message}")
        }
        // Nearly all warnings are about the machine (no graphics card) or the converter (wrong
        // shapes in the file).
        LogLevel::Warning => crate::text::debug!(target: "onnxruntime", place, "{message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::warn!(target: "onnxruntime", place, "{message}")
        }
    }
}

impl Engine for Onnx {
    fn is_predictable(&self) -> bool {
        self.is_predictable
    }

    fn session(&self) -> Result<Box<dyn Session>, GraphError> {
        guarded(|| {
            let session = match self.kept() {
                Some(session) => session,
                None => configured(self.environment)?
                    .commit_from_file(&self.file)
                    .map_err(|error| not_loaded(&self.file, &error))?,
            };
            let ports = ports::of(&session, &self.file)?;
            Ok(Box::new(Loaded {
                session,
                ports,
                limit_bytes: self.limit_bytes,
            }) as Box<dyn Session>)
        })
    }
}

impl Onnx {
    /// Returns a session of the ONNX file that is kept open. Returns `None` if no file is kept
    /// open, or if the file cannot be loaded by its descriptor, e.g. because it names files with
    /// weights, which ONNX Runtime finds only next to the path of the file.
    fn kept(&self) -> Option<OrtSession> {
        let path = format!("/proc/self/fd/{}", self.opened.as_ref()?.as_raw_fd());
        configured(self.environment)
            .ok()?
            .commit_from_file(path)
            .ok()
    }
}

/// Returns a builder of ONNX Runtime sessions that use only the thread of their caller. Fails if
/// ONNX Runtime refuses a setting.
///
/// The host runs several calls in parallel instead, and threads that wait do not spin.
fn configured(environment: &Environment) -> Result<SessionBuilder, GraphError> {
    let builder = OrtSession::builder(environment).map_err(failed)?;
    builder
        .with_intra_threads(1)
        .map_err(failed)?
        .with_inter_threads(1)
        .map_err(failed)?
        .with_parallel_execution(false)
        .map_err(failed)?
        .with_intra_op_spinning(false)
        .map_err(failed)?
        .with_inter_op_spinning(false)
        .map_err(failed)?
        // With memory patterns the engine would keep a plan for every number of rows that a caller
        // ever sent.
        .with_memory_pattern(false)
        .map_err(failed)?
        .with_deterministic_compute(true)
        .map_err(failed)?
        .with_log_level(LogLevel::Warning)
        .map_err(failed)
}

/// Converts an error of ONNX Runtime. `R` is the type of the value that the failed function hands
/// back with the error.
fn failed<R>(error: ort::Error<R>) -> GraphError {
    GraphError::Failed(error.to_string())
}

/// Returns the error for a file that the engine does not load, with the fix for its reason.
fn not_loaded(file: &Path, error: &ort::Error) -> GraphError {
    let is_unparsed = error.code() == ErrorCode::InvalidProtobuf;
    GraphError::NotLoaded(refusal::explained(file, error.message(), is_unparsed))
}

impl Session for Loaded {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn run(&mut self, inputs: &[Tensor], stop: &Stop) -> Result<Outputs, GraphError> {
        let Self {
            session,
            ports,
            limit_bytes,
        } = self;
        guarded(|| {
            let mut options = RunOptions::new().map_err(failed)?;
            options.set_log_level(LogLevel::Warning).map_err(failed)?;
            let options = Arc::new(options);
            let values = inputs.iter().map(|tensor| {
                Ok((
                    tensor.name.as_str(),
                    onnx_values::input(tensor).map_err(failed)?,
                ))
            });
            let values = values.collect::<Result<Vec<_>, GraphError>>()?;
            let terminated = Arc::clone(&options);
            // The engine checks for a stop between two operators. Within an operator nothing can
            // end it.
            let terminate = move || drop(terminated.terminate());
            let ran = stop.during(terminate, || session.run_with_options(values, &*options));
            let outputs = ran.ok_or(GraphError::Stopped)?;
            let outputs = outputs.map_err(|error| reason::of_run(&error))?;
            onnx_values::outputs(&ports.outputs, outputs, *limit_bytes)
        })
    }
}

/// Calls `run`, and converts a panic in it to an error.
///
/// The crate `ort` panics if the ONNX Runtime library violates its API. Such a panic must not end
/// more than the current call.
fn guarded<T>(run: impl FnOnce() -> Result<T, GraphError>) -> Result<T, GraphError> {
    let ended = std::panic::catch_unwind(AssertUnwindSafe(run));
    ended.unwrap_or_else(|_| {
        Err(GraphError::Failed(
            "the engine returned something that it must not; standard error has the details"
                .to_owned(),
        ))
    })
}
