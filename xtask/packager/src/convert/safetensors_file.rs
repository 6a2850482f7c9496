//! A safetensors file, which is written while the bytes of its tensors arrive.
//!
//! Owns the order of the tensors (the order of the crate `safetensors`), the header, and the step
//! from a temporary file to the final one. Equal tensors give equal bytes. Must not know where the
//! tensors come from.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use scorebox_workspace::digest::{Digest, Hashing};
use scorebox_workspace::failure::Failure;
use tempfile::NamedTempFile;

/// Name that no tensor can have, because the safetensors format reserves it for metadata.
pub const RESERVED: &str = "__metadata__";
/// Maximum size of the header of a safetensors file that readers accept, in bytes.
const MOST_HEADER_BYTES: usize = 100_000_000;
/// Alignment of the elements in a safetensors file, in bytes. It keeps elements of every type
/// aligned when the file is mapped into memory.
const ALIGNMENT: usize = 8;

/// A tensor that will be written to a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Name of the tensor, which is unique in the file.
    pub name: String,
    /// Type of the tensor's elements.
    pub dtype: Dtype,
    /// Dimensions of the tensor. Its elements are in row-major order.
    pub shape: Vec<usize>,
    /// Size of all elements of the tensor together, in bytes.
    pub bytes: usize,
}

impl Planned {
    /// Compares two tensors by their position in the file. Tensors with larger elements come first,
    /// so that all elements are aligned. Tensors with elements of the same type are sorted by name.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        other
            .dtype
            .cmp(&self.dtype)
            .then_with(|| self.name.cmp(&other.name))
    }
}

/// A safetensors file that has been written.
#[derive(Debug)]
pub struct Written {
    /// Path of the safetensors file.
    pub path: PathBuf,
    /// Size of the safetensors file, in bytes.
    pub bytes: u64,
    /// Digest of the safetensors file.
    pub digest: Digest,
}

/// Writer for the elements of all tensors, one tensor after the other.
pub type Data<'a> = &'a mut dyn Write;

/// Writes the tensors `tensors` to `NAME.safetensors` in a folder. Fails if the file exists, unless
/// `replace` is true. Also fails if there is no valid header for the tensors, e.g. because it would
/// be too long, or if the file cannot be written. If the call fails, no file is created or
/// replaced.
///
/// `data` writes the elements of all tensors in the order of `tensors`. If `data` fails, its
/// failure is returned.
pub fn write(
    folder: &Path,
    name: &str,
    replace: bool,
    tensors: &[&Planned],
    data: impl FnOnce(Data<'_>) -> Result<(), Failure>,
) -> Result<Written, Failure> {
    let path = folder.join(format!("{name}.safetensors"));
    if path.exists() && !replace {
        return Err(there_already(&path));
    }
    let header = header(tensors).map_err(|error| {
        Failure::project(
            format!("{}: {error}", path.display()),
            "give the arrays fewer, shorter names",
        )
    })?;
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "be made", error))?;
    let fail = |error: io::Error| Failure::file(&path, "be written", error);
    // Every user may read a model's file, as far as the umask allows. By default, only its owner
    // may read a temporary file.
    let making = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(fail)?;
    let mut to = Hashing::new(BufWriter::new(making));
    to.write_all(&header).map_err(fail)?;
    data(&mut to)?;
    let (buffered, digest, bytes) = to.finish();
    let made = buffered
        .into_inner()
        .map_err(|error| fail(error.into_error()))?;
    put(made, &path, replace)?;
    Ok(Written {
        path,
        bytes,
        digest,
    })
}

fn put(made: NamedTempFile, path: &Path, replace: bool) -> Result<(), Failure> {
    let put = if replace {
        made.persist(path)
    } else {
        made.persist_noclobber(path)
    };
    match put {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(there_already(path))
        }
        Err(error) => Err(Failure::file(path, "be written", error.error)),
    }
}

fn there_already(path: &Path) -> Failure {
    Failure::other(
        format!("{}: already exists", path.display()),
        "add --force to replace it, or --name NAME to write another file",
    )
}

/// Reason why no safetensors header can be written for a list of tensors. The texts continue a
/// sentence about the file.
#[derive(Debug, thiserror::Error)]
enum HeaderError {
    /// The sum of the tensors' sizes is too large for a file.
    #[error("the arrays are larger than any file")]
    TooMuchData,
    /// The tensors cannot be described in the safetensors format.
    #[error("cannot be described: {0}")]
    Metadata(#[from] SafeTensorError),
    /// The header cannot be written as JSON.
    #[error("cannot be described: {0}")]
    Json(#[from] serde_json::Error),
    /// The header would be longer than the 100 MB that readers accept.
    #[error("its header would have {bytes} bytes, more than {most}")]
    TooLong {
        /// Length that the header would have, in bytes.
        bytes: usize,
        /// Maximum length of a header that readers accept, in bytes.
        most: usize,
    },
}

/// Returns all bytes of a safetensors file before the elements: the length of the header, and the
/// header itself. Fails if the header would exceed `MOST_HEADER_BYTES`, if the tensors are larger
/// than any file, or if they cannot be described in the safetensors format.
fn header(tensors: &[&Planned]) -> Result<Vec<u8>, HeaderError> {
    let mut end = 0_usize;
    let mut infos = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let start = end;
        end = start
            .checked_add(tensor.bytes)
            .ok_or(HeaderError::TooMuchData)?;
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        infos.push((tensor.name.clone(), info));
    }
    let metadata = Metadata::new(None, infos)?;
    let mut text = serde_json::to_vec(&metadata)?;
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    if text.len() > MOST_HEADER_BYTES {
        return Err(HeaderError::TooLong {
            bytes: text.len(),
            most: MOST_HEADER_BYTES,
        });
    }
    Ok([(text.len() as u64).to_le_bytes().as_slice(), &text].concat())
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    #[test]
    fn what_is_written_is_what_the_crate_writes() {
        let folder = tempfile::tempdir().unwrap();
        let planned = |name: &str, dtype, shape: &[usize], bytes| Planned {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            bytes,
        };
        let mut tensors = [
            planned("b", Dtype::F32, &[2], 8),
            planned("flags", Dtype::BOOL, &[3], 3),
            planned("a/\"ü", Dtype::F32, &[], 4),
            planned("labels", Dtype::I64, &[0, 3], 0),
        ];
        tensors.sort_by(Planned::order);
        let tensors: Vec<&Planned> = tensors.iter().collect();
        assert_eq!(
            tensors.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["labels", "a/\"ü", "b", "flags"]
        );
        let bytes: Vec<u8> = (0..15).collect();
        let written = write(folder.path(), "m", false, &tensors, |to| {
            to.write_all(&bytes)
                .map_err(|error| Failure::other(error.to_string(), ""))
        });
        let written = written.unwrap();
        let file = std::fs::read(&written.path).unwrap();
        assert_eq!(
            (written.bytes, &written.digest),
            (file.len() as u64, &Digest::of(&file))
        );
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.tensor("b").unwrap().data(), &bytes[4..12]);
        assert_eq!(safetensors::serialize(read.tensors(), None).unwrap(), file);

        let nothing = |_: Data<'_>| Ok(());
        let refused = write(folder.path(), "m", false, &[], nothing).unwrap_err();
        assert!(refused.fix.contains("--force"), "{refused}");
        write(folder.path(), "m", true, &[], nothing).unwrap();
        // A failed write leaves no file.
        let failing = write(folder.path(), "n", false, &tensors, |_| {
            Err(Failure::other("no", ""))
        });
        assert!(failing.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
