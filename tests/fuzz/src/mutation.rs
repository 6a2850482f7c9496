//! Random changes of bytes. Equal seeds give equal changes.
//!
//! Owns the ways in which bytes are changed. Must not know what the bytes mean.

/// A pseudorandom sequence of numbers: xorshift64*.
pub struct Chance(u64);

impl Chance {
    /// Creates the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns the next number below `end`, or 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        usize::try_from(number % end.max(1) as u64).expect("it is below a usize")
    }
}

/// Pieces of text and of binary formats that readers treat in a special way.
const PIECES: [&[u8]; 32] = [
    b"-",
    b"-0",
    b"-1",
    b"0",
    b"99999999999999999999",
    b"9223372036854775807",
    b"18446744073709551615",
    b"1e999",
    b"1.5e1",
    b"null",
    b"true",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"\\u001b",
    b",",
    b":",
    b"'",
    b"=",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\0\0\0\0\0\0\0\x80",
    b"../",
    b"$-0\r\n",
    b"~1",
];

/// Maximum size of bytes that a change makes longer.
const MOST_BYTES: usize = 64 << 10;

/// Changes a seed one to three times. `other` is a seed from which a part may be taken.
pub fn mutated(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(3) {
        change(&mut bytes, other, chance);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let end = (at + 1 + chance.below(16)).min(bytes.len());
    match chance.below(24) {
        0 => bytes.truncate(at),
        1..=4 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        5..=11 => {
            let piece = PIECES[chance.below(PIECES.len())];
            let end = if chance.below(2) == 0 { at } else { end };
            bytes.splice(at..end, piece.iter().copied());
        }
        12..=14 => drop(bytes.drain(at..end)),
        15..=18 => {
            let again = bytes[at..end].to_vec();
            let to = chance.below(bytes.len() + 1);
            bytes.splice(to..to, again);
        }
        19..=22 => {
            let from = chance.below(other.len() + 1);
            let until = (from + chance.below(64)).min(other.len());
            bytes.splice(at..end, other[from..until].iter().copied());
        }
        _ => {
            // A long input is slow, so there are few.
            let times = 1 << chance.below(12);
            let again = bytes[at..end].repeat(times);
            let room = MOST_BYTES.saturating_sub(bytes.len()).min(again.len());
            bytes.splice(at..at, again[..room].iter().copied());
        }
    }
}
