//! The version of scikit-learn that wrote a pickle, read from the bytes of the file.
//!
//! Owns the search for the version. Must not load a pickle, which is a program, nor know what the
//! pickle holds.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use scorebox_workspace::workspace::shown;

use crate::model::ModelFile;

/// Key under which a pickle has the version of scikit-learn, in the state of every estimator.
const KEY: &[u8] = b"_sklearn_version";
/// Maximum length of a version of scikit-learn, such as `1.5.2`, in bytes. A longer text in a
/// pickle is not taken for a version.
const VERSION_BYTES: usize = 32;
/// Maximum number of bytes that opcodes of a pickle take between the key `_sklearn_version` and the
/// version.
const BETWEEN_BYTES: usize = 24;
/// Maximum number of bytes of a pickle, after decompression, that are searched for a version.
/// Estimators of scikit-learn state their version near the start or the end of the pickle.
const MOST_BYTES: u64 = 2 << 30;
/// Number of bytes of a pickle that are searched at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Prints a warning for each file of a model that another version of scikit-learn wrote than
/// `engine`, which is the version in the engine pack. A file that cannot be read is left to the
/// script.
pub fn say_versions(model: &[ModelFile], engine: &str) {
    for file in model {
        let Ok(Some(version)) = version(&file.path) else {
            continue;
        };
        if version != engine {
            eprintln!(
                "warning: {}: was written by scikit-learn {version}, and the script loads it with \
                 scikit-learn {engine}; answers that differ are found by the sample",
                shown(&file.path)
            );
        }
    }
}

/// Returns the version of scikit-learn that wrote the first estimator in a pickle. Returns `None`
/// if no estimator is found, e.g. in a file that is not a pickle, or in a pickle with another
/// compression than zlib or gzip. Fails if the file cannot be read.
fn version(path: &Path) -> io::Result<Option<String>> {
    let mut head = [0; 2];
    let mut file = File::open(path)?;
    let count = file.read(&mut head)?;
    let file = BufReader::new(File::open(path)?);
    match head.get(..count) {
        // The header of zlib is a multiple of 31, and its method is deflate.
        Some([method, _]) if method & 0x0f == 8 && u16::from_be_bytes(head) % 31 == 0 => {
            // A file that only looks compressed is not one that joblib wrote.
            Ok(search(flate2::read::ZlibDecoder::new(file)).unwrap_or_default())
        }
        Some([0x1f, 0x8b]) => {
            Ok(search(flate2::read::MultiGzDecoder::new(file)).unwrap_or_default())
        }
        _ => search(file),
    }
}

fn search(from: impl Read) -> io::Result<Option<String>> {
    let mut from = from.take(MOST_BYTES);
    let keep = KEY.len() + BETWEEN_BYTES + VERSION_BYTES;
    let mut window = Vec::with_capacity(CHUNK_BYTES + keep);
    loop {
        let start = window.len();
        let count = (&mut from)
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut window)?;
        if let Some(version) = in_bytes(&window) {
            return Ok(Some(version));
        }
        if count == 0 {
            return Ok(None);
        }
        // A version may begin in this part and end in the next one.
        let drop = (start + count).saturating_sub(keep);
        window.drain(..drop);
    }
}

/// Returns the version that follows the key `_sklearn_version` in bytes of a pickle. A key that no
/// complete version follows is skipped. Returns `None` if there is no version.
fn in_bytes(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    while let Some(at) = rest.windows(KEY.len()).position(|window| window == KEY) {
        rest = rest.get(at + KEY.len()..)?;
        if let Some(version) = after_key(rest) {
            return Some(version);
        }
    }
    None
}

/// Returns the version in the bytes that follow the key `_sklearn_version` in a pickle: some
/// opcodes that store the key for later use, and then a text with its length or up to the end of
/// its line. Returns `None` if the bytes have another form.
fn after_key(mut rest: &[u8]) -> Option<String> {
    loop {
        rest = match rest {
            // MEMOIZE, BINPUT, LONG_BINPUT and FRAME.
            [0x94, rest @ ..] | [b'q', _, rest @ ..] => rest,
            [b'r', _, _, _, _, rest @ ..] => rest,
            [0x95, _, _, _, _, _, _, _, _, rest @ ..] => rest,
            // SHORT_BINUNICODE has one byte with the length, and BINUNICODE has four.
            [0x8c, length, rest @ ..] => return text(rest, usize::from(*length)),
            [b'X', length, 0, 0, 0, rest @ ..] => return text(rest, usize::from(*length)),
            // UNICODE of the oldest protocol ends with its line, and follows `pN` of the key.
            [b'\n', b'p', rest @ ..] => {
                let end = rest.iter().take(8).position(|byte| *byte == b'\n')?;
                rest.get(end + 1..)?
            }
            [b'V', rest @ ..] => {
                let end = rest
                    .iter()
                    .take(VERSION_BYTES)
                    .position(|byte| *byte == b'\n')?;
                return text(rest, end);
            }
            _ => return None,
        };
    }
}

fn text(bytes: &[u8], length: usize) -> Option<String> {
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let is_version = length <= VERSION_BYTES
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+'));
    is_version.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The state of an estimator in protocol 4, as `pickle.dumps` writes it.
    const PROTOCOL_4: &[u8] = b"\x80\x04\x95\x2e\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x10_sklearn_version\x94\x8c\x051.5.2\x94s.";
    const PROTOCOL_2: &[u8] =
        b"\x80\x02}q\x00X\x10\x00\x00\x00_sklearn_versionq\x01X\x06\x00\x00\x000.22.1q\x02s.";
    const PROTOCOL_0: &[u8] = b"(dp0\nV_sklearn_version\np1\nV0.19.2\np2\ns.";

    fn found(bytes: &[u8]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.pkl");
        std::fs::write(&path, bytes).unwrap();
        version(&path).unwrap()
    }

    #[test]
    fn versions_are_read_in_every_protocol() {
        assert_eq!(found(PROTOCOL_4).as_deref(), Some("1.5.2"));
        assert_eq!(found(PROTOCOL_2).as_deref(), Some("0.22.1"));
        assert_eq!(found(PROTOCOL_0).as_deref(), Some("0.19.2"));
        assert_eq!(found(b"weights"), None);
        assert_eq!(found(b""), None);
        assert_eq!(found(b"_sklearn_version\x94\x8c\xff1"), None);
    }

    #[test]
    fn compressed_and_large_files_are_searched() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(PROTOCOL_4).unwrap();
        assert_eq!(found(&zlib.finish().unwrap()).as_deref(), Some("1.5.2"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(PROTOCOL_4).unwrap();
        assert_eq!(found(&gzip.finish().unwrap()).as_deref(), Some("1.5.2"));
        // The key is at the border of two parts.
        for before in CHUNK_BYTES - 60..CHUNK_BYTES + 4 {
            let mut large = vec![0; before];
            large.extend(PROTOCOL_4);
            assert_eq!(found(&large).as_deref(), Some("1.5.2"), "{before}");
        }
        assert_eq!(found(&[0x78, 0x9c, 1, 2, 3]), None);
    }
}
