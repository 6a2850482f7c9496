//! Graphs: models that contain their own computation, and the engine that runs them.
//!
//! Owns what a graph is to the rest of the host: ports, a run that can be stopped, and the errors
//! of a run. The only engine is ONNX Runtime (`onnx`, with the feature `graphs`). Tests have a
//! mock. Must not know WebAssembly, scorers, or how a call came in.

mod latency;
#[cfg(test)]
pub(crate) mod mock;
mod named;
#[cfg(feature = "graphs")]
mod onnx;
#[cfg(feature = "graphs")]
mod onnx_values;
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
use crate::text::Problem;

/// Extension of the file name of an ONNX file.
pub const EXTENSION: &str = ".onnx";

/// File name of the ONNX Runtime library, as ONNX Runtime's own build names it.
///
/// The packager fetches this file, and the host accepts no other name.
pub const LIBRARY: &str = "libonnxruntime.so.1.31.1";

/// Name and version of the engine that runs graphs, for reports and for the keys of cached answers.
pub const ENGINE: &str = "ONNX Runtime 1.31.1";

/// Input and output ports of a graph, and what is known about its outputs in addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// Input ports, in the order of the ONNX file.
    pub inputs: Vec<Port>,
    /// Output ports, in the order of the ONNX file.
    pub outputs: Vec<Port>,
    /// Names of the columns of each output, in the order of `outputs`. The list of names is empty
    /// for an output that is a plain tensor.
    ///
    /// Only an output that is a list of maps has column names, and they are not known before the
    /// first run. Scikit-learn's converter calls such an output ZipMap.
    pub classes: Vec<Vec<String>>,
    /// Flags in the order of `outputs`. A flag is true if the ONNX file does not say how many
    /// dimensions the output has.
    pub unranked: Vec<bool>,
}

/// A loaded copy of a graph, which runs one call at a time.
pub trait Session: Send {
    /// Returns the input and output ports of the graph, as its file states them.
    fn ports(&self) -> &Ports;

    /// Runs the graph. `inputs` must fit the input ports, in their order. `stop` can stop the run
    /// from another thread.
    ///
    /// The outputs have the names, the types and the order of the output ports.
    ///
    /// # Errors
    /// Fails if the run fails or is stopped, or if the outputs are too large.
    fn run(&mut self, inputs: &[Tensor], stop: &Stop) -> Result<Outputs, GraphError>;
}

/// Outputs of one run of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Tensors, one for each output port.
    pub tensors: Vec<Tensor>,
    /// Names of the columns of each output, in the order of `tensors`. The list of names is empty
    /// for an output that is a plain tensor.
    pub classes: Vec<Vec<String>>,
}

/// Engine that runs the graph in one file. It loads the file into sessions.
pub trait Engine: Send + Sync {
    /// Loads the file into a new session.
    ///
    /// # Errors
    /// Fails if the file is not a graph that this engine can run.
    fn session(&self) -> Result<Box<dyn Session>, GraphError>;

    /// Returns true if the duration of a run depends only on the sizes of the inputs, not on their
    /// values.
    ///
    /// This holds if no operator in the file has a loop count or an output size that depends on the
    /// value of an input.
    fn is_predictable(&self) -> bool;
}

/// Reason why a session of a graph cannot be created, or why a run of a graph does not have
/// outputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The engine or the graph failed. The text is for the log.
    #[error("{0}")]
    Failed(String),
    /// The host is at fault: the thread of the run ended without an answer.
    #[error("a run of the graph ended without an answer: {0}")]
    Lost(String),
    /// The run was stopped by [`Stop::now`], or did not end before its deadline.
    #[error("the run was stopped")]
    Stopped,
    /// The outputs of the run are larger than the host allows.
    #[error("the outputs are larger than {limit_bytes} bytes")]
    TooLarge {
        /// Maximum size of all outputs of a run, in bytes.
        limit_bytes: u64,
    },
}

/// Fix in the error message if this program does not have an engine for graphs.
pub const NO_ENGINE: &str = "use the host of `cargo build --release -p scorebox-packager \
                             -p scorebox-host --bin scorebox`, or the one that `cargo xtask \
                             package` puts into an image with a graph";

/// True if this program can load the library of ONNX Runtime, as [`allow_loading`] declares.
static LOADS: AtomicBool = AtomicBool::new(false);

/// Declares that this program is linked dynamically, so that it can load the library of ONNX
/// Runtime.
///
/// Only the program itself knows how it is linked. A program that is linked statically contains a C
/// library of its own. Loading a second C library would cause faults that no check finds.
pub fn allow_loading() {
    LOADS.store(true, Ordering::Relaxed);
}

/// Returns the engine that runs an ONNX file. Loads ONNX Runtime from the file `library` if it is
/// not loaded yet. `limit_bytes` is the maximum size of all outputs of one run.
///
/// # Errors
/// Fails if this host has no engine for graphs, or if the library cannot be loaded.
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

/// Returns the name of the ONNX file that is served as the scorer, from the names `files` of the
/// files of a model.
///
/// `named` is the name of this file that the manifest states, with or without the extension. If it
/// is `None`, the model must have exactly one ONNX file.
///
/// # Errors
/// Fails if the model does not have such a file, or if `named` is `None` and the model has several
/// ONNX files.
pub fn choose<'a>(
    files: impl Iterator<Item = &'a str>,
    named: Option<&str>,
) -> Result<&'a str, Problem> {
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
                let found = if graphs.is_empty() {
                    "none".to_owned()
                } else {
                    listed()
                };
                Problem::new(
                    format!("holds no graph `{named}`; it holds {found}"),
                    "name a file that ends in .onnx, with its folders below the model's, in \
                     scorer.graph",
                )
            })
        }
        (None, [graph]) => Ok(graph),
        (None, []) => Err(Problem::new(
            "holds no graph, and the manifest names no component",
            "put one .onnx file there, which the host then serves; or name a component in \
             scorer.component",
        )),
        (None, _) => Err(Problem::new(
            format!("holds several graphs: {}", listed()),
            "say which one is served: `graph = \"NAME\"` under [scorer]",
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
                (Err(Problem { problem, .. }), Err(part)) => {
                    assert!(problem.contains(part), "{problem}");
                }
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
