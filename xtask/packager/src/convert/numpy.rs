//! Converts NumPy's `.npy` and `.npz` files to safetensors.
//!
//! Owns the order of the steps. All headers are read, and checked against the archive and the
//! limit, before any data are read. Then the data of each array are read once. Must not know how a
//! header or an archive is read.

mod archive;
mod elements;
mod error;
mod header;

use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek, Write};
use std::path::Path;

use bytesize::ByteSize;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use zip::ZipArchive;

use self::elements::CopyError;
use self::error::{ArrayError, FileError};
pub use self::header::Header;
use super::ARRAY;
use super::safetensors_file::{self, Planned, RESERVED};
use super::unreadable::UNREADABLE;

/// Magic bytes at the start of a zip archive, such as an `.npz` file.
pub const ARCHIVE: &[u8] = b"PK\x03\x04";

/// An array of the source file, of which only the header was read so far.
pub struct Array {
    /// Tensor that the array becomes in the safetensors file.
    pub planned: Planned,
    /// Header of the array.
    pub header: Header,
    /// Index of the archive member that holds the array. 0 if the source is a single `.npy` file.
    index: usize,
}

/// An opened `.npy` file or `.npz` archive, from which arrays are read.
pub enum Source<R> {
    /// A single `.npy` file.
    File(R),
    /// An `.npz` archive.
    Archive(ZipArchive<R>),
}

/// A NumPy file to convert to safetensors, and the settings of the conversion.
#[derive(Debug)]
pub struct Import<'a> {
    /// Path of the `.npy` or `.npz` file.
    pub file: &'a Path,
    /// Folder in which the safetensors file is written.
    pub folder: &'a Path,
    /// Name of the safetensors file without its extension. This name also becomes the name of the
    /// tensor if the source is an `.npy` file. `None` means the name of the source file without its
    /// extension.
    pub name: Option<&'a str>,
    /// True if an existing safetensors file of the same name may be replaced.
    pub replace: bool,
    /// Maximum size of all arrays of the source together.
    pub limit: ByteSize,
}

impl Import<'_> {
    /// Writes the safetensors file, lists its tensors on standard error, and prints its path. Fails
    /// if the name is not valid, if the source is not valid or exceeds the limit, if the
    /// safetensors file exists and must not be replaced, or if it cannot be written.
    pub fn run(&self) -> Result<(), Failure> {
        let name = self.written_name()?;
        let file = File::open(self.file)
            .map_err(|error| Failure::unreadable(self.file, error, UNREADABLE))?;
        let mut file = BufReader::new(file);
        let is_named = self
            .file
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let head = file
            .fill_buf()
            .map_err(|error| Failure::unreadable(self.file, error, UNREADABLE))?;
        let is_archive = head.starts_with(ARCHIVE) || is_named && !head.starts_with(ARRAY);
        let refused = |error: FileError| self.refused(&error, error.fix());
        let mut source = Source::new(file, is_archive).map_err(refused)?;
        let mut arrays = source.arrays(name).map_err(refused)?;
        arrays.sort_by(|a, b| a.planned.order(&b.planned));
        self.check_limit(&arrays)?;
        let planned: Vec<&Planned> = arrays.iter().map(|array| &array.planned).collect();
        let written = safetensors_file::write(self.folder, name, self.replace, &planned, |to| {
            arrays
                .iter()
                .try_for_each(|array| self.copy(&mut source, array, to))
        })?;
        for Planned {
            name,
            dtype,
            shape,
            bytes,
        } in planned
        {
            let dtype = format!("{dtype:?}").to_ascii_lowercase();
            eprintln!(
                "tensor   {} {dtype} {shape:?}, {bytes} bytes",
                name.escape_debug()
            );
        }
        eprintln!(
            "written  {}, {} bytes, {}",
            shown(&written.path),
            written.bytes,
            written.digest
        );
        println!("{}", written.path.display());
        Ok(())
    }

    fn copy(
        &self,
        source: &mut Source<BufReader<File>>,
        array: &Array,
        to: &mut dyn Write,
    ) -> Result<(), Failure> {
        let copied = source.read(array.index, |from| {
            if Header::read(from).map_err(ArrayError::from)? != array.header {
                return Err(CopyError::Array(ArrayError::Changed));
            }
            elements::copy(&array.header, from, to)
        });
        copied
            .map_err(|error| self.refused(&error, error.fix()))?
            .map_err(|error| match error {
                CopyError::Array(error) => {
                    let name = array.planned.name.escape_debug();
                    self.refused(&format!("`{name}` {error}"), error.fix())
                }
                CopyError::Target(error) => Failure::file(self.folder, "be written to", error),
            })
    }

    fn check_limit(&self, arrays: &[Array]) -> Result<(), Failure> {
        let bytes = arrays.iter().try_fold(0_u64, |sum, array| {
            sum.checked_add(array.header.data_bytes as u64)
        });
        let bytes = match bytes {
            Some(bytes) if bytes <= self.limit.as_u64() => return Ok(()),
            Some(bytes) => format!("{bytes} bytes"),
            None => "more bytes than can be counted".to_owned(),
        };
        Err(Failure::project(
            format!(
                "{}: its arrays have {bytes}, more than the limit of {}",
                shown(self.file),
                self.limit
            ),
            "raise --limit if they are meant to be that large; a damaged or hostile file can claim any size",
        ))
    }

    fn refused(&self, problem: &dyn Display, fix: &str) -> Failure {
        Failure::project(format!("{}: {problem}", shown(self.file)), fix)
    }

    fn written_name(&self) -> Result<&str, Failure> {
        let name = self
            .name
            .or_else(|| self.file.file_stem().and_then(|stem| stem.to_str()));
        // The host would refuse a hidden file in a model's folder. The name must not contain a
        // folder, because `--output` names the folder.
        let fits = |name: &&str| {
            !name.is_empty()
                && !name.starts_with('.')
                && !name.contains(['/', '\0'])
                && *name != RESERVED
        };
        name.filter(fits).ok_or_else(|| {
            Failure::other(
                format!(
                    "{}: `{}` cannot be the name of a file",
                    shown(self.file),
                    name.unwrap_or_default().escape_debug()
                ),
                "give a name with --name that has only letters, digits, `-` and `_`",
            )
        })
    }
}

