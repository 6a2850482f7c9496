//! Binary data of one type as elements of another type.
//!
//! Owns how the elements of each type are read from bytes. Must not know JSON, nor which types an
//! input accepts.
//!
//! The result is at most eight times as large as the data: a byte can become a number of 64 bits.
//! Data in JSON can need as much memory: two bytes of text, such as `1,`, can become eight bytes,
//! in a buffer that grows by doubling.

use half::{bf16, f16};

use super::super::deadline;
use super::super::values::{self, NoElement};
use super::ports::datatype;
use crate::model::Dtype;

/// Number of elements of binary data after which the deadline is checked.
const LOOK_ELEMENTS: usize = 4096;

/// Value of one element of binary data: an integer or a float that is wide enough for every element
/// type.
enum Number {
    Whole(i128),
    Float(f64),
}

/// Converts binary data with elements of the type `from` to elements of the type `to`. Both are
/// types of numbers, or `from` is the type of booleans. NaN and infinity stay what they are in a
/// float type.
///
/// # Errors
/// Fails if `to` cannot hold an element: a fraction in an integer type, a number out of range, or
/// an integer that a float type does not hold exactly. Also fails if a boolean is neither 0 nor 1,
/// or if the deadline of the call has passed. A float is rounded to a narrower float type. The
/// error is the message for the caller.
#[cold]
#[inline(never)]
pub(super) fn converted(to: Dtype, from: Dtype, bytes: &[u8]) -> Result<Vec<u8>, NoElement> {
    let width = from.bytes();
    let mut data = Vec::with_capacity(bytes.len() / width * to.bytes());
    for (index, element) in bytes.chunks_exact(width).enumerate() {
        if index.is_multiple_of(LOOK_ELEMENTS) && deadline::is_passed() {
            return Err(NoElement("The deadline has passed.".to_owned()));
        }
        let put = match number(from, element) {
            Some(Number::Whole(value)) => values::put_whole(to, value, &mut data),
            Some(Number::Float(value)) => values::put_float(to, value, &mut data),
            None => Err(NoElement("It is neither 0 nor 1.".to_owned())),
        };
        put.map_err(|NoElement(reason)| {
            let from = datatype(from);
            NoElement(format!(
                "Element {index} of the binary {from} data does not fit: {reason}"
            ))
        })?;
    }
    Ok(data)
}

/// Returns the value of an element of the type `dtype`. `element` holds its bytes in little-endian
/// order. Returns `None` for a boolean that is neither 0 nor 1.
fn number(dtype: Dtype, element: &[u8]) -> Option<Number> {
    let mut wide = [0; 8];
    wide.iter_mut()
        .zip(element)
        .for_each(|(wide, byte)| *wide = *byte);
    let bits = u64::from_le_bytes(wide);
    let unused = u64::BITS - u64::BITS.min(8 * u32::try_from(element.len()).unwrap_or_default());
    let signed = (bits << unused).cast_signed() >> unused;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the other bits of a narrow element are 0"
    )]
    let number = match dtype {
        Dtype::Bool if bits > 1 => return None,
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => Number::Whole(signed.into()),
        Dtype::F16 => Number::Float(f16::from_bits(bits as u16).to_f64()),
        Dtype::Bf16 => Number::Float(bf16::from_bits(bits as u16).to_f64()),
        Dtype::F32 => Number::Float(f32::from_bits(bits as u32).into()),
        Dtype::F64 => Number::Float(f64::from_bits(bits)),
        _ => Number::Whole(bits.into()),
    };
    Some(number)
}
