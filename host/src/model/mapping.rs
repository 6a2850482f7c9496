//! Mapping a file's bytes into memory, read-only.
//!
//! Owns one of the two `unsafe` blocks of the project. Must not know what the bytes mean.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// A file's bytes; one copy per process, shared with every other process that maps the file.
pub struct Mapping(Option<Mmap>);

impl Mapping {
    /// Maps a whole file.
    ///
    /// # Errors
    /// As opening and mapping it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            // Mapping no bytes is an error on Linux.
            return Ok(Self(None));
        }
        #[expect(unsafe_code, reason = "weights are mapped, not copied, so that instances and processes share them")]
        // SAFETY: nobody may change or cut the file while it is mapped. The operator keeps this: in an image the file
        // lies in a read-only layer, and the README says that a model is replaced by a new folder, never in place.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self(Some(map)))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
