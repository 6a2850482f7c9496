//! Conversions of arrays between types of numbers.
//!
//! Owns the code of the conversions that differ from x86-64, or that would make a wrong index. Must
//! not know other functions of numpy.
//!
//! A floating-point number that an integer cannot hold is converted as x86-64 does it: WebAssembly
//! gives the nearest integer, and natively the answer is the lowest one. NaN is 0 in WebAssembly. A
//! number that an index cannot hold raises an error, because natively an index has 64 bits.

use super::bytes::INDEX_TEXT;
use super::code::{
    BLOCK, END, F32, F32_LOAD, F64, F64_LOAD, I32, I32_ADD, I32_AND, I32_EQZ, I32_LOAD, I32_LT_S,
    I32_STORE, I32_STORE8, I32_STORE16, I32_SUB, I32_WRAP_I64, I64, I64_EXTEND32_S, I64_GT_U,
    I64_LOAD, I64_NE, I64_STORE, I64_STORE32, I64_XOR, IF, LOOP, RETURN, SELECT, branch, branch_if,
    get, i32, i64, join, load, raise, set,
};
use super::{Change, Patch};

/// Type of the numbers that a conversion reads.
#[derive(Debug, Clone, Copy)]
enum From {
    F32,
    F64,
    U32,
    I64,
    U64,
}

/// Type of the numbers that a conversion writes.
#[derive(Debug, Clone, Copy)]
enum To {
    Bits8,
    Bits16,
    I32,
    U32,
    I64,
    U64,
    /// The C type `long`, which has 32 bits and is left for indices.
    Index,
}

/// Conversions between two types, with the offsets in the module of the four functions of each: for
/// aligned arrays without gaps, for arrays without gaps, for aligned arrays, and for all others.
const CASTS: [(From, To, [usize; 4]); 24] = [
    // float to byte
    (
        From::F32,
        To::Bits8,
        [0x44_9c45, 0x44_9db9, 0x44_9f2a, 0x44_a0b9],
    ),
    // float to ubyte
    (
        From::F32,
        To::Bits8,
        [0x44_7e45, 0x44_7fb9, 0x44_812a, 0x44_82b9],
    ),
    // float to short
    (
        From::F32,
        To::Bits16,
        [0x44_a245, 0x44_a3b9, 0x44_a52a, 0x44_a6b9],
    ),
    // float to ushort
    (
        From::F32,
        To::Bits16,
        [0x44_8445, 0x44_85b9, 0x44_872a, 0x44_88b9],
    ),
    // float to int
    (
        From::F32,
        To::I32,
        [0x44_a845, 0x44_a9b0, 0x44_ab18, 0x44_ac9e],
    ),
    // float to uint
    (
        From::F32,
        To::U32,
        [0x44_8a45, 0x44_8bb9, 0x44_8d2a, 0x44_8eb9],
    ),
    // float to long
    (
        From::F32,
        To::Index,
        [0x44_ae21, 0x44_af8c, 0x44_b0f4, 0x44_b27a],
    ),
    // float to ulong
    (
        From::F32,
        To::U32,
        [0x44_9045, 0x44_91b9, 0x44_932a, 0x44_94b9],
    ),
    // float to longlong
    (
        From::F32,
        To::I64,
        [0x44_b3fd, 0x44_b568, 0x44_b6d0, 0x44_b856],
    ),
    // float to ulonglong
    (
        From::F32,
        To::U64,
        [0x44_9645, 0x44_97b9, 0x44_992a, 0x44_9ab9],
    ),
    // double to byte
    (
        From::F64,
        To::Bits8,
        [0x45_1095, 0x45_1215, 0x45_1392, 0x45_152d],
    ),
    // double to ubyte
    (
        From::F64,
        To::Bits8,
        [0x44_f1a5, 0x44_f325, 0x44_f4a2, 0x44_f63d],
    ),
    // double to short
    (
        From::F64,
        To::Bits16,
        [0x45_16c5, 0x45_1845, 0x45_19c2, 0x45_1b5d],
    ),
    // double to ushort
    (
        From::F64,
        To::Bits16,
        [0x44_f7d5, 0x44_f955, 0x44_fad2, 0x44_fc6d],
    ),
    // double to int
    (
        From::F64,
        To::I32,
        [0x45_1cf5, 0x45_1e75, 0x45_1ff2, 0x45_218d],
    ),
    // double to uint
    (
        From::F64,
        To::U32,
        [0x44_fe05, 0x44_ff85, 0x45_0102, 0x45_029d],
    ),
    // double to long
    (
        From::F64,
        To::Index,
        [0x45_2325, 0x45_24a5, 0x45_2622, 0x45_27bd],
    ),
    // double to ulong
    (
        From::F64,
        To::U32,
        [0x45_0435, 0x45_05b5, 0x45_0732, 0x45_08cd],
    ),
    // double to longlong
    (
        From::F64,
        To::I64,
        [0x45_2955, 0x45_2ac8, 0x45_2c38, 0x45_2dc6],
    ),
    // double to ulonglong
    (
        From::F64,
        To::U64,
        [0x45_0a65, 0x45_0be5, 0x45_0d62, 0x45_0efd],
    ),
    // uint to long
    (
        From::U32,
        To::Index,
        [0x40_8ad7, 0x40_8c52, 0x40_8dcd, 0x40_8f25],
    ),
    // ulong to long
    (
        From::U32,
        To::Index,
        [0x41_0463, 0x41_05de, 0x41_0759, 0x41_08b1],
    ),
    // longlong to long
    (
        From::I64,
        To::Index,
        [0x43_d273, 0x43_d3fb, 0x43_d586, 0x43_d6ea],
    ),
    // ulonglong to long
    (
        From::U64,
        To::Index,
        [0x41_78ef, 0x41_7a70, 0x41_7bf4, 0x41_7d51],
    ),
];

