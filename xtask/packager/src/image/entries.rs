//! Reader of tar entries, with the rules of the reader that container runtimes use (Go's
//! `archive/tar`).
//!
//! Owns the walk from header to header, and the limit on extension headers. Must not know what an
//! entry means to a file system. A reader with other rules would see other files than a container
//! runtime does, e.g. if it ignored names in extension headers or sizes in base 256.

mod header;
mod refused;

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::tar_header;

use self::header::{BLOCK_BYTES, Block, Header};
use self::refused::refused;

/// Maximum size of an extension header (a PAX header or a long name of GNU) in a tar archive, in
/// bytes. Go's reader has this limit, too, so no container runtime unpacks a layer with a larger
/// header.
pub const LARGEST_EXTENSION_BYTES: u64 = 1 << 20;
/// Maximum length of a name or a link target in a tar archive, in bytes: `PATH_MAX` of Linux.
const LONGEST_PATH_BYTES: usize = 4096;

/// Type of a tar entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, whose bytes follow the header.
    File,
    /// A folder, which has no content.
    Folder,
    /// A symbolic link. The bytes are the path that it points to.
    SymbolicLink(Vec<u8>),
    /// A hard link, which is a second name of a file. The bytes are the path of the file.
    HardLink(Vec<u8>),
    /// A device. The numbers are its major and its minor number.
    Device(u64, u64),
    /// A named pipe.
    Pipe,
    /// A global PAX header, which applies to all entries after it.
    GlobalHeader,
}

/// One entry of a tar archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Path of the tar entry, from its header or an extension header. The path is not normalised.
    pub name: Vec<u8>,
    /// Type of the tar entry, with the data that depends on the type.
    pub kind: EntryKind,
    /// Number of content bytes that follow the header in the archive. The number is 0 for entries
    /// that are not files.
    pub size: u64,
    /// Permission bits of the tar entry, as in `chmod`.
    pub mode: u64,
    /// User id and group id of the tar entry's owner.
    pub owner: (u64, u64),
    /// True if the entry is described by a ustar header of POSIX alone: without extension headers,
    /// and without numbers in base 256. Also true if the only extension header is the one that
    /// `package` writes for a path that is too long for the ustar header.
    pub is_plain: bool,
    /// Records of the PAX header that applies to the tar entry, by key. If the entry is itself a
    /// global PAX header, these are its own records.
    pub records: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Reader of the entries of a tar archive. As a `Read`, it returns the content of the entry that
/// was returned last.
pub struct Entries<R> {
    inner: R,
    /// Number of content bytes of the current entry that have not been read yet.
    left: u64,
    /// Number of padding bytes after the content of the current entry.
    padding: u64,
    is_ended: bool,
}

