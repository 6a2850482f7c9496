//! The model that ships with the component: its tensors and its files.
//!
//! Owns the reading of tensors and files in pieces that the host's limit allows. Must not know what
//! a tensor is used for. The host holds the tensors once for all instances. In `init`, copy the
//! elements that the scorer needs into the instance.

use std::ops::Range;

use crate::imports::model as wit;
use crate::{Dtype, Element};

pub use wit::{Error, ModelInfo, TensorInfo};

/// Size of one piece, in bytes, when a whole file or a range of elements is read in pieces: a
/// quarter of the 64 MiB that the host allows for one read.
///
/// The copy that a read makes stays small compared with an instance's memory, and four million
/// `f32` weights need only one read.
const READ_BYTES: u64 = 16 << 20;

/// Returns the name, version, digest and labels of the model.
///
/// ```
/// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
/// # let _host = Host::new()
/// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
/// #     .tensor("classes", [2], &[3_i64, 7])
/// #     .file("labels.txt", "no\nyes")
/// #     .install();
/// let model = model::info();
/// model::info().labels.iter().for_each(|(name, text)| println!("{name}: {text}"));
/// # assert!(model.digest.starts_with("sha256:"));
/// ```
#[must_use]
pub fn info() -> ModelInfo {
    wit::info()
}

/// Returns a description of each tensor in the model's safetensors files, sorted by name in byte
/// order.
///
/// ```
/// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
/// # let _host = Host::new()
/// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
/// #     .tensor("classes", [2], &[3_i64, 7])
/// #     .file("labels.txt", "no\nyes")
/// #     .install();
/// let names: Vec<_> = model::tensors().into_iter().map(|tensor| tensor.name).collect();
/// assert_eq!(names, ["classes", "coef"]);
/// ```
#[must_use]
pub fn tensors() -> Vec<TensorInfo> {
    wit::tensors()
}

/// Returns the name of each file of the model, in byte order. A name is a path relative to the
/// folder of the model, with `/` between its parts.
///
/// ```
/// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
/// # let _host = Host::new()
/// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
/// #     .tensor("classes", [2], &[3_i64, 7])
/// #     .file("labels.txt", "no\nyes")
/// #     .install();
/// assert_eq!(model::files(), ["labels.txt"]);
/// ```
#[must_use]
pub fn files() -> Vec<String> {
    wit::files()
}

/// Reads the whole file `name` of the model.
///
/// ```
/// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
/// # let _host = Host::new()
/// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
/// #     .tensor("classes", [2], &[3_i64, 7])
/// #     .file("labels.txt", "no\nyes")
/// #     .install();
/// let labels = String::from_utf8(model::read_file("labels.txt").unwrap()).unwrap();
/// assert_eq!(labels.lines().count(), 2);
/// ```
///
/// # Errors
/// Fails if the model has no file of this name.
pub fn read_file(name: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    loop {
        let piece = read_file_part(name, bytes.len() as u64, READ_BYTES)?;
        let is_last = (piece.len() as u64) < READ_BYTES;
        bytes.extend(piece);
        if is_last {
            return Ok(bytes);
        }
    }
}

/// Reads at most `count` bytes of the file `name` of the model, from the byte offset `start`.
/// Returns fewer bytes only at the end of the file.
///
/// ```
/// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
/// # let _host = Host::new()
/// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
/// #     .tensor("classes", [2], &[3_i64, 7])
/// #     .file("labels.txt", "no\nyes")
/// #     .install();
/// assert_eq!(model::read_file_part("labels.txt", 3, 100).unwrap(), b"yes");
/// ```
///
/// # Errors
/// Fails if the model has no file of this name, if the file ends before `start`, or if more than 64
/// MiB would be returned.
pub fn read_file_part(name: &str, start: u64, count: u64) -> Result<Vec<u8>, Error> {
    wit::read_file(name, start, count)
}

/// A tensor of the model. The host holds the elements of the tensor, and the scorer reads copies of
/// them.
///
/// ```
/// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
/// # let _host = Host::new()
/// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
/// #     .tensor("classes", [2], &[3_i64, 7])
/// #     .file("labels.txt", "no\nyes")
/// #     .install();
/// let coef = Tensor::open("coef").unwrap();
/// assert_eq!(coef.floats().unwrap().len() as u64, coef.count());
/// ```
#[derive(Debug)]
pub struct Tensor {
    inner: wit::Tensor,
    info: TensorInfo,
}

