//! Conversion of tensors between the host's form and ONNX Runtime's.
//!
//! Owns the element types, the copying, and the conversion of lists of maps to tensors. Must not
//! know sessions. Every number that comes from the engine is checked before memory is allocated for
//! it.

use half::{bf16, f16};
use ort::session::{SessionInputValue, SessionOutputs};
use ort::value::{DynMapValueType, DynSequenceValueType, DynValue, PrimitiveTensorElementType};
use ort::value::{Tensor as OrtTensor, TensorElementType, ValueType};

use super::interface::{GraphError, Outputs};
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, put_text, text_from};

/// Converts an element type of ONNX Runtime to the host's element type. Returns `None` if the host
/// does not support this type.
pub(super) fn dtype(element: TensorElementType) -> Option<Dtype> {
    Some(match element {
        TensorElementType::Bool => Dtype::Bool,
        TensorElementType::Bfloat16 => Dtype::Bf16,
        TensorElementType::Float16 => Dtype::F16,
        TensorElementType::Float32 => Dtype::F32,
        TensorElementType::Float64 => Dtype::F64,
        TensorElementType::Int16 => Dtype::I16,
        TensorElementType::Int32 => Dtype::I32,
        TensorElementType::Int64 => Dtype::I64,
        TensorElementType::Int8 => Dtype::I8,
        TensorElementType::String => Dtype::Text,
        TensorElementType::Uint16 => Dtype::U16,
        TensorElementType::Uint32 => Dtype::U32,
        TensorElementType::Uint64 => Dtype::U64,
        TensorElementType::Uint8 => Dtype::U8,
        _ => return None,
    })
}

/// Returns true for the type of a map from a class, which is an integer or a text, to an `f32`.
/// Scikit-learn's converter stores probabilities in such maps.
pub(super) fn is_class_map(value: &ValueType) -> bool {
    let key_fits = |key: &TensorElementType| {
        matches!(key, TensorElementType::Int64 | TensorElementType::String)
    };
    matches!(value, ValueType::Map { key, value: TensorElementType::Float32 } if key_fits(key))
}

/// Converts an input tensor to a value of ONNX Runtime. Fails if the elements do not fit the shape
/// of the tensor.
pub(super) fn input(tensor: &Tensor) -> ort::Result<SessionInputValue<'static>> {
    let shape: Vec<i64> = tensor
        .shape
        .iter()
        .map(|dimension| i64::try_from(*dimension).unwrap_or(i64::MAX))
        .collect();
    let data = tensor.data.as_slice();
    // The engine needs elements that are aligned for their type. Bytes may not be aligned.
    macro_rules! numbers {
        ($type:ty) => {{
            let elements: Vec<$type> = data
                .as_chunks()
                .0
                .iter()
                .map(|bytes| <$type>::from_le_bytes(*bytes))
                .collect();
            OrtTensor::from_array((shape, elements)).map(Into::into)
        }};
    }
    match tensor.dtype {
        Dtype::Bool => OrtTensor::from_array((
            shape,
            data.iter().map(|byte| *byte != 0).collect::<Vec<_>>(),
        ))
        .map(Into::into),
        Dtype::Bf16 => numbers!(bf16),
        Dtype::F16 => numbers!(f16),
        Dtype::F32 => numbers!(f32),
        Dtype::F64 => numbers!(f64),
        Dtype::I16 => numbers!(i16),
        Dtype::I32 => numbers!(i32),
        Dtype::I64 => numbers!(i64),
        Dtype::I8 => numbers!(i8),
        Dtype::U16 => numbers!(u16),
        Dtype::U32 => numbers!(u32),
        Dtype::U64 => numbers!(u64),
        Dtype::U8 => numbers!(u8),
        Dtype::Text => {
            let (mut rest, mut texts) = (data, Vec::new());
            while let Some(text) = text_from(&mut rest) {
                texts.push(text.to_owned());
            }
            OrtTensor::from_string_array((shape, texts.as_slice())).map(Into::into)
        }
    }
}

/// Converts the outputs of a run to tensors, in the order of the output ports. Fails if an output
/// does not fit its port, if the maps of an output have different classes, or if the outputs
/// together are larger than `limit_bytes`.
pub(super) fn outputs(
    ports: &[Port],
    values: SessionOutputs<'_>,
    limit_bytes: u64,
) -> Result<Outputs, GraphError> {
    let mut found = Outputs {
        tensors: Vec::with_capacity(ports.len()),
        classes: Vec::with_capacity(ports.len()),
    };
    let mut room = Room {
        left_bytes: limit_bytes,
        limit_bytes,
    };
    for (port, (name, value)) in ports.iter().zip(values) {
        if name != port.name {
            return Err(GraphError::Failed(format!(
                "the engine returned the output `{name}` in place of `{}`",
                port.name
            )));
        }
        let (tensor, classes) = match value.dtype() {
            ValueType::Sequence(_) => class_maps(port, value, &room)?,
            _ => (plain(port, &value, &room)?, Vec::new()),
        };
        room.take(tensor.data.len() as u64)?;
        found.tensors.push(tensor);
        found.classes.push(classes);
    }
    Ok(found)
}

/// Number of bytes that are left for the outputs of a run that are not converted yet.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    left_bytes: u64,
    /// Maximum size of all outputs of the run together, in bytes.
    limit_bytes: u64,
}

impl Room {
    /// Fails if an output of `bytes` bytes does not fit into the room that is left. The error holds
    /// the limit for all outputs, which is what the operator sets.
    fn check(&self, bytes: u64) -> Result<(), GraphError> {
        match bytes <= self.left_bytes {
            true => Ok(()),
            false => Err(self.too_large()),
        }
    }

