//! A loaded graph: its ports, and the sessions that run it.
//!
//! Owns the list of idle sessions, the decision to create another one, the check of a run's
//! outputs, and the record that the graph has answered. A session runs one call at a time and holds
//! the whole model in memory, so another one is created only if a call finds no idle session. Must
//! not know a particular engine, or threads: a run blocks the thread that calls it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::latency::Latency;
use super::{Engine, GraphError, Ports, Session, Stop, probe};
use crate::tensor::Tensor;
use crate::text::Problem;

/// Limits on the sessions of one loaded graph.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of idle sessions that are kept. The caller of [`Graph::run`] ensures that
    /// there are never more runs than this at a time.
    pub sessions: usize,
}

/// Fix if the engine cannot load a graph and does not say that the file is at fault.
const NOT_LOADED: &str = "see the log for the engine's words; use the ONNX Runtime that the installed \
                          tool brings, or that `cargo xtask setup --graphs` fetches into a clone";

/// Graph that is loaded into sessions of an engine. When it is loaded, it is run once on zeros, and
/// on ones if it refuses zeros. These first runs may have failed.
pub struct Graph {
    engine: Box<dyn Engine>,
    ports: Ports,
    /// Sessions that run no call now. The session that was used last is taken first, because its
    /// memory is still in the CPU caches.
    idle: Mutex<Vec<Box<dyn Session>>>,
    limits: Limits,
    latency: Latency,
    /// True if a run has returned outputs, in this process or elsewhere. From then on, an operator
    /// that refuses its input is the fault of the caller and not of the graph.
    has_answered: AtomicBool,
}

impl Graph {
    /// Loads a graph, and runs it once on zeros, or on ones if it refuses zeros.
    ///
    /// This first run takes longer than later runs, and shows facts about the outputs that the file
    /// does not state.
    ///
    /// # Errors
    /// Fails if the engine cannot load the graph. Also fails if the graph can be run neither on
    /// zeros nor on ones, and the file does not say how many dimensions an output has.
    pub fn load(engine: Box<dyn Engine>, limits: Limits) -> Result<Self, Problem> {
        let mut session = engine.session().map_err(|error| {
            let (problem, fix) = match error {
                GraphError::NotLoaded(Problem { problem, fix }) => (problem, fix),
                error => (error.to_string(), NOT_LOADED.to_owned()),
            };
            Problem::new(format!("cannot be loaded: {problem}"), fix)
        })?;
        let (ports, has_answered) = probe::ports(session.as_mut())?;
        let latency = Latency::new(engine.is_predictable());
        Ok(Self {
            engine,
            ports,
            idle: Mutex::new(vec![session]),
            limits,
            latency,
            has_answered: AtomicBool::new(has_answered),
        })
    }

