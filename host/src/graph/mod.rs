//! Graphs: models that compute by themselves, and whoever runs them.
//!
//! Owns what a graph is to the rest of the host: ports, a run that can be stopped, and why there is no answer. One engine
//! runs them, ONNX Runtime (`onnx`, with the feature `graphs`); tests have a mock. Must not know WebAssembly, scorers, or
//! how a call came.

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

/// What a graph's file is called by.
pub const EXTENSION: &str = ".onnx";

/// The engine's library, as its own build calls it. The packager fetches this one, and no other is tried.
pub const LIBRARY: &str = "libonnxruntime.so.1.31.1";

/// The engine and its version, for reports and for keys of answers.
pub const ENGINE: &str = "ONNX Runtime 1.31.1";

/// What goes into a graph and what comes out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// In the order of the file.
    pub inputs: Vec<Port>,
    /// The same.
    pub outputs: Vec<Port>,
    /// Of an output that is a list of maps (what scikit-learn's converter calls ZipMap), in the order of `outputs`: the
    /// names of its columns, once a run has shown them. Empty for a plain tensor.
    pub classes: Vec<Vec<String>>,
    /// Outputs whose number of dimensions the file does not say.
    pub unranked: Vec<bool>,
}

/// One run at a time of one graph.
pub trait Session: Send {
    /// What goes in and out, as the file says.
    fn ports(&self) -> &Ports;

    /// Runs the graph. The inputs fit the ports; the outputs are of the ports' names and types, in their order.
    ///
    /// # Errors
    /// There is no answer.
    fn run(&mut self, inputs: &[Tensor], stop: &Stop) -> Result<Outputs, GraphError>;
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// One for each output port.
    pub tensors: Vec<Tensor>,
    /// As [`Ports::classes`].
    pub classes: Vec<Vec<String>>,
}

/// Makes sessions of one file.
pub trait Engine: Send + Sync {
    /// Loads the file once more.
    ///
    /// # Errors
    /// It is no graph that this engine runs.
    fn session(&self) -> Result<Box<dyn Session>, GraphError>;

    /// Whether how long a run takes depends on the sizes of its inputs alone: nothing in the file repeats, or gives, as
    /// much as a value says.
    fn is_even(&self) -> bool;
}

/// Why there is no session or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The engine's own words.
    #[error("{0}")]
    Failed(String),
    /// The host's own fault: the run's thread ended without an answer.
    #[error("a run of the graph ended: {0}")]
    Lost(String),
    /// It was told to stop.
    #[error("the run was stopped")]
    Stopped,
    /// The outputs are larger than they may be.
    #[error("the outputs are larger than {limit_bytes} bytes")]
    TooLarge {
        /// What they may be.
        limit_bytes: u64,
    },
}

/// What to do about a program that runs no graphs.
pub const NO_ENGINE: &str = "use the host of `cargo build --release -p xtask -p scorebox-host --bin scorebox`, or the one that \
                             `cargo xtask package` puts into an image with a graph";

/// Whether this program may load a library.
static LOADS: AtomicBool = AtomicBool::new(false);

/// Says that this program is linked dynamically, so that it can load the engine's library: only the program itself knows.
/// In one with a C library of its own inside, loading another would go wrong in ways that no check finds.
pub fn allow_loading() {
    LOADS.store(true, Ordering::Relaxed);
}

/// The engine for a file, with its library; what a run gives may have `limit_bytes`.
///
/// # Errors
/// This host has none, or its library cannot be loaded.
pub fn engine(file: &Path, library: &Path, limit_bytes: u64) -> Result<Box<dyn Engine>, StartupError> {
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

/// The one file among a model's that is the scorer: the one that is named, with or without its extension, else the only
/// graph there is.
///
/// # Errors
/// There is no such file, or several could be meant.
pub fn choose<'a>(files: impl Iterator<Item = &'a str>, named: Option<&str>) -> Result<&'a str, (String, String)> {
    let graphs: Vec<&str> = files.filter(|name| name.ends_with(EXTENSION)).collect();
    let listed = || graphs.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (named, graphs.as_slice()) {
        (Some(named), _) => {
            let is_named = |graph: &&&str| **graph == named || graph.strip_suffix(EXTENSION) == Some(named);
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
            "put one .onnx file there, which is then served itself; or name a component in scorer.component".to_owned(),
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
