//! The search for programs in the files of a model: pickles, and files that may hold a pickle.
//!
//! Owns the names and bytes by which these files are recognized. Must not know whether such a file
//! is refused.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use scorebox_workspace::failure::Failure;
use zip::ZipArchive;

use super::ModelFile;

const PICKLED: &[&str] = &[
    "ckpt",
    "cloudpickle",
    "dill",
    "jbl",
    "joblib",
    "p",
    "pck",
    "pcl",
    "pickle",
    "pkl",
    "pt",
    "pth",
    "sav",
];
const COMPRESSED: &[&str] = &["gz", "bz2", "xz", "lzma", "lz4", "zst", "z"];

/// Returns a description of the program that a file contains or may contain, e.g. of a pickle.
/// Returns `None` if no sign of a program is found. Fails if the file cannot be read.
pub(super) fn program(file: &ModelFile) -> Result<Option<&'static str>, Failure> {
    if let Some(what) = by_name(&file.name) {
        return Ok(Some(what));
    }
    let (head, tail) =
        ends(&file.path).map_err(|error| Failure::file(&file.path, "be read", error))?;
    Ok(by_bytes(&head, &tail).or_else(|| {
        if head.starts_with(ARCHIVE) {
            in_archive(&file.path)
        } else {
            None
        }
    }))
}

/// Magic bytes at the start of a zip archive.
const ARCHIVE: &[u8] = b"PK\x03\x04";

/// Returns a description of the program in a zip archive: a NumPy array of Python objects, which is
/// a pickle. NumPy stores several arrays in one archive. Returns `None` if no file in the archive
/// is such an array.
///
/// Also returns `None` for an archive that cannot be read, because no library can load the archive
/// either.
fn in_archive(path: &Path) -> Option<&'static str> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    let holds_objects = (0..archive.len()).any(|index| {
        let mut head = Vec::new();
        let member = archive.by_index(index);
        member.is_ok_and(|member| {
            member.take(NUMPY_HEADER).read_to_end(&mut head).is_ok() && is_of_objects(&head)
        })
    });
    holds_objects.then_some("an archive with a NumPy array of Python objects, which is a pickle")
}

/// Number of bytes at the start of a NumPy array that contain its element type. Only an array with
/// an extreme number of fields needs more.
const NUMPY_HEADER: u64 = 4096;

/// Returns true if a file starts like a NumPy array of Python objects, which NumPy writes as a
/// pickle. `head` are the first bytes of the file, with its header.
fn is_of_objects(head: &[u8]) -> bool {
    // The header follows the version and the length, and ends at the end of the line.
    let header = head
        .strip_prefix(b"\x93NUMPY")
        .and_then(|rest| rest.get(4..))
        .unwrap_or_default();
    let header = header
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    header.windows(3).any(|window| window == b"|O'")
}

pub(super) fn by_name(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let mut extensions = lower
        .rsplit('/')
        .next()?
        .split('.')
        .skip(1)
        .collect::<Vec<_>>();
    if extensions
        .last()
        .is_some_and(|last| COMPRESSED.contains(last))
    {
        extensions.pop();
    }
    PICKLED
        .contains(extensions.last()?)
        .then_some("by its name, a pickle")
}

/// Returns the first 64 KiB and the last 64 KiB of a file. Fails if the file cannot be read.
fn ends(path: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    const PART: u64 = 64 << 10;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = Vec::new();
    (&mut file).take(PART).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(size.saturating_sub(PART)))?;
    let mut tail = Vec::new();
    file.take(PART).read_to_end(&mut tail)?;
    Ok((head, tail))
}

pub(super) fn by_bytes(head: &[u8], tail: &[u8]) -> Option<&'static str> {
    // This is the magic number that torch.save wrote before it used zip files, as a pickled
    // integer.
    const TORCH_LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    if head.starts_with(TORCH_LEGACY) {
        return Some("a PyTorch pickle");
    }
    if pickle_header(head) || text_pickle(head) {
        return Some("a pickle");
    }
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    if head.starts_with(ARCHIVE) {
        // The names of a zip file's members are in its directory, at its end.
        let member = |name: &[u8]| holds(tail, name) || holds(head, name);
        if member(b".pkl") || member(b".pickle") || member(b".joblib") {
            return Some("an archive that holds a pickle, as PyTorch writes it");
        }
    }
    if is_of_objects(head) {
        return Some("a NumPy array of Python objects, which is a pickle");
    }
    let mut start = Vec::new();
    let inflated = match head {
        // RFC 1950: the method is deflate, and the header is a multiple of 31.
        [method, flags, ..]
            if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0 =>
        {
            flate2::read::ZlibDecoder::new(head)
                .take(64)
                .read_to_end(&mut start)
                .is_ok()
        }
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(head)
            .take(64)
            .read_to_end(&mut start)
            .is_ok(),
        // joblib uses these compressions, and this program cannot decompress them.
        [b'B', b'Z', b'h', ..]
        | [0xfd, b'7', b'z', b'X', b'Z', ..]
        | [0x5d, 0x00, 0x00, ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Some("compressed in a way that joblib uses and that cannot be looked into");
        }
        _ => false,
    };
    (inflated && (pickle_header(&start) || text_pickle(&start)))
        .then_some("a compressed joblib file, which is a pickle")
}

/// Returns true if the bytes start like a pickle of the protocols 2 to 5: with the protocol's
/// number, followed by an opcode that pickles start with.
///
/// The opcode is checked because some files with weights start with the same two bytes.
fn pickle_header(bytes: &[u8]) -> bool {
    match bytes {
        [0x80, 4 | 5, next, ..] => *next == 0x95,
        [0x80, 2 | 3, next, ..] => b"c]}()XKJMGNU\x8a\x88\x89".contains(next),
        _ => false,
    }
}

/// Returns true if the bytes start like a pickle of the protocols 0 and 1, which have no header:
/// with the import of a name from a module, or with the opcodes for a list, a dictionary or an
/// instance of a class.
fn text_pickle(bytes: &[u8]) -> bool {
    // A list of labels may begin like an import. But the module of a library has a dot, and an
    // opcode follows the name.
    let import = |bytes: &[u8]| {
        let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
        let (Some(module), Some(name), Some(rest)) = (lines.next(), lines.next(), lines.next())
        else {
            return false;
        };
        let word = |text: &[u8]| {
            text.iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        };
        let known = module.contains(&b'.')
            || matches!(
                module,
                b"copy_reg" | b"copyreg" | b"__builtin__" | b"builtins"
            );
        known
            && word(module)
            && word(name)
            && rest.first().is_some_and(|opcode| b"(pq).".contains(opcode))
    };
    let starts: [&[u8]; 4] = [b"(lp", b"(dp", b"(ip", b"]q\x00"];
    starts.iter().any(|start| bytes.starts_with(start))
        || bytes.strip_prefix(b"c").is_some_and(import)
}
