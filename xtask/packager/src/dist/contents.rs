//! The files of a release: their paths below the folder of an installation, their modes and their
//! bytes.
//!
//! Owns the collection. Must not know which files a release has, nor the archives that they are put
//! into.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;

use crate::installed::Part;

/// The files of a release. The keys are the paths of the files below the folder of an installation,
/// e.g. `bin/scorebox`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents(BTreeMap<String, File>);

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    bytes: Bytes,
    /// True if the file is a program, which everyone may run.
    pub is_program: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bytes {
    Path(PathBuf),
    Memory(Vec<u8>),
}

impl Contents {
    /// Adds a program to the files of the release. `from` is the file of the program on this
    /// machine, and `path` is its path in the installation.
    pub fn program(&mut self, path: &str, from: &Path) {
        self.add(path, Bytes::Path(from.to_path_buf()), true);
    }

    /// Adds a file that is not a program to the files of the release. `from` is the file on this
    /// machine, and `path` is its path in the installation.
    pub fn file(&mut self, path: &str, from: &Path) {
        self.add(path, Bytes::Path(from.to_path_buf()), false);
    }

    /// Adds a file that is not a program to the files of the release. `bytes` is the content of the
    /// file, and `path` is its path in the installation.
    pub fn bytes(&mut self, path: &str, bytes: Vec<u8>) {
        self.add(path, Bytes::Memory(bytes), false);
    }

    fn add(&mut self, path: &str, bytes: Bytes, is_program: bool) {
        let file = File { bytes, is_program };
        self.0.insert(path.to_owned(), file);
    }

    /// Returns all files of the release with their paths in the installation, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Returns the size and the digest of each file of the release. The keys are the paths of the
    /// files in the installation. Fails if a file cannot be read.
    pub fn parts(&self) -> Result<BTreeMap<String, Part>, Failure> {
        let mut parts = BTreeMap::new();
        for (path, file) in self.iter() {
            let bytes = file.read()?;
            let part = Part {
                size: bytes.len() as u64,
                sha256: Digest::of(&bytes).hex().to_owned(),
            };
            parts.insert(path.to_owned(), part);
        }
        Ok(parts)
    }

    /// Returns the paths on this machine of those files of the release that may be dynamically
    /// linked programs or shared libraries.
    pub fn dynamic(&self) -> impl Iterator<Item = &Path> {
        let is_library = |path: &str| path.contains(".so");
        self.iter()
            .filter(move |(path, file)| file.is_program || is_library(path))
            .filter_map(|(_, file)| match &file.bytes {
                Bytes::Path(path) => Some(path.as_path()),
                Bytes::Memory(_) => None,
            })
    }
}

impl File {
    /// Returns the bytes of the file. Fails if the file cannot be read.
    pub fn read(&self) -> Result<Cow<'_, [u8]>, Failure> {
        match &self.bytes {
            Bytes::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Path(path) => std::fs::read(path)
                .map(Cow::Owned)
                .map_err(|error| Failure::file(path, "be read", error)),
        }
    }

    /// Returns the permission bits of the file: `0o755` for a program, and `0o644` for any other
    /// file.
    pub fn mode(&self) -> u32 {
        if self.is_program { 0o755 } else { 0o644 }
    }
}
