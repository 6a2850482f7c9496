//! A graph that is a scorer without a component: its ports are the contract, and one run answers
//! one call.
//!
//! Owns the failure that a caller gets for each error of a run, and the run of a graph on the body
//! of an example. Must not know caches, where a graph runs, or how an engine computes.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::signature::{Direction, SignatureError, TensorSignature};
use super::turns::Turns;
#[cfg(feature = "graphs")]
use crate::call::{BodyFormat, Payload};
#[cfg(feature = "graphs")]
use crate::codec;
use crate::error::{Problem, ScoreFailure, StartupError};
use crate::graph::running::{self, PrepareError};
use crate::graph::{Graph, GraphError};
use crate::manifest::Limits;
use crate::tensor::Tensor;

/// Runner of the calls of an ONNX graph that is served without a component.
pub(super) struct GraphRunner {
    graph: Arc<Graph>,
    signature: TensorSignature,
    turns: Turns,
    limits: Limits,
    runtime: Handle,
}

impl GraphRunner {
    /// Loads a graph from a file and runs it once on zeros, or on ones if it refuses zeros, because
    /// the first run takes longer than later runs.
    ///
    /// # Errors
    /// Fails if this host does not have an engine for graphs, if the file is not a graph that the
    /// engine can run or that callers can use, or if loading takes longer than
    /// `limits.init_deadline`.
    pub(super) async fn load(
        file: &Path,
        library: &Path,
        turns: Turns,
        limits: &Limits,
        runtime: Handle,
    ) -> Result<Self, StartupError> {
        let graph = running::load(file, library, limits, &runtime).await?;
        let signature =
            TensorSignature::of_graph(graph.ports()).map_err(|error| StartupError::Model {
                path: file.to_path_buf(),
                problem: format!("has ports that callers cannot use: {error}"),
                fix: fix(&error).to_owned(),
            })?;
        Ok(Self {
            graph,
            signature,
            turns,
            limits: limits.clone(),
            runtime,
        })
    }

    /// Returns true if the graph has answered an input, in this process or elsewhere.
    #[cfg(feature = "graphs")]
    pub(super) fn has_answered(&self) -> bool {
        self.graph.has_answered()
    }

    /// Runs the graph on the body `example` of a request. If `example` is `None`, only records that
    /// the graph has answered a request elsewhere, e.g. when it was packaged. After the graph's
    /// first answer, an input that the graph refuses counts as the caller's error.
    ///
    /// # Errors
    /// Fails if the example does not fit the inputs of the graph, or if the graph refuses the
    /// example, fails, or takes longer than `limits.init_deadline`.
    #[cfg(feature = "graphs")]
    pub(super) async fn answer_example(
        &self,
        example: Option<&Payload>,
    ) -> Result<(), ScoreFailure> {
        let Some(example) = example else {
            self.graph.answered_elsewhere();
            return Ok(());
        };
        let ports = self.signature.ports();
        let (inputs, _) = codec::read(ports, BodyFormat::Labelled, example, &[])?;
        self.signature.agree(&inputs)?;
        let deadline = Instant::now() + self.limits.init_deadline;
        self.run(None, inputs, deadline).await.map(drop)
    }

    /// Returns the contract with callers that the graph's inputs and outputs define.
    pub(super) fn signature(&self) -> &TensorSignature {
        &self.signature
    }

    /// Returns the contract of the graph with its callers, so that facts from the manifest can be
    /// added to it.
    pub(super) fn signature_mut(&mut self) -> &mut TensorSignature {
        &mut self.signature
    }

