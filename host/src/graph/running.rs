//! Loading and running of graphs on blocking threads, for no longer than a caller waits.
//!
//! Owns the transfer of a run to a blocking thread and back, and stops the engine if no caller
//! waits any more. A run that is expected to be short happens on the thread that asks for it. The
//! ticks of the WebAssembly engine's epoch do not interrupt blocking threads, and blocking threads
//! serve no sockets. Must not know who waits, or what the end of a run means to a caller.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::{Graph, GraphError, Limits, Stop, engine};
use crate::error::StartupError;
use crate::tensor::Tensor;
use crate::text::Problem;
use crate::{manifest, sizing, timer};

/// Loads an ONNX graph from its file, and runs the graph once on zeros, or on ones if it refuses
/// zeros. `library` is the path of the ONNX Runtime library. `runtime` runs the thread that loads
/// the graph.
///
/// # Errors
/// Fails if this host has no engine for graphs, if the file is not a graph that the engine can run,
/// or if loading takes longer than `limits.init_deadline`.
pub async fn load(
    file: &Path,
    library: &Path,
    limits: &manifest::Limits,
    runtime: &Handle,
) -> Result<Arc<Graph>, StartupError> {
    let fail = |Problem { problem, fix }| StartupError::Model {
        path: file.to_path_buf(),
        problem,
        fix,
    };
    let engine = engine(file, library, limits.memory_bytes)?;
    let kept = Limits {
        sessions: sizing::most_sessions(limits),
    };
    let loading = runtime.spawn_blocking(move || Graph::load(engine, kept));
    match timer::within(limits.init_deadline, loading).await {
        Some(Ok(loaded)) => loaded.map(Arc::new).map_err(fail),
        Some(Err(error)) => Err(StartupError::Host(format!(
            "the thread that loads a graph ended: {error}"
        ))),
        None => {
            let problem = format!(
                "was not loaded within {} ms",
                limits.init_deadline.as_millis()
            );
            Err(fail(Problem::new(
                problem,
                "raise limits.init_deadline, or use a smaller model",
            )))
        }
    }
}

/// Reason why sessions of a graph could not be created before calls need them.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The engine could not create a session.
    #[error(transparent)]
    Session(#[from] GraphError),
    /// The thread that creates the sessions ended before they were created.
    #[error(transparent)]
    ThreadEnded(#[from] JoinError),
}

impl From<PrepareError> for StartupError {
    fn from(error: PrepareError) -> Self {
        Self::Host(error.to_string())
    }
}

/// Creates sessions of a graph before calls need them, until `count` sessions are idle, but never
/// more than may run at a time. The sessions are created on a blocking thread of `runtime`.
///
/// # Errors
/// Fails if a session cannot be created.
pub async fn prepare(
    graph: &Arc<Graph>,
    count: usize,
    runtime: &Handle,
) -> Result<(), PrepareError> {
    let graph = Arc::clone(graph);
    Ok(runtime
        .spawn_blocking(move || graph.prepare(count))
        .await??)
}

/// Runs a graph on `inputs`, which must fit the input ports, until the deadline. Returns the
/// outputs in the order of the output ports, and the time that the run took. A run that is not
/// short happens on a blocking thread of `runtime`.
///
/// A run on a blocking thread is asked to stop at the deadline, or when the returned future is
/// dropped. A run that is expected to be short is not stopped. `held` is dropped when the run has
/// ended. `held` is the permit that limits how many runs happen at a time.
///
/// # Errors
/// Fails if the run fails, or does not end before the deadline.
pub async fn run<Held: Send + 'static>(
    graph: Arc<Graph>,
    inputs: Vec<Tensor>,
    held: Held,
    deadline: Instant,
    runtime: &Handle,
) -> Result<(Vec<Tensor>, Duration), GraphError> {
    let started = Instant::now();
    if let Some(outputs) = graph.run_if_short(&inputs) {
        return outputs.map(|outputs| (outputs, started.elapsed()));
    }
    let waiting = Waiting(Arc::default());
    let heard = Arc::clone(&waiting.0);
    let running = runtime.spawn_blocking(move || {
        let started = Instant::now();
        let outputs = graph.run(&inputs, &heard);
        let run_time = started.elapsed();
        drop(held);
        outputs.map(|outputs| (outputs, run_time))
    });
    match timer::until(deadline, running).await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(GraphError::Lost(error.to_string())),
        None => Err(GraphError::Stopped),
    }
}

/// Guard of a caller that waits for a run. Dropping the guard stops the run.
struct Waiting(Arc<Stop>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::mock::Mock;
    use super::*;

    #[tokio::test]
    async fn what_is_held_is_given_back_whoever_waits() {
        let graph =
            Arc::new(Graph::load(Box::new(Mock::doubling()), Limits { sessions: 1 }).unwrap());
        let runtime = Handle::current();
        let later = Instant::now() + Duration::from_secs(60);
        let inputs = || vec![Mock::input(&[1.5])];
        let (outputs, _) = run(Arc::clone(&graph), inputs(), (), later, &runtime)
            .await
            .unwrap();
        assert_eq!(Mock::values(&outputs[0]), [3.0]);
        let (held, given_back) = oneshot::channel::<()>();
        let nobody = run(graph, inputs(), held, later, &runtime);
        // The future is polled once, then dropped.
        assert!(
            timer::until(Instant::now(), nobody)
                .await
                .is_none_or(|ended| ended.is_ok())
        );
        assert!(given_back.await.is_err(), "dropped by the thread");
    }
}
