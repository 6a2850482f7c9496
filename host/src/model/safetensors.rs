//! Reading of the header of a safetensors file.
//!
//! Owns the conversion from the types of the crate `safetensors` to the host's types. Must not know
//! how the bytes were mapped.

use safetensors::{Dtype as FileDtype, SafeTensorError, SafeTensors};

use super::dtype::Dtype;

/// Tensor of a model: its element type, its shape and the position of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name of the tensor, unique in the model.
    pub name: String,
    /// Type of the tensor's elements.
    pub dtype: Dtype,
    /// Dimensions of the tensor, whose elements are in row-major order. A scalar has an empty
    /// shape.
    pub shape: Vec<u64>,
    /// Index, in the model's list of files, of the file that holds the tensor.
    pub(super) file: usize,
    /// Range of the tensor's bytes in its file.
    pub(super) range: std::ops::Range<usize>,
}

/// Reason why the tensors of a safetensors file cannot be used. The text of a reason continues a
/// sentence that starts with the file.
#[derive(Debug, thiserror::Error)]
pub enum SafetensorsError {
    /// The header of the file is damaged, or does not describe the bytes after the header.
    #[error("is not a safetensors file: {0}")]
    Damaged(#[from] SafeTensorError),
    /// The elements of a tensor have a type that the host does not support.
    #[error("tensor `{tensor}` has elements of type {dtype:?}, which no scorer can read")]
    UnknownDtype {
        /// Name of the tensor.
        tensor: String,
        /// Type of the tensor's elements in the file.
        dtype: FileDtype,
    },
}

/// Lists the tensors of a safetensors file with the content `bytes`. `file` is the index of the
/// file in the model's list of files.
///
/// # Errors
/// Fails if the file is damaged, or if the host does not support the element type of a tensor.
pub(super) fn tensors(bytes: &[u8], file: usize) -> Result<Vec<TensorInfo>, SafetensorsError> {
    let (header_bytes, metadata) = SafeTensors::read_metadata(bytes)?;
    // `read_metadata` has checked that offsets are in order and within the file; the elements start
    // after an 8-byte length and the header.
    let start = header_bytes + 8;
    metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let dtype = dtype(info.dtype).ok_or_else(|| SafetensorsError::UnknownDtype {
                tensor: name.clone(),
                dtype: info.dtype,
            })?;
            let (from, to) = info.data_offsets;
            let shape = info
                .shape
                .iter()
                .map(|dimension| *dimension as u64)
                .collect();
            Ok(TensorInfo {
                name,
                dtype,
                shape,
                file,
                range: start + from..start + to,
            })
        })
        .collect()
}

fn dtype(dtype: FileDtype) -> Option<Dtype> {
    Some(match dtype {
        FileDtype::BOOL => Dtype::Bool,
        FileDtype::BF16 => Dtype::Bf16,
        FileDtype::F16 => Dtype::F16,
        FileDtype::F32 => Dtype::F32,
        FileDtype::F64 => Dtype::F64,
        FileDtype::I16 => Dtype::I16,
        FileDtype::I32 => Dtype::I32,
        FileDtype::I64 => Dtype::I64,
        FileDtype::I8 => Dtype::I8,
        FileDtype::U16 => Dtype::U16,
        FileDtype::U32 => Dtype::U32,
        FileDtype::U64 => Dtype::U64,
        FileDtype::U8 => Dtype::U8,
        _ => return None,
    })
}
