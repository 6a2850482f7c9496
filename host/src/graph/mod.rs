//! Graphs: models that contain their own computation, and the engine that runs them.
//!
//! Owns what a graph is to the rest of the host: ports, a run that can be stopped, and the errors
//! of a run. The only engine is ONNX Runtime (`onnx`, with the feature `graphs`). Tests have a
//! mock. Must not know WebAssembly, scorers, or how a call came in.

#[cfg(test)]
pub(crate) mod mock;
mod named;
#[cfg(feature = "graphs")]
mod onnx;
#[cfg(feature = "graphs")]
mod onnx_values;
mod pace;
mod probe;
pub mod running;
mod sessions;
mod stop;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::named::Graphs;
pub use self::probe::zeros;
pub use self::sessions::{Graph, Limits};
pub use self::stop::Stop;

use crate::error::StartupError;
use crate::tensor::{Port, Tensor};

/// File name extension of a graph.
pub const EXTENSION: &str = ".onnx";

/// File name of the engine's library, as the engine's own build names it.
///
/// The packager fetches this file, and the host tries no other.
pub const LIBRARY: &str = "libonnxruntime.so.1.31.1";

/// Name and version of the engine, for reports and for the keys of cached answers.
pub const ENGINE: &str = "ONNX Runtime 1.31.1";

/// Inputs and outputs of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// Input ports, in the order of the file.
    pub inputs: Vec<Port>,
    /// Output ports, in the order of the file.
    pub outputs: Vec<Port>,
    /// Names of the columns of each output, in the order of `outputs`.
    ///
    /// They are known once a run has shown them, and only for an output that is a list of maps.
    /// Scikit-learn's converter calls such an output ZipMap. The list is empty for a plain tensor.
    pub classes: Vec<Vec<String>>,
    /// True for each output whose number of dimensions the file does not say.
    pub unranked: Vec<bool>,
}

/// A loaded copy of a graph, which runs one call at a time.
pub trait Session: Send {
    /// Returns the inputs and outputs, as the file states them.
    fn ports(&self) -> &Ports;

    /// Runs the graph. The inputs must fit the ports.
    ///
    /// The outputs have the names, the types and the order of the output ports.
    ///
    /// # Errors
    /// The run fails or is stopped, or the outputs are too large.
    fn run(&mut self, inputs: &[Tensor], stop: &Stop) -> Result<Outputs, GraphError>;
}

/// Outputs of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Tensors, one for each output port.
    pub tensors: Vec<Tensor>,
    /// Names of the columns of each output, as in [`Ports::classes`].
    pub classes: Vec<Vec<String>>,
}

/// An engine that creates sessions of one file.
pub trait Engine: Send + Sync {
    /// Loads the file into a new session.
    ///
    /// # Errors
    /// The file is not a graph that this engine runs.
    fn session(&self) -> Result<Box<dyn Session>, GraphError>;

    /// Returns true if the duration of a run depends only on the sizes of its inputs.
    ///
    /// This holds if no operator in the file repeats work, or makes output, as much as a value
    /// says.
    fn is_even(&self) -> bool;
}

/// A reason that a session cannot be created, or that a run has no outputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A failure of the engine or of the graph, in words for the log.
    #[error("{0}")]
    Failed(String),
    /// A fault of the host: the run's thread ended without an answer.
    #[error("a run of the graph ended without an answer: {0}")]
    Lost(String),
    /// A run that was stopped.
    #[error("the run was stopped")]
    Stopped,
    /// Outputs that are larger than allowed.
    #[error("the outputs are larger than {limit_bytes} bytes")]
    TooLarge {
        /// Largest size that was allowed, in bytes.
        limit_bytes: u64,
    },
}

/// Fix for a program that has no engine for graphs.
pub const NO_ENGINE: &str = "use the host of `cargo build --release -p xtask -p scorebox-host --bin scorebox`, or the one that \
                             `cargo xtask package` puts into an image with a graph";

/// True if this program may load a library.
static LOADS: AtomicBool = AtomicBool::new(false);

/// Declares that this program is linked dynamically, so that it can load the engine's library.
///
/// Only the program itself knows this. A program that is linked statically contains a C library of
/// its own. Loading another one would then go wrong in ways that no check finds.
pub fn allow_loading() {
    LOADS.store(true, Ordering::Relaxed);
}

/// Returns the engine for a file, with its library. The outputs of a run may have `limit_bytes`.
///
/// # Errors
/// This host has no engine, or the library cannot be loaded.
pub fn engine(
    file: &Path,
    library: &Path,
    limit_bytes: u64,
) -> Result<Box<dyn Engine>, StartupError> {
    #[cfg(feature = "graphs")]
    if LOADS.load(Ordering::Relaxed) {
        return onnx::engine(file, library, limit_bytes);
    }
    let _ = (library, limit_bytes, &LOADS);
    Err(StartupError::Model {
        path: file.to_path_buf(),
        problem: "is a graph, and this program has no engine for graphs".to_owned(),
        fix: NO_ENGINE.to_owned(),
    })
}

/// Returns the one file of a model that is served as the scorer.
///
/// This is the file that `named` names, with or without its extension. If `named` is `None`, it is
/// the only graph that the model has.
///
/// # Errors
/// The model does not have the file, or several could be meant.
pub fn choose<'a>(
    files: impl Iterator<Item = &'a str>,
    named: Option<&str>,
) -> Result<&'a str, (String, String)> {
    let graphs: Vec<&str> = files.filter(|name| name.ends_with(EXTENSION)).collect();
    let listed = || {
        graphs
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (named, graphs.as_slice()) {
        (Some(named), _) => {
            let is_named =
                |graph: &&&str| **graph == named || graph.strip_suffix(EXTENSION) == Some(named);
            graphs.iter().find(is_named).copied().ok_or_else(|| {
                (
                    format!(
                        "holds no graph `{named}`; it holds {}",
                        if graphs.is_empty() { "none".to_owned() } else { listed() }
                    ),
                    "name a file that ends in .onnx, with its folders below the model's, in scorer.graph".to_owned(),
                )
            })
        }
        (None, [graph]) => Ok(graph),
        (None, []) => Err((
            "holds no graph, and the manifest names no component".to_owned(),
            "put one .onnx file there, which the host then serves; or name a component in \
             scorer.component"
                .to_owned(),
        )),
        (None, _) => Err((
            format!("holds several graphs: {}", listed()),
            "say which one is served: `graph = \"NAME\"` under [scorer]".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_graph_is_chosen() {
        #[track_caller]
        fn check(files: &[&str], named: Option<&str>, expected: Result<&str, &str>) {
            match (choose(files.iter().copied(), named), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err((problem, _)), Err(part)) => assert!(problem.contains(part), "{problem}"),
                other => panic!("{other:?}"),
            }
        }
        check(&["a.onnx", "labels.txt"], None, Ok("a.onnx"));
        check(&["a.onnx", "b.onnx"], None, Err("`a.onnx`, `b.onnx`"));
        check(&["a.onnx", "b.onnx"], Some("b"), Ok("b.onnx"));
        check(&["a.onnx", "x/b.onnx"], Some("x/b.onnx"), Ok("x/b.onnx"));
        check(&["a.onnx"], Some("b"), Err("no graph `b`"));
        check(&["labels.txt"], None, Err("no graph"));
        check(&[], Some("b"), Err("none"));
    }
}
