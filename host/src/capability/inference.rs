//! The interface `wasi:nn`: access to the model's graphs through the functions of this proposed
//! standard.
//!
//! Owns the types of `wasi:nn`, and which parts of a graph they can carry. Must not know how a
//! graph computes. Graphs come only from the model, by name: if a scorer could bring its own bytes,
//! native code would have to parse them.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::bindings::{ContextHandle, ErrorHandle, GraphHandle};
use super::bounds::{self, Size};
use super::state::InstanceState;
use crate::capability::bindings::capabilities::scorebox::scoring::graphs::Error as NoAnswer;
use crate::capability::bindings::capabilities::wasi::nn::errors::{self, ErrorCode};
use crate::capability::bindings::capabilities::wasi::nn::graph::{
    self, ExecutionTarget, GraphEncoding,
};
use crate::capability::bindings::capabilities::wasi::nn::inference;
use crate::capability::bindings::capabilities::wasi::nn::tensor::{self, TensorType};
use crate::graph::Graphs;
use crate::model::Dtype;
use crate::tensor::Tensor;
use crate::text::cut;

/// Maximum length of a name from a scorer that is repeated in the text of an error, in bytes.
pub(super) const NAME_BYTES: usize = 64;

/// Maximum size of the text of a `wasi:nn` error, in bytes. The size is limited because a scorer
/// may hold thousands of errors.
const ERROR_BYTES: usize = 1024;

/// Result of a host function of `wasi:nn`. The outer error ends the scorer's call with a trap, and
/// the inner error is returned to the scorer.
type Answer<T> = wasmtime::Result<Result<T, Resource<ErrorHandle>>>;

/// Returns the tensor type of `wasi:nn` for an element type of the host. Returns `None` if
/// `wasi:nn` does not have this type.
pub(super) fn tensor_type(dtype: Dtype) -> Option<TensorType> {
    Some(match dtype {
        Dtype::Bf16 => TensorType::Bf16,
        Dtype::F16 => TensorType::Fp16,
        Dtype::F32 => TensorType::Fp32,
        Dtype::F64 => TensorType::Fp64,
        Dtype::I32 => TensorType::I32,
        Dtype::I64 => TensorType::I64,
        Dtype::U8 => TensorType::U8,
        Dtype::Bool
        | Dtype::I16
        | Dtype::I8
        | Dtype::Text
        | Dtype::U16
        | Dtype::U32
        | Dtype::U64 => return None,
    })
}

fn dtype(ty: TensorType) -> Dtype {
    match ty {
        TensorType::Bf16 => Dtype::Bf16,
        TensorType::Fp16 => Dtype::F16,
        TensorType::Fp32 => Dtype::F32,
        TensorType::Fp64 => Dtype::F64,
        TensorType::I32 => Dtype::I32,
        TensorType::I64 => Dtype::I64,
        TensorType::U8 => Dtype::U8,
    }
}

/// Logs, at the level `debug`, each output of a graph that `wasi:nn` cannot return because it does
/// not have the element type.
pub(crate) fn note_left_out(graphs: &Graphs) {
    for (graph, found) in graphs.iter() {
        for output in found
            .ports()
            .outputs
            .iter()
            .filter(|output| tensor_type(output.dtype).is_none())
        {
            let (output, dtype) = (&output.name, output.dtype.name());
            crate::text::debug!(
                graph,
                output,
                dtype,
                "an output is left out, because wasi:nn has no type for it"
            );
        }
    }
}

fn size(dimensions: &[u32], data: &[u8]) -> Size {
    Size {
        items: dimensions.len(),
        bytes: data.len(),
        key: 0,
    }
}

/// Returns the size of the host's memory that a tensor takes, in bytes.
fn bytes(tensor: &Tensor) -> u64 {
    (tensor.data.len() + size_of_val(tensor.shape.as_slice())) as u64
}

impl InstanceState {
    fn refuse<T>(&mut self, code: ErrorCode, data: impl Into<String>) -> Answer<T> {
        let data = cut(&data.into(), ERROR_BYTES).into_owned();
        Ok(Err(self.table.push(ErrorHandle { code, data })?))
    }

