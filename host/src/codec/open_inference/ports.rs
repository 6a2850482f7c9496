//! Ports in the words of the Open Inference Protocol: datatypes and shapes.
//!
//! Owns the protocol's names, and the texts that say what a port takes. Must not know requests or
//! answers.

use crate::error::ScoreFailure;
use crate::model::Dtype;
use crate::tensor::Port;
use crate::text::{NAME_BYTES, quoted};

/// All element types, in the order in which the Open Inference Protocol lists them.
pub(super) const DTYPES: [Dtype; 14] = [
    Dtype::Bool,
    Dtype::U8,
    Dtype::U16,
    Dtype::U32,
    Dtype::U64,
    Dtype::I8,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::F32,
    Dtype::F64,
    Dtype::Text,
];

/// Returns the name of an element type in the Open Inference Protocol, e.g. `FP32`.
#[must_use]
pub const fn datatype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "BOOL",
        Dtype::Bf16 => "BF16",
        Dtype::F16 => "FP16",
        Dtype::F32 => "FP32",
        Dtype::F64 => "FP64",
        Dtype::I16 => "INT16",
        Dtype::I32 => "INT32",
        Dtype::I64 => "INT64",
        Dtype::I8 => "INT8",
        Dtype::Text => "BYTES",
        Dtype::U16 => "UINT16",
        Dtype::U32 => "UINT32",
        Dtype::U64 => "UINT64",
        Dtype::U8 => "UINT8",
    }
}

/// Returns true if every value of a datatype is a whole number. Booleans count as the whole numbers
/// 0 and 1.
pub(super) fn is_whole(dtype: Dtype) -> bool {
    !dtype.is_float() && dtype != Dtype::Text
}

/// Returns true if an input of `port` may have the datatype of `dtype`. An input of numbers accepts
/// every datatype of numbers, because the values decide whether they fit. It accepts `BOOL` if the
/// manifest allows booleans for this input.
#[must_use]
pub fn accepts(port: &Port, dtype: Dtype) -> bool {
    let is_number = |dtype: Dtype| !matches!(dtype, Dtype::Bool | Dtype::Text);
    dtype == port.dtype
        || is_number(port.dtype) && (is_number(dtype) || dtype == Dtype::Bool && port.facts.boolean)
}

/// Returns the names of the datatypes that an input of `port` may have, the port's own first.
#[must_use]
pub fn accepted_datatypes(port: &Port) -> Vec<&'static str> {
    let mut names = vec![datatype(port.dtype)];
    for dtype in DTYPES {
        if dtype != port.dtype && accepts(port, dtype) {
            names.push(datatype(dtype));
        }
    }
    names
}

/// Returns a port's shape as the Open Inference Protocol writes it, e.g. `[-1, 784]`.
#[must_use]
pub(super) fn shape_text(port: &Port) -> String {
    let dimensions: Vec<_> = port
        .shape
        .iter()
        .map(|dimension| dimension.map_or_else(|| "-1".to_owned(), |size| size.to_string()))
        .collect();
    format!("[{}]", dimensions.join(", "))
}

pub(super) fn misfit(pointer: String, message: String) -> ScoreFailure {
    ScoreFailure::NotConforming { message, pointer }
}

/// Maximum number of ports that a message lists. A graph can have hundreds.
const LISTED: usize = 20;

/// Returns the part of an error message that says which inputs or outputs the scorer has: those in
/// `ports`, with their types and shapes. Says how many there are beyond the first [`LISTED`].
pub(super) fn expectation(ports: &[Port]) -> String {
    let more = ports.len().saturating_sub(LISTED);
    let listed: Vec<_> = ports
        .iter()
        .take(LISTED)
        .map(|port| {
            format!(
                "`{}` of {} and shape {}{}",
                quoted(&port.name, NAME_BYTES),
                datatype(port.dtype),
                shape_text(port),
                if port.optional { " (optional)" } else { "" }
            )
        })
        .collect();
    let listed = listed.join(", ");
    match more {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
