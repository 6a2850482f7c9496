//! Headers of the tar entries that `package` writes, and the PAX header for a path that is too long
//! for a tar header.
//!
//! Owns the form of these headers, and the check that an entry has exactly this form. Must not know
//! the content of entries.

use std::io::{self, Write};

/// Length of the field for a name in a tar header, in bytes.
const NAME_FIELD_BYTES: usize = 100;

/// Name of every PAX header that `package` writes. Readers of PAX headers ignore it.
const HEADER_NAME: &str = "PaxHeaders/path";

/// Length up to which every valid path fits into a tar header, in bytes. If a path of this length
/// or less is refused, the path is invalid for another reason.
const SURELY_SHORT_PATH_BYTES: usize = 100;

/// Returns the header of an entry. If the path is too long for the header, a PAX header with the
/// path is written to `tar` first. Fails if the path is invalid or leads out of the image, or if
/// `tar` cannot be written.
pub fn header<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    size: u64,
    epoch: u64,
) -> io::Result<tar::Header> {
    let name = if path.len() > SURELY_SHORT_PATH_BYTES && !fits(path) {
        if !is_inside(path) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path leads out of the image, or is written in more than one way",
            ));
        }
        let record = record(path.as_bytes());
        let name = HEADER_NAME;
        let size = record.len() as u64;
        let header = ustar(name, tar::EntryType::XHeader, 0o644, size, epoch)?;
        tar.append(&header, record.as_slice())?;
        short(path)
    } else {
        path
    };
    ustar(name, kind, mode, size, epoch)
}

fn ustar(
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    size: u64,
    epoch: u64,
) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    // The path is split at a slash into the two fields of 155 and 100 bytes.
    header.set_path(path)?;
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(epoch);
    header.set_cksum();
    Ok(header)
}

/// Returns true if the header of a tar entry can hold a path: a path of at most 100 bytes, or a
/// name of at most 100 bytes after a folder of at most 155 bytes.
fn fits(path: &str) -> bool {
    tar::Header::new_ustar().set_path(path).is_ok()
}

/// Returns true if every part of a path is the name of a file or folder: the path does not begin
/// with a slash, and no part of it is empty, `.` or `..`. The path may end with a slash.
fn is_inside(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Returns the content of the PAX header with a path, which is one record: `LENGTH path=PATH\n`.
/// `LENGTH` is the length of the whole record in bytes, including the digits of `LENGTH`.
fn record(path: &[u8]) -> Vec<u8> {
    let rest = [b" path=".as_slice(), path, b"\n"].concat();
    let mut length = rest.len();
    loop {
        let whole = rest.len().saturating_add(length.to_string().len());
        if whole == length {
            break;
        }
        length = whole;
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// Returns the name for the header of an entry whose path is in a PAX header: the start of the
/// path, up to the end of a character. Slashes and parts `.` and `..` at its end are cut off.
fn short(path: &str) -> &str {
    let most = (0..=NAME_FIELD_BYTES.min(path.len())).rev();
    let end = most.into_iter().find(|end| path.is_char_boundary(*end));
    let start = path.get(..end.unwrap_or_default()).unwrap_or_default();
    // Some readers take a name with a slash at its end for a folder. A part that was cut to `.` or
    // `..` would name another folder.
    let mut name = start.trim_end_matches('/');
    while let Some((folder, "." | "..")) = name.rsplit_once('/') {
        name = folder.trim_end_matches('/');
    }
    name
}

/// Returns true if a PAX header has exactly the name, the permission bits and the owner that
/// `package` gives to it.
pub fn is_our_extension(name: &[u8], mode: u64, owner: (u64, u64)) -> bool {
    name == HEADER_NAME.as_bytes() && mode == 0o644 && owner == (0, 0)
}

/// Returns true if an entry has exactly the form that `package` gives to a path that the header
/// cannot hold. `name` is the name in the entry's own header, and `extension` is the content of the
/// PAX header before it.
///
/// A reader that ignores PAX headers sees `name`. If `name` were another path, such a reader would
/// see another file than other readers do.
pub fn is_ours(name: &[u8], extension: &[u8]) -> bool {
    let text = std::str::from_utf8(extension).ok();
    let path = text.and_then(|text| text.split_once(" path=")?.1.strip_suffix('\n'));
    path.is_some_and(|path| {
        path.len() > SURELY_SHORT_PATH_BYTES
            && !fits(path)
            && is_inside(path)
            && short(path).as_bytes() == name
            && record(path.as_bytes()) == extension
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_its_own_digits() {
        assert_eq!(record(b"ab"), b"11 path=ab\n");
        for length in 0..2000 {
            let path = "x".repeat(length);
            let record = record(path.as_bytes());
            let stated = record.split(|byte| *byte == b' ').next().unwrap();
            assert_eq!(
                std::str::from_utf8(stated).unwrap().parse(),
                Ok(record.len()),
                "{length}"
            );
        }
    }

    #[test]
    fn name_in_the_header_is_the_start_of_the_path() {
        let kanji = "模".repeat(40);
        assert_eq!(short(&kanji).len(), 99);
        assert!(is_ours(short(&kanji).as_bytes(), &record(kanji.as_bytes())));
        assert!(!is_ours(b"usr/bin/scorebox", &record(kanji.as_bytes())));
        // A path that the header can hold needs no PAX header.
        assert!(!is_ours(b"a", &record(b"a")));
        let two = [record(kanji.as_bytes()), record(b"b")].concat();
        assert!(!is_ours(short(&kanji).as_bytes(), &two));
    }

    #[test]
    fn no_name_in_a_header_leads_to_another_folder() {
        // The header of this path would end in `..` or `.`.
        for dots in ["..", "."] {
            let folder = "a".repeat(NAME_FIELD_BYTES - dots.len() - 1);
            let path = format!("{folder}/{dots}{}", "b".repeat(160));
            assert_eq!(short(&path), folder);
            assert!(is_ours(folder.as_bytes(), &record(path.as_bytes())));
        }
        let long = "a".repeat(260);
        for path in [
            format!("../{long}"),
            format!("{long}/.."),
            format!("{long}/./b"),
            format!("/{long}"),
            format!("{long}//b"),
        ] {
            let mut tar = tar::Builder::new(Vec::new());
            let written = header(&mut tar, &path, tar::EntryType::Regular, 0o644, 0, 0);
            assert!(written.is_err(), "{path}");
            assert!(!is_ours(short(&path).as_bytes(), &record(path.as_bytes())));
        }
    }
}
