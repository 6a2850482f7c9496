//! Graphs: models that contain their own computation, and the engine that runs them.
//!
//! Owns the choice of the engine that runs a graph, and of the file of a model that is the graph.
//! The traits and types by which the rest of the host uses graphs are in `interface`. The only
//! engine is ONNX Runtime (`onnx`, with the feature `graphs`). Tests have a mock. Must not know
//! WebAssembly, or how a call arrives.

mod foreign;
mod interface;
mod latency;
mod memory;
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

pub use self::foreign::Foreign;
pub use self::interface::{Engine, GraphError, Outputs, Ports, Session};
pub use self::memory::is_out_of_memory;
pub use self::named::Graphs;
pub use self::probe::zeros;
pub use self::sessions::{Graph, Limits};
pub use self::stop::Stop;

use crate::error::StartupError;
use crate::text::Problem;

/// Extension of the file name of an ONNX file.
pub const EXTENSION: &str = ".onnx";

/// File name of the ONNX Runtime library, as ONNX Runtime's own build names it.
///
/// The packager fetches this file. The host searches for no other name, unless the environment
/// variable `SCOREBOX_ENGINE_LIBRARY` names a file.
pub const LIBRARY: &str = "libonnxruntime.so.1.31.1";

/// Name and version of the engine that runs graphs, for reports and for the keys of cached answers.
pub const ENGINE: &str = "ONNX Runtime 1.31.1";

/// Fix in the error message if this program does not have an engine for graphs.
pub const NO_ENGINE: &str = "use the host of the installed tool or of `cargo build --release \
                             -p scorebox-packager -p scorebox-host --bins`, or the one that \
                             `scorebox package` puts into an image with a graph";

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
