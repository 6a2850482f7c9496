//! Single elements that are not written as numbers of their own type: missing values, booleans as
//! numbers, and whole numbers with a point or an exponent.
//!
//! Owns the values that an input takes in these forms, and the messages about those that it does
//! not take. Must not know lists, nor where an element is. Most bodies have none of these elements,
//! so the functions that only they need are marked as cold.

use half::{bf16, f16};

use super::not_json::Advice;
use super::rounding::{self, Rounded, Whole};
use crate::model::Dtype;
use crate::tensor::{Port, put_text};
use crate::text::{NAME_BYTES, cut, quoted};

/// Error for a value of a body that cannot be an element of its port. The text is the message for
/// the caller.
#[derive(Debug)]
pub(super) struct NoElement(pub String);

/// Appends a missing value to `data`, the elements of `port`: NaN, or the empty text. Fails if the
/// input takes no missing values. `found` is the text of the value in the body, for the message.
#[cold]
#[inline(never)]
pub(super) fn put_missing(port: &Port, found: &str, data: &mut Vec<u8>) -> Result<(), NoElement> {
    let has_missing = port.dtype.is_float() || port.dtype == Dtype::Text;
    if !(has_missing && port.facts.missing) {
        let element = port.dtype.with_article();
        let setting = port.setting("missing");
        return Err(NoElement(if has_missing {
            format!(
                "Here is {found}, where {element} element belongs. Missing values are taken if \
                 scorebox.toml has `{setting}`."
            )
        } else {
            format!(
                "Here is {found}, where {element} element belongs. There is no missing {}, so \
                 `{setting}` cannot be set.",
                port.dtype.name()
            )
        }));
    }
    match port.dtype {
        Dtype::F16 => data.extend_from_slice(&f16::NAN.to_le_bytes()),
        Dtype::Bf16 => data.extend_from_slice(&bf16::NAN.to_le_bytes()),
        Dtype::F32 => data.extend_from_slice(&f32::NAN.to_le_bytes()),
        Dtype::F64 => data.extend_from_slice(&f64::NAN.to_le_bytes()),
        _ => put_text("", data),
    }
    Ok(())
}

/// Appends the element for `word` to `data`, the elements of `port`. `word` is `NaN`, `Infinity` or
/// `-Infinity`, which are not JSON. `NaN` is a missing value: for a port of texts, the empty text is
/// appended. Fails for `NaN` if the input takes no missing values, and for `Infinity` or `-Infinity`
/// if the element type has no infinity.
#[cold]
#[inline(never)]
pub(super) fn put_word(port: &Port, word: &str, data: &mut Vec<u8>) -> Result<(), NoElement> {
    if word == "NaN" {
        return put_missing(port, word, data);
    }
    let infinity = if word.starts_with('-') {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    };
    put_float(port.dtype, infinity, data).map_err(|_| {
        let element = port.dtype.with_article();
        NoElement(format!(
            "Here is {}, where {element} element belongs.",
            cut(word, NAME_BYTES)
        ))
    })
}

/// Returns the advice for a caller who sent `NaN` or `Infinity` as an element of `port`, although
/// the setting `requests.nan_literals` does not allow these words.
#[cold]
pub(super) fn word_advice(port: &Port) -> Advice {
    let name = quoted(&port.name, NAME_BYTES);
    let literal = "if scorebox.toml has `requests.nan_literals`";
    let kind = match port.dtype {
        Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => "number",
        Dtype::Text => "text",
        dtype => {
            let of = format!("The input `{name}` is of {}", dtype.name());
            return Advice {
                nan: format!("{of}, which has no missing value."),
                infinity: format!("{of}, which has no infinity."),
            };
        }
    };
    let nan = if port.facts.missing {
        format!("Send null for a missing {kind}. NaN is taken {literal}.")
    } else {
        let setting = port.setting("missing");
        format!(
            "The input `{name}` takes no missing {kind}. Null is taken for one if scorebox.toml has \
             `{setting}`, and NaN if it has `requests.nan_literals` too."
        )
    };
    let infinity = if port.dtype == Dtype::Text {
        format!("The input `{name}` takes strings.")
    } else {
        format!("It is taken {literal}.")
    };
    Advice { nan, infinity }
}

/// Appends a boolean to `data`, the elements of `port`, which is a port of numbers or texts. Fails
/// unless the port takes booleans as 1 and 0.
#[cold]
#[inline(never)]
pub(super) fn put_boolean(port: &Port, value: bool, data: &mut Vec<u8>) -> Result<(), NoElement> {
    let is_number = !matches!(port.dtype, Dtype::Bool | Dtype::Text);
    if is_number && port.facts.boolean {
        return put_whole(port.dtype, i128::from(value), data);
    }
    let mut message = format!(
        "Here is a boolean, where {} element belongs.",
        port.dtype.with_article()
    );
    if is_number {
        let setting = port.setting("boolean");
        message =
            format!("{message} Booleans are taken as 1 and 0 if scorebox.toml has `{setting}`.");
    }
    Err(NoElement(message))
}