impl<R: Read + Seek> Source<R> {
    /// Opens an `.npz` archive if `is_archive` is true, or else an `.npy` file. Fails if the
    /// archive is not a zip archive, is cut off or cannot be read. An `.npy` file is not read yet.
    pub fn new(file: R, is_archive: bool) -> Result<Self, FileError> {
        if is_archive {
            archive::open(file).map(Self::Archive)
        } else {
            Ok(Self::File(file))
        }
    }

    /// Reads the header of every array, and returns the arrays in the order of the source. `name`
    /// becomes the name of the array if the source is a single `.npy` file. Fails if the archive,
    /// one of its members or a header is refused, or if a header contradicts the archive.
    pub fn arrays(&mut self, name: &str) -> Result<Vec<Array>, FileError> {
        let members = match self {
            Self::File(_) => vec![archive::Member {
                index: 0,
                name: name.to_owned(),
                bytes: None,
            }],
            Self::Archive(archive) => archive::members(archive)?,
        };
        let mut arrays = Vec::with_capacity(members.len());
        for archive::Member { index, name, bytes } in members {
            let refused = |source: ArrayError| FileError::Array {
                array: name.clone(),
                source,
            };
            let header = self
                .read(index, Header::read)?
                .map_err(|error| refused(error.into()))?;
            let whole = header.header_bytes.checked_add(header.data_bytes as u64);
            if let Some(archive_bytes) = bytes.filter(|bytes| Some(*bytes) != whole) {
                return Err(refused(ArrayError::Size {
                    archive_bytes,
                    data_bytes: header.data_bytes,
                }));
            }
            let planned = Planned {
                name,
                dtype: header.dtype,
                shape: header.shape.clone(),
                bytes: header.data_bytes,
            };
            arrays.push(Array {
                planned,
                header,
                index,
            });
        }
        Ok(arrays)
    }

    /// Calls `act` with a reader at the start of the array in the archive member with the index
    /// `index`, and returns the result of `act`. `index` is ignored if the source is a single
    /// `.npy` file. Fails if the source or the member cannot be read.
    fn read<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut dyn Read) -> T,
    ) -> Result<T, FileError> {
        match self {
            Self::File(file) => {
                file.rewind().map_err(FileError::Unreadable)?;
                Ok(act(file))
            }
            Self::Archive(archive) => {
                let mut member = archive
                    .by_index(index)
                    .map_err(FileError::UnreadableMember)?;
                Ok(act(&mut member))
            }
        }
    }
}
