//! Files of NumPy: files that NumPy wrote, and small ones that tests write.
//!
//! Owns their location, and the part of the format that the tests need. Must not know which program
//! reads them.

use std::path::PathBuf;

use crate::place;

/// Returns the path of the test file `name`, which NumPy wrote.
#[must_use]
pub fn made(name: &str) -> PathBuf {
    place::workspace().join("tests/data/numpy").join(name)
}

/// Returns the bytes of an `.npy` file of version 1.0. `descr`, `shape` and `is_fortran` are the
/// fields of its header, and `data` follows the header.
///
/// # Panics
/// Panics if the header is longer than 65,535 bytes.
#[must_use]
pub fn file(descr: &str, shape: &str, is_fortran: bool, data: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while !(text.len() + 11).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len())
        .expect("a header is short")
        .to_le_bytes();
    [
        b"\x93NUMPY\x01\x00".as_slice(),
        &length,
        text.as_bytes(),
        data,
    ]
    .concat()
}
