//! Mock of the interface `model`, answered by the mock host that the test installed.
//!
//! Owns the checks and limits of the interface, which are those of the real host. Must not know
//! files on the disk.

use std::sync::Arc;

use crate::Dtype;
use crate::testing::host::Host;
use crate::testing::model_folder::{Stored, width};
use crate::testing::state::Capability;

pub use crate::bindings::capabilities::scorebox::scoring::model::{Error, ModelInfo, TensorInfo};

/// Maximum number of bytes that one read of a tensor or a file returns, as in the real host.
const READ_BYTES: u64 = 64 << 20;

/// Maximum number of rows of a tensor that one read returns, as in the real host.
const READ_ROWS: usize = 1 << 20;

/// Size of [`READ_ROWS`] indices, in bytes. The error of a read of more rows holds this number, as
/// in the real host.
const INDICES_BYTES: u64 = (READ_ROWS * size_of::<u64>()) as u64;

pub(crate) fn info() -> ModelInfo {
    Host::current_for(Capability::Model).state().info.clone()
}

pub(crate) fn tensors() -> Vec<TensorInfo> {
    let host = Host::current_for(Capability::Model);
    let state = host.state();
    let tensors = state.tensors.iter();
    tensors
        .map(|(name, tensor)| described(name, tensor))
        .collect()
}

pub(crate) fn files() -> Vec<String> {
    Host::current_for(Capability::Model)
        .state()
        .files
        .keys()
        .cloned()
        .collect()
}

pub(crate) fn read_file(name: &str, start: u64, count: u64) -> Result<Vec<u8>, Error> {
    let file = Host::current_for(Capability::Model)
        .state()
        .files
        .get(name)
        .map(Arc::clone);
    let file = file.ok_or_else(|| Error::NotFound(name.to_owned()))?;
    let length = file.len() as u64;
    let count = count.min(length.checked_sub(start).ok_or(Error::OutOfRange)?);
    if count > READ_BYTES {
        return Err(Error::TooLarge(READ_BYTES));
    }
    part(&file, start, count).map(<[u8]>::to_vec)
}

/// A tensor in the model of the mock host that the test installed.
#[derive(Debug)]
pub(crate) struct Tensor {
    name: String,
    stored: Arc<Stored>,
}

impl Tensor {
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let stored = Host::current_for(Capability::Model)
            .state()
            .tensors
            .get(name)
            .map(Arc::clone);
        let stored = stored.ok_or_else(|| Error::NotFound(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            stored,
        })
    }

    pub(crate) fn info(&self) -> TensorInfo {
        described(&self.name, &self.stored)
    }

    pub(crate) fn bytes(&self, start: u64, count: u64) -> Result<Vec<u8>, Error> {
        self.elements(start, count).map(<[u8]>::to_vec)
    }

    pub(crate) fn floats(&self, start: u64, count: u64) -> Result<Vec<f32>, Error> {
        let read = reader(self.stored.dtype).ok_or(Error::WrongType(self.stored.dtype))?;
        if count.saturating_mul(4) > READ_BYTES {
            return Err(Error::TooLarge(READ_BYTES));
        }
        Ok(read(self.elements(start, count)?))
    }

    pub(crate) fn rows(&self, indices: &[u64]) -> Result<Vec<f32>, Error> {
        if indices.len() > READ_ROWS {
            return Err(Error::TooLarge(INDICES_BYTES));
        }
        let read = reader(self.stored.dtype).ok_or(Error::WrongType(self.stored.dtype))?;
        let (rows, width) = match self.stored.shape.split_first() {
            Some((rows, rest)) => (*rows, rest.iter().product::<u64>()),
            None => (0, 0),
        };
        if indices.iter().any(|index| *index >= rows) {
            return Err(Error::OutOfRange);
        }
        let bytes = width.saturating_mul(4).saturating_mul(indices.len() as u64);
        if bytes > READ_BYTES {
            return Err(Error::TooLarge(READ_BYTES));
        }
        let mut values = Vec::new();
        for index in indices {
            values.extend(read(self.elements(index * width, width)?));
        }
        Ok(values)
    }

    fn elements(&self, start: u64, count: u64) -> Result<&[u8], Error> {
        let width = width(self.stored.dtype);
        let scaled = |elements: u64| elements.checked_mul(width).ok_or(Error::OutOfRange);
        let (start, count) = (scaled(start)?, scaled(count)?);
        let bytes = part(&self.stored.bytes, start, count)?;
        if count > READ_BYTES {
            return Err(Error::TooLarge(READ_BYTES));
        }
        Ok(bytes)
    }
}

fn described(name: &str, tensor: &Stored) -> TensorInfo {
    TensorInfo {
        name: name.to_owned(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
    }
}

fn part(bytes: &[u8], start: u64, count: u64) -> Result<&[u8], Error> {
    let end = start.checked_add(count).ok_or(Error::OutOfRange)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    range
        .and_then(|(start, end)| bytes.get(start..end))
        .ok_or(Error::OutOfRange)
}

/// Function that reads the elements of a tensor as `f32`.
type Reader = fn(&[u8]) -> Vec<f32>;

/// Returns the function that reads elements of a floating-point type as `f32`. Returns `None` for
/// any other type.
fn reader(dtype: Dtype) -> Option<Reader> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the host rounds to the nearest `f32`, too"
    )]
    fn double(bytes: [u8; 8]) -> f32 {
        f64::from_le_bytes(bytes) as f32
    }
    fn brain(bytes: [u8; 2]) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
    }
    fn all<const WIDTH: usize>(bytes: &[u8], read: fn([u8; WIDTH]) -> f32) -> Vec<f32> {
        bytes
            .as_chunks::<WIDTH>()
            .0
            .iter()
            .map(|bytes| read(*bytes))
            .collect()
    }
    Some(match dtype {
        Dtype::F16 => |bytes| all(bytes, half),
        Dtype::Bf16 => |bytes| all(bytes, brain),
        Dtype::F32 => |bytes| all(bytes, f32::from_le_bytes),
        Dtype::F64 => |bytes| all(bytes, double),
        _ => return None,
    })
}

/// Converts the little-endian bytes of a number in IEEE 754 half precision to `f32`, which can
/// represent every such number.
fn half(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10) & 0x1f, bits & 0x3ff);
    let magnitude = match (exponent, fraction) {
        (0, _) => f32::from(fraction) * 2_f32.powi(-24),
        (0x1f, 0) => f32::INFINITY,
        (0x1f, _) => f32::NAN,
        _ => f32::from(fraction | 0x400) * 2_f32.powi(i32::from(exponent) - 25),
    };
    sign * magnitude
}