/// Appends a whole number to `data`, the elements of a port of the type `dtype`. `text` is the
/// number as the JSON body has it. The value of the number decides, and not its form: `1.0` and
/// `10e-1` are 1.
///
/// Fails if the number is not whole, if it is out of range, or if a float type cannot hold it
/// exactly.
#[cold]
#[inline(never)]
pub(super) fn put_decimal(dtype: Dtype, text: &str, data: &mut Vec<u8>) -> Result<(), NoElement> {
    match rounding::whole_of(text) {
        Whole::Number(value) => put_whole(dtype, value, data),
        Whole::Large => Err(NoElement(too_large(&cut(text, NAME_BYTES), dtype))),
        Whole::Fraction => Err(NoElement(not_whole(&cut(text, NAME_BYTES), dtype))),
    }
}

/// Appends a whole number to `data`, the elements of a port of the integer type `dtype`. Returns
/// false if the number does not fit.
#[inline]
pub(super) fn put_integer(dtype: Dtype, value: i128, data: &mut Vec<u8>) -> bool {
    macro_rules! narrow {
        ($type:ty) => {
            match <$type>::try_from(value) {
                Ok(value) => data.extend_from_slice(&value.to_le_bytes()),
                Err(_) => return false,
            }
        };
    }
    match dtype {
        Dtype::I8 => narrow!(i8),
        Dtype::I16 => narrow!(i16),
        Dtype::I32 => narrow!(i32),
        Dtype::I64 => narrow!(i64),
        Dtype::U8 => narrow!(u8),
        Dtype::U16 => narrow!(u16),
        Dtype::U32 => narrow!(u32),
        Dtype::U64 => narrow!(u64),
        _ => return false,
    }
    true
}

/// Appends a whole number to `data`, the elements of a port of the type `dtype`. Fails if the
/// number is out of range, or if a float type cannot hold it exactly.
pub(super) fn put_whole(dtype: Dtype, value: i128, data: &mut Vec<u8>) -> Result<(), NoElement> {
    if !dtype.is_float() {
        let fits = put_integer(dtype, value, data);
        return fits
            .then_some(())
            .ok_or_else(|| NoElement(too_large(&value.to_string(), dtype)));
    }
    match rounding::whole(dtype, value) {
        Rounded::OutOfRange => Err(NoElement(too_large(&value.to_string(), dtype))),
        _ if !rounding::is_exact(dtype, value) => Err(NoElement(format!(
            "{} cannot hold {value} exactly.",
            dtype.name()
        ))),
        rounded => {
            put_rounded(rounded, data);
            Ok(())
        }
    }
}

/// Appends a float to `data`, the elements of a port of the type `dtype`. A narrower float type
/// gets the nearest number, and NaN and infinity stay what they are. Fails if the number is out of
/// range, or if it is not whole and the type is an integer type.
pub(super) fn put_float(dtype: Dtype, value: f64, data: &mut Vec<u8>) -> Result<(), NoElement> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Rust rounds to the nearest, and an infinity stays one"
    )]
    match dtype {
        Dtype::F16 if !value.is_finite() => {
            data.extend_from_slice(&f16::from_f64(value).to_le_bytes());
        }
        Dtype::Bf16 if !value.is_finite() => {
            data.extend_from_slice(&bf16::from_f64(value).to_le_bytes());
        }
        Dtype::F32 if !value.is_finite() => data.extend_from_slice(&(value as f32).to_le_bytes()),
        Dtype::F64 => data.extend_from_slice(&value.to_le_bytes()),
        Dtype::F16 | Dtype::Bf16 | Dtype::F32 => match rounding::of_float(dtype, value) {
            Rounded::OutOfRange => return Err(NoElement(too_large(&format!("{value:?}"), dtype))),
            rounded => put_rounded(rounded, data),
        },
        // The cast is exact for a whole number below 2^127, and larger ones fit no type.
        _ if value.fract() == 0.0 => return put_whole(dtype, value as i128, data),
        _ => return Err(NoElement(not_whole(&format!("{value:?}"), dtype))),
    }
    Ok(())
}

fn put_rounded(rounded: Rounded, data: &mut Vec<u8>) {
    match rounded {
        Rounded::F16(bytes) => data.extend_from_slice(&bytes),
        Rounded::F32(bytes) => data.extend_from_slice(&bytes),
        Rounded::F64(bytes) => data.extend_from_slice(&bytes),
        Rounded::InDoubt | Rounded::OutOfRange => {}
    }
}

/// Returns the message about a number that the type `dtype` cannot hold.
#[cold]
#[inline(never)]
pub(super) fn too_large(value: &str, dtype: Dtype) -> String {
    format!("{value} does not fit {}.", dtype.name())
}

/// Returns the message about a number that is not whole, but must be. `dtype` is the type of the
/// port: an integer type, or a float type for which the caller states an integer datatype.
#[cold]
#[inline(never)]
fn not_whole(value: &str, dtype: Dtype) -> String {
    let declared = match dtype {
        Dtype::F16 => "FP16",
        Dtype::Bf16 => "BF16",
        Dtype::F32 => "FP32",
        Dtype::F64 => "FP64",
        _ => {
            let name = dtype.name();
            return format!(
                "{value} is not a whole number. A whole number that fits {name} belongs here."
            );
        }
    };
    format!(
        "{value} is not a whole number. The datatype of the input says that it is one; {declared} \
         says that it need not be."
    )
}
