//! Record of a pack: the content of its `pack.json`.
//!
//! Owns the form of the record, and which paths its files may have. Must not read the files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the file in a pack that records what the pack was made of, and its files.
pub const RECORD_FILE: &str = "pack.json";
/// Name of the file with the machine code of a pack.
pub const CODE_FILE: &str = "python.cwasm";

/// Format of the record of a pack that this version reads and writes.
pub const FORMAT: u32 = 1;

/// Record of a pack: the content of its `pack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackRecord {
    /// Format of this record, [`FORMAT`].
    pub format: u32,
    /// WebAssembly engine that the machine code was compiled for, [`crate::engine::ENGINE`].
    pub engine: String,
    /// CPU level that the machine code was compiled for, such as `x86-64-v2`.
    pub cpu: String,
    /// Files of the pack by their paths in its folder.
    pub files: BTreeMap<String, PackFile>,
    /// SHA-256 digest of the stock, which is the module of CPython that was stored after the
    /// libraries were imported. The machine code was compiled from it.
    pub stock_sha256: String,
    /// SHA-256 digest of the Python files of Scorebox in the pack.
    pub world_sha256: String,
    /// Wheel with CPython that the pack was made of.
    pub wheel: Wheel,
    /// Version of Python in the pack.
    pub python: String,
    /// Versions of the libraries in the pack, by the names of their projects on PyPI.
    pub libraries: BTreeMap<String, String>,
}

/// Size and digest of a file of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackFile {
    /// Size of the file, in bytes.
    pub size: u64,
    /// SHA-256 digest of the file, in hexadecimal.
    pub sha256: String,
}

/// Wheel from PyPI that a pack was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Name of the project on PyPI.
    pub name: String,
    /// Version of the wheel.
    pub version: String,
    /// SHA-256 digest of the wheel, in hexadecimal.
    pub sha256: String,
}

/// Reason why a file is not the record of a pack. The text follows the path of the file.
#[derive(Debug)]
pub(super) struct Misfit(pub String);

impl PackRecord {
    /// Reads the record of a pack.
    ///
    /// # Errors
    /// Fails if the record does not have this format, names a file outside of the pack, or does not
    /// name the file with the machine code.
    pub(super) fn read(text: &[u8]) -> Result<Self, Misfit> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let read =
            |error: serde_json::Error| Misfit(format!("is not the record of a pack: {error}"));
        let Format { format } = serde_json::from_slice(text).map_err(read)?;
        if format != FORMAT {
            let text = format!("has the format {format}, and this host reads {FORMAT}");
            return Err(Misfit(text));
        }
        let record: Self = serde_json::from_slice(text).map_err(read)?;
        if let Some(name) = record.files.keys().find(|name| !is_inside(name)) {
            let name = scorebox_text::quoted(name, scorebox_text::NAME_BYTES);
            let text = format!("has {name}, which is not a path in the pack");
            return Err(Misfit(text));
        }
        match record.files.contains_key(CODE_FILE) {
            true => Ok(record),
            false => Err(Misfit(format!("does not have the file {CODE_FILE}"))),
        }
    }
}

/// Returns true if a path leads to a file in the folder of the pack.
fn is_inside(path: &str) -> bool {
    path.split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'))
}
