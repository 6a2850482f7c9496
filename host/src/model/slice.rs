//! Parts of a tensor or a file, as bytes or converted to `f32`.
//!
//! Owns range checks, the size limit and the conversion. Must not know where the bytes come from.

use half::{bf16, f16};

use super::{Dtype, Model, TensorInfo};

/// Maximum size of the part of a tensor or a file that a scorer may read in one call of a host
/// function, in bytes.
///
/// An instance has 256 MiB of memory by default, which is room for only a few parts of this size. A
/// scorer should copy far less per call.
pub const READ_LIMIT_BYTES: u64 = 64 << 20;

/// Reason why a part of a tensor or a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceError {
    /// The part to be read is not within the tensor or file.
    OutOfRange,
    /// The part to be read is larger than [`READ_LIMIT_BYTES`].
    TooLarge,
    /// The elements of the tensor have this type, which cannot be converted to `f32`.
    WrongType(Dtype),
}

impl Model {
    /// Returns the bytes of `count` elements of a tensor, starting with the element at the flat
    /// index `start`.
    ///
    /// # Errors
    /// Fails if the elements are not within the tensor, or are larger than [`READ_LIMIT_BYTES`].
    pub fn slice(&self, tensor: &TensorInfo, start: u64, count: u64) -> Result<&[u8], SliceError> {
        let width = tensor.dtype.bytes() as u64;
        let from = start.checked_mul(width).ok_or(SliceError::OutOfRange)?;
        let length = count.checked_mul(width).ok_or(SliceError::OutOfRange)?;
        part(self.tensor_bytes(tensor), from, length)
    }

    /// Returns `count` elements of a tensor, starting with the element at the flat index `start`,
    /// converted to `f32`.
    ///
    /// # Errors
    /// Fails if the elements are not floating-point numbers, are not within the tensor, or are
    /// larger than [`READ_LIMIT_BYTES`] before or after the conversion.
    pub fn floats(
        &self,
        tensor: &TensorInfo,
        start: u64,
        count: u64,
    ) -> Result<Vec<f32>, SliceError> {
        check_float(tensor.dtype)?;
        check_size(count)?;
        let bytes = self.slice(tensor, start, count)?;
        let mut floats = Vec::with_capacity(bytes.len() / tensor.dtype.bytes());
        append(tensor.dtype, bytes, &mut floats);
        Ok(floats)
    }

    /// Returns the rows of a tensor with the given indices along axis 0, concatenated and converted
    /// to `f32`.
    ///
    /// # Errors
    /// Fails if the elements are not floating-point numbers, if an index is not within the tensor,
    /// or if the converted rows together, or one row before the conversion, are larger than
    /// [`READ_LIMIT_BYTES`]. A scalar does not have rows.
    pub fn rows(&self, tensor: &TensorInfo, indices: &[u64]) -> Result<Vec<f32>, SliceError> {
        check_float(tensor.dtype)?;
        let (rows, row) = match tensor.shape.split_first() {
            // The file was checked: the product is the tensor's size, so it does not overflow.
            Some((rows, inner)) => (*rows, inner.iter().product::<u64>()),
            None => (0, 0),
        };
        if indices.iter().any(|index| *index >= rows) {
            return Err(SliceError::OutOfRange);
        }
        let count = row
            .checked_mul(indices.len() as u64)
            .ok_or(SliceError::TooLarge)?;
        check_size(count)?;
        let mut floats =
            Vec::with_capacity(usize::try_from(count).map_err(|_| SliceError::TooLarge)?);
        for index in indices {
            append(
                tensor.dtype,
                self.slice(tensor, index * row, row)?,
                &mut floats,
            );
        }
        Ok(floats)
    }
}

/// Returns `count` bytes of a file, starting with the byte at the index `start`, or fewer if the
/// file ends earlier. `bytes` is the content of the file.
///
/// # Errors
/// Fails if `start` is past the end of the file, or if the part is larger than
/// [`READ_LIMIT_BYTES`].
pub fn file_part(bytes: &[u8], start: u64, count: u64) -> Result<&[u8], SliceError> {
    let left = (bytes.len() as u64)
        .checked_sub(start)
        .ok_or(SliceError::OutOfRange)?;
    part(bytes, start, count.min(left))
}

fn part(bytes: &[u8], from: u64, length: u64) -> Result<&[u8], SliceError> {
    let to = from.checked_add(length).ok_or(SliceError::OutOfRange)?;
    let index = |value| usize::try_from(value).map_err(|_| SliceError::OutOfRange);
    let slice = bytes
        .get(index(from)?..index(to)?)
        .ok_or(SliceError::OutOfRange)?;
    if length > READ_LIMIT_BYTES {
        return Err(SliceError::TooLarge);
    }
    Ok(slice)
}

fn check_float(dtype: Dtype) -> Result<(), SliceError> {
    match dtype {
        Dtype::Bf16 | Dtype::F16 | Dtype::F32 | Dtype::F64 => Ok(()),
        other => Err(SliceError::WrongType(other)),
    }
}

/// Checks that `floats` values of the type `f32` are together not larger than [`READ_LIMIT_BYTES`].
///
/// The limit also applies to the values after their conversion. Values of half precision take twice
/// as many bytes after their conversion to `f32`.
fn check_size(floats: u64) -> Result<(), SliceError> {
    match floats.checked_mul(4) {
        Some(bytes) if bytes <= READ_LIMIT_BYTES => Ok(()),
        _ => Err(SliceError::TooLarge),
    }
}

fn append(dtype: Dtype, bytes: &[u8], floats: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => floats.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| f32::from_le_bytes(*chunk)),
        ),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding to single precision is what was asked for"
        )]
        Dtype::F64 => floats.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| f64::from_le_bytes(*chunk) as f32),
        ),
        Dtype::F16 => floats.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| f16::from_le_bytes(*chunk).to_f32()),
        ),
        Dtype::Bf16 => floats.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| bf16::from_le_bytes(*chunk).to_f32()),
        ),
        // `check_float` has refused all other types.
        _ => {}
    }
}

#[cfg(test)]
mod tests;