// Parameters of a conversion that are used, then its locals.
const ARRAYS: u8 = 1;
const COUNT_OF_NUMBERS: u8 = 2;
const STRIDES: u8 = 3;
const SOURCE: u8 = 5;
const TARGET: u8 = 6;
const COUNT: u8 = 7;
const SOURCE_STRIDE: u8 = 8;
const TARGET_STRIDE: u8 = 9;
const STATE: u8 = 10;
const VALUE: u8 = 11;

/// Returns the changes to numpy's conversions between types of numbers.
pub(super) fn patches() -> Vec<Patch> {
    let mut patches = Vec::new();
    for (from, to, places) in CASTS {
        let code = cast(from, to);
        patches.extend(places.map(|offset| Patch {
            offset,
            change: Change::Function(code.clone()),
        }));
    }
    patches
}

/// Returns the code of a function that converts the numbers of an array one by one.
fn cast(from: From, to: To) -> Vec<u8> {
    let (value_type, load_value) = match from {
        From::F32 => (F32, F32_LOAD),
        From::F64 => (F64, F64_LOAD),
        From::U32 => (I32, I32_LOAD),
        From::I64 | From::U64 => (I64, I64_LOAD),
    };
    let convert = match from {
        From::F32 => float(&SINGLE, to),
        From::F64 => float(&DOUBLE, to),
        From::U32 => index(&join(&[&i32(0), I32_LT_S]), &[]),
        From::I64 => index(&join(&[I64_EXTEND32_S, &get(VALUE), I64_NE]), I32_WRAP_I64),
        From::U64 => index(&join(&[&i64(i32::MAX.into()), I64_GT_U]), I32_WRAP_I64),
    };
    let step = |pointer, stride| join(&[&get(pointer), &get(stride), I32_ADD, &set(pointer)]);
    let item = |list, offset, local| join(&[&get(list), &load(offset), &set(local)]);
    join(&[
        &[2, 6, I32, 1, value_type],
        &item(ARRAYS, 0, SOURCE),
        &item(ARRAYS, 4, TARGET),
        &item(COUNT_OF_NUMBERS, 0, COUNT),
        &item(STRIDES, 0, SOURCE_STRIDE),
        &item(STRIDES, 4, TARGET_STRIDE),
        BLOCK,
        LOOP,
        &get(COUNT),
        &i32(1),
        I32_LT_S,
        &branch_if(1),
        &get(SOURCE),
        load_value,
        &set(VALUE),
        &convert,
        &step(SOURCE, SOURCE_STRIDE),
        &step(TARGET, TARGET_STRIDE),
        &get(COUNT),
        &i32(1),
        I32_SUB,
        &set(COUNT),
        &branch(0),
        &[END, END],
        &i32(0),
        RETURN,
    ])
}

