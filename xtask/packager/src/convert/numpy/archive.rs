//! The zip archive of an `.npz` file.
//!
//! Owns the rules for archives that are read, and the names of their arrays. No member is ever
//! unpacked to a file of its name. Must not know arrays.

use std::io::{Read, Seek};

use scorebox_host::text::{NAME_BYTES, quoted};
use zip::read::ZipArchive;
use zip::result::ZipError;
use zip::{CompressionMethod, read::ZipFile};

use super::super::safetensors_file::RESERVED;

/// Maximum number of arrays in an archive.
///
/// No model has more arrays, and a list of this length still fits in memory.
const MOST_ARRAYS: usize = 100_000;

/// A member of an `.npz` archive. Each member is an array.
#[derive(Debug)]
pub struct Member {
    /// Index of the member in the archive.
    pub index: usize,
    /// Name of the array, which is the member's name without `.npy`.
    pub name: String,
    /// Unpacked size of the member as the archive states it, in bytes. None for an array without an
    /// archive.
    pub bytes: Option<u64>,
}

/// Opens an `.npz` archive. The error says what is wrong with the file.
pub fn open<R: Read + Seek>(file: R) -> Result<ZipArchive<R>, String> {
    ZipArchive::new(file).map_err(|error| format!("is not an .npz file: {error}"))
}

/// Lists the arrays of an `.npz` archive.
///
/// Fails if NumPy cannot have written the archive: the headers of its members differ from its
/// directory, two members share bytes or a name, or it needs a password.
pub fn members<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Vec<Member>, String> {
    // The library's text may name a member.
    let damaged =
        |error: ZipError| format!("is a damaged archive: {}", quoted(&error.to_string(), 1024));
    if archive.is_empty() {
        return Err("holds no array".to_owned());
    }
    if archive.len() > MOST_ARRAYS {
        return Err(format!(
            "holds {} members; at most {MOST_ARRAYS} are read",
            archive.len()
        ));
    }
    if archive.has_duplicate_names() {
        return Err("holds two members with one name".to_owned());
    }
    if archive.has_overlapping_entries().map_err(damaged)? {
        return Err("is a damaged archive: its members share bytes".to_owned());
    }
    archive.validate_header_consistency().map_err(damaged)?;
    let mut members = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(damaged)?;
        let name = member.name().map_err(damaged)?.into_owned();
        let problem = refusal(&member).or_else(|| wrong_name(&name));
        if let Some(problem) = problem {
            let name = quoted(&name, NAME_BYTES);
            return Err(format!("its member `{name}` {problem}"));
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

fn refusal<R: Read>(member: &ZipFile<'_, R>) -> Option<String> {
    if member.encrypted() {
        return Some("is encrypted".to_owned());
    }
    if !member.is_file() {
        return Some("is a folder or a link".to_owned());
    }
    match member.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        other => Some(format!(
            "is compressed by {other}; NumPy stores or deflates"
        )),
    }
}

fn wrong_name(name: &str) -> Option<String> {
    let Some(array) = name.strip_suffix(".npy") else {
        return Some("is not an array: its name does not end in .npy".to_owned());
    };
    // A name with folders is a valid name of a tensor. A name that leads outside the archive is an
    // attack.
    if array.contains(['\\', '\0']) || array.split('/').any(|part| matches!(part, "" | "." | ".."))
    {
        return Some("has a name that leads out of the archive, or nowhere".to_owned());
    }
    (array == RESERVED).then(|| "has the name that safetensors keeps for itself".to_owned())
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