    /// Keeps tensors for the scorer in the host's memory, and returns their handles. Returns `None`
    /// if the open tensors of the scorer would then take more than `limits.memory`. Fails if the
    /// instance has too many open handles.
    fn keep(&mut self, tensors: Vec<Tensor>) -> wasmtime::Result<Option<Vec<Resource<Tensor>>>> {
        let held = tensors
            .iter()
            .map(bytes)
            .fold(self.tensor_bytes, u64::saturating_add);
        if held > self.memory_limit_bytes() {
            return Ok(None);
        }
        self.tensor_bytes = held;
        let kept = tensors
            .into_iter()
            .map(|tensor| Ok(self.table.push(tensor)?));
        kept.collect::<wasmtime::Result<_>>().map(Some)
    }

    fn give_back(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Tensor> {
        let tensor = self.table.delete(tensor)?;
        self.tensor_bytes = self.tensor_bytes.saturating_sub(bytes(&tensor));
        Ok(tensor)
    }
}

impl tensor::Host for InstanceState {}

impl tensor::HostTensor for InstanceState {
    /// Creates a tensor for the scorer. The host checks that the type, dimensions and data agree
    /// only when the tensor is used, because this function of `wasi:nn` cannot return an error. The
    /// scorer's call ends with a trap if the tensor exceeds the limits in `BOUNDS`, or if the open
    /// tensors would take more than `limits.memory`.
    async fn new(
        &mut self,
        dimensions: Vec<u32>,
        ty: TensorType,
        data: Vec<u8>,
    ) -> wasmtime::Result<Resource<Tensor>> {
        self.enter(
            const { bounds::of("wasi:nn/tensor#[constructor]tensor") },
            size(&dimensions, &data),
        )
        .await??;
        let shape = dimensions.into_iter().map(u64::from).collect();
        let tensor = Tensor {
            name: String::new(),
            dtype: dtype(ty),
            shape,
            data,
        };
        if let Some(kept) = self.keep(vec![tensor])?.and_then(|mut kept| kept.pop()) {
            return Ok(kept);
        }
        self.memory.refuse_own();
        Err(wasmtime::Error::msg(
            "open tensors of wasi:nn hold more than limits.memory; drop some",
        ))
    }

