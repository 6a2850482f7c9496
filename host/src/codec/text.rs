//! Tensors as JSON text.
//!
//! Owns how an element is written. Must not know where the lists are in an answer. The element type
//! is checked once for each row, and each element is written directly to its final place.

use half::{bf16, f16};

use crate::model::Dtype;
use crate::tensor::{Tensor, text_from};

/// Returns the number of bytes to reserve for the JSON text of a tensor. Most tensors need less.
pub(super) fn capacity(tensor: &Tensor) -> usize {
    let characters = match tensor.dtype {
        Dtype::Bool | Dtype::I8 | Dtype::U8 => 6,
        Dtype::I16 | Dtype::U16 => 7,
        Dtype::Text => 8,
        Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::I32 | Dtype::U32 => 14,
        Dtype::F64 | Dtype::I64 | Dtype::U64 => 21,
    };
    tensor.data.len() / tensor.dtype.bytes() * characters + tensor.name.len() + 64
}

/// Appends a tensor to `text` as JSON lists that are nested like the tensor's shape. NaN and
/// infinity, which JSON does not have, are written as `null`.
pub(super) fn nested(tensor: &Tensor, text: &mut Vec<u8>) {
    write_nested(
        tensor.dtype,
        &tensor.shape,
        &mut tensor.data.as_slice(),
        text,
    );
}

/// Appends a tensor to `text` as one JSON list in row-major order, with the same number format as
/// [`nested`].
pub(super) fn flat(tensor: &Tensor, text: &mut Vec<u8>) {
    text.push(b'[');
    row(tensor.dtype, &tensor.data, text);
    text.push(b']');
}

/// Reader of a tensor's rows, which are the parts of its first dimension.
pub(super) struct Rows<'a> {
    dtype: Dtype,
    inner: &'a [u64],
    bytes: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Returns the number of a tensor's rows, and a reader that starts at the first row. Returns
    /// `None` if the tensor has no dimensions.
    pub(super) fn of(tensor: &'a Tensor) -> Option<(u64, Self)> {
        let (rows, inner) = tensor.shape.split_first()?;
        let reader = Self {
            dtype: tensor.dtype,
            inner,
            bytes: &tensor.data,
        };
        Some((*rows, reader))
    }

    /// Appends the next row to `text`, in the same form as [`nested`].
    pub(super) fn next(&mut self, text: &mut Vec<u8>) {
        write_nested(self.dtype, self.inner, &mut self.bytes, text);
    }
}

/// Appends a string to `text` as a JSON string.
pub(super) fn string(string: &str, text: &mut Vec<u8>) {
    // A string always has a JSON form, and writing to a vector cannot fail.
    let _ = serde_json::to_writer(text, string);
}

/// Appends a non-negative integer to `text` in decimal digits.
pub(super) fn count(number: u64, text: &mut Vec<u8>) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_nested(dtype: Dtype, shape: &[u64], bytes: &mut &[u8], text: &mut Vec<u8>) {
    match shape {
        [] => row(dtype, take(dtype, bytes, 1), text),
        [length] => {
            text.push(b'[');
            row(dtype, take(dtype, bytes, *length), text);
            text.push(b']');
        }
        [length, inner @ ..] => {
            text.push(b'[');
            for index in 0..*length {
                if index > 0 {
                    text.push(b',');
                }
                write_nested(dtype, inner, bytes, text);
            }
            text.push(b']');
        }
    }
}

/// Removes the first `elements` elements from `bytes`, and returns their bytes. Takes all bytes if
/// there are fewer elements.
fn take<'a>(dtype: Dtype, bytes: &mut &'a [u8], elements: u64) -> &'a [u8] {
    let length = match dtype {
        Dtype::Text => {
            let mut rest = *bytes;
            for _ in 0..elements {
                if text_from(&mut rest).is_none() {
                    break;
                }
            }
            bytes.len() - rest.len()
        }
        _ => usize::try_from(elements.saturating_mul(dtype.bytes() as u64))
            .unwrap_or(usize::MAX)
            .min(bytes.len()),
    };
    bytes.split_off(..length).unwrap_or_default()
}

fn row(dtype: Dtype, bytes: &[u8], text: &mut Vec<u8>) {
    match dtype {
        Dtype::Bool => join::<1>(bytes, text, |element, text| {
            text.extend_from_slice(if *element == [0] { b"false" } else { b"true" });
        }),
        Dtype::I8 => integers(bytes, text, i8::from_le_bytes),
        Dtype::I16 => integers(bytes, text, i16::from_le_bytes),
        Dtype::I32 => integers(bytes, text, i32::from_le_bytes),
        Dtype::I64 => integers(bytes, text, i64::from_le_bytes),
        Dtype::Text => texts(bytes, text),
        Dtype::U8 => integers(bytes, text, u8::from_le_bytes),
        Dtype::U16 => integers(bytes, text, u16::from_le_bytes),
        Dtype::U32 => integers(bytes, text, u32::from_le_bytes),
        Dtype::U64 => integers(bytes, text, u64::from_le_bytes),
        Dtype::F16 => floats(bytes, text, |element| {
            finite(f16::from_le_bytes(element).to_f32())
        }),
        Dtype::Bf16 => floats(bytes, text, |element| {
            finite(bf16::from_le_bytes(element).to_f32())
        }),
        Dtype::F32 => floats(bytes, text, |element| finite(f32::from_le_bytes(element))),
        Dtype::F64 => floats(bytes, text, |element| {
            Some(f64::from_le_bytes(element)).filter(|x| x.is_finite())
        }),
    }
}

fn finite(number: f32) -> Option<f32> {
    Some(number).filter(|number| number.is_finite())
}

fn integers<const N: usize, T: itoa::Integer>(
    bytes: &[u8],
    text: &mut Vec<u8>,
    read: impl Fn([u8; N]) -> T,
) {
    let mut buffer = itoa::Buffer::new();
    join(bytes, text, |element, text| {
        text.extend_from_slice(buffer.format(read(*element)).as_bytes())
    });
}

/// Appends each float in `bytes` to `text` as the shortest decimal that parses back to an equal
/// number, with commas in between. `read` returns `None` for a float that is written as `null`.
fn floats<const N: usize, T: zmij::Float>(
    bytes: &[u8],
    text: &mut Vec<u8>,
    read: impl Fn([u8; N]) -> Option<T>,
) {
    let mut buffer = zmij::Buffer::new();
    join(bytes, text, |element, text| {
        let number = read(*element).map_or("null", |number| buffer.format_finite(number));
        text.extend_from_slice(number.as_bytes());
    });
}

fn texts(mut bytes: &[u8], text: &mut Vec<u8>) {
    let mut is_first = true;
    while let Some(element) = text_from(&mut bytes) {
        if !std::mem::take(&mut is_first) {
            text.push(b',');
        }
        string(element, text);
    }
}

fn join<const N: usize>(
    bytes: &[u8],
    text: &mut Vec<u8>,
    mut write: impl FnMut(&[u8; N], &mut Vec<u8>),
) {
    let (elements, _) = bytes.as_chunks::<N>();
    let mut elements = elements.iter();
    if let Some(first) = elements.next() {
        write(first, text);
    }
    for element in elements {
        text.push(b',');
        write(element, text);
    }
}
