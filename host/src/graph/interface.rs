//! The interface of an engine for graphs.
//!
//! Owns what a graph is to the rest of the host: ports, a run that can be stopped, and the errors
//! of a run. Must not know any engine.

use super::stop::Stop;
use crate::tensor::{EqualSizes, Port, Tensor};
use crate::text::Problem;

/// Input and output ports of a graph, and additional facts about its inputs and outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// Input ports, in the order of the ONNX file. Optional ports are the last ones.
    pub inputs: Vec<Port>,
    /// Groups of input dimensions that have one name in the ONNX file, and whose sizes must
    /// therefore be equal in a call.
    pub sizes: EqualSizes,
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

    /// Runs the graph. `inputs` must fit the input ports, in their order, and may lack those of
    /// optional ports. `stop` can stop the run from another thread.
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
    /// The engine cannot load the graph's file, or callers cannot use its inputs or outputs.
    #[error("cannot be loaded: {}", .0.problem)]
    NotLoaded(Problem),
    /// The engine refused to run the graph on these inputs, and a run on other inputs may succeed.
    ///
    /// [`Graph::run`](super::Graph::run) returns this error only for a graph that has answered
    /// before.
    #[error("{detail}")]
    Refused {
        /// Reason for the caller, without places in the engine's code, paths and addresses.
        reason: String,
        /// Message of the engine, for the log.
        detail: String,
    },
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
