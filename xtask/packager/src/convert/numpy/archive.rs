//! The zip archive of an `.npz` file.
//!
//! Owns the rules for archives, and the names of their arrays. Members are read from the archive,
//! and never unpacked into files. Must not know the content of arrays.

use std::io::{Read, Seek};

use zip::read::ZipArchive;
use zip::result::ZipError;
use zip::{CompressionMethod, read::ZipFile};

use super::super::safetensors_file::RESERVED;
use super::ARCHIVE;
use super::error::{FileError, MemberError};

/// Maximum number of arrays in an `.npz` archive.
///
/// No model has more arrays, and a list of this length still fits in memory.
const MOST_ARRAYS: usize = 100_000;

/// Members of every archive that `scipy.sparse.save_npz` writes.
const SPARSE: [&str; 3] = ["format.npy", "shape.npy", "data.npy"];

/// An array to convert, and its place: a member of an `.npz` archive, or a single `.npy` file.
#[derive(Debug)]
pub struct Member {
    /// Index of the member in the archive, counted from 0. 0 for a single `.npy` file.
    pub index: usize,
    /// Name of the array: the member's name without `.npy`, or the chosen name for a single `.npy`
    /// file.
    pub name: String,
    /// Uncompressed size of the member in bytes, as the archive states it. `None` for a single
    /// `.npy` file, which is not a member of an archive.
    pub bytes: Option<u64>,
}

/// Opens an `.npz` archive and reads its directory. Fails if the file is not a zip archive, is cut
/// off, or cannot be read.
pub fn open<R: Read + Seek>(mut file: R) -> Result<ZipArchive<R>, FileError> {
    let mut head = Vec::new();
    let read = file
        .by_ref()
        .take(ARCHIVE.len() as u64)
        .read_to_end(&mut head);
    read.and_then(|_| file.rewind())
        .map_err(FileError::Unreadable)?;
    // The directory of an archive is at its end.
    ZipArchive::new(file).map_err(|error| match head == ARCHIVE {
        true => FileError::CutArchive(error),
        false => FileError::NotArchive(error),
    })
}

/// Returns the members of an `.npz` archive, in the order of the archive.
///
/// Fails if the archive is empty, has more than `MOST_ARRAYS` members, or is a sparse matrix of
/// SciPy. Also fails if safetensors reserves the name of a member. Also fails if NumPy cannot have
/// written the archive, e.g. if the headers of its members differ from its directory, if two
/// members share bytes or a name, or if a member needs a password.
pub fn members<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Vec<Member>, FileError> {
    let damaged = |source: ZipError| FileError::DamagedArchive { source };
    if archive.is_empty() {
        return Err(FileError::NoArray);
    }
    if archive.len() > MOST_ARRAYS {
        return Err(FileError::TooManyMembers {
            count: archive.len(),
            most: MOST_ARRAYS,
        });
    }
    let holds = |name: &str| archive.index_for_name(name).is_some();
    if SPARSE.iter().all(|name| holds(name)) {
        return Err(FileError::Sparse);
    }
    if archive.has_duplicate_names() {
        return Err(FileError::DuplicateName);
    }
    if archive.has_overlapping_entries().map_err(damaged)? {
        return Err(FileError::OverlappingMembers);
    }
    archive.validate_header_consistency().map_err(damaged)?;
    let mut members = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(damaged)?;
        let name = member.name().map_err(damaged)?.into_owned();
        let refusal = refusal(&member).or_else(|| wrong_name(&name));
        if let Some(source) = refusal {
            return Err(FileError::Member {
                member: name,
                source,
            });
        }
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        members.push(Member {
            index,
            name,
            bytes: Some(member.size()),
        });
    }
    Ok(members)
}

fn refusal<R: Read>(member: &ZipFile<'_, R>) -> Option<MemberError> {
    if member.encrypted() {
        return Some(MemberError::Encrypted);
    }
    if !member.is_file() {
        return Some(MemberError::NotFile);
    }
    match member.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        other => Some(MemberError::Compression(other)),
    }
}

fn wrong_name(name: &str) -> Option<MemberError> {
    let Some(array) = name.strip_suffix(".npy") else {
        return Some(MemberError::NotArray);
    };
    // A name with folders is a valid name of a tensor. A name that leads outside the archive is an
    // attack.
    if array.contains(['\\', '\0']) || array.split('/').any(|part| matches!(part, "" | "." | ".."))
    {
        return Some(MemberError::OutsideName);
    }
    (array == RESERVED).then_some(MemberError::ReservedName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_arrays() {
        let check = |name: &str, fits: bool| assert_eq!(wrong_name(name).is_none(), fits, "{name}");
        check("arr_0.npy", true);
        check("layer/0/weight.npy", true);
        check("a b.npy", true);
        check("..b.npy", true);
        check("arr_0", false);
        check("readme.txt", false);
        check(".npy", false);
        check("/etc/passwd.npy", false);
        check("../a.npy", false);
        check("a/../b.npy", false);
        check("a//b.npy", false);
        check("a\\b.npy", false);
        check("__metadata__.npy", false);
    }
}
