//! Rules for the headers of safetensors files.
//!
//! Owns what a second, simpler reader finds in a header. Must not know where a file is mapped.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::errors;
use crate::readers::{Dtype, StartupError, safetensors_tensors};

/// Size of the number at the beginning of a file, which is the length of its header, in bytes.
const LENGTH_BYTES: usize = 8;

/// Checks the bytes as a safetensors file.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(bytes: &[u8]) {
    let tensors = match safetensors_tensors(bytes) {
        Ok(tensors) => tensors,
        Err(error) => {
            let error = StartupError::Model {
                path: "model/weights.safetensors".into(),
                problem: error.to_string(),
                fix: "save it again".to_owned(),
            };
            return errors::several_lines(&error.to_string());
        }
    };
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .expect("it has a length");
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("it fits");
    let header: Value = serde_json::from_slice(&rest[..length]).expect("a header is JSON");
    let start = LENGTH_BYTES + length;
    let mut names = BTreeSet::new();
    let mut ranges = Vec::new();
    for (tensor, range) in tensors {
        let elements: u64 = tensor.shape.iter().product();
        assert_eq!(
            range.len() as u64,
            elements * tensor.dtype.bytes() as u64,
            "{tensor:?}"
        );
        let entry = &header[tensor.name.as_str()];
        assert_eq!(entry["dtype"], file_name(tensor.dtype), "{tensor:?}");
        assert_eq!(entry["shape"], Value::from(tensor.shape.clone()));
        let offsets = [range.start - start, range.end - start];
        assert_eq!(entry["data_offsets"], Value::from(offsets.to_vec()));
        ranges.push(range);
        assert!(names.insert(tensor.name));
    }
    let others = header.as_object().expect("a header is an object").keys();
    assert!(
        others
            .filter(|name| *name != "__metadata__")
            .all(|name| names.contains(name))
    );
    // The tensors are all of the file behind the header, without holes.
    ranges.sort_by_key(|range| (range.start, range.end));
    let end = ranges.iter().fold(start, |end, range| {
        assert_eq!(range.start, end);
        range.end
    });
    assert_eq!(end, bytes.len());
}

/// Returns the name of an element type in a safetensors file.
fn file_name(dtype: Dtype) -> String {
    dtype.name().to_ascii_uppercase()
}
