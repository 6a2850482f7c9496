//! Numbers of a body, rounded once to the element type of a port.
//!
//! Owns the rounding to `f64`, `f32`, `f16` and `bf16`: to the nearest number, ties to even, as in
//! IEEE 754. Also owns which decimals are whole numbers. Must not know lists or ports.
//!
//! The JSON reader gives a decimal as an `f64` that may be off by some units in the last place. If
//! that `f64` is next to the middle between two numbers of a narrower type, the digits of the
//! decimal decide. For any other `f64`, rounding it gives the nearest number. An element of type
//! `f64` is always made from the digits. Reading every number by its digits would cost a body of
//! 784 `f32` about 1 us more.

use std::cmp::Ordering;

use half::{bf16, f16};

use crate::model::Dtype;

/// Result of rounding a number to an element type: the rounded number as little-endian bytes, or
/// the reason why there is no rounded number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounded {
    /// Rounded number of the type `f16` or `bf16`.
    F16([u8; 2]),
    F32([u8; 4]),
    F64([u8; 8]),
    /// Only the digits of the decimal decide: the `f64` is close to the midpoint between two
    /// numbers of the element type, or too small for its full precision, or the element type is an
    /// integer type.
    InDoubt,
    /// The nearest number of the element type would be infinite, or the element type is not a float
    /// type.
    OutOfRange,
}

/// Value of a decimal number as an integer, or the reason why there is no such integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Number(i128),
    /// The number is whole, and has more digits than any integer type.
    Large,
    /// The number is not whole.
    Fraction,
}

/// Rounds `value`, which the JSON parser made from a decimal, to a number of the type `dtype`. For
/// an integer type, the result is always [`Rounded::InDoubt`], because only the digits show whether
/// the decimal is whole.
///
/// Almost every element of a body is an `f32` that is rounded here, so the code path for `f32` is
/// short and inlined.
#[inline]
pub(super) fn float(dtype: Dtype, value: f64) -> Rounded {
    let is_in_doubt = match dtype {
        Dtype::F32 => is_near_tie::<{ f32::MANTISSA_DIGITS }>(value, f32::MIN_POSITIVE.into()),
        Dtype::F16 => is_near_tie::<{ f16::MANTISSA_DIGITS }>(value, f16::MIN_POSITIVE.to_f64()),
        Dtype::Bf16 => is_near_tie::<{ bf16::MANTISSA_DIGITS }>(value, bf16::MIN_POSITIVE.to_f64()),
        Dtype::F64 | Dtype::Bool | Dtype::Text => false,
        _ => true,
    };
    match dtype {
        _ if is_in_doubt => Rounded::InDoubt,
        Dtype::F32 => finite_f32(nearest_f32(value)),
        _ => nearest(dtype, value, Ordering::Equal),
    }
}

/// Rounds an integer to a number of the type `dtype`.
pub(super) fn whole(dtype: Dtype, value: i128) -> Rounded {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Rust rounds to the nearest, ties to even"
    )]
    match dtype {
        Dtype::F64 => Rounded::F64((value as f64).to_le_bytes()),
        Dtype::F32 => finite_f32(value as f32),
        _ => {
            let float = value as f64;
            // The float is whole, and not larger than 2^64.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the float is whole, and 128 bits hold it"
            )]
            let side = value.unsigned_abs().cmp(&(float as i128).unsigned_abs());
            nearest(dtype, float, side)
        }
    }
}

/// Rounds a float to a number of the type `dtype`.
pub(super) fn of_float(dtype: Dtype, value: f64) -> Rounded {
    nearest(dtype, value, Ordering::Equal)
}

/// Returns true if the float type `dtype` has enough bits of precision for the integer `value`.
/// Does not check that `value` is in the range of the type.
pub(super) fn is_exact(dtype: Dtype, value: i128) -> bool {
    let bits = match dtype {
        Dtype::F16 => f16::MANTISSA_DIGITS,
        Dtype::Bf16 => bf16::MANTISSA_DIGITS,
        Dtype::F32 => f32::MANTISSA_DIGITS,
        _ => f64::MANTISSA_DIGITS,
    };
    let size = value.unsigned_abs();
    size == 0 || u128::BITS - size.leading_zeros() - size.trailing_zeros() <= bits
}

/// Maximum number of digits of a whole number that [`whole_of`] returns. No integer type has more
/// than 20 digits, and an `i128` holds 38.
const WHOLE_DIGITS: i64 = 38;

/// Returns the value of a decimal as an integer if it is a whole number, in any form: `1.0`,
/// `10e-1` and `1` are one number. Otherwise, or if the integer has more than 38 digits, returns
/// the reason. `text` is the decimal as the JSON body has it.
pub(super) fn whole_of(text: &str) -> Whole {
    if let Ok(number) = text.parse::<i64>() {
        return Whole::Number(number.into());
    }
    let (digits, exponent) = significant(text);
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if length == 0 {
        return Whole::Number(0);
    }
    if exponent < length {
        return Whole::Fraction;
    }
    if exponent > WHOLE_DIGITS {
        return Whole::Large;
    }
    let mut number: i128 = 0;
    for digit in &digits {
        number = number * 10 + i128::from(digit - b'0');
    }
    for _ in length..exponent {
        number *= 10;
    }
    Whole::Number(if text.starts_with('-') {
        -number
    } else {
        number
    })
}