    async fn dimensions(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u32>> {
        let shape = &self.table.get(&tensor)?.shape;
        Ok(shape
            .iter()
            .map(|dimension| u32::try_from(*dimension).unwrap_or(u32::MAX))
            .collect())
    }

    async fn ty(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<TensorType> {
        let dtype = self.table.get(&tensor)?.dtype;
        tensor_type(dtype)
            .ok_or_else(|| wasmtime::Error::msg("the tensor has a type that wasi:nn does not have"))
    }

    async fn data(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u8>> {
        let bytes = self.table.get(&tensor)?.data.len();
        // The size is never refused, because open tensors hold no more than limits.memory.
        let _ = self
            .enter(
                const { bounds::of("wasi:nn/tensor#[method]tensor.data") },
                Size::of_bytes(bytes),
            )
            .await?;
        Ok(self.table.get(&tensor)?.data.clone())
    }

    async fn drop(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<()> {
        self.give_back(tensor).map(drop)
    }
}

impl errors::Host for InstanceState {}

impl errors::HostError for InstanceState {
    async fn code(&mut self, error: Resource<ErrorHandle>) -> wasmtime::Result<ErrorCode> {
        Ok(self.table.get(&error)?.code)
    }

    async fn data(&mut self, error: Resource<ErrorHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.data.clone())
    }

    async fn drop(&mut self, error: Resource<ErrorHandle>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}

impl graph::Host for InstanceState {
    async fn load(
        &mut self,
        _builders: Vec<Vec<u8>>,
        _encoding: GraphEncoding,
        _target: ExecutionTarget,
    ) -> Answer<Resource<GraphHandle>> {
        let text =
            "graphs come from the model alone: put the file into its folder, and call load-by-name";
        self.refuse(ErrorCode::UnsupportedOperation, text)
    }

    async fn load_by_name(&mut self, name: String) -> Answer<Resource<GraphHandle>> {
        match self.graph(&name) {
            Some(graph) => Ok(Ok(self.table.push(GraphHandle(graph))?)),
            None => {
                let name = cut(&name, NAME_BYTES);
                let text = format!(
                    "the model has no graph `{name}`; `list` of scorebox:scoring/graphs has the names"
                );
                self.refuse(ErrorCode::NotFound, text)
            }
        }
    }
}

impl graph::HostGraph for InstanceState {
    async fn init_execution_context(
        &mut self,
        graph: Resource<GraphHandle>,
    ) -> Answer<Resource<ContextHandle>> {
        let graph = Arc::clone(&self.table.get(&graph)?.0);
        Ok(Ok(self.table.push(ContextHandle(graph))?))
    }

    async fn drop(&mut self, graph: Resource<GraphHandle>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        Ok(())
    }
}

impl inference::Host for InstanceState {}

impl inference::HostGraphExecutionContext for InstanceState {
    async fn compute(
        &mut self,
        context: Resource<ContextHandle>,
        inputs: Vec<(String, Resource<Tensor>)>,
    ) -> Answer<Vec<(String, Resource<Tensor>)>> {
        let graph = Arc::clone(&self.table.get(&context)?.0);
        let mut given = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            given.push(Tensor {
                name,
                ..self.give_back(tensor)?
            });
        }
        let lacking = graph
            .ports()
            .inputs
            .iter()
            .find(|input| !input.optional && tensor_type(input.dtype).is_none());
        if let Some(input) = lacking {
            let (name, dtype) = (&input.name, input.dtype.name());
            return self.refuse(
                ErrorCode::UnsupportedOperation,
                format!("input `{name}` is {dtype}, a type {INSTEAD}"),
            );
        }
        for tensor in &mut given {
            let takes_scalar = |name: &str| {
                graph
                    .ports()
                    .inputs
                    .iter()
                    .any(|port| port.name == name && port.shape.is_empty())
            };
            if tensor.shape == SCALAR && takes_scalar(&tensor.name) {
                tensor.shape.clear();
            }
        }
        let mut outputs = match self.run_graph(graph, given).await? {
            Ok(outputs) => outputs,
            Err(NoAnswer::InvalidArgument(misfit)) => {
                return self.refuse(ErrorCode::InvalidArgument, misfit);
            }
            Err(NoAnswer::TooLarge(limit)) => return self.too_large(limit),
            Err(NoAnswer::Failed(words)) => return self.refuse(ErrorCode::RuntimeError, words),
            Err(NoAnswer::NotFound(name)) => return self.refuse(ErrorCode::NotFound, name),
        };
        outputs.retain(|output| tensor_type(output.dtype).is_some());
        if outputs.is_empty() {
            return self.refuse(
                ErrorCode::UnsupportedOperation,
                format!("its outputs are of types {INSTEAD}"),
            );
        }
        let mut names = Vec::with_capacity(outputs.len());
        for output in &mut outputs {
            names.push(std::mem::take(&mut output.name));
            if output.shape.is_empty() {
                output.shape.extend(SCALAR);
            }
        }
        match self.keep(outputs)? {
            Some(kept) => Ok(Ok(names.into_iter().zip(kept).collect())),
            None => self.too_large(self.memory_limit_bytes()),
        }
    }

    async fn drop(&mut self, context: Resource<ContextHandle>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

/// Dimensions that a single value has in `wasi:nn`.
const SCALAR: [u64; 1] = [1];

/// End of an error text about an element type that `wasi:nn` does not have. The text advises the
/// author of the scorer.
const INSTEAD: &str = "that wasi:nn does not have: call `compute` of scorebox:scoring/graphs";

impl InstanceState {
    fn too_large<T>(&mut self, limit_bytes: u64) -> Answer<T> {
        let text = format!(
            "the outputs, and what open tensors hold, are more than limits.memory, {limit_bytes} bytes"
        );
        self.refuse(ErrorCode::TooLarge, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_the_same_both_ways() {
        let carried: Vec<_> = Dtype::ALL
            .into_iter()
            .filter_map(|have| Some((have, tensor_type(have)?)))
            .collect();
        assert_eq!(carried.len(), 7);
        assert!(carried.into_iter().all(|(have, ty)| dtype(ty) == have));
    }
}
