//! File system facts about a model's files, and the digest of each file.
//!
//! Owns reading the facts and computing the digests. Must not know which facts are expected.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::{Model, ModelFile};

/// Facts that the file system states about one file. These facts show whether the file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Size of the file, in bytes.
    pub size: u64,
    /// Time of the file's last modification (`mtime`), in nanoseconds since 1970. `None` if the
    /// number does not fit into 64 bits.
    pub modified_ns: Option<i64>,
    /// Time of the file's last status change (`ctime`), in nanoseconds since 1970. `None` if the
    /// number does not fit into 64 bits.
    ///
    /// No ordinary tool can set this time.
    pub changed_ns: Option<i64>,
    /// Number of the file system that holds the file.
    pub device: u64,
}

impl From<&Metadata> for FileFacts {
    fn from(metadata: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        Self {
            size: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
        }
    }
}

impl Model {
    /// Returns the path and the file system facts of each file of the model.
    ///
    /// The facts are those of the file that is mapped, even if another file has its path by now.
    ///
    /// # Errors
    /// Fails if the file system does not return the facts about a file.
    pub fn facts(&self) -> io::Result<Vec<(PathBuf, FileFacts)>> {
        let of = |file: &ModelFile| {
            Ok((
                self.root.join(&file.name),
                (&file.mapping.metadata()?).into(),
            ))
        };
        self.files.iter().map(of).collect()
    }

    /// Returns the path and the digest (`sha256:` and 64 hex digits) of each file of the model.
    /// Reads every byte of these files.
    #[must_use]
    pub fn file_digests(&self) -> Vec<(PathBuf, String)> {
        let of = |file: &ModelFile| {
            let mut hash = Sha256::new();
            file.mapping.pieces(|piece| hash.update(piece));
            (
                self.root.join(&file.name),
                format!("sha256:{}", hex::encode(hash.finalize())),
            )
        };
        self.files.iter().map(of).collect()
    }

    /// Sets the digest of the model to one that was computed earlier.
    ///
    /// The caller must have checked that the files are unchanged since then. This function has no
    /// effect if the digest was already computed or set.
    pub(crate) fn adopt_digest(&self, digest: &str) {
        self.digest.get_or_init(|| digest.to_owned());
    }
}