    fn too_large(&self) -> GraphError {
        GraphError::TooLarge {
            limit_bytes: self.limit_bytes,
        }
    }

    /// Takes the room for an output of `bytes` bytes. Fails as [`Room::check`] does.
    fn take(&mut self, bytes: u64) -> Result<(), GraphError> {
        self.check(bytes)?;
        self.left_bytes -= bytes;
        Ok(())
    }
}

fn failed(error: ort::Error) -> GraphError {
    GraphError::Failed(error.to_string())
}

fn plain(port: &Port, value: &DynValue, room: &Room) -> Result<Tensor, GraphError> {
    let strange = || {
        GraphError::Failed(format!(
            "`{}` is {}, but the file describes another type",
            port.name,
            value.dtype()
        ))
    };
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(strange());
    };
    // A sparse tensor has this type too, so the kind of value is checked as well.
    if dtype(*ty) != Some(port.dtype) || !value.is_tensor() {
        return Err(strange());
    }
    let shape: Vec<u64> = shape
        .iter()
        .map(|dimension| u64::try_from(*dimension).map_err(|_| strange()))
        .collect::<Result<_, _>>()?;
    let elements = shape
        .iter()
        .try_fold(1u64, |product, dimension| product.checked_mul(*dimension));
    let bytes = elements.and_then(|elements| elements.checked_mul(port.dtype.bytes() as u64));
    room.check(bytes.ok_or_else(|| room.too_large())?)?;
    macro_rules! numbers {
        ($type:ty) => {
            copied::<$type, { size_of::<$type>() }>(value, |element| element.to_le_bytes())?
        };
    }
    let data = match port.dtype {
        // A byte that is neither 0 nor 1 can only come from a constant in the file. It is passed on
        // unchanged.
        Dtype::Bool => copied::<bool, 1>(value, |element| [u8::from(element)])?,
        Dtype::Bf16 => numbers!(bf16),
        Dtype::F16 => numbers!(f16),
        Dtype::F32 => numbers!(f32),
        Dtype::F64 => numbers!(f64),
        Dtype::I16 => numbers!(i16),
        Dtype::I32 => numbers!(i32),
        Dtype::I64 => numbers!(i64),
        Dtype::I8 => numbers!(i8),
        Dtype::U16 => numbers!(u16),
        Dtype::U32 => numbers!(u32),
        Dtype::U64 => numbers!(u64),
        Dtype::U8 => numbers!(u8),
        Dtype::Text => {
            let (_, texts) = value.try_extract_strings().map_err(failed)?;
            let mut data = Vec::new();
            texts.iter().for_each(|text| put_text(text, &mut data));
            data
        }
    };
    Ok(Tensor {
        name: port.name.clone(),
        dtype: port.dtype,
        shape,
        data,
    })
}

/// Returns the elements of a tensor as bytes. `bytes_of` converts one element.
fn copied<T: PrimitiveTensorElementType + Copy, const N: usize>(
    value: &DynValue,
    bytes_of: impl Fn(T) -> [u8; N],
) -> Result<Vec<u8>, GraphError> {
    let (_, elements) = value.try_extract_tensor::<T>().map_err(failed)?;
    let mut data = vec![0; elements.len() * N];
    for (bytes, element) in data.as_chunks_mut().0.iter_mut().zip(elements) {
        *bytes = bytes_of(*element);
    }
    Ok(data)
}

/// Converts an output that is a list of maps, from a class to a number, to a tensor. Also returns
/// the names of the classes. Fails if the maps have different classes, or if the tensor would not
/// fit into `room`.
///
/// The tensor has a row for each map and a column for each class.
fn class_maps(
    port: &Port,
    value: DynValue,
    room: &Room,
) -> Result<(Tensor, Vec<String>), GraphError> {
    let list = value.downcast::<DynSequenceValueType>().map_err(failed)?;
    let maps = list
        .try_extract_sequence::<DynMapValueType>()
        .map_err(failed)?;
    let mut classes: Option<Vec<String>> = None;
    let mut data = Vec::new();
    for map in &maps {
        let of_text = matches!(
            map.dtype(),
            ValueType::Map {
                key: TensorElementType::String,
                ..
            }
        );
        let row: Vec<(String, f32)> = if of_text {
            map.try_extract_key_values::<String, f32>()
                .map_err(failed)?
        } else {
            let row = map.try_extract_key_values::<i64, f32>().map_err(failed)?;
            row.into_iter()
                .map(|(class, number)| (class.to_string(), number))
                .collect()
        };
        match &classes {
            None => classes = Some(row.iter().map(|(class, _)| class.clone()).collect()),
            Some(classes) if classes.iter().eq(row.iter().map(|(class, _)| class)) => {}
            Some(_) => {
                return Err(GraphError::Failed(format!(
                    "the rows of `{}` have different classes",
                    port.name
                )));
            }
        }
        data.extend(row.iter().flat_map(|(_, number)| number.to_le_bytes()));
        room.check(data.len() as u64)?;
    }
    let classes = classes.unwrap_or_default();
    let shape = vec![maps.len() as u64, classes.len() as u64];
    Ok((
        Tensor {
            name: port.name.clone(),
            dtype: port.dtype,
            shape,
            data,
        },
        classes,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_does_not_fit_names_the_limit_of_all_outputs() {
        let mut room = Room {
            left_bytes: 10,
            limit_bytes: 10,
        };
        assert_eq!(room.take(7), Ok(()));
        assert_eq!(room.check(3), Ok(()));
        let too_large = Err(GraphError::TooLarge { limit_bytes: 10 });
        assert_eq!(room.check(4), too_large);
        assert_eq!(room.take(4), too_large);
        assert_eq!(room.take(3), Ok(()));
        assert_eq!(room.check(u64::MAX), too_large);
    }
}
