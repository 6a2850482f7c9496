//! NumPy's `.npy` and `.npz` as safetensors.
//!
//! Owns the order of the steps: all headers are read and checked, against each other and the limit, before any data are;
//! then each array's data pass through once. Must not know how a header or an archive is read.

mod archive;
mod elements;
mod header;

use std::fs::File;
use std::io::{BufReader, Read, Seek as _};

use zip::ZipArchive;

use self::elements::CopyError;
use self::header::Header;
use super::ConvertArgs;
use super::safetensors_file::{self, Planned};
use crate::failure::Failure;
use crate::workspace::shown;

const FIX: &str = "save it again where it was made, with np.save or np.savez and a plain numeric dtype";

/// An array, before its data are read.
struct Array {
    planned: Planned,
    header: Header,
    /// Where it is in an archive.
    index: usize,
}

/// Where arrays come from.
enum Source {
    File(BufReader<File>),
    Archive(ZipArchive<BufReader<File>>),
}

/// Converts one file.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let name = args.written_name()?;
    let refused = |problem: String| Failure::project(format!("{}: {problem}", shown(&args.model)), FIX);
    let file = File::open(&args.model).map_err(|error| Failure::file(&args.model, "be read", error))?;
    let is_archive = args.model.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let mut source = Source::new(file, is_archive).map_err(refused)?;
    let mut arrays = source.arrays(name).map_err(refused)?;
    arrays.sort_by(|a, b| a.planned.order(&b.planned));
    let bytes = arrays.iter().try_fold(0_u64, |sum, array| sum.checked_add(array.header.data_bytes as u64));
    if bytes.is_none_or(|bytes| bytes > args.limit.as_u64()) {
        let bytes = bytes.map_or_else(|| "more bytes than can be counted".to_owned(), |bytes| format!("{bytes} bytes"));
        return Err(Failure::project(
            format!("{}: its arrays have {bytes}, more than the limit of {}", shown(&args.model), args.limit),
            "raise --limit if they are meant to be that large; a damaged or hostile file can claim any size",
        ));
    }
    let planned: Vec<&Planned> = arrays.iter().map(|array| &array.planned).collect();
    let written = safetensors_file::write(&args.output, name, args.force, &planned, |to| {
        for array in &arrays {
            let copied = source.read(array.index, |from| {
                if Header::read(from).map_err(CopyError::Array)? != array.header {
                    return Err(CopyError::Array("changed while it was read".to_owned()));
                }
                elements::copy(&array.header, from, to)
            });
            copied.map_err(refused)?.map_err(|error| match error {
                CopyError::Array(problem) => refused(format!("`{}` {problem}", array.planned.name.escape_debug())),
                CopyError::Target(error) => Failure::file(&args.output, "be written to", error),
            })?;
        }
        Ok(())
    })?;
    for Array { planned: Planned { name, dtype, shape, bytes }, .. } in &arrays {
        let dtype = format!("{dtype:?}").to_ascii_lowercase();
        eprintln!("tensor   {} {dtype} {shape:?}, {bytes} bytes", name.escape_debug());
    }
    eprintln!("written  {}, {} bytes, {}", shown(&written.path), written.bytes, written.digest);
    println!("{}", written.path.display());
    Ok(())
}

impl Source {
    fn new(file: File, is_archive: bool) -> Result<Self, String> {
        let file = BufReader::new(file);
        if is_archive { archive::open(file).map(Self::Archive) } else { Ok(Self::File(file)) }
    }

    /// Every array's header; `name` is a single file's.
    fn arrays(&mut self, name: &str) -> Result<Vec<Array>, String> {
        let members = match self {
            Self::File(_) => vec![archive::Member { index: 0, name: name.to_owned(), bytes: None }],
            Self::Archive(archive) => archive::members(archive)?,
        };
        let mut arrays = Vec::with_capacity(members.len());
        for archive::Member { index, name, bytes } in members {
            let named = |problem: String| format!("`{}` {problem}", name.escape_debug());
            let header = self.read(index, Header::read)?.map_err(named)?;
            let whole = header.header_bytes.checked_add(header.data_bytes as u64);
            if bytes.is_some_and(|bytes| Some(bytes) != whole) {
                let (said, data) = (bytes.unwrap_or_default(), header.data_bytes);
                return Err(named(format!("has {said} bytes by the archive, and by its own header {data} of data")));
            }
            let planned = Planned { name, dtype: header.dtype, shape: header.shape.clone(), bytes: header.data_bytes };
            arrays.push(Array { planned, header, index });
        }
        Ok(arrays)
    }

    /// Reads one array from its beginning.
    fn read<T>(&mut self, index: usize, act: impl FnOnce(&mut dyn Read) -> T) -> Result<T, String> {
        match self {
            Self::File(file) => {
                file.rewind().map_err(|error| format!("cannot be read: {error}"))?;
                Ok(act(file))
            }
            Self::Archive(archive) => {
                let mut member = archive.by_index(index).map_err(|error| format!("cannot be read: {error}"))?;
                Ok(act(&mut member))
            }
        }
    }
}
