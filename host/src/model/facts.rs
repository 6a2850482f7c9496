//! What the file system says of a model's files, and the digest of each.
//!
//! Owns reading both. Must not know which facts are expected.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::{Model, ModelFile};

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Size of the file, in bytes.
    pub size: u64,
    /// Time of the last modification, in nanoseconds since 1970. `None` if that number does not fit.
    pub modified_ns: Option<i64>,
    /// Time of the last status change, in nanoseconds since 1970. No ordinary tool can set it. `None` if the number does
    /// not fit.
    pub changed_ns: Option<i64>,
    /// Number of the file system that holds the file.
    pub device: u64,
}

impl From<&Metadata> for FileFacts {
    fn from(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        Self {
            size: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
        }
    }
}

impl Model {
    /// Facts about each file, asked of the file that is mapped, whatever its path leads to by now.
    ///
    /// # Errors
    /// The file system does not say.
    pub fn facts(&self) -> io::Result<Vec<(PathBuf, FileFacts)>> {
        let of = |file: &ModelFile| Ok((self.root.join(&file.name), (&file.mapping.metadata()?).into()));
        self.files.iter().map(of).collect()
    }

    /// `sha256:` and 64 hex digits for each file. Reads every byte.
    #[must_use]
    pub fn file_digests(&self) -> Vec<(PathBuf, String)> {
        let of = |file: &ModelFile| {
            let mut hash = Sha256::new();
            file.mapping.pieces(|piece| hash.update(piece));
            (self.root.join(&file.name), format!("sha256:{}", hex::encode(hash.finalize())))
        };
        self.files.iter().map(of).collect()
    }

    /// Takes over a digest that was computed before, by someone who has made sure that the files are still the same.
    /// Without effect if the digest was computed already.
    pub(crate) fn adopt_digest(&self, digest: &str) {
        self.digest.get_or_init(|| digest.to_owned());
    }
}
