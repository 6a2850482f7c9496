//! Mapping a file's bytes into memory, read-only.
//!
//! Owns the `unsafe` call that maps a file. Must not know what the bytes mean.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use memmap2::Mmap;

/// Maximum number of bytes of a file that [`Mapping::pieces`] reads at a time.
const PIECE_BYTES: usize = 1 << 20;

/// File whose bytes are mapped into memory, read-only. All processes that map the file share one
/// copy of its bytes.
pub struct Mapping {
    file: File,
    /// Mapped bytes of the file. `None` for an empty file, because Linux cannot map zero bytes.
    map: Option<Mmap>,
}

impl Mapping {
    /// Opens a file and maps all of its bytes into memory.
    ///
    /// # Errors
    /// Fails if the file cannot be opened or mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self { file, map: None });
        }
        #[expect(
            unsafe_code,
            reason = "weights are mapped, not copied, so that instances and processes share them"
        )]
        // SAFETY: no process may change or cut the file while it is mapped. The operator ensures
        // this: in an image the file is in a read-only layer, and the README says that a served
        // model's files are never changed in place.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self {
            file,
            map: Some(map),
        })
    }

    /// Returns the mapped bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// Returns the file system's metadata of the mapped file.
    ///
    /// # Errors
    /// Fails if the file system does not return the metadata.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Passes all bytes of the file to `take`, in order and in pieces.
    ///
    /// The pieces are read from the file and not from the mapping, because mapped pages would stay
    /// in this process's memory. If reading fails, the rest comes from the mapping.
    pub fn pieces(&self, mut take: impl FnMut(&[u8])) {
        let mut piece = vec![0; PIECE_BYTES.min(self.bytes().len())];
        let mut at = 0;
        while let Some(rest) = self.bytes().get(at..).filter(|rest| !rest.is_empty()) {
            let count = self
                .file
                .read_at(&mut piece, at as u64)
                .unwrap_or_default()
                .min(rest.len());
            match piece.get(..count) {
                Some(read) if count > 0 => take(read),
                // The file cannot be read, or only a part of what is mapped, so the rest comes from
                // the mapping.
                _ => return take(rest),
            }
            at += count;
        }
    }
}