/// Rounds a decimal to a number of the type `dtype`. `text` is the decimal as the JSON body has it.
pub(super) fn decimal(dtype: Dtype, text: &str) -> Rounded {
    if dtype == Dtype::F32 {
        return text.parse().map_or(Rounded::OutOfRange, finite_f32);
    }
    let Ok(float) = text.parse::<f64>() else {
        return Rounded::OutOfRange;
    };
    // Rust's `parse` rounds to the nearest `f64`.
    if dtype == Dtype::F64 {
        return nearest(dtype, float, Ordering::Equal);
    }
    nearest(dtype, float, compare(text, float))
}

/// Returns the nearest number of the type `dtype` to a number that `value` approximates. `side`
/// says whether the exact number is nearer to zero than `value` (`Less`) or farther from zero
/// (`Greater`).
fn nearest(dtype: Dtype, value: f64, side: Ordering) -> Rounded {
    match dtype {
        Dtype::F64 if value.is_finite() => Rounded::F64(value.to_le_bytes()),
        Dtype::F32 => finite_f32(nearest_f32(value)),
        Dtype::F16 => {
            let number = f16::from_f32(odd(value, side));
            if number.is_finite() {
                Rounded::F16(number.to_le_bytes())
            } else {
                Rounded::OutOfRange
            }
        }
        Dtype::Bf16 => {
            let number = bf16::from_f32(odd(value, side));
            if number.is_finite() {
                Rounded::F16(number.to_le_bytes())
            } else {
                Rounded::OutOfRange
            }
        }
        _ => Rounded::OutOfRange,
    }
}

#[inline]
fn finite_f32(number: f32) -> Rounded {
    // A finite number must not become infinity, with which a scorer would compute a meaningless
    // answer.
    if number.is_finite() {
        Rounded::F32(number.to_le_bytes())
    } else {
        Rounded::OutOfRange
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "Rust rounds to the nearest, ties to even"
)]
fn nearest_f32(value: f64) -> f32 {
    value as f32
}

/// Maximum distance between a decimal and the `f64` that the JSON parser makes of it, in units in
/// the last place. The value has a margin: the parser makes at most four roundings of half a unit
/// each.
const SLACK: u64 = 8;

/// Returns true if the decimal behind `value` may be midway between two floats with a significand
/// of `BITS` bits. Floats below `smallest_normal` have fewer bits, so for them the function returns
/// true, except for zero.
fn is_near_tie<const BITS: u32>(value: f64, smallest_normal: f64) -> bool {
    let dropped = f64::MANTISSA_DIGITS - BITS;
    let (rest, middle) = (value.to_bits() & ((1 << dropped) - 1), 1 << (dropped - 1));
    rest.abs_diff(middle) <= SLACK || value != 0.0 && value.abs() < smallest_normal
}

/// Truncates a number to an `f32`, and sets the last bit if digits were lost ("rounding to odd").
/// `side` says whether the exact number is nearer to zero than `value` (`Less`) or farther from
/// zero (`Greater`).
///
/// Comparing the result with a float that has a significand of at most 22 bits, or with the
/// midpoint between two such floats, has the same outcome as comparing the exact number. So
/// rounding the result to such a float is equal to rounding the exact number.
fn odd(value: f64, side: Ordering) -> f32 {
    let size = value.abs();
    let mut cut = nearest_f32(size);
    if f64::from(cut) > size {
        cut = cut.next_down();
    }
    let (is_exact, bits) = match (f64::from(cut).total_cmp(&size), side) {
        (Ordering::Equal, Ordering::Equal) => (true, cut.to_bits()),
        (Ordering::Equal, Ordering::Less) => (false, cut.next_down().to_bits()),
        _ => (false, cut.to_bits()),
    };
    f32::from_bits(bits | u32::from(!is_exact)).copysign(nearest_f32(value.signum()))
}

/// Number of significant digits to which a float is compared with a decimal. The midpoint between
/// two `f16` or two `bf16` numbers has fewer digits: for example, 2^-134 has 94.
const DIGITS: usize = 160;

/// Compares the magnitude of a decimal with that of `float`, its nearest `f64`.
fn compare(decimal: &str, float: f64) -> Ordering {
    let (digits, exponent) = significant(decimal);
    let exact = format!("{:.DIGITS$e}", float.abs());
    let (exact_digits, exact_exponent) = significant(&exact);
    match (digits.is_empty(), exact_digits.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => exponent
            .cmp(&exact_exponent)
            .then_with(|| digits.cmp(&exact_digits)),
    }
}

/// Returns the digits of the decimal `text` without zeros at either end, and an exponent. The
/// magnitude of the decimal is `0.digits` times ten to the power of the exponent.
fn significant(text: &str) -> (Vec<u8>, i64) {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let mut digits: Vec<u8> = before.bytes().chain(after.bytes()).collect();
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    digits.truncate(
        digits
            .iter()
            .rposition(|digit| *digit != b'0')
            .map_or(0, |last| last + 1),
    );
    // An exponent that does not fit into 64 bits counts as the largest or the smallest one that
    // does. Only a number with about 2^63 digits could make up for such an exponent.
    let beyond = if exponent.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    let exponent: i64 = exponent.parse().unwrap_or(beyond);
    let point = i64::try_from(before.len())
        .unwrap_or(i64::MAX)
        .saturating_sub(i64::try_from(zeros).unwrap_or(i64::MAX));
    (digits, exponent.saturating_add(point))
}

#[cfg(test)]
mod tests;
