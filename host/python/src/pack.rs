//! Engine pack: CPython and its libraries as machine code, in a folder.
//!
//! Owns the record of a pack and the checks before its code is loaded. Must not know scripts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Name of the file that records what a pack is.
pub const RECORD_FILE: &str = "pack.json";
/// Name of the file with the machine code of a pack.
pub const CODE_FILE: &str = "python.cwasm";

/// Format of the record that this version reads.
pub const FORMAT: u32 = 1;

/// How thoroughly the files of a pack are compared with its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Compares the sizes of the files.
    Recorded,
    /// Compares the sizes and the digests of the files. This takes about 0.2 s.
    Whole,
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

/// Record of a pack: the content of its `pack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackRecord {
    /// Format of this record, [`FORMAT`].
    pub format: u32,
    /// Engine that the code was compiled for, [`crate::engine::ENGINE`].
    pub engine: String,
    /// CPU level that the code was compiled for, such as `x86-64-v2`.
    pub cpu: String,
    /// Files of the pack by their names.
    pub files: BTreeMap<String, PackFile>,
    /// SHA-256 digest of the module with the libraries imported, from which the code was compiled.
    pub stock_sha256: String,
    /// SHA-256 digest of the Python files of Scorebox in the pack.
    pub world_sha256: String,
    /// Wheel that the pack was made of.
    pub wheel: Wheel,
    /// Version of Python.
    pub python: String,
    /// Versions of the libraries in the pack, by the names of their projects on PyPI.
    pub libraries: BTreeMap<String, String>,
}

/// Reason why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The pack does not exist, or a file of it cannot be read.
    #[error("{}: {reason}; run `cargo xtask setup --python`, which makes the pack", path.display())]
    Unreadable {
        /// File or folder that was opened.
        path: PathBuf,
        /// Text of the system's error.
        reason: String,
    },
}

/// Pack that is checked and loaded.
pub struct Pack {
    folder: PathBuf,
    record: PackRecord,
    digest: String,
}

impl Pack {
    /// Checks a pack, and loads its machine code.
    ///
    /// # Errors
    /// Fails if the pack is incomplete, was changed, is writable by this process, or was compiled
    /// for another engine or another CPU.
    pub fn open(folder: &Path, _proof: Proof) -> Result<Arc<Self>, PackError> {
        Err(PackError::Unreadable {
            path: folder.to_owned(),
            reason: "this version cannot load a pack yet".to_owned(),
        })
    }

    /// Returns the record of the pack.
    #[must_use]
    pub fn record(&self) -> &PackRecord {
        &self.record
    }

    /// Returns the SHA-256 digest of the record, in hexadecimal. It stands for the whole pack.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the folder of the pack.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
