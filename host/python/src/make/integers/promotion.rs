//! Two functions for ufuncs and `numpy.dot` of indices of 32 bits: the first lets a ufunc compute
//! with 64 bits, and the second refuses `numpy.dot`, which cannot compute with 64 bits then.
//!
//! Owns the code of these two functions. Must not know other functions of numpy.

use super::bytes::DOT_TEXT;
use super::code::{
    BLOCK, ELSE, END, I32_ADD, I32_AND, I32_EQ, I32_EQZ, I32_LT_S, I32_OR, I32_SHL, I32_SHR_U,
    I32_STORE, I32_SUB, IDENTITY_HASH_GET_ITEM, IF, LOOP, PROMOTE_AND_GET_INFO, RETURN, branch_if,
    call, get, i32, join, load, raise, set, tee, variable,
};
use super::{Change, Patch};

/// Offset in the module of the function `cast_sfloat_to_sfloat_unaligned`, which [`promotion`]
/// replaces. Only numpy's own tests use the original.
const PROMOTION: usize = 0x6a_459c;
/// Offset in the module of the function `LONG_dot`, which computes `numpy.dot` of two arrays of the
/// C type `long`, the type of indices.
const LONG_DOT: usize = 0x4d_86ea;
/// Address of the pointer to numpy's descriptor of the C type `long`.
const LONG: u32 = 26_425_628;
/// Address of the pointer to numpy's descriptor of the C type `long long`.
const LONG_LONG: u32 = 26_425_636;

/// Offset of the number of inputs in a `PyUFuncObject`, in bytes.
const NIN: u8 = 8;
/// Offset of the number of all operands in a `PyUFuncObject`, in bytes.
const NARGS: u8 = 16;
/// Offset in a `PyUFuncObject` of the table of types for which numpy knows a function already, in
/// bytes.
const DISPATCH_CACHE: u8 = 124;
/// Offset of the type in an object of Python, in bytes.
const TYPE: u8 = 4;

/// Returns the changes to the functions that compute with indices.
pub(super) fn patches() -> [Patch; 2] {
    let function = |offset, code| Patch {
        offset,
        change: Change::Function(code),
    };
    // No locals but one.
    let dot = join(&[b"\x01\x01\x7f", &raise(DOT_TEXT, 7), RETURN]);
    [function(PROMOTION, promotion()), function(LONG_DOT, dot)]
}

/// Returns the code of a function that replaces the type `long` by `long long` in the types of a
/// ufunc's inputs, if the caller asks for no type and numpy knows the function of the wider types.
/// It then calls the function that numpy would have called. Types that numpy does not know yet
/// stay, because numpy would look at the arrays to find a function, and would remember it for the
/// wider types.
fn promotion() -> Vec<u8> {
    // Parameters, then locals. The local `replaced` has a bit for each replaced type.
    let [ufunc, operands, signature, types, flag] = [0, 1, 2, 3, 4];
    let [index, narrow, wide, replaced, place, known] = [5, 6, 7, 8, 9, 10];
    let next = |count: u8| {
        join(&[
            &get(index),
            &i32(1),
            I32_ADD,
            &tee(index),
            &get(ufunc),
            &load(count),
            I32_LT_S,
            &branch_if(0),
            &[END],
        ])
    };
    let item = |list: u8| join(&[&get(list), &get(index), &i32(2), I32_SHL, I32_ADD]);
    // Adds 1 to the count of references of an object, or takes 1 from it.
    let count = |object: u8, change: &[u8]| {
        let object = get(object);
        join(&[&object, &object, &load(0), &i32(1), change, I32_STORE])
    };
    join(&[
        b"\x01\x06\x7f",
        BLOCK,
        &i32(0),
        &set(index),
        LOOP,
        &item(signature),
        &load(0),
        &branch_if(1),
        &next(NARGS),
        &variable(LONG),
        &load(TYPE),
        &set(narrow),
        &variable(LONG_LONG),
        &load(TYPE),
        &set(wide),
        &i32(0),
        &set(index),
        LOOP,
        &item(types),
        &tee(place),
        &load(0),
        &get(narrow),
        I32_EQ,
        IF,
        &get(place),
        &get(wide),
        I32_STORE,
        &get(replaced),
        &i32(1),
        &get(index),
        I32_SHL,
        I32_OR,
        &set(replaced),
        &[END],
        &next(NIN),
        &get(replaced),
        I32_EQZ,
        &branch_if(0),
        &get(ufunc),
        &load(DISPATCH_CACHE),
        &get(types),
        &call(IDENTITY_HASH_GET_ITEM),
        &set(known),
        &i32(0),
        &set(index),
        LOOP,
        &get(replaced),
        &get(index),
        I32_SHR_U,
        &i32(1),
        I32_AND,
        IF,
        &get(known),
        IF,
        &count(wide, I32_ADD),
        &count(narrow, I32_SUB),
        ELSE,
        &item(types),
        &get(narrow),
        I32_STORE,
        &[END, END],
        &next(NIN),
        &[END],
        &get(ufunc),
        &get(operands),
        &get(signature),
        &get(types),
        &get(flag),
        &call(PROMOTE_AND_GET_INFO),
        RETURN,
    ])
}
