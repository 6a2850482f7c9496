//! Rules for the headers of NumPy's `.npy` files and of the arrays in `.npz` archives.
//!
//! Owns the bounds of a header. Must not know elements.

use std::collections::BTreeSet;
use std::io::Cursor;

use crate::errors;
use crate::readers::ArraySource;

/// First bytes of an archive.
const ARCHIVE: &[u8] = b"PK";

/// Maximum number of dimensions of an array.
const DIMENSIONS: usize = 64;

/// Maximum size of everything before the elements of an array, in bytes.
const HEADER_BYTES: u64 = 10_012;

/// Maximum length of the text that says what is wrong with a file, in bytes. It has room for a
/// shape with all dimensions.
const PROBLEM_BYTES: usize = 4096;

/// Checks the bytes as an `.npz` archive if they begin like one, and as an `.npy` file otherwise.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(bytes: &[u8]) {
    let is_archive = bytes.starts_with(ARCHIVE);
    let arrays = ArraySource::new(Cursor::new(bytes), is_archive)
        .and_then(|mut source| source.arrays("weights"));
    let arrays = match arrays {
        Ok(arrays) => arrays,
        Err(error) => return errors::one_line(&error.to_string(), PROBLEM_BYTES),
    };
    assert!(is_archive || arrays.len() == 1);
    let mut names = BTreeSet::new();
    for array in arrays {
        let header = &array.header;
        assert!(header.header_bytes <= HEADER_BYTES, "{header:?}");
        assert!(
            is_archive || header.header_bytes <= bytes.len() as u64,
            "{header:?}"
        );
        assert!(header.shape.len() <= DIMENSIONS, "{header:?}");
        let elements: usize = header.shape.iter().product();
        assert_eq!(header.data_bytes, elements * header.width, "{header:?}");
        assert!(matches!(header.width, 1 | 2 | 4 | 8));
        let name = array.planned.name;
        assert!(!name.is_empty() && !name.contains(['\\', '\0']), "{name:?}");
        assert!(
            !name.split('/').any(|part| matches!(part, "" | "." | "..")),
            "{name:?}"
        );
        assert!(names.insert(name));
    }
}
