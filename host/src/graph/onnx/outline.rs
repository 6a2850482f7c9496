//! The outline of an ONNX file: its fields, without their contents.
//!
//! Owns the part of Protocol Buffers and of `onnx.proto` that shows if a file is whole, and which
//! inputs state a shape. The engine says neither. Must not know the engine. Contents are skipped,
//! so that a file of many gigabytes is read as quickly as a small one.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

/// Reason why a file does not have the outline of an ONNX file.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutlineError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// The file ends within a field. The text of the error has the size of the file, in bytes.
    #[error("ends after {0} bytes, in the middle of a field")]
    Cut(u64),
    /// The file does not consist of the fields of an ONNX model.
    #[error("is not an ONNX file")]
    NotOnnx,
}

/// Number of the field `ir_version` of a `ModelProto` in `onnx.proto`. Every exporter writes this
/// field first.
const IR_VERSION: u64 = 1;
/// Number of the field `graph` of a `ModelProto` in `onnx.proto`.
const GRAPH: u64 = 7;
/// Number of the field `input` of a `GraphProto` in `onnx.proto`.
const INPUT: u64 = 11;
/// Maximum size of an input's description that is read, in bytes. It has room for a long name and
/// for thousands of dimensions.
const INPUT_BYTES: u64 = 64 << 10;

/// Returns the names of the inputs of a graph that are tensors without a shape: not even the number
/// of their dimensions is stated. An empty shape, as a single number has, is a shape.
///
/// # Errors
/// Fails if the file cannot be read, is cut off, or is not an ONNX file.
pub(super) fn inputs_without_shape(file: &Path) -> Result<Vec<String>, OutlineError> {
    let mut file = Fields::open(file)?;
    let (mut found, all) = (Vec::new(), file.bytes);
    while let Some(field) = file.next(all)? {
        if field.number != GRAPH || !field.is_message {
            file.skip(field.bytes)?;
            continue;
        }
        let end = file.at + field.bytes;
        while let Some(field) = file.next(end)? {
            if field.number == INPUT && field.is_message && field.bytes <= INPUT_BYTES {
                found.extend(name_without_shape(&file.take(field.bytes)?));
            } else {
                file.skip(field.bytes)?;
            }
        }
    }
    Ok(found)
}

/// Returns the name of an input if its encoded description `input` says that it is a tensor, and
/// does not state its shape. Otherwise returns `None`.
fn name_without_shape(input: &[u8]) -> Option<String> {
    let tensor = message(message(input, 2)?, 1)?;
    if message(tensor, 2).is_some() {
        return None;
    }
    Some(String::from_utf8_lossy(message(input, 1)?).into_owned())
}

/// Returns the content of a field of the encoded message `bytes`: of the first field with the
/// number `number` whose content is a message, bytes or a text. Returns `None` if there is no such
/// field.
fn message(mut bytes: &[u8], number: u64) -> Option<&[u8]> {
    while !bytes.is_empty() {
        let key = varint(|| bytes.split_off_first().copied())?;
        let length = match key & 7 {
            0 => varint(|| bytes.split_off_first().copied()).map(|_| 0)?,
            1 => 8,
            2 => varint(|| bytes.split_off_first().copied())?,
            5 => 4,
            _ => return None,
        };
        let content = bytes.split_off(..usize::try_from(length).ok()?)?;
        if key >> 3 == number && key & 7 == 2 {
            return Some(content);
        }
    }
    None
}

