//! Changes of a few bytes of the pinned wheel's module: numbers of types, flags and texts.
//!
//! Owns the places of these changes in the module of the pinned wheel. Must not know how functions
//! are replaced.

use super::{Change, Patch};

/// Offsets in the pinned wheel's module of the instructions that push numpy's number of the default
/// integer type.
const DEFAULT_INTEGERS: [usize; 6] = [
    0x4c_02af, // PyArray_ArangeObj
    0x4c_3376, // discover_descriptor_from_pylong
    0x4c_33b7, // discover_descriptor_from_pylong
    0x4c_33d5, // int_default_descriptor
    0x4c_c1f0, // _convert_from_any
    0x66_2b90, // reducelike_promote_and_resolve
];

/// Instruction that pushes the number by which numpy knows the C type `long`.
const LONG: &[u8] = b"\x41\x07";
/// Instruction that pushes the number by which numpy knows the C type `long long`.
const LONG_LONG: &[u8] = b"\x41\x09";

/// Changes of single instructions and tables of numpy: the offset in the module, the bytes that the
/// wheel has there, and the bytes that the pack gets.
const BYTES: [(usize, &[u8], &[u8]); 11] = [
    // PyArray_PutTo, PyArray_Repeat, PyArray_Choose and PyUFunc_GenericReduction take integers of
    // 64 bits as indices: they ask for NPY_ARRAY_SAME_KIND_CASTING. A call is written shorter to
    // make room for the flag.
    (
        0x49_7225,
        b"\x41\x07\x10\xbd\xd3\x80\x80\x00\x41\x00\x41\x00\x41\x81\x0a\x41\x00\x10\xb3\xd1\x80\x80\x00",
        b"\x41\x07\x10\xbd\xd3\x00\x41\x00\x41\x00\x41\x81\x8a\x80\x20\x41\x00\x10\xb3\xd1\x00\x01\x01",
    ),
    (
        0x49_9112,
        b"\x41\x07\x10\xbd\xd3\x80\x80\x00\x41\x00\x41\x01\x41\x81\x0a\x41\x00\x10\xb3\xd1\x80\x80\x00",
        b"\x41\x07\x10\xbd\xd3\x00\x41\x00\x41\x01\x41\x81\x8a\x80\x20\x41\x00\x10\xb3\xd1\x00\x01\x01",
    ),
    (
        0x49_ab39,
        b"\x41\x07\x10\xbd\xd3\x80\x80\x00\x41\x00\x41\x00\x41\x00\x41\x00\x10\xb3\xd1\x80\x80\x00",
        b"\x41\x07\x10\xbd\xd3\x00\x41\x00\x41\x00\x41\x80\x80\x80\x20\x41\x00\x10\xb3\xd1\x00\x01",
    ),
    (
        0x65_e008,
        b"\x41\x81\x0a\x41\x00\x10\xb3\xd1\x80\x80\x00",
        b"\x41\x81\x8a\x80\x20\x41\x00\x10\xb3\xd1\x00",
    ),
    // int_common_dtype: the common type of a boolean and a Python integer is
    // PyArray_DTypeFromTypeNum(9).
    (
        0x4c_3409,
        b"\x41\x00\x28\x02\xdc\x98\x97\x8d\x00",
        b"\x41\x09\x10\xce\xee\x80\x80\x00\x01",
    ),
    // can_cast_pyscalar_scalar_to: a Python integer is a `long long`.
    (0x4c_4c7a, b"\x41\x07\x41\x0c", b"\x41\x09\x41\x0c"),
    // promote_and_get_ufuncimpl: the call goes to the function of `promotion.rs`.
    (
        0x65_125b,
        b"\x10\x8d\xec\x80\x80\x00",
        b"\x10\xcf\xf0\x80\x80\x00",
    ),
    // reducelike_promote_and_resolve: sums of integers of fewer than 8 bytes have 8 bytes.
    (0x66_2ba5, b"\x41\x03", b"\x41\x07"),
    (
        0x4bf_0131,
        b"\x08\x07\x08\x07\x08\x07\x08\x07\x08",
        b"\x0a\x09\x0a\x09\x0a\x09\x0a\x09\x0a",
    ),
    // PyArray_TypestrConvert: `i4` and `u4` are the C types `int` and `unsigned int`.
    (0x4be_dcad, b"\x01\x03\x07\x09", b"\x01\x03\x05\x09"),
    (0x4be_dcb1, b"\x02\x04\x08\x0a", b"\x02\x04\x06\x0a"),
];

/// Address in the module's memory of the error text for an integer that does not fit into an index.
pub(super) const INDEX_TEXT: u32 = 21_472_512;
/// Address in the module's memory of the error text for `numpy.dot` of two arrays of indices.
pub(super) const DOT_TEXT: u32 = 21_472_368;

/// Texts of errors, by their offsets in the module. They replace the documentation of functions of
/// `_codecs`, which no script reads.
const TEXTS: [(usize, &str); 2] = [
    (
        0x4b6_4f5a,
        "an integer of more than 32 bits cannot be an index in the sandbox: keep it in an array of \
         dtype int64\0",
    ),
    (
        0x4b6_4eca,
        "numpy.dot of two arrays of indices has 32 bits in the sandbox: convert one with \
         astype('int64')\0",
    ),
];

/// Returns the changes that replace only a few bytes of the module: numbers, flags and texts.
pub(super) fn patches() -> Vec<Patch> {
    let integers = DEFAULT_INTEGERS
        .iter()
        .map(|offset| (*offset, LONG, LONG_LONG));
    let bytes = integers.chain(BYTES).map(|(offset, from, to)| Patch {
        offset,
        change: Change::Bytes { from, to },
    });
    let texts = TEXTS.iter().map(|(offset, text)| Patch {
        offset: *offset,
        change: Change::Text(text),
    });
    bytes.chain(texts).collect()
}