impl Tensor {
    /// Opens the tensor `name` of the model.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert!(Tensor::open("coef").is_ok());
    /// assert!(matches!(Tensor::open("bias"), Err(model::Error::NotFound(_))));
    /// ```
    ///
    /// # Errors
    /// Fails if the model has no tensor of this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        let inner = wit::Tensor::open(name)?;
        let info = inner.info();
        Ok(Self { inner, info })
    }

    /// Returns the type of the tensor's elements.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("coef").unwrap().dtype(), Dtype::F32);
    /// ```
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.info.dtype
    }

    /// Returns the dimensions of the tensor, whose elements are in row-major order. The result is
    /// empty for a scalar.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("coef").unwrap().shape(), [2, 2]);
    /// ```
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.info.shape
    }

    /// Returns the number of elements of the tensor.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("coef").unwrap().count(), 4);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.info.shape.iter().product()
    }

    /// Reads all elements of the tensor as `f32`. The element type must be f16, bf16, f32 or f64.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("coef").unwrap().floats().unwrap(), [0.5, 1.0, 1.5, 2.0]);
    /// ```
    ///
    /// # Errors
    /// Fails if the elements are integers or booleans. Use [`Tensor::values`] or
    /// [`Tensor::integers`] for these.
    pub fn floats(&self) -> Result<Vec<f32>, Error> {
        self.floats_in(0..self.count())
    }

    /// Reads the elements in `range` as `f32`. The range is over flat, row-major indices.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("coef").unwrap().floats_in(1..3).unwrap(), [1.0, 1.5]);
    /// ```
    ///
    /// # Errors
    /// Fails if the elements are integers or booleans, or if the range is not within the tensor.
    pub fn floats_in(&self, range: Range<u64>) -> Result<Vec<f32>, Error> {
        in_pieces(range, READ_BYTES / 4, |start, count| {
            self.inner.floats(start, count)
        })
    }

    /// Reads all elements of the tensor as `T`, which must be the tensor's own element type.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("classes").unwrap().values::<i64>().unwrap(), [3, 7]);
    /// ```
    ///
    /// # Errors
    /// Fails if the elements of the tensor are not of type `T`.
    pub fn values<T: Element>(&self) -> Result<Vec<T>, Error> {
        if self.info.dtype != T::DTYPE {
            return Err(Error::WrongType(self.info.dtype));
        }
        Ok(T::read(&self.bytes_in(0..self.count())?).into_owned())
    }

    /// Reads all elements of an integer or boolean tensor as `i64`, e.g. class labels.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("classes").unwrap().integers().unwrap(), [3, 7]);
    /// ```
    ///
    /// # Errors
    /// Fails if the elements are floating-point numbers, or if a u64 exceeds the range of `i64`.
    pub fn integers(&self) -> Result<Vec<i64>, Error> {
        fn widen<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
            values.into_iter().map(Into::into).collect()
        }
        Ok(match self.info.dtype {
            Dtype::Bool => widen(self.values::<bool>()?),
            Dtype::U8 => widen(self.values::<u8>()?),
            Dtype::I8 => widen(self.values::<i8>()?),
            Dtype::U16 => widen(self.values::<u16>()?),
            Dtype::I16 => widen(self.values::<i16>()?),
            Dtype::U32 => widen(self.values::<u32>()?),
            Dtype::I32 => widen(self.values::<i32>()?),
            Dtype::I64 => self.values()?,
            Dtype::U64 => {
                let exact = self
                    .values::<u64>()?
                    .into_iter()
                    .map(i64::try_from)
                    .collect();
                Result::map_err(exact, |_| Error::WrongType(Dtype::U64))?
            }
            dtype @ (Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64) => {
                return Err(Error::WrongType(dtype));
            }
        })
    }

    /// Reads all elements of the tensor as `f32`, whatever their type.
    ///
    /// A number that `f32` cannot represent becomes the nearest `f32`, ties to even. Booleans
    /// become 0 and 1. Use [`Tensor::integers`] for integers that must be exact, e.g. class labels.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("classes").unwrap().numbers().unwrap(), [3.0, 7.0]);
    /// ```
    ///
    /// # Errors
    /// Fails if the host refuses the read.
    pub fn numbers(&self) -> Result<Vec<f32>, Error> {
        Ok(match self.info.dtype {
            Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => self.floats()?,
            Dtype::U64 => self
                .values::<u64>()?
                .into_iter()
                .map(|value| value as f32)
                .collect(),
            _ => self.integers()?.into_iter().map(nearest).collect(),
        })
    }

    /// Reads the elements in `range` as little-endian bytes, in the tensor's own element type. The
    /// range is over flat, row-major indices.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// let bytes = Tensor::open("coef").unwrap().bytes_in(0..1).unwrap();
    /// assert_eq!(bytes, 0.5_f32.to_le_bytes());
    /// ```
    ///
    /// # Errors
    /// Fails if the range is not within the tensor.
    pub fn bytes_in(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        // No element is wider than 8 bytes.
        in_pieces(range, READ_BYTES / 8, |start, count| {
            self.inner.bytes(start, count)
        })
    }

    /// Reads the rows of axis 0 that have these indices, and returns the rows concatenated as
    /// `f32`.
    ///
    /// An embedding lookup uses this function to copy only the rows that it needs.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, model::{self, Tensor}, testing::Host};
    /// # let _host = Host::new()
    /// #     .tensor("coef", [2, 2], &[0.5_f32, 1.0, 1.5, 2.0])
    /// #     .tensor("classes", [2], &[3_i64, 7])
    /// #     .file("labels.txt", "no\nyes")
    /// #     .install();
    /// assert_eq!(Tensor::open("coef").unwrap().rows(&[1, 1]).unwrap(), [1.5, 2.0, 1.5, 2.0]);
    /// ```
    ///
    /// # Errors
    /// Fails if the elements are integers or booleans, if an index is outside axis 0, or if a limit
    /// of the host is exceeded: 1,048,576 indices, 64 MiB for all rows as `f32`, or 64 MiB for one
    /// row as stored.
    pub fn rows(&self, indices: &[u64]) -> Result<Vec<f32>, Error> {
        self.inner.rows(indices)
    }
}