/// Decodes a number of variable length (a varint of Protocol Buffers). `next` returns its bytes one
/// after the other. Returns `None` if the bytes end before the number, or if the number has more
/// than ten bytes.
fn varint(mut next: impl FnMut() -> Option<u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = next()?;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

/// Field of a message: its number, and how many bytes of content follow.
struct Field {
    number: u64,
    /// True if the content is a message, bytes or a text. A number has no content that follows,
    /// because it was read already.
    is_message: bool,
    bytes: u64,
}

/// Reader of the fields of an ONNX file.
struct Fields {
    file: BufReader<File>,
    bytes: u64,
    /// Number of bytes of the file that were read or skipped so far.
    at: u64,
}

impl Fields {
    fn open(path: &Path) -> Result<Self, OutlineError> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            file: BufReader::new(file),
            bytes,
            at: 0,
        })
    }

    /// Returns the next field of a message, or `None` at the end of the message. `end` is the
    /// position in the file at which the message ends. The content of the field is not read. Fails
    /// if the field is cut off, or is not that of an ONNX file.
    fn next(&mut self, end: u64) -> Result<Option<Field>, OutlineError> {
        if self.at == end {
            return Ok(None);
        }
        let is_first = self.at == 0;
        let key = self.number()?;
        let (number, kind) = (key >> 3, key & 7);
        if is_first && (number, kind) != (IR_VERSION, 0) {
            return Err(OutlineError::NotOnnx);
        }
        let bytes = match kind {
            0 => self.number().map(|_| 0)?,
            1 => 8,
            2 => self.number()?,
            5 => 4,
            _ => return Err(OutlineError::NotOnnx),
        };
        match self.at.checked_add(bytes) {
            Some(after) if after <= end => {}
            // No exporter writes a field that ends after its message, so the file is not cut off.
            _ if end < self.bytes => return Err(OutlineError::NotOnnx),
            _ => return Err(OutlineError::Cut(self.bytes)),
        }
        Ok(Some(Field {
            number,
            is_message: kind == 2,
            bytes,
        }))
    }

    fn number(&mut self) -> Result<u64, OutlineError> {
        let Self { file, at, bytes } = self;
        let next = || {
            let mut byte = [0];
            file.read_exact(&mut byte).ok()?;
            *at += 1;
            Some(byte[0])
        };
        varint(next).ok_or(if *at == *bytes {
            OutlineError::Cut(*bytes)
        } else {
            OutlineError::NotOnnx
        })
    }

    fn skip(&mut self, bytes: u64) -> Result<(), OutlineError> {
        let offset = i64::try_from(bytes).map_err(|_| OutlineError::NotOnnx)?;
        self.file.seek_relative(offset)?;
        self.at += bytes;
        Ok(())
    }

    fn take(&mut self, bytes: u64) -> Result<Vec<u8>, OutlineError> {
        let mut content = Vec::new();
        self.file.by_ref().take(bytes).read_to_end(&mut content)?;
        self.at += bytes;
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    /// Encodes an input of a graph. `shape` is the encoded shape, or `None` for an input that does
    /// not state its shape.
    fn input(name: &str, shape: Option<&[u8]>) -> Vec<u8> {
        let shape = shape.map_or_else(Vec::new, |shape| field(2, shape));
        let tensor = [vec![1 << 3, 1], shape].concat();
        let input = [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat();
        field(11, &input)
    }

    fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        inputs_without_shape(file.path()).map_err(|error| error.to_string())
    }

    fn model() -> Vec<u8> {
        let graph = [
            field(1, b"a node"),
            input("scalar", Some(b"")),
            input("open", None),
            input("row", Some(&field(1, &[1 << 3, 4]))),
        ];
        let graph = field(7, &graph.concat());
        [vec![1 << 3, 8], graph, field(8, &[2 << 3, 15])].concat()
    }

    #[test]
    fn inputs_without_a_shape_are_told_from_single_numbers() {
        assert_eq!(read(&model()), Ok(vec!["open".to_owned()]));
        assert_eq!(read(b""), Ok(Vec::new()));
    }

    #[test]
    fn a_cut_file_is_told_from_another_one() {
        let whole = model();
        // A file that ends between two fields of the model counts as whole.
        let ends = [0, 2, whole.len() - 4];
        for length in (0..whole.len()).filter(|length| !ends.contains(length)) {
            let text = read(&whole[..length]).unwrap_err();
            assert!(
                text.contains(&format!("ends after {length} bytes")),
                "{text}"
            );
        }
        for other in [
            &b"not a graph at all"[..],
            // Its first field would be longer than the file.
            b"random text",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            // A field of the graph is longer than the graph.
            b"\x08\x08\x3a\x02\x0a\x09\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08",
        ] {
            assert_eq!(read(other), Err("is not an ONNX file".to_owned()));
        }
        assert!(read(b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").is_err());
    }
}
