//! NumPy's files: those that NumPy made, and small ones that are written here.
//!
//! Owns where they are, and as much of the format as these need. Must not know who reads them.

use std::path::PathBuf;

use crate::place;

/// A file that NumPy made.
#[must_use]
pub fn made(name: &str) -> PathBuf {
    place::workspace().join("tests/data/numpy").join(name)
}

/// The bytes of an `.npy` file of version 1.0 that says so of these data.
///
/// # Panics
/// The header is longer than any.
#[must_use]
pub fn file(descr: &str, shape: &str, is_fortran: bool, data: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while !(text.len() + 11).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len()).expect("a header is short").to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, text.as_bytes(), data].concat()
}
