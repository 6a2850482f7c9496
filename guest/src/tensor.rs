//! Tensors by value: the Rust numbers that a tensor scorer takes and returns.
//!
//! Owns the conversion between little-endian bytes and numbers. Must not know the model's tensors,
//! which stay in the host: see [`model`](crate::model).

use std::borrow::Cow;
use std::fmt;

use crate::{Dtype, Error, NamedTensor, OrProblem, Result};

/// A Rust number or boolean that can be an element of a tensor.
///
/// Rust does not have `f16` and `bf16`. For these, use the bytes in [`NamedTensor::data`].
///
/// ```
/// use scorebox_guest::{Dtype, Element};
///
/// fn dtype_of<T: Element>(_values: &[T]) -> Dtype {
///     T::DTYPE
/// }
///
/// assert_eq!(dtype_of(&[1.0_f32]), Dtype::F32);
/// ```
pub trait Element: Copy + sealed::Sealed {
    /// Element type of a tensor whose elements are values of this Rust type.
    const DTYPE: Dtype;

    #[doc(hidden)]
    fn read(bytes: &[u8]) -> Cow<'_, [Self]>;

    #[doc(hidden)]
    fn write(values: &[Self]) -> Vec<u8>;
}

mod sealed {
    /// Prevents other crates from implementing [`Element`](super::Element), because only the
    /// element types of the WIT can be elements.
    pub trait Sealed {}
}

macro_rules! elements {
    ($($number:ty => $dtype:ident),* $(,)?) => {$(
        impl sealed::Sealed for $number {}

        impl Element for $number {
            const DTYPE: Dtype = Dtype::$dtype;

            fn read(bytes: &[u8]) -> Cow<'_, [Self]> {
                // WebAssembly is little-endian, and its allocators align for every number. Nothing
                // guarantees the alignment, so the bytes may have to be copied.
                match bytemuck::try_cast_slice(bytes) {
                    Ok(numbers) => Cow::Borrowed(numbers),
                    Err(_) => bytes.as_chunks().0.iter().map(|bytes| Self::from_le_bytes(*bytes)).collect(),
                }
            }

            fn write(values: &[Self]) -> Vec<u8> {
                bytemuck::cast_slice(values).to_vec()
            }
        }
    )*};
}

elements!(u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64);
elements!(f32 => F32, f64 => F64);

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: Dtype = Dtype::Bool;

    fn read(bytes: &[u8]) -> Cow<'_, [Self]> {
        bytes.iter().map(|byte| *byte != 0).collect()
    }

    fn write(values: &[Self]) -> Vec<u8> {
        values.iter().map(|value| u8::from(*value)).collect()
    }
}

/// Writes the name of an element type as in the WIT, e.g. `f32`.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        })
    }
}

impl NamedTensor {
    /// Returns the tensor `name`. `values` are its elements in row-major order.
    ///
    /// If the number of values does not fit the shape, the host refuses the answer.
    ///
    /// ```
    /// use scorebox_guest::NamedTensor;
    ///
    /// let rows = NamedTensor::new("rows", [2, 2], &[1.0_f32, 2.0, 3.0, 4.0]);
    /// assert_eq!(rows.shape, [2, 2]);
    /// ```
    pub fn new<T: Element, const RANK: usize>(
        name: impl Into<String>,
        shape: [usize; RANK],
        values: &[T],
    ) -> Self {
        let shape = shape.iter().map(|size| *size as u64).collect();
        Self {
            name: name.into(),
            dtype: T::DTYPE,
            shape,
            data: T::write(values),
        }
    }

    /// Returns the elements of the tensor in row-major order.
    ///
    /// The elements are borrowed if the tensor's bytes are aligned, as the bytes of a scorer's
    /// inputs are, and copied otherwise.
    ///
    /// ```
    /// use scorebox_guest::NamedTensor;
    ///
    /// let rows = NamedTensor::new("rows", [2], &[1.0_f32, 2.0]);
    /// assert_eq!(*rows.values::<f32>().unwrap(), [1.0, 2.0]);
    /// assert!(rows.values::<f64>().is_err());
    /// ```
    ///
    /// # Errors
    /// Fails if the elements of the tensor are not of type `T`, e.g. because the port declares
    /// another type.
    pub fn values<T: Element>(&self) -> Result<Cow<'_, [T]>> {
        if self.dtype == T::DTYPE {
            return Ok(T::read(&self.data));
        }
        Err(
            Error::failed("input-type", "the scorer read its input wrongly").with_detail(format!(
                "`{}` holds {}, not {}",
                self.name,
                self.dtype,
                T::DTYPE
            )),
        )
    }
}

/// Inputs of one run of a tensor scorer: one tensor for each input port, in the order of the
/// signature.
///
/// ```
/// use scorebox_guest::{Inputs, NamedTensor};
///
/// let inputs = Inputs(vec![NamedTensor::new("x", [1], &[1.0_f32])]);
/// assert_eq!(inputs.0.len(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct Inputs(
    /// One tensor for each input port, in the order of the signature.
    pub Vec<NamedTensor>,
);

impl Inputs {
    /// Returns the tensor of the input port `name`.
    ///
    /// ```
    /// use scorebox_guest::{Inputs, NamedTensor};
    ///
    /// let inputs = Inputs(vec![NamedTensor::new("x", [1], &[1.0_f32])]);
    /// assert!(inputs.tensor("x").is_ok());
    /// assert_eq!(inputs.tensor("y").unwrap_err().problem().code, "no-such-input");
    /// ```
    ///
    /// # Errors
    /// Fails if the signature has no input port of this name.
    pub fn tensor(&self, name: &str) -> Result<&NamedTensor> {
        self.0
            .iter()
            .find(|tensor| tensor.name == name)
            .or_problem(|| {
                Error::failed(
                    "no-such-input",
                    "the scorer asked for an input that it does not have",
                )
                .with_detail(name)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[test]
    fn numbers_survive_the_trip() {
        fn check<T: Element + PartialEq + Debug>(values: &[T], bytes: &[u8]) {
            let tensor = NamedTensor::new("x", [values.len()], values);
            assert_eq!(tensor.data, bytes);
            assert_eq!(tensor.values::<T>().unwrap(), values);
            // The alignment of the bytes does not matter.
            let shifted = [&[0], bytes].concat();
            assert_eq!(*T::read(&shifted[1..]), *values);
        }
        check(&[1.0_f32, -2.5], &[0, 0, 128, 63, 0, 0, 32, 192]);
        check(&[-2_i64], &[254, 255, 255, 255, 255, 255, 255, 255]);
        check(&[true, false], &[1, 0]);
        check::<u16>(&[], &[]);
    }

    #[test]
    fn another_type_is_the_scorers_fault() {
        let inputs = Inputs(vec![NamedTensor::new("x", [1], &[1_i32])]);
        let error = inputs
            .tensor("x")
            .and_then(|x| x.values::<f32>())
            .unwrap_err();
        assert_eq!(
            error.problem().detail.as_deref(),
            Some("`x` holds i32, not f32")
        );
        assert_eq!(
            inputs.tensor("y").unwrap_err().problem().code,
            "no-such-input"
        );
    }
}