/// Returns instructions that store an integer as an index, or end the conversion with an error. The
/// instructions `is_wrong` take the integer from the stack, and push 1 if it does not fit into an
/// index. The instructions `narrow` convert it to 32 bits.
fn index(is_wrong: &[u8], narrow: &[u8]) -> Vec<u8> {
    join(&[
        &get(VALUE),
        is_wrong,
        &refuse(),
        &get(TARGET),
        &get(VALUE),
        narrow,
        I32_STORE,
    ])
}

/// Returns instructions that end the conversion with an error if the top of the stack is not 0.
fn refuse() -> Vec<u8> {
    join(&[IF, &raise(INDEX_TEXT, STATE), &i32(-1), RETURN, &[END]])
}

/// Instructions for the numbers of one floating-point type.
struct Float {
    to_i32: &'static [u8],
    to_i64: &'static [u8],
    less: &'static [u8],
    greater: &'static [u8],
    not_less: &'static [u8],
    subtract: &'static [u8],
    push: fn(f64) -> Vec<u8>,
    /// Highest number below the range of an index.
    below_index: f64,
}

const SINGLE: Float = Float {
    to_i32: b"\xfc\x00",
    to_i64: b"\xfc\x04",
    less: b"\x5d",
    greater: b"\x5e",
    not_less: b"\x60",
    subtract: b"\x93",
    push: push_f32,
    below_index: -2_147_483_904.0,
};

const DOUBLE: Float = Float {
    to_i32: b"\xfc\x02",
    to_i64: b"\xfc\x06",
    less: b"\x63",
    greater: b"\x64",
    not_less: b"\x66",
    subtract: b"\xa1",
    push: push_f64,
    below_index: -2_147_483_649.0,
};

fn push_f64(number: f64) -> Vec<u8> {
    [&[0x44][..], &number.to_le_bytes()].concat()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "all numbers here are exact in both types"
)]
fn push_f32(number: f64) -> Vec<u8> {
    [&[0x43][..], &(number as f32).to_le_bytes()].concat()
}

const TWO_31: f64 = 2_147_483_648.0;
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Returns instructions that store a floating-point number as an integer.
fn float(float: &Float, to: To) -> Vec<u8> {
    let value = get(VALUE);
    let is = |comparison: &[u8], number| join(&[&value, &(float.push)(number), comparison]);
    // The lowest integer takes the place of what is too high and of NaN. What is too low becomes
    // the lowest integer already.
    let lowest = i64(i64::MIN);
    let low_32 = i32(i32::MIN);
    let to_i32 = join(&[
        &value,
        float.to_i32,
        &low_32,
        &is(float.less, TWO_31),
        SELECT,
    ]);
    let to_i64 = |value: &[u8]| {
        let is_low = join(&[value, &(float.push)(TWO_63), float.less]);
        join(&[value, float.to_i64, &lowest, &is_low, SELECT])
    };
    let (integer, store): (Vec<u8>, &[u8]) = match to {
        To::Bits8 => (to_i32, I32_STORE8),
        To::Bits16 => (to_i32, I32_STORE16),
        To::I32 => (to_i32, I32_STORE),
        To::U32 => (to_i64(&value), I64_STORE32),
        To::I64 => (to_i64(&value), I64_STORE),
        To::U64 => {
            let reduced = join(&[&value, &(float.push)(TWO_63), float.subtract]);
            let high = join(&[&to_i64(&reduced), &lowest, I64_XOR]);
            let is_high = is(float.not_less, TWO_63);
            let integer = join(&[&high, &to_i64(&value), &is_high, SELECT]);
            (integer, I64_STORE)
        }
        To::Index => {
            let is_high_enough = is(float.greater, float.below_index);
            let fits = join(&[&is(float.less, TWO_31), &is_high_enough, I32_AND]);
            let checked = join(&[&fits, I32_EQZ, &refuse()]);
            let store = join(&[&get(TARGET), &value, float.to_i32, I32_STORE]);
            return join(&[&checked, &store]);
        }
    };
    join(&[&get(TARGET), &integer, store])
}
