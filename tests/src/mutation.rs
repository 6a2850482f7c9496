//! Files that are damaged by chance, by a bad disk or on purpose.
//!
//! Owns the ways in which bytes are changed. Equal seeds give equal changes. Must not know what the
//! bytes mean.

use std::ops::Range;

/// A pseudorandom sequence of numbers: xorshift64*.
pub struct Chance(u64);

impl Chance {
    /// Creates the sequence that starts from a seed. Equal seeds give equal sequences.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns the next number below `end`.
    ///
    /// # Panics
    /// Panics if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end as u64)
            .expect("it is below a usize")
    }

    fn within(&mut self, range: &Range<usize>) -> usize {
        range.start + self.below(range.len().max(1))
    }
}

/// Encodings of huge lengths and counts: varints of Protocol Buffers, valid and too long, and
/// little-endian numbers of eight bytes.
const HUGE: [&[u8]; 6] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x00\x00\x00\x00\x00\x00\x80",
];

/// Changes a file at random. Returns a description of the change, and the new bytes.
///
/// `structure` has the ranges of the file that hold lengths, names and types. Most of the changes
/// are made in these ranges.
///
/// # Panics
/// Panics if the file is empty.
#[must_use]
pub fn mutated(whole: &[u8], structure: &[Range<usize>], chance: &mut Chance) -> (String, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let place = |chance: &mut Chance| {
        let range = &structure[chance.below(structure.len())];
        chance.within(range).min(whole.len() - 1)
    };
    let what = match chance.below(10) {
        0 => {
            let end = chance.below(whole.len());
            bytes.truncate(end);
            format!("cut to {end} bytes")
        }
        1..=3 => {
            let (at, bit) = (place(chance), chance.below(8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} of the structure flipped")
        }
        4 => {
            let count = 1 + chance.below(8);
            let places: Vec<usize> = (0..count).map(|_| chance.below(whole.len())).collect();
            places.iter().for_each(|at| bytes[*at] ^= 1 << (at % 8));
            format!("bits flipped at {places:?}")
        }
        5 | 6 => {
            let (at, huge) = (place(chance), HUGE[chance.below(HUGE.len())]);
            let replaced = chance.below(2) * huge.len();
            let end = (at + replaced.max(1)).min(bytes.len());
            bytes.splice(at..end, huge.iter().copied());
            format!("{huge:x?} in place of {} bytes at {at}", end - at)
        }
        7 => {
            let at = place(chance);
            let end = (at + 1 + chance.below(64)).min(bytes.len());
            bytes.drain(at..end);
            format!("bytes {at}..{end} removed")
        }
        8 => {
            let at = place(chance);
            let end = (at + 1 + chance.below(256)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
            format!("bytes {at}..{end} twice")
        }
        _ => {
            let at = place(chance);
            let value = [0x00, 0x01, 0x7f, 0x80, 0xff][chance.below(5)];
            let end = (at + [1, 2, 4, 8][chance.below(4)]).min(bytes.len());
            bytes[at..end].fill(value);
            format!("bytes {at}..{end} set to {value:#x}")
        }
    };
    (what, bytes)
}
