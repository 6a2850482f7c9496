//! A graph that is a scorer by itself: its ports are the contract, and a run answers a call.
//!
//! Owns where a graph runs and what its end means to a caller. Graphs run on blocking threads of the scoring runtime, which
//! no tick interrupts and no socket waits for. Must not know bodies, caches, nor how an engine computes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::pool::Turn;
use super::signature::Signature;
use super::tensor::Tensor;
use crate::deployment;
use crate::error::{Problem, ScoreFailure, StartupError};
use crate::graph::{self, Graph, GraphError, Stop};
use crate::manifest::Limits;
use crate::timer;

/// A graph, ready to run.
pub(super) struct GraphRunner {
    graph: Arc<Graph>,
    limits: Limits,
    runtime: Handle,
}

impl GraphRunner {
    /// Loads a file and runs it once on zeros.
    ///
    /// # Errors
    /// There is no engine, the file is no graph that it runs, or it takes longer than `limits.init_deadline`.
    pub(super) async fn load(
        file: &Path,
        library: &Path,
        limits: &Limits,
        runtime: Handle,
    ) -> Result<Self, StartupError> {
        let fail = |(problem, fix)| StartupError::Model { path: file.to_path_buf(), problem, fix };
        let engine = graph::engine(file, library, limits.memory_bytes)?;
        let kept = graph::Limits { sessions: deployment::most_sessions(limits) };
        let loading = runtime.spawn_blocking(move || Graph::load(engine, kept));
        let graph = match timer::within(limits.init_deadline, loading).await {
            Some(Ok(loaded)) => loaded.map_err(fail)?,
            Some(Err(error)) => return Err(StartupError::Host(format!("loading a graph ended: {error}"))),
            None => {
                let problem = format!("is not loaded after {} ms", limits.init_deadline.as_millis());
                return Err(fail((problem, "raise limits.init_deadline, or take a smaller model".to_owned())));
            }
        };
        Ok(Self { graph: Arc::new(graph), limits: limits.clone(), runtime })
    }

    /// The contract that the ports are.
    ///
    /// # Errors
    /// They are no ports that a caller can use; the text says why.
    pub(super) fn signature(&self) -> Result<Signature, String> {
        Signature::of_graph(self.graph.ports())
    }

    /// Names of the columns of the outputs that have some, by the output's name.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&str, &[String])> {
        let ports = self.graph.ports();
        let named = ports.outputs.iter().zip(&ports.classes).filter(|(_, classes)| !classes.is_empty());
        named.map(|(port, classes)| (port.name.as_str(), classes.as_slice()))
    }

    /// Makes sessions ahead of the calls that need them.
    ///
    /// # Errors
    /// One cannot be made.
    pub(super) async fn prepare(&self, count: usize) -> Result<(), String> {
        let graph = Arc::clone(&self.graph);
        let prepared = self.runtime.spawn_blocking(move || graph.prepare(count)).await;
        prepared.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Runs the graph. At the deadline the caller is answered, and the engine told to stop; until it does, it keeps the turn,
    /// so that no more run than may.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn run(
        &self,
        inputs: Vec<Tensor>,
        turn: Turn,
        deadline: Instant,
    ) -> Result<(Vec<Tensor>, Duration), ScoreFailure> {
        let (graph, stop) = (Arc::clone(&self.graph), Arc::new(Stop::default()));
        let heard = Arc::clone(&stop);
        let running = self.runtime.spawn_blocking(move || {
            let started = Instant::now();
            let outputs = graph.run(&inputs, &heard);
            let run_time = started.elapsed();
            drop(turn);
            outputs.map(|outputs| (outputs, run_time))
        });
        match timer::until(deadline, running).await {
            Some(Ok(ended)) => ended.map_err(|error| self.failure(error)),
            Some(Err(error)) => Err(ScoreFailure::HostFault(format!("a run of the graph ended: {error}"))),
            None => {
                stop.now();
                Err(self.failure(GraphError::Stopped))
            }
        }
    }

    fn failure(&self, error: GraphError) -> ScoreFailure {
        match error {
            GraphError::Stopped => ScoreFailure::TimedOut { deadline: self.limits.deadline },
            GraphError::TooLarge { .. } => ScoreFailure::OutOfMemory { limit_bytes: self.limits.memory_bytes },
            GraphError::Failed(detail) => failed(detail),
        }
    }
}

/// Whether the input or the graph is to blame, the engine does not say.
fn failed(detail: String) -> ScoreFailure {
    ScoreFailure::Failed(Problem {
        code: "graph-failed".to_owned(),
        message: "The graph gives no answer to this input. The log has the reason under this id.".to_owned(),
        detail: Some(detail),
    })
}

/// The answer of a graph to a body, on this thread and without any limit: for a process that is there to try it.
///
/// # Errors
/// There is none.
#[cfg(feature = "graphs")]
pub(crate) fn answer_of(graph: &Graph, payload: &super::Payload) -> Result<Vec<u8>, ScoreFailure> {
    use super::tensor_body::{self, open_inference::ModelName};

    let signature = match Signature::of_graph(graph.ports()) {
        Ok(Signature::Tensor(signature)) => signature,
        Ok(Signature::Payload(_)) => return Err(failed("a graph takes tensors".to_owned())),
        Err(problem) => return Err(failed(problem)),
    };
    let (inputs, reply) = tensor_body::read(&signature, payload, &[])?;
    let outputs = graph.run(&inputs, &Stop::default()).map_err(|error| failed(error.to_string()))?;
    let model = ModelName { name: String::new(), version: String::new() };
    let written = tensor_body::write(&reply, &model, signature.in_order(outputs)?);
    Ok(written.payload.body.to_vec())
}
