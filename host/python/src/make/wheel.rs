//! A wheel whose digest was compared with the pinned one.
//!
//! Owns the reading of its files. Must not know what the files are for.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::error::MakeError;
use super::hashed;
use super::recipe::PinnedWheel;

/// Archive whose files are read by name or in their order.
pub(super) struct Archive<R> {
    /// Name of the archive in error messages.
    name: String,
    zip: ZipArchive<R>,
}

/// Wheel on the disk, which is an archive in a file.
pub(super) type Wheel = Archive<File>;

impl Wheel {
    /// Opens a wheel in the folder `folder`, after checking its digest.
    pub(super) fn open(folder: &Path, pinned: &PinnedWheel) -> Result<Self, MakeError> {
        let path = folder.join(pinned.file);
        let mut file = File::open(&path).map_err(MakeError::file(&path, "be opened"))?;
        let (_, found) = hashed(&mut file).map_err(MakeError::file(&path, "be read"))?;
        if found != pinned.sha256 {
            let expected = pinned.sha256;
            return Err(MakeError::Digest {
                path,
                found,
                expected,
            });
        }
        // The archive seeks by itself, so the file need not be at its start.
        Archive::new(pinned.file.to_owned(), file)
    }
}

impl Archive<Cursor<Vec<u8>>> {
    /// Opens an archive that is a file of another archive.
    pub(super) fn nested<R: Read + Seek>(
        outer: &mut Archive<R>,
        name: &str,
    ) -> Result<Self, MakeError> {
        Archive::new(name.to_owned(), Cursor::new(outer.read(name)?))
    }
}

impl<R: Read + Seek> Archive<R> {
    fn new(name: String, source: R) -> Result<Self, MakeError> {
        match ZipArchive::new(source) {
            Ok(zip) => Ok(Self { name, zip }),
            Err(source) => Err(MakeError::Archive {
                archive: name,
                name: "the list of files".to_owned(),
                source,
            }),
        }
    }

    /// Returns the names of the files in the archive, in their order, without folders.
    pub(super) fn names(&self) -> Result<Vec<String>, MakeError> {
        let names = self.zip.file_names();
        let names = names.filter(|name| !matches!(name, Ok(name) if name.ends_with('/')));
        names
            .map(|name| match name {
                Ok(name) => Ok(name.into_owned()),
                Err(source) => Err(self.error("one of the names", source)),
            })
            .collect()
    }

    /// Returns the bytes of a file of the archive.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, MakeError> {
        let mut bytes = Vec::new();
        let read = self.zip.by_name(name).and_then(|mut file| {
            file.read_to_end(&mut bytes)?;
            Ok(())
        });
        read.map_err(|source| self.error(name, source))?;
        Ok(bytes)
    }

    /// Copies a file of this archive into the archive `to`, without unpacking the file.
    pub(super) fn copy<W: std::io::Write + Seek>(
        &mut self,
        name: &str,
        to: &mut zip::ZipWriter<W>,
    ) -> Result<(), MakeError> {
        let copied = match self.zip.index_for_name(name) {
            Some(index) => self
                .zip
                .by_index_raw(index)
                .and_then(|file| to.raw_copy_file(file)),
            None => Err(ZipError::FileNotFound),
        };
        copied.map_err(|source| self.error(name, source))
    }

    fn error(&self, name: &str, source: ZipError) -> MakeError {
        MakeError::Archive {
            archive: self.name.clone(),
            name: name.to_owned(),
            source,
        }
    }
}
