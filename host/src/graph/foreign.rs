//! Files of another kind than a model, e.g. a web page: the bytes by which they are recognized, and
//! the fix for each.
//!
//! Owns the first bytes of each kind of file, and the texts about them. Must not know graphs or
//! pickles: the code that could not read a file asks this module for the reason.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::text::Problem;

/// Number of bytes at the beginning of a file that [`Foreign::of`] needs at most.
const HEAD_BYTES: usize = 512;

/// Kind of a file that has the name of a model's file, but another content. A failed download or
/// copy often leaves such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// The file holds no bytes at all.
    Empty,
    /// A pointer of Git LFS: three lines of text that stand for a file which was not fetched.
    LfsPointer,
    /// A document that a web server sent in place of the file, such as a page for logging in.
    Document(&'static str),
    /// A ZIP archive.
    Zip,
    /// A compressed file: the name of the format, and the program that decompresses it.
    Compressed(&'static str, &'static str),
    /// A pickle of Python.
    Pickle,
}

/// First bytes of files, each with the kind of file that starts with them.
const SIGNS: [(&[u8], Foreign); 12] = [
    (
        b"version https://git-lfs.github.com/spec/",
        Foreign::LfsPointer,
    ),
    (
        b"version https://hawser.github.com/spec/",
        Foreign::LfsPointer,
    ),
    (b"PK\x03\x04", Foreign::Zip),
    (b"PK\x05\x06", Foreign::Zip),
    (b"\x1f\x8b", Foreign::Compressed("gzip", "gunzip")),
    (b"BZh", Foreign::Compressed("bzip2", "bunzip2")),
    (b"\xfd7zXZ\0", Foreign::Compressed("xz", "unxz")),
    (b"\x28\xb5\x2f\xfd", Foreign::Compressed("zstd", "unzstd")),
    (b"\x80\x02", Foreign::Pickle),
    (b"\x80\x03", Foreign::Pickle),
    (b"\x80\x04\x95", Foreign::Pickle),
    (b"\x80\x05\x95", Foreign::Pickle),
];

/// First characters of documents that web servers send, in lower case, each with the name of the
/// document for messages.
const DOCUMENTS: [(&[u8], &str); 4] = [
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"{", "a JSON document"),
];

impl Foreign {
    /// Returns the kind of the file that begins with `head`: its first [`HEAD_BYTES`] bytes, or all
    /// bytes of a shorter file. Returns `None` if the bytes are of none of these kinds, e.g. those
    /// of a graph.
    fn of(head: &[u8]) -> Option<Self> {
        if head.is_empty() {
            return Some(Self::Empty);
        }
        if let Some((_, found)) = SIGNS.iter().find(|(sign, _)| head.starts_with(sign)) {
            return Some(*found);
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let text = text.trim_ascii_start();
        let begins = |sign: &[u8]| {
            let begin = text.get(..sign.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(sign))
        };
        let mut documents = DOCUMENTS.iter();
        let found = documents.find(|(sign, _)| begins(sign));
        found.map(|(_, name)| Self::Document(name))
    }

    /// Returns the kind of the file at `path`, by its content. Returns `None` if the content is of
    /// none of the kinds of [`Foreign`], e.g. that of a graph.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Option<Self>> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let file = File::open(path)?;
        file.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        Ok(Self::of(&head))
    }

    /// Returns the problem and its fix. The text of the problem continues a sentence about the
    /// file, such as `is a ZIP archive`.
    #[must_use]
    pub fn problem(self) -> Problem {
        let problem = |problem: &str, fix: &str| Problem::new(problem, fix);
        match self {
            Self::Empty => problem(
                "is empty",
                "copy or download it again; a full disk and a download that broke off leave an \
                 empty file",
            ),
            Self::LfsPointer => problem(
                "is a Git LFS pointer, which stands for a file that was not fetched",
                "run `git lfs pull` in the repository that it comes from, and use the file that \
                 this command fetches",
            ),
            Self::Document(name) => Problem::new(
                format!("is {name}, which a web server sent in place of the file"),
                "download the file itself: take the link of its raw content, and log in if the \
                 server asks for it",
            ),
            Self::Zip => problem(
                "is a ZIP archive",
                "unpack it with `unzip`, and use the file that it holds; a checkpoint of PyTorch \
                 is such an archive too, and has to be exported with `torch.onnx.export`",
            ),
            Self::Compressed(format, program) => Problem::new(
                format!("is compressed with {format}"),
                format!("unpack it: `{program} < FILE > UNPACKED`"),
            ),
            Self::Pickle => problem(
                "is a pickle of Python",
                "convert it with `scorebox convert FILE --output FOLDER`",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognized_by_their_beginning() {
        let check = |head: &[u8], expected: Option<Foreign>, part: &str| {
            let found = Foreign::of(head);
            assert_eq!(found, expected, "{}", head.escape_ascii());
            let text = found.map(|found| found.problem().to_string());
            assert!(text.unwrap_or_default().contains(part), "{part}");
        };
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        check(b"", Some(Foreign::Empty), "is empty");
        check(pointer, Some(Foreign::LfsPointer), "git lfs pull");
        let page = Some(Foreign::Document("an HTML page"));
        check(b"<!DOCTYPE html>\n<html>", page, "an HTML page");
        check(b"\xef\xbb\xbf\r\n <HTML lang=\"de\">", page, "raw content");
        check(
            b"<?xml version=\"1.0\"?><Error>",
            Some(Foreign::Document("an XML document")),
            "an XML document",
        );
        check(
            b"{\"message\": \"Not Found\"}",
            Some(Foreign::Document("a JSON document")),
            "a JSON document",
        );
        check(b"PK\x03\x04\x14\0", Some(Foreign::Zip), "unzip");
        let gzip = Foreign::Compressed("gzip", "gunzip");
        check(b"\x1f\x8b\x08\0", Some(gzip), "`gunzip < FILE");
        check(b"\x80\x04\x95\x1a\0", Some(Foreign::Pickle), "convert");
        check(b"\x08\x08\x12\x0escorebox-tests", None, "");
        check(b"not a graph at all", None, "");
        check(b"<", None, "");
    }

    #[test]
    fn only_the_beginning_of_a_file_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Foreign::of_file(file.path()).unwrap(), Some(Foreign::Empty));
        std::fs::write(file.path(), vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(Foreign::of_file(file.path()).unwrap(), None);
        assert!(Foreign::of_file(Path::new("/nowhere")).is_err());
    }
}