    /// Returns true if the graph has returned outputs at least once, in this process or elsewhere.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// Records that the graph has returned outputs in another process, e.g. for its sample when it
    /// was packaged.
    pub fn answered_elsewhere(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// Returns the input and output ports of the graph.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Creates sessions until `count` of them are idle, but never more than [`Limits::sessions`].
    ///
    /// # Errors
    /// Fails if a session cannot be created.
    pub fn prepare(&self, count: usize) -> Result<(), GraphError> {
        while self.lock().len() < count.min(self.limits.sessions) {
            let session = self.engine.session()?;
            self.lock().push(session);
        }
        Ok(())
    }

    /// Runs the graph on the calling thread. `inputs` must fit the input ports, and may lack those
    /// of optional ports. The outputs are in the order of the output ports. `stop` can stop the run
    /// from another thread.
    ///
    /// # Errors
    /// Fails if a session is needed but cannot be created, if the run fails or is stopped, or if
    /// the columns of an output have other names than in the first run. If the graph has answered
    /// before, the error says whether an operator refused the input.
    pub fn run(&self, inputs: &[Tensor], stop: &Stop) -> Result<Vec<Tensor>, GraphError> {
        let idle = self.lock().pop();
        let session = match idle {
            Some(session) => session,
            None => self.engine.session()?,
        };
        self.run_session(session, inputs, stop)
    }

    /// Runs the graph on the calling thread if the run is expected to be short.
    ///
    /// Returns `None`, without running the graph, if a run on inputs of this size is not known to
    /// be short, or if no session is idle.
    ///
    /// # Errors
    /// Fails as [`Graph::run`] does.
    pub fn run_if_short(&self, inputs: &[Tensor]) -> Option<Result<Vec<Tensor>, GraphError>> {
        if !self.latency.is_short(bytes(inputs)) {
            return None;
        }
        let session = self.lock().pop()?;
        Some(self.run_session(session, inputs, &Stop::default()))
    }

    fn run_session(
        &self,
        mut session: Box<dyn Session>,
        inputs: &[Tensor],
        stop: &Stop,
    ) -> Result<Vec<Tensor>, GraphError> {
        let started = Instant::now();
        let outputs = session.run(inputs, stop);
        self.latency.note(bytes(inputs), started.elapsed());
        {
            let mut idle = self.lock();
            if idle.len() < self.limits.sessions {
                idle.push(session);
            }
        }
        let outputs = outputs.map_err(|error| match error {
            // The graph has never answered, so the graph itself may be at fault, and not this
            // input.
            GraphError::Refused { detail, .. } if !self.has_answered() => {
                GraphError::Failed(detail)
            }
            error => error,
        })?;
        self.note_answer();
        for (index, (found, known)) in outputs.classes.iter().zip(&self.ports.classes).enumerate() {
            // From here on, columns are identified by their position, so their classes must not
            // change.
            if !known.is_empty() && !found.is_empty() && found != known {
                return Err(GraphError::Failed(format!(
                    "output {index} has different classes than before: {found:?}"
                )));
            }
        }
        Ok(outputs.tensors)
    }

    fn note_answer(&self) {
        // Threads share the cache line of the flag as long as nobody writes to it.
        if !self.has_answered() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn Session>>> {
        // A panic cannot leave the list half changed: a session is in it or not.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(inputs: &[Tensor]) -> u64 {
    inputs.iter().map(|input| input.data.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::super::mock::Mock;
    use super::*;

    #[test]
    fn sessions_are_made_when_needed_and_kept_up_to_the_cap() {
        let mock = Mock::doubling();
        let made = mock.made();
        let graph = Graph::load(Box::new(mock), Limits { sessions: 2 }).unwrap();
        let run = |value| {
            graph
                .run(&[Mock::input(&[value])], &Stop::default())
                .map(|outputs| Mock::values(&outputs[0]))
        };
        assert_eq!((run(1.0), run(2.0)), (Ok(vec![2.0]), Ok(vec![4.0])));
        assert_eq!(made.get(), 1, "one after the other share one");
        std::thread::scope(|scope| {
            for value in [1.0, 2.0, 3.0, 4.0] {
                scope.spawn(move || assert_eq!(run(value), Ok(vec![2.0 * value])));
            }
        });
        graph.prepare(9).unwrap();
        assert_eq!(graph.lock().len(), 2);
    }

    #[test]
    fn only_a_graph_that_has_answered_refuses_inputs() {
        let limits = Limits { sessions: 1 };
        let run = |graph: &Graph, value| graph.run(&[Mock::input(&[value])], &Stop::default());
        let is_refused = |run| matches!(run, Err(GraphError::Refused { .. }));
        // Its first run was on zeros.
        let graph = Graph::load(Box::new(Mock::refusing(&[13.0])), limits).unwrap();
        assert!(graph.has_answered() && is_refused(run(&graph, 13.0)));
        let graph = Graph::load(Box::new(Mock::refusing(&[0.0, 13.0])), limits).unwrap();
        assert!(graph.has_answered(), "it answers ones");
        let graph = Graph::load(Box::new(Mock::refusing(&[0.0, 1.0, 13.0])), limits).unwrap();
        assert!(!graph.has_answered());
        assert_eq!(
            run(&graph, 13.0),
            Err(GraphError::Failed("at 0x1 of node 7".to_owned()))
        );
        assert!(run(&graph, 2.0).is_ok() && is_refused(run(&graph, 13.0)));
        let graph = Graph::load(Box::new(Mock::refusing(&[0.0, 1.0, 13.0])), limits).unwrap();
        graph.answered_elsewhere();
        assert!(is_refused(run(&graph, 13.0)));
    }

    #[test]
    fn a_stopped_run_gives_its_session_back() {
        let graph = Graph::load(Box::new(Mock::doubling()), Limits { sessions: 1 }).unwrap();
        let stop = Stop::default();
        stop.now();
        assert_eq!(
            graph.run(&[Mock::input(&[1.0])], &stop),
            Err(GraphError::Stopped)
        );
        assert_eq!(graph.lock().len(), 1);
    }

    #[test]
    fn what_is_known_to_be_short_runs_at_once() {
        let graph = Graph::load(Box::new(Mock::doubling()), Limits { sessions: 1 }).unwrap();
        let short = || graph.run_if_short(&[Mock::input(&[1.0])]);
        assert!(short().is_none(), "nothing is known");
        // On a busy machine a run may take longer now and then, so this tries several times.
        let known = (0..100).any(|_| {
            graph.run(&[Mock::input(&[1.0])], &Stop::default()).unwrap();
            short().is_some()
        });
        assert!(known);
        let session = graph.lock().pop();
        assert!(short().is_none(), "a session is made elsewhere");
        graph.lock().extend(session);
        assert!(
            graph
                .run_if_short(&[Mock::input(&[1.0, 2.0, 3.0])])
                .is_none(),
            "larger than what is known"
        );
    }

    #[test]
    fn columns_keep_their_classes() {
        let graph = Graph::load(
            Box::new(Mock::classes(&[&["a", "b"], &["a", "c"]])),
            Limits { sessions: 1 },
        )
        .unwrap();
        assert_eq!(graph.ports().classes[0], ["a", "b"]);
        assert!(
            graph
                .run(&[Mock::input(&[1.0])], &Stop::default())
                .unwrap_err()
                .to_string()
                .contains("classes")
        );
    }
}