/// Extension headers that apply to the next entry of a tar archive.
#[derive(Default)]
struct Extensions {
    records: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Contents of all PAX headers before the entry. Only the last one applies.
    texts: Vec<Vec<u8>>,
    /// True if one of the PAX headers before the entry differs from those that `package` writes.
    has_foreign: bool,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> Entries<R> {
    /// Creates a reader that starts at the beginning of a tar archive.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            left: 0,
            padding: 0,
            is_ended: false,
        }
    }

    /// Moves to the next entry of the archive and returns it. Returns `None` at the end of the
    /// archive. Fails if the archive cannot be read or is damaged, or if it has an entry that no
    /// container runtime unpacks.
    pub fn next(&mut self) -> io::Result<Option<TarEntry>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else {
                return Ok(None);
            };
            let header = block.header()?;
            match header.kind {
                b'x' => {
                    let text = self.extension(&header)?;
                    extensions.records = Some(header::records(&text)?);
                    extensions.texts.push(text);
                    extensions.has_foreign |= !header.is_plain
                        || !tar_header::is_our_extension(&header.name, header.mode, header.owner);
                }
                b'L' => extensions.long_name = Some(header::text(&self.extension(&header)?)),
                b'K' => extensions.long_link = Some(header::text(&self.extension(&header)?)),
                b'g' => {
                    let text = self.extension(&header)?;
                    let records = header::records(&text)?;
                    return Ok(Some(entry(
                        header,
                        EntryKind::GlobalHeader,
                        0,
                        records,
                        false,
                    )));
                }
                _ => return self.merged(header, extensions).map(Some),
            }
        }
    }

    /// Reads the remaining bytes of the archive. Returns the inner reader, and true if anything but
    /// zeros follows the end of the archive. Fails if the archive cannot be read.
    pub fn finish(mut self) -> io::Result<(R, bool)> {
        let mut buffer = vec![0; 1 << 16];
        let mut has_more = false;
        loop {
            let count = self.inner.read(&mut buffer)?;
            let read = buffer.get(..count).unwrap_or_default();
            if read.is_empty() {
                return Ok((self.inner, has_more));
            }
            has_more |= read.iter().any(|byte| *byte != 0);
        }
    }

    /// Builds a tar entry from its header and the extension headers before it. Fails if an
    /// extension header is invalid, if a path has more than [`LONGEST_PATH_BYTES`] bytes, or if no
    /// container runtime unpacks an entry of its type.
    fn merged(&mut self, mut header: Header, extensions: Extensions) -> io::Result<TarEntry> {
        let Extensions {
            records,
            texts,
            has_foreign,
            long_name,
            long_link,
        } = extensions;
        let is_known = match texts.as_slice() {
            [] => true,
            [text] => !has_foreign && tar_header::is_ours(&header.name, text),
            _ => false,
        };
        let is_plain = header.is_plain && is_known && long_name.is_none() && long_link.is_none();
        let records = records.unwrap_or_default();
        // A record with an empty value counts as missing.
        let record = |name: &str| {
            records
                .get(name.as_bytes())
                .filter(|value| !value.is_empty())
        };
        let number = |name: &str| record(name).map(|value| header::decimal(value)).transpose();
        if let Some(path) = record("path") {
            header.name.clone_from(path);
        }
        if let Some(path) = record("linkpath") {
            header.link.clone_from(path);
        }
        header.size = number("size")?.unwrap_or(header.size);
        header.owner.0 = number("uid")?.unwrap_or(header.owner.0);
        header.owner.1 = number("gid")?.unwrap_or(header.owner.1);
        header.name = long_name
            .filter(|name| !name.is_empty())
            .unwrap_or(header.name);
        header.link = long_link
            .filter(|name| !name.is_empty())
            .unwrap_or(header.link);
        let kind = match header.kind {
            // Archives older than POSIX mark folders with a slash at the end of the name.
            0 if header.name.ends_with(b"/") => EntryKind::Folder,
            0 | b'0' => EntryKind::File,
            b'1' => EntryKind::HardLink(header.link.clone()),
            b'2' => EntryKind::SymbolicLink(header.link.clone()),
            b'3' | b'4' => EntryKind::Device(header.device.0, header.device.1),
            b'5' => EntryKind::Folder,
            b'6' => EntryKind::Pipe,
            other => {
                let shown = char::from(other).escape_default().to_string();
                return Err(refused(&format!(
                    "holds an entry of type `{shown}`, which no container runtime unpacks"
                )));
            }
        };
        // Sparse files in the versions 0.0, 0.1 and 1.0 of GNU's format have their name in a record
        // of its own.
        let version = [record("GNU.sparse.major"), record("GNU.sparse.minor")]
            .map(|value| value.map(Vec::as_slice));
        let is_sparse = match version {
            [Some(b"0"), Some(b"0" | b"1")] | [Some(b"1"), Some(b"0")] => true,
            [None, None] => record("GNU.sparse.map").is_some(),
            _ => false,
        };
        if let Some(name) = record("GNU.sparse.name").filter(|_| is_sparse) {
            header.name.clone_from(name);
        }
        if header.name.len() > LONGEST_PATH_BYTES || header.link.len() > LONGEST_PATH_BYTES {
            return Err(refused(&format!(
                "holds a path of more than {LONGEST_PATH_BYTES} bytes"
            )));
        }
        // Entries other than files have no content, even if their header states a size.
        let size = if kind == EntryKind::File {
            header.size
        } else {
            0
        };
        self.begin(size);
        Ok(entry(header, kind, size, records, is_plain))
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = size
            .next_multiple_of(BLOCK_BYTES as u64)
            .saturating_sub(size);
    }

    /// Returns the content of an extension header. Fails before anything is read if the content is
    /// larger than [`LARGEST_EXTENSION_BYTES`].
    fn extension(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        if header.size > LARGEST_EXTENSION_BYTES {
            let problem = format!(
                "holds an extension header of {} bytes, and runtimes read at most {LARGEST_EXTENSION_BYTES}",
                header.size
            );
            return Err(refused(&problem));
        }
        self.begin(header.size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn skip(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink())?;
        // An archive may end within the padding.
        io::copy(&mut (&mut self.inner).take(self.padding), &mut io::sink())?;
        self.padding = 0;
        Ok(())
    }

    fn block(&mut self) -> io::Result<Option<Block>> {
        if self.is_ended {
            return Ok(None);
        }
        let Some(first) = self.one_block()? else {
            return Ok(None);
        };
        if !first.is_zero() {
            return Ok(Some(first));
        }
        match self.one_block()? {
            Some(second) if !second.is_zero() => {
                Err(refused("has one empty block where its end has two"))
            }
            _ => {
                self.is_ended = true;
                Ok(None)
            }
        }
    }

    fn one_block(&mut self) -> io::Result<Option<Block>> {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        (&mut self.inner)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut bytes)?;
        match bytes.len() {
            0 => {
                self.is_ended = true;
                Ok(None)
            }
            BLOCK_BYTES => Ok(Some(Block(bytes))),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    }
}

impl<R: Read> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

fn entry(
    header: Header,
    kind: EntryKind,
    size: u64,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    is_plain: bool,
) -> TarEntry {
    TarEntry {
        name: header.name,
        kind,
        size,
        mode: header.mode,
        owner: header.owner,
        is_plain,
        records,
    }
}

#[cfg(test)]
mod tests;