/// Returns the `f32` that is nearest to an integer, ties to even. Rust's own conversion rounds in
/// this way, as IEEE 754 defines it.
fn nearest(integer: i64) -> f32 {
    integer as f32
}

fn in_pieces<T>(
    range: Range<u64>,
    piece: u64,
    read: impl Fn(u64, u64) -> Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    let count = range
        .end
        .checked_sub(range.start)
        .ok_or(Error::OutOfRange)?;
    // A single read moves the host's answer without a copy. An empty range is read too, because it
    // may be outside the tensor.
    if count <= piece {
        return read(range.start, count);
    }
    let mut values = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let count = piece.min(range.end - start);
        values.extend(read(start, count)?);
        start += count;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_the_nearest_float_and_ties_the_even_one() {
        for (integer, expected) in [
            (0, 0.0),
            (1 << 24, 16_777_216.0),
            ((1 << 24) + 1, 16_777_216.0),
            ((1 << 24) + 3, 16_777_220.0),
            (-(1 << 24) - 1, -16_777_216.0),
            ((1 << 40) + (1 << 16), 1_099_511_627_776.0),
            ((1 << 40) + (1 << 16) + 1, 1_099_511_758_848.0),
            (i64::MAX, 9_223_372_036_854_775_808.0),
            (i64::MIN, -9_223_372_036_854_775_808.0),
            (i64::MAX - (1 << 38), 9_223_371_487_098_961_920.0),
        ] {
            assert_eq!(
                nearest(integer).to_bits(),
                f32::to_bits(expected),
                "{integer}: {}",
                nearest(integer)
            );
        }
        // The exact distance to the integer is never more than that of a neighbouring float.
        for seed in 0..100_000_i64 {
            let integer = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> (seed % 40);
            let float = nearest(integer);
            let distance = |float: f32| (float as i128 - i128::from(integer)).abs();
            assert!(distance(float) <= distance(float.next_up()), "{integer}");
            assert!(distance(float) <= distance(float.next_down()), "{integer}");
        }
    }

    #[test]
    fn pieces_cover_the_range_once() {
        let check = |range: Range<u64>| {
            let values = in_pieces(range.clone(), 4, |start, count| {
                assert!(count <= 4);
                Ok((start..start + count).collect())
            });
            assert_eq!(values.unwrap(), range.collect::<Vec<_>>());
        };
        check(0..0);
        check(3..7);
        check(0..8);
        check(5..18);
        let backwards = Range { start: 2, end: 1 };
        assert!(matches!(
            in_pieces::<u8>(backwards, 4, |_, _| Ok(Vec::new())),
            Err(Error::OutOfRange)
        ));
    }
}
