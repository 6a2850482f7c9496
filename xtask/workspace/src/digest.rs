//! SHA-256 digests in the notation of OCI.
//!
//! Owns the type, its parser, and the hashing of bytes while they are written. Must not know what
//! is hashed.

use std::fmt;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, whose text is `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Returns the digest of the bytes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(&Sha256::digest(bytes))
    }

    /// Reads `reader` to its end, and returns the digest and the number of the bytes that were
    /// read. Fails if `reader` fails.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut reader, &mut hashing)?;
        let (_, digest, size) = hashing.finish();
        Ok((digest, size))
    }

    /// Parses the text of a digest. Returns `None` if the text is not a SHA-256 digest.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == 64 && hex.bytes().all(lower_hex)).then(|| Self(text.to_owned()))
    }

    /// Returns the 64 hex digits of the digest without `sha256:`. They are the file name of a blob
    /// in an OCI layout.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }

    /// Returns the 32 bytes of the digest.
    pub fn bytes(&self) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
        let byte = |pair: &[u8]| {
            let value = pair.iter().fold(0, |value, one| value * 16 + digit(*one));
            u8::try_from(value).unwrap_or_default()
        };
        self.hex().as_bytes().chunks(2).map(byte).collect()
    }

    fn finish(bytes: &[u8]) -> Self {
        use fmt::Write as _;
        let mut text = String::from("sha256:");
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A writer that hashes and counts bytes, and passes them on to another writer.
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    /// Wraps the writer `inner`. No bytes are counted yet.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// Returns the wrapped writer, and the digest and the number of all bytes that were written.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest::finish(&self.hash.finalize()), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        let passed = bytes.get(..count).unwrap_or(bytes);
        self.hash.update(passed);
        self.size += passed.len() as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digest_is_written_and_read() {
        let empty_object =
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(Digest::of(b"{}").to_string(), empty_object);
        assert_eq!(Digest::parse(empty_object), Some(Digest::of(b"{}")));
        assert_eq!(Digest::of(b"{}").bytes(), Sha256::digest(b"{}").to_vec());
        assert_eq!(
            Digest::of_reader(&b"{}"[..]).unwrap(),
            (Digest::of(b"{}"), 2)
        );
        for wrong in [
            "",
            "sha256:",
            "sha256:44",
            &empty_object.to_uppercase(),
            &empty_object.replace('a', "A"),
            &empty_object.replace("256", "512"),
        ] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }
}
