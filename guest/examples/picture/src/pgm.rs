//! Reading of PGM, the simplest format of gray pictures (binary, `P5`).
//!
//! Owns the reading of the header, and the refusal of files that are not PGM pictures of the wanted
//! size. Must not know what a picture shows.

use scorebox_guest::{Error, OrProblem, Result};

/// Reads a PGM picture of `side` x `side` pixels. Returns the pixels row by row, each from 0.0
/// (black) to 1.0 (white). Fails if the file is not a PGM picture of this size with one byte for
/// each pixel.
pub fn pixels(file: &[u8], side: usize) -> Result<Vec<f32>> {
    let (header, bytes) =
        header(file).or_reject("no-pgm", "the body is not a binary PGM file (P5)")?;
    let [width, height, white] = header;
    if [width, height] != [side, side] {
        return Err(Error::rejected(
            "wrong-size",
            format!("the picture has {width} x {height} pixels, not {side} x {side}"),
        ));
    }
    if !(1..=255).contains(&white) {
        return Err(Error::rejected(
            "wrong-depth",
            "the picture has more than one byte for each pixel",
        ));
    }
    let bytes = bytes
        .get(..side * side)
        .or_reject("cut-off", "the picture ends before its last pixel")?;
    Ok(bytes
        .iter()
        .map(|byte| f32::from(*byte) / white as f32)
        .collect())
}

/// Returns the width, the height and the value that stands for white from the header of a PGM file,
/// and the bytes after the header.
///
/// Returns `None` if the file is not a binary PGM file.
fn header(file: &[u8]) -> Option<([usize; 3], &[u8])> {
    let mut rest = file.strip_prefix(b"P5")?;
    let mut numbers = [0; 3];
    for number in &mut numbers {
        rest = after_space(rest)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, after) = rest.split_at_checked(digits)?;
        *number = std::str::from_utf8(text).ok()?.parse().ok()?;
        rest = after;
    }
    // One white-space character, then the first pixel.
    rest.split_first()
        .filter(|(space, _)| space.is_ascii_whitespace())
        .map(|(_, pixels)| (numbers, pixels))
}

/// Skips white space and comments at the start of `rest`, and returns the bytes after them. Returns
/// `None` if `rest` does not start with white space, or if a comment does not end.
fn after_space(mut rest: &[u8]) -> Option<&[u8]> {
    rest.first().filter(|byte| byte.is_ascii_whitespace())?;
    loop {
        rest = rest.trim_ascii_start();
        if rest.first() != Some(&b'#') {
            return Some(rest);
        }
        rest = rest.get(rest.iter().position(|byte| *byte == b'\n')?..)?;
    }
}
