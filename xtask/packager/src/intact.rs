//! Files that do not hold the model that their name promises: Git LFS pointers, web pages, and
//! files that were cut off.
//!
//! Owns the checks that need nothing but the bytes of the file, and their fixes. Must not know what
//! a model computes, nor how the file is used.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use scorebox_host::graph::Foreign;
use scorebox_host::text::Problem;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde_json::Value;

/// Instruction in the error message for a model file that ends too early.
pub const CUT_FIX: &str = "copy or download it again, and compare its size with the original's; a download that broke off and \
                           a full disk leave such a file";

/// Maximum length of the header of a safetensors file, in bytes. Readers accept no more.
const MOST_HEADER_BYTES: u64 = 100_000_000;

/// Checks that the file of a model, such as a pickle, is neither empty nor a Git LFS pointer nor an
/// HTML page. Fails with the fix for the content that was found instead, or if the file cannot be
/// read.
pub fn check_source(path: &Path) -> Result<(), Failure> {
    let Some(found) = recognized(path)? else {
        return Ok(());
    };
    match found {
        Foreign::Empty | Foreign::LfsPointer | Foreign::Document("an HTML page") => {
            Err(refusal(path, &found.problem()))
        }
        // Models of some libraries are JSON, archives or compressed.
        _ => Ok(()),
    }
}

/// Checks that a file of a model folder is what its extension says, as far as its beginning and its
/// length tell. `name` is the name of the file in the model.
///
/// Fails if the file is a Git LFS pointer or cannot be read. Also fails if a file with the
/// extension `onnx`, `safetensors`, `npy` or `npz` is empty or in another format, such as a web
/// page or an archive, or if a file with the extension `onnx` or `safetensors` was cut off.
pub fn check_model_file(name: &str, path: &Path) -> Result<(), Failure> {
    let found = recognized(path)?;
    if let Some(found) = found.filter(|found| *found == Foreign::LfsPointer) {
        return Err(refusal(path, &found.problem()));
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let unreadable = |error| Failure::file(path, "be read", error);
    // A safetensors file begins with the length of its header, which may look like another format:
    // 640 has the first bytes of a pickle.
    let begins_as_named = extension == "safetensors" && is_safetensors(path).map_err(unreadable)?;
    let found = found.filter(|_| !begins_as_named);
    let cut = match (extension.as_str(), found) {
        ("onnx" | "safetensors" | "npy" | "npz", None) | ("npz", Some(Foreign::Zip)) => {
            match extension.as_str() {
                "onnx" => cut_graph(path),
                "safetensors" => cut_safetensors(path),
                _ => Ok(None),
            }
        }
        ("onnx" | "safetensors" | "npy" | "npz", Some(found)) => {
            return Err(refusal(path, &found.problem()));
        }
        _ => Ok(None),
    };
    match cut.map_err(unreadable)? {
        None => Ok(()),
        Some(Cut { expected, bytes }) => Err(refusal(
            path,
            &Problem::new(
                format!("was cut: it has {bytes} bytes of at least {expected}"),
                CUT_FIX,
            ),
        )),
    }
}

/// Returns true if the file starts like an ONNX model: with the field `ir_version`, followed by one
/// of the fields 2 to 8, which every exporter writes next. Fails if the file cannot be read.
pub fn is_graph(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(3).read_to_end(&mut head)?;
    // Field 1 is a small number. One of the fields 2 to 8 follows it. Field 5 is a number, too.
    Ok(matches!(
        head.as_slice(),
        [0x08, 1..=32, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42]
    ))
}

/// Returns true if the file starts like a safetensors file: the length of a header in JSON, and the
/// start of that header. Fails if the file cannot be read.
pub fn is_safetensors(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(10).read_to_end(&mut head)?;
    Ok(match head.as_slice() {
        [length @ .., b'{', b'"' | b'}'] if length.len() == 8 => {
            little_endian(length) <= MOST_HEADER_BYTES
        }
        _ => false,
    })
}

/// Expected and actual size of a file that ends too early.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    /// Minimum size of the file according to its own content, in bytes.
    expected: u64,
    /// Size of the file, in bytes.
    bytes: u64,
}

