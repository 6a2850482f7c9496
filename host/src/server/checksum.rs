//! The checksum at the end of a gzip member.
//!
//! Owns CRC-32 as RFC 1952 defines it. Must not know the format around it.

/// CRC remainders of every byte that is followed by 0, 1, 2 or 3 bytes of zeros, in one table each.
/// With four tables, four bytes take one step.
#[expect(clippy::indexing_slicing, reason = "computed by the compiler")]
const TABLES: [[u32; 256]; 4] = {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = if remainder & 1 == 1 { 0xEDB8_8320 } else { 0 };
            remainder = remainder >> 1 ^ carry;
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut table = 1;
    while table < 4 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
};

/// Returns the CRC-32 of some data that ends with `bytes`. `checksum` is the CRC-32 of the data
/// before `bytes`, or 0 if there is none.
pub(super) fn crc32(checksum: u32, bytes: &[u8]) -> u32 {
    let [last, third, second, first] = &TABLES;
    let at = |table: &[u32; 256], byte: u32| {
        let index = (byte & 0xFF) as usize;
        table.get(index).copied().unwrap_or_default()
    };
    let (words, rest) = bytes.as_chunks::<4>();
    let mut remainder = !checksum;
    for word in words {
        let mixed = remainder ^ u32::from_le_bytes(*word);
        remainder = at(first, mixed)
            ^ at(second, mixed >> 8)
            ^ at(third, mixed >> 16)
            ^ at(last, mixed >> 24);
    }
    for byte in rest {
        remainder = remainder >> 8 ^ at(last, remainder ^ u32::from(*byte));
    }
    !remainder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard_however_it_is_cut() {
        assert_eq!(crc32(0, b""), 0);
        assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
        for cut in 0..9 {
            let (left, right) = b"123456789".split_at(cut);
            assert_eq!(crc32(crc32(0, left), right), 0xCBF4_3926, "{cut}");
        }
    }
}
