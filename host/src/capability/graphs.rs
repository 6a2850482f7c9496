//! The interface `graphs`: the ports of the model's graphs, and runs with elements of every type.
//!
//! Owns the steps of one run from a scorer's tensors to the graph's outputs, for `wasi:nn`, too.
//! Must not know how or where a graph computes; that is in `crate::graph`. An error of the engine
//! is also written to the log, because a scorer may ignore it.

use std::sync::Arc;

use wasmtime::Trap;

use super::bounds::{self, Size};
use super::inference;
use super::inference::NAME_BYTES;
use super::state::InstanceState;
use crate::capability::bindings::capabilities::scorebox::scoring::graphs::{
    self as wit, ElementType, Elements, Error, Host,
};
use crate::graph::{Graph, GraphError};
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, in_order, put_text, text_from};
use crate::text::cut;

/// Result of a host function. The outer error ends the scorer's call with a trap, and the inner
/// error is returned to the scorer.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Maximum size of an engine's error text that is returned to a scorer, in bytes.
const TEXT_BYTES: usize = 4 << 10;

impl InstanceState {
    /// Returns the model's graph with the given name. Returns `None` if the model does not have
    /// such a graph.
    pub(super) fn graph(&self, name: &str) -> Option<Arc<Graph>> {
        self.shared.graphs.as_ref()?.get(name)
    }

    /// Checks a scorer's tensors against a graph's input ports, runs the graph, and returns the
    /// outputs in the order of the output ports. The inner error, which is returned to the scorer,
    /// says that the tensors do not fit, or that the run failed. The scorer's call ends with a trap
    /// if the deadline passes during the run, or if the thread of the run ends without an answer.
    pub(super) async fn run_graph(
        &mut self,
        graph: Arc<Graph>,
        inputs: Vec<Tensor>,
    ) -> Answer<Vec<Tensor>> {
        let size = Size {
            items: inputs.len(),
            bytes: inputs.iter().map(|input| input.data.len()).sum(),
            key: 0,
        };
        if let Err(exceeded) = self
            .enter(
                const { bounds::of("scorebox:scoring/graphs#compute") },
                size,
            )
            .await?
        {
            return Ok(Err(Error::InvalidArgument(exceeded.to_string())));
        }
        let inputs = match in_order(&graph.ports().inputs, inputs) {
            Ok(inputs) => inputs,
            Err(misfit) => return Ok(Err(Error::InvalidArgument(misfit.to_string()))),
        };
        let ports = graph.ports();
        if let Err(unequal) = ports.sizes.check(&ports.inputs, &inputs) {
            return Ok(Err(Error::InvalidArgument(unequal.to_string())));
        }
        let shared = Arc::clone(&self.shared);
        let Some(graphs) = &shared.graphs else {
            return Ok(Err(Error::NotFound(String::new())));
        };
        match graphs.run(graph, inputs, self.deadline).await {
            Ok(outputs) => Ok(Ok(outputs)),
            Err(GraphError::Failed(words) | GraphError::Refused { detail: words, .. }) => {
                self.log.warn("graph", &words);
                Ok(Err(Error::Failed(cut(&words, TEXT_BYTES).into_owned())))
            }
            Err(GraphError::NotLoaded(problem)) => {
                self.log.warn("graph", &problem.problem);
                let words = cut(&problem.problem, TEXT_BYTES).into_owned();
                Ok(Err(Error::Failed(words)))
            }
            Err(GraphError::TooLarge { limit_bytes }) => Ok(Err(Error::TooLarge(limit_bytes))),
            Err(GraphError::Stopped) => Err(Trap::Interrupt.into()),
            Err(lost @ GraphError::Lost(_)) => Err(lost.into()),
        }
    }
}

impl Host for InstanceState {
    async fn list(&mut self) -> wasmtime::Result<Vec<wit::GraphInfo>> {
        let graphs = self.shared.graphs.iter().flat_map(|graphs| graphs.iter());
        Ok(graphs.map(|(name, graph)| described(name, graph)).collect())
    }

    async fn compute(
        &mut self,
        graph: String,
        inputs: Vec<wit::Tensor>,
    ) -> Answer<Vec<wit::Tensor>> {
        let Some(graph) = self.graph(&graph) else {
            return Ok(Err(Error::NotFound(cut(&graph, NAME_BYTES).into_owned())));
        };
        let inputs = inputs.into_iter().map(read).collect::<Result<_, _>>();
        let outputs = match inputs {
            Ok(inputs) => self.run_graph(graph, inputs).await?,
            Err(error) => Err(error),
        };
        match outputs {
            Ok(outputs) => outputs
                .into_iter()
                .map(written)
                .collect::<wasmtime::Result<_>>()
                .map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn described(name: &str, graph: &Graph) -> wit::GraphInfo {
    let ports = graph.ports();
    let port = |port: &Port, classes: &[String]| wit::Port {
        name: port.name.clone(),
        element: match port.dtype {
            Dtype::Text => ElementType::Text,
            dtype => ElementType::Plain(dtype.into()),
        },
        shape: port.shape.clone(),
        in_wasi_nn: inference::tensor_type(port.dtype).is_some(),
        classes: classes.to_vec(),
    };
    wit::GraphInfo {
        name: name.to_owned(),
        // The contract cannot say that an input is optional. A scorer that does not know of such an
        // input leaves it out.
        inputs: ports
            .inputs
            .iter()
            .filter(|input| !input.optional)
            .map(|input| port(input, &[]))
            .collect(),
        outputs: ports
            .outputs
            .iter()
            .zip(&ports.classes)
            .map(|(output, classes)| port(output, classes))
            .collect(),
    }
}

/// Converts a scorer's tensor to the host's type. Does not check whether the tensor fits a port.
/// Fails if a text of the tensor has a NUL character. The error is returned to the scorer.
fn read(tensor: wit::Tensor) -> Result<Tensor, Error> {
    let (dtype, data) = match tensor.elements {
        Elements::Plain((dtype, data)) => (dtype.into(), data),
        Elements::Texts(texts) => {
            let mut data = Vec::with_capacity(texts.iter().map(|text| text.len() + 4).sum());
            for text in &texts {
                if text.contains('\0') {
                    let name = cut(&tensor.name, NAME_BYTES);
                    return Err(Error::InvalidArgument(format!(
                        "`{name}` holds a text with a NUL, which no engine takes"
                    )));
                }
                put_text(text, &mut data);
            }
            (Dtype::Text, data)
        }
    };
    Ok(Tensor {
        name: tensor.name,
        dtype,
        shape: tensor.shape,
        data,
    })
}

fn written(tensor: Tensor) -> wasmtime::Result<wit::Tensor> {
    let elements = match tensor.dtype {
        Dtype::Text => {
            let (mut rest, mut texts) = (tensor.data.as_slice(), Vec::new());
            while !rest.is_empty() {
                let text = text_from(&mut rest);
                texts.push(
                    text.ok_or_else(|| {
                        wasmtime::Error::msg("a graph returned texts that are damaged")
                    })?
                    .to_owned(),
                );
            }
            Elements::Texts(texts)
        }
        dtype => Elements::Plain((dtype.into(), tensor.data)),
    };
    Ok(wit::Tensor {
        name: tensor.name,
        shape: tensor.shape,
        elements,
    })
}