fn recognized(path: &Path) -> Result<Option<Foreign>, Failure> {
    Foreign::of_file(path).map_err(|error| {
        Failure::unreadable(path, error, "name a file that exists and that you may read")
    })
}

fn refusal(path: &Path, problem: &Problem) -> Failure {
    Failure::project(
        format!("{}: {}", shown(path), problem.problem),
        problem.fix.clone(),
    )
}

/// Returns the expected and the actual size of an ONNX file that was cut off. Returns `None` for a
/// whole file, and for a file that is not ONNX, which ONNX Runtime refuses with its own error.
/// Fails if the file cannot be read.
///
/// An ONNX file is a protobuf message. Only the fields of the outermost message are read, because
/// each of them states its length.
fn cut_graph(path: &Path) -> io::Result<Option<Cut>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if !is_graph(path)? {
        return Ok(None);
    }
    let mut file = BufReader::new(file);
    let mut place = 0_u64;
    while place < bytes {
        let Some((tag, size)) = varint(&mut file)? else {
            return Ok(Some(Cut {
                expected: bytes.saturating_add(1),
                bytes,
            }));
        };
        place = place.saturating_add(size);
        let value = match (tag >> 3, tag & 7) {
            // The fields of a model that are numbers, and those that have a length.
            (1 | 5, 0) | (2..=4 | 6..=8 | 14 | 20 | 25 | 26, 2) => varint(&mut file)?,
            _ => return Ok(None),
        };
        let Some((value, size)) = value else {
            return Ok(Some(Cut {
                expected: bytes.saturating_add(1),
                bytes,
            }));
        };
        place = place.saturating_add(size);
        if tag & 7 == 2 {
            place = place.saturating_add(value);
            if place > bytes {
                return Ok(Some(Cut {
                    expected: place,
                    bytes,
                }));
            }
            file.seek(SeekFrom::Start(place))?;
        }
    }
    Ok(None)
}

/// Reads a variable-length integer (varint) of protobuf. Returns the number and its length in
/// bytes, or `None` if the file ends within the number. A number of more than 10 bytes counts as
/// `u64::MAX`. Fails if the file cannot be read.
fn varint(from: &mut impl Read) -> io::Result<Option<(u64, u64)>> {
    let mut value = 0_u64;
    for index in 0..10_u32 {
        let mut byte = [0];
        match from.read_exact(&mut byte) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let [byte] = byte;
        value |= u64::from(byte & 0x7f).checked_shl(7 * index).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(Some((value, u64::from(index) + 1)));
        }
    }
    Ok(Some((u64::MAX, 10)))
}

/// Returns the expected and the actual size of a safetensors file that was cut off. Returns `None`
/// for a whole file, and for a file that is not safetensors. Fails if the file cannot be read.
fn cut_safetensors(path: &Path) -> io::Result<Option<Cut>> {
    if !is_safetensors(path)? {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let start = little_endian(&length).saturating_add(8);
    let cut = |expected: u64| (expected > bytes).then_some(Cut { expected, bytes });
    if start > bytes {
        return Ok(cut(start));
    }
    let mut header = Vec::new();
    file.take(start.saturating_sub(8))
        .read_to_end(&mut header)?;
    let Ok(Value::Object(tensors)) = serde_json::from_slice(&header) else {
        return Ok(None);
    };
    let ends = tensors
        .values()
        .filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    let data = ends.max().unwrap_or(0);
    Ok(cut(start.saturating_add(data)))
}

/// Returns the number that the first eight bytes of `bytes` encode in little-endian order.
fn little_endian(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().take(8).rev();
    bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
