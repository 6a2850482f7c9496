//! The interface `model`: a scorer's access to tensors and files.
//!
//! Must not know how tensors and files are mapped or sliced; that is in `crate::model`.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::bindings::TensorHandle;
use super::state::InstanceState;
use crate::capability::bindings::capabilities::scorebox::scoring::model::{
    self as wit, Error, Host, HostTensor, ModelInfo,
};
use crate::model::{Dtype, Model, READ_LIMIT_BYTES, SliceError, TensorInfo, file_part};
use crate::offload;
use crate::text::cut;

impl From<Dtype> for wit::Dtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::Bool => Self::Bool,
            Dtype::Bf16 => Self::Bf16,
            Dtype::F16 => Self::F16,
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
            Dtype::I16 => Self::I16,
            Dtype::I32 => Self::I32,
            Dtype::I64 => Self::I64,
            Dtype::I8 => Self::I8,
            // The contract has no type for texts, so no port of a component and no weight is of
            // this type. The bytes of a text are `u8`.
            Dtype::Text => Self::U8,
            Dtype::U16 => Self::U16,
            Dtype::U32 => Self::U32,
            Dtype::U64 => Self::U64,
            Dtype::U8 => Self::U8,
        }
    }
}

impl From<wit::Dtype> for Dtype {
    fn from(dtype: wit::Dtype) -> Self {
        match dtype {
            wit::Dtype::Bool => Self::Bool,
            wit::Dtype::Bf16 => Self::Bf16,
            wit::Dtype::F16 => Self::F16,
            wit::Dtype::F32 => Self::F32,
            wit::Dtype::F64 => Self::F64,
            wit::Dtype::I16 => Self::I16,
            wit::Dtype::I32 => Self::I32,
            wit::Dtype::I64 => Self::I64,
            wit::Dtype::I8 => Self::I8,
            wit::Dtype::U16 => Self::U16,
            wit::Dtype::U32 => Self::U32,
            wit::Dtype::U64 => Self::U64,
            wit::Dtype::U8 => Self::U8,
        }
    }
}

impl From<SliceError> for Error {
    fn from(error: SliceError) -> Self {
        match error {
            SliceError::OutOfRange => Self::OutOfRange,
            SliceError::TooLarge => Self::TooLarge(READ_LIMIT_BYTES),
            SliceError::WrongType(dtype) => Self::WrongType(dtype.into()),
        }
    }
}

/// Maximum length of a name from a scorer that is repeated in an error, in bytes.
const NAME_BYTES: usize = 1024;

/// Number of elements above which a host function converts the elements of a tensor on a scoring
/// thread.
const LONG_ELEMENTS: u64 = (offload::LONG_BYTES / 4) as u64;

fn not_found(name: &str) -> Error {
    Error::NotFound(cut(name, NAME_BYTES).into_owned())
}

/// Copies bytes of the model for the scorer. If `bytes` is an error, converts it to the error that
/// the scorer gets. More than 64 KiB are copied on a scoring thread.
async fn copied(bytes: Result<&[u8], SliceError>) -> wasmtime::Result<Result<Vec<u8>, Error>> {
    if bytes
        .as_ref()
        .is_ok_and(|bytes| bytes.len() > offload::LONG_BYTES)
    {
        offload::offload().await;
    }
    Ok(bytes.map(<[u8]>::to_vec).map_err(Error::from))
}

fn describe(tensor: &TensorInfo) -> wit::TensorInfo {
    wit::TensorInfo {
        name: tensor.name.clone(),
        dtype: tensor.dtype.into(),
        shape: tensor.shape.clone(),
    }
}

impl InstanceState {
    fn model(&self) -> Arc<Model> {
        Arc::clone(&self.shared.model)
    }
}

impl Host for InstanceState {
    async fn info(&mut self) -> wasmtime::Result<ModelInfo> {
        Ok(ModelInfo {
            name: self.shared.scorer.as_ref().to_owned(),
            version: self.shared.model_version.clone(),
            digest: self.shared.model.digest().to_owned(),
            labels: self.shared.model_labels.clone().into_iter().collect(),
        })
    }

    async fn tensors(&mut self) -> wasmtime::Result<Vec<wit::TensorInfo>> {
        Ok(self.shared.model.tensors().map(describe).collect())
    }

    async fn files(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.shared.model.files().map(str::to_owned).collect())
    }

    async fn read_file(
        &mut self,
        name: String,
        start: u64,
        count: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let model = self.model();
        let Some(bytes) = model.file(&name) else {
            return Ok(Err(not_found(&name)));
        };
        copied(file_part(bytes, start, count)).await
    }
}

impl HostTensor for InstanceState {
    async fn open(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<TensorHandle>, Error>> {
        Ok(match self.shared.model.tensor(&name).cloned() {
            Some(tensor) => Ok(self.table.push(TensorHandle(tensor))?),
            None => Err(not_found(&name)),
        })
    }

    async fn info(&mut self, handle: Resource<TensorHandle>) -> wasmtime::Result<wit::TensorInfo> {
        Ok(describe(&self.table.get(&handle)?.0))
    }

    async fn bytes(
        &mut self,
        handle: Resource<TensorHandle>,
        start: u64,
        count: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let model = self.model();
        copied(model.slice(&self.table.get(&handle)?.0, start, count)).await
    }

    async fn floats(
        &mut self,
        handle: Resource<TensorHandle>,
        start: u64,
        count: u64,
    ) -> wasmtime::Result<Result<Vec<f32>, Error>> {
        if count > LONG_ELEMENTS {
            offload::offload().await;
        }
        let tensor = &self.table.get(&handle)?.0;
        Ok(self
            .model()
            .floats(tensor, start, count)
            .map_err(Error::from))
    }

    async fn rows(
        &mut self,
        handle: Resource<TensorHandle>,
        indices: Vec<u64>,
    ) -> wasmtime::Result<Result<Vec<f32>, Error>> {
        let tensor = &self.table.get(&handle)?.0;
        let row = tensor
            .shape
            .get(1..)
            .unwrap_or_default()
            .iter()
            .fold(1u64, |row, size| row.saturating_mul(*size));
        if row.saturating_mul(indices.len() as u64) > LONG_ELEMENTS
            || indices.len() as u64 > LONG_ELEMENTS
        {
            offload::offload().await;
        }
        let tensor = &self.table.get(&handle)?.0;
        Ok(self.model().rows(tensor, &indices).map_err(Error::from))
    }

    async fn drop(&mut self, handle: Resource<TensorHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}
