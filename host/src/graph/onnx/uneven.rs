//! Operators whose work depends on the values of the inputs, found in an ONNX file.
//!
//! Owns the list of these operators, and the search for them. Must not know the engine, or what the
//! result is used for.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// ONNX operators whose loop count or output size depends on the value of an input.
const UNEVEN: [&str; 10] = [
    "Loop",
    "Scan",
    "SequenceMap",
    "ConstantOfShape",
    "Expand",
    "OneHot",
    "Pad",
    "Range",
    "Resize",
    "Tile",
];

/// Maximum number of bytes of an ONNX file that are read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Returns true if an ONNX file uses none of the operators [`UNEVEN`]. May return false for a file
/// that only contains bytes that look like one of them. Fails if the file cannot be read.
///
/// The function searches the file for the encoded field `op_type` of a node: its tag, the length,
/// and the operator's name.
pub(super) fn is_even(file: &Path) -> std::io::Result<bool> {
    let (mut file, mut block) = (File::open(file)?, Vec::new());
    let is_one = |place: &[u8]| {
        let Some((&length, name)) = place.split_first() else {
            return false;
        };
        UNEVEN.iter().any(|operator| {
            usize::from(length) == operator.len() && name.starts_with(operator.as_bytes())
        })
    };
    loop {
        // The last bytes of the block before may be the beginning of an operator, so they are kept.
        block.drain(..block.len().saturating_sub(OPERATOR_BYTES));
        if file
            .by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)?
            == 0
        {
            return Ok(true);
        }
        if block
            .split(|byte| *byte == NODE_OPERATOR)
            .skip(1)
            .any(is_one)
        {
            return Ok(false);
        }
    }
}

/// Number of bytes at the end of a block that are searched again with the next block. The tag, the
/// length and the longest operator name together take less.
const OPERATOR_BYTES: usize = 32;

/// Tag of the field `op_type` of a node in the Protocol Buffers encoding of an ONNX file.
const NODE_OPERATOR: u8 = 4 << 3 | 2;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn operators_are_found_across_blocks() {
        let check = |before: usize, name: &[u8], expected: bool| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&[vec![0; before], name.to_vec(), vec![0; 100]].concat())
                .unwrap();
            assert_eq!(is_even(file.path()).unwrap(), expected, "{before}");
        };
        for before in [
            0,
            7,
            BLOCK_BYTES - 3,
            BLOCK_BYTES - 1,
            BLOCK_BYTES,
            2 * BLOCK_BYTES - 5,
        ] {
            check(before, b"\"\x04Loop", false);
            check(before, b"\"\x0fConstantOfShape", false);
            check(before, b"\"\x06MatMul", true);
        }
        assert!(is_even(Path::new("/nowhere")).is_err());
    }
}
