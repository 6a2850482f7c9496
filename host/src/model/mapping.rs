//! Mapping a file's bytes into memory, read-only.
//!
//! Owns one of the two `unsafe` blocks of the project. Must not know what the bytes mean.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use memmap2::Mmap;

/// What is read of a file at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A file's bytes; one copy per process, shared with every other process that maps the file.
pub struct Mapping {
    file: File,
    /// `None` for a file of no bytes: mapping those is an error on Linux.
    map: Option<Mmap>,
}

impl Mapping {
    /// Maps a whole file.
    ///
    /// # Errors
    /// As opening and mapping it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self { file, map: None });
        }
        #[expect(unsafe_code, reason = "weights are mapped, not copied, so that instances and processes share them")]
        // SAFETY: nobody may change or cut the file while it is mapped. The operator keeps this: in an image the file
        // lies in a read-only layer, and the README says that a served model's files are never changed in place.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self { file, map: Some(map) })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// What the file system says of the mapped file.
    ///
    /// # Errors
    /// As asking it.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Hands over all bytes in pieces that are read, so that they do not stay in this process's memory as mapped pages do.
    pub fn pieces(&self, mut take: impl FnMut(&[u8])) {
        let mut piece = vec![0; PIECE_BYTES.min(self.bytes().len())];
        let mut at = 0;
        while let Some(rest) = self.bytes().get(at..).filter(|rest| !rest.is_empty()) {
            let count = self.file.read_at(&mut piece, at as u64).unwrap_or_default().min(rest.len());
            match piece.get(..count) {
                Some(read) if count > 0 => take(read),
                // The file cannot be read, or not as far as it is mapped.
                _ => return take(rest),
            }
            at += count;
        }
    }
}
