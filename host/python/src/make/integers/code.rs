//! Instructions of WebAssembly as bytes.
//!
//! Owns the encoding of the instructions that the changes to numpy use. Must not know what the
//! instructions are for.

/// Instruction that ends a block or a function.
pub(super) const END: u8 = 0x0b;
/// Instruction that does nothing.
pub(super) const NOP: u8 = 0x01;
/// Instruction that traps.
pub(super) const UNREACHABLE: u8 = 0x00;

pub(super) const BLOCK: &[u8] = b"\x02\x40";
pub(super) const LOOP: &[u8] = b"\x03\x40";
pub(super) const IF: &[u8] = b"\x04\x40";
pub(super) const ELSE: &[u8] = b"\x05";
pub(super) const RETURN: &[u8] = b"\x0f";
pub(super) const SELECT: &[u8] = b"\x1b";

pub(super) const I32_EQZ: &[u8] = b"\x45";
pub(super) const I32_EQ: &[u8] = b"\x46";
pub(super) const I32_LT_S: &[u8] = b"\x48";
pub(super) const I32_ADD: &[u8] = b"\x6a";
pub(super) const I32_SUB: &[u8] = b"\x6b";
pub(super) const I32_AND: &[u8] = b"\x71";
pub(super) const I32_OR: &[u8] = b"\x72";
pub(super) const I32_SHL: &[u8] = b"\x74";
pub(super) const I32_SHR_U: &[u8] = b"\x76";
pub(super) const I32_WRAP_I64: &[u8] = b"\xa7";

pub(super) const I64_NE: &[u8] = b"\x52";
pub(super) const I64_GT_U: &[u8] = b"\x56";
pub(super) const I64_XOR: &[u8] = b"\x85";
pub(super) const I64_EXTEND32_S: &[u8] = b"\xc4";

// Loads and stores at the address on the stack. The address need not be aligned.
pub(super) const I32_LOAD: &[u8] = b"\x28\x00\x00";
pub(super) const I64_LOAD: &[u8] = b"\x29\x00\x00";
pub(super) const F32_LOAD: &[u8] = b"\x2a\x00\x00";
pub(super) const F64_LOAD: &[u8] = b"\x2b\x00\x00";
pub(super) const I32_STORE: &[u8] = b"\x36\x00\x00";
pub(super) const I64_STORE: &[u8] = b"\x37\x00\x00";
pub(super) const I32_STORE8: &[u8] = b"\x3a\x00\x00";
pub(super) const I32_STORE16: &[u8] = b"\x3b\x00\x00";
pub(super) const I64_STORE32: &[u8] = b"\x3e\x00\x00";

/// Type of a 32-bit integer, in the list of the locals of a function.
pub(super) const I32: u8 = 0x7f;
pub(super) const I64: u8 = 0x7e;
pub(super) const F32: u8 = 0x7d;
pub(super) const F64: u8 = 0x7c;

/// Numbers of functions in the module of the pinned wheel, as the instruction that calls a function
/// needs them.
pub(super) const PY_ERR_SET_STRING: u32 = 4081;
pub(super) const PY_GIL_STATE_ENSURE: u32 = 4777;
pub(super) const PY_GIL_STATE_RELEASE: u32 = 4779;
pub(super) const IDENTITY_HASH_GET_ITEM: u32 = 13830;
pub(super) const PROMOTE_AND_GET_INFO: u32 = 13837;

/// Address of the variable `PyExc_OverflowError`.
const OVERFLOW_ERROR: u32 = 26_079_564;

/// Joins several sequences of instructions.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Returns the instruction that pushes the value of a local variable.
pub(super) fn get(local: u8) -> Vec<u8> {
    vec![0x20, local]
}

/// Returns the instruction that pops a value into a local variable.
pub(super) fn set(local: u8) -> Vec<u8> {
    vec![0x21, local]
}

/// Returns the instruction that copies the top of the stack into a local variable.
pub(super) fn tee(local: u8) -> Vec<u8> {
    vec![0x22, local]
}

/// Returns the instruction that leaves the block with the depth `depth`, or repeats the loop with
/// this depth. The innermost block or loop has the depth 0.
pub(super) fn branch(depth: u8) -> Vec<u8> {
    vec![0x0c, depth]
}

/// Returns the instruction that leaves the block with the depth `depth`, or repeats the loop with
/// this depth, if the top of the stack is not 0. The innermost block or loop has the depth 0.
pub(super) fn branch_if(depth: u8) -> Vec<u8> {
    vec![0x0d, depth]
}

/// Returns the instruction that pushes a number of 32 bits.
pub(super) fn i32(number: i32) -> Vec<u8> {
    signed(0x41, number.into())
}

/// Returns the instruction that pushes a number of 64 bits.
pub(super) fn i64(number: i64) -> Vec<u8> {
    signed(0x42, number)
}

/// Returns the instruction that replaces the address on the stack by the 4 bytes at that address
/// plus an offset below 128.
pub(super) fn load(offset: u8) -> Vec<u8> {
    vec![0x28, 0x02, offset & 0x7f]
}

/// Returns instructions that push the 4 bytes at an address.
pub(super) fn variable(address: u32) -> Vec<u8> {
    let mut code = vec![0x41, 0x00, 0x28, 0x02];
    code.extend(padded(address));
    code
}

/// Returns the instruction that calls the function with the number `function`.
pub(super) fn call(function: u32) -> Vec<u8> {
    let mut code = vec![0x10];
    code.extend(padded(function));
    code
}

/// Returns instructions that raise `OverflowError` with the text at the address `text`. They
/// overwrite the local variable `local`.
pub(super) fn raise(text: u32, local: u8) -> Vec<u8> {
    join(&[
        &call(PY_GIL_STATE_ENSURE),
        &set(local),
        &variable(OVERFLOW_ERROR),
        &i32(text.cast_signed()),
        &call(PY_ERR_SET_STRING),
        &get(local),
        &call(PY_GIL_STATE_RELEASE),
    ])
}

/// Reads an unsigned number in LEB128 from the start of `bytes`. Returns the number, and how many
/// bytes it takes. Returns `None` if the number takes more than four bytes, or is cut off.
pub(super) fn read_leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, place + 1));
        }
    }
    None
}

/// Returns a number in LEB128, padded to five bytes as the linker writes it.
fn padded(number: u32) -> [u8; 5] {
    let part = |shift: u32| {
        let [low, ..] = (number >> shift).to_le_bytes();
        low & 0x7f
    };
    [
        part(0) | 0x80,
        part(7) | 0x80,
        part(14) | 0x80,
        part(21) | 0x80,
        part(28),
    ]
}

fn signed(instruction: u8, number: i64) -> Vec<u8> {
    let mut code = vec![instruction];
    let mut rest = number;
    loop {
        let [low, ..] = rest.to_le_bytes();
        let low = low & 0x7f;
        rest >>= 7;
        let negative = low & 0x40 != 0;
        if (rest == 0 && !negative) || (rest == -1 && negative) {
            code.push(low);
            return code;
        }
        code.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_encoded_as_the_linker_does() {
        assert_eq!(i32(-1), [0x41, 0x7f]);
        assert_eq!(i32(64), [0x41, 0xc0, 0x00]);
        assert_eq!(i32(i32::MIN), [0x41, 0x80, 0x80, 0x80, 0x80, 0x78]);
        assert_eq!(call(13837), [0x10, 0x8d, 0xec, 0x80, 0x80, 0x00]);
        assert_eq!(read_leb128(&[0x87, 0x03, 9]), Some((391, 2)));
        assert_eq!(read_leb128(&[0x87]), None);
    }
}
