//! The graphs of a model, by name, for a component or a script that calls them.
//!
//! Owns the names of the graphs and the number of runs at a time. Must not know who calls, or
//! through which interface.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{EXTENSION, Graph, GraphError, running};
use crate::error::StartupError;
use crate::manifest::Limits;
use crate::tensor::Tensor;
use crate::{sizing, timer};

/// Graphs of a model by name, ready to run for a component or a script.
pub struct Graphs {
    /// Loaded graphs by name, in byte order of the names.
    graphs: BTreeMap<String, Arc<Graph>>,
    /// Permits for runs of graphs. Each run holds one permit. All graphs share the permits, because
    /// every run occupies a CPU core.
    places: Arc<Semaphore>,
    runtime: Handle,
}

impl Graphs {
    /// Loads the graphs of a model from their files, and creates `prepared` sessions of each graph.
    ///
    /// `files` holds the name of each ONNX file in the model, and its path. `library` is the path
    /// of the ONNX Runtime library. `runtime` runs the threads that load and run graphs.
    ///
    /// # Errors
    /// Fails if this host has no engine for graphs, if a file is not a graph that the engine can
    /// run, if a session cannot be created, or if loading takes too long.
    pub async fn load(
        files: Vec<(String, PathBuf)>,
        library: &Path,
        limits: &Limits,
        prepared: usize,
        runtime: Handle,
    ) -> Result<Self, StartupError> {
        let mut graphs = BTreeMap::new();
        for (name, file) in files {
            let graph = running::load(&file, library, limits, &runtime).await?;
            running::prepare(&graph, prepared, &runtime).await?;
            graphs.insert(
                name.strip_suffix(EXTENSION).unwrap_or(&name).to_owned(),
                graph,
            );
        }
        Ok(Self::of(graphs, sizing::most_sessions(limits), runtime))
    }

    fn of(graphs: BTreeMap<String, Arc<Graph>>, most: usize, runtime: Handle) -> Self {
        Self {
            graphs,
            places: Arc::new(Semaphore::new(most)),
            runtime,
        }
    }

    /// Returns all graphs with their names, in byte order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Graph)> {
        self.graphs
            .iter()
            .map(|(name, graph)| (name.as_str(), graph.as_ref()))
    }

    /// Returns the graph with the given name, or `None` if the model does not have such a graph.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Graph>> {
        self.graphs.get(name).cloned()
    }

    /// Waits for a permit to run, in order of arrival, and then runs a graph. Returns its outputs
    /// in the order of the output ports.
    ///
    /// The inputs must fit the graph's input ports.
    ///
    /// # Errors
    /// Fails if the run fails, or does not end before the deadline.
    pub async fn run(
        &self,
        graph: Arc<Graph>,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<Vec<Tensor>, GraphError> {
        let place = timer::until(deadline, Arc::clone(&self.places).acquire_owned()).await;
        // The semaphore is never closed.
        let Some(Ok(place)) = place else {
            return Err(GraphError::Stopped);
        };
        let ran = running::run(graph, inputs, place, deadline, &self.runtime).await;
        ran.map(|(outputs, _)| outputs)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Limits;
    use super::super::mock::Mock;
    use super::*;

    #[tokio::test]
    async fn graphs_run_by_name_while_there_is_a_place() {
        let graph = Graph::load(Box::new(Mock::doubling()), Limits { sessions: 1 }).unwrap();
        let graphs = [("text/double".to_owned(), Arc::new(graph))];
        let graphs = Graphs::of(graphs.into(), 1, Handle::current());
        assert_eq!(
            graphs.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["text/double"]
        );
        assert!(graphs.get("double").is_none());
        let graph = graphs.get("text/double").unwrap();
        let run = |time| {
            graphs.run(
                Arc::clone(&graph),
                vec![Mock::input(&[2.0])],
                Instant::now() + time,
            )
        };
        let place = Arc::clone(&graphs.places).acquire_owned().await.unwrap();
        assert_eq!(
            run(Duration::from_millis(5)).await,
            Err(GraphError::Stopped)
        );
        drop(place);
        assert_eq!(
            Mock::values(&run(Duration::from_secs(60)).await.unwrap()[0]),
            [4.0]
        );
    }
}