    /// Returns the name of each output that has class names, with the class names of its columns.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&str, &[String])> {
        let ports = self.graph.ports();
        let named = ports
            .outputs
            .iter()
            .zip(&ports.classes)
            .filter(|(_, classes)| !classes.is_empty());
        named.map(|(port, classes)| (port.name.as_str(), classes.as_slice()))
    }

    /// Creates sessions of the graph until `count` are idle, or as many as may run at a time, so
    /// that the first calls do not wait for a new session.
    ///
    /// # Errors
    /// Fails if a session cannot be created.
    pub(super) async fn prepare(&self, count: usize) -> Result<(), PrepareError> {
        running::prepare(&self.graph, count, &self.runtime).await
    }

    /// Waits for the permission to execute a call of `caller`, which is `None` if the caller's
    /// address is unknown. Then runs the graph on the inputs of the call. Returns the outputs and
    /// the time for which the graph ran.
    ///
    /// At the deadline the caller gets an error, but the permission to execute is held until the
    /// engine has stopped.
    ///
    /// # Errors
    /// Fails if the graph refuses the inputs, fails, or does not answer before the deadline.
    pub(super) async fn run(
        &self,
        caller: Option<IpAddr>,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<(Vec<Tensor>, Duration), ScoreFailure> {
        let Some(turn) = self.turns.permission(caller, deadline).await else {
            return Err(self.failure(GraphError::Stopped));
        };
        let ran = running::run(
            Arc::clone(&self.graph),
            inputs,
            turn,
            deadline,
            &self.runtime,
        )
        .await;
        ran.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: GraphError) -> ScoreFailure {
        match error {
            GraphError::Lost(_) => ScoreFailure::HostFault(error.to_string()),
            GraphError::Stopped => ScoreFailure::TimedOut {
                deadline: self.limits.deadline,
            },
            GraphError::TooLarge { .. } => ScoreFailure::OutOfMemory {
                limit_bytes: self.limits.memory_bytes,
            },
            GraphError::Failed(detail) => failed(detail),
            GraphError::NotLoaded(problem) => failed(problem.problem),
            GraphError::Refused { reason, detail } => ScoreFailure::Rejected(Problem {
                code: "graph-refused".to_owned(),
                message: format!("The graph refuses this input. {reason}"),
                detail: Some(detail),
            }),
        }
    }
}

/// Returns the fix for a graph whose ports callers cannot use because of `error`.
fn fix(error: &SignatureError) -> &'static str {
    match error {
        SignatureError::NoPort(Direction::Input) => {
            "export it with at least one input: a graph without inputs has one answer only, which \
             needs no model"
        }
        SignatureError::NoPort(Direction::Output) => {
            "export it with the outputs that callers need: in Python, model.graph.output lists them"
        }
        SignatureError::ManyDimensions { .. } => {
            "reshape the tensor in the graph, so that callers see at most 16 dimensions"
        }
        _ => "give each input and each output a name of its own when you export the model",
    }
}

/// Returns the failure for a graph that gave no answer because of an error. `detail` is the text of
/// the error, which does not say whether the input or the graph is at fault.
fn failed(detail: String) -> ScoreFailure {
    ScoreFailure::Failed(Problem {
        code: "graph-failed".to_owned(),
        message: "The graph gives no answer to this input. The log has the reason under this id."
            .to_owned(),
        detail: Some(detail),
    })
}

/// Runs a graph on the body of a request, and returns the body of the answer. The graph runs on
/// this thread and without a deadline, so this function is only for a process that checks the graph
/// and then exits. The body may hold each value that a manifest could allow, e.g. missing values.
///
/// # Errors
/// Fails if callers cannot use the ports of the graph, if the body does not fit its inputs, if the
/// graph fails, or if its outputs do not fit its output ports.
#[cfg(feature = "graphs")]
pub(crate) fn answer_of(graph: &Graph, payload: &Payload) -> Result<Vec<u8>, ScoreFailure> {
    use crate::codec::open_inference::ModelName;
    use crate::graph::Stop;

    let mut signature =
        TensorSignature::of_graph(graph.ports()).map_err(|error| failed(error.to_string()))?;
    signature.allow_all();
    let (inputs, reply) = codec::read(signature.ports(), BodyFormat::Labelled, payload, &[])?;
    signature.agree(&inputs)?;
    let outputs = graph
        .run(&inputs, &Stop::default())
        .map_err(|error| failed(error.to_string()))?;
    let model = ModelName {
        name: String::new(),
        version: String::new(),
    };
    let written = codec::write(&reply, &model, signature.in_order(outputs)?);
    Ok(written.payload.body.to_vec())
}
