//! One tar header: 512 bytes, in the formats of V7, POSIX, GNU and star.
//!
//! Owns the fields of a header, their numbers and texts, and the records of PAX headers. Must not
//! know the order of headers.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::refused::refused;

/// Size of a tar header, in bytes. The content of each entry is padded to a multiple of this size.
pub const BLOCK_BYTES: usize = 512;

const CHECKSUM: Range<usize> = 148..156;

/// The bytes of a tar header, which are [`BLOCK_BYTES`] long.
pub struct Block(pub Vec<u8>);

/// The parsed fields of a tar header.
pub struct Header {
    /// Path of the tar entry: the prefix field of the header, if there is one, and the name field.
    pub name: Vec<u8>,
    /// Path that the tar entry points to if it is a link. For other entries, the value has no
    /// meaning.
    pub link: Vec<u8>,
    /// Letter that states the type of the tar entry, e.g. `0` for a file or `5` for a folder.
    pub kind: u8,
    /// Size of the tar entry's content, in bytes.
    pub size: u64,
    /// Permission bits of the tar entry.
    pub mode: u64,
    /// User id and group id of the tar entry's owner.
    pub owner: (u64, u64),
    /// Major and minor number of the device that the tar entry describes. For entries that are not
    /// devices, the numbers have no meaning.
    pub device: (u64, u64),
    /// True if the header is a ustar header of POSIX whose numbers are all octal.
    pub is_plain: bool,
}

impl Block {
    /// Returns true if all bytes of the block are zero. Two blocks of zeros end an archive.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Parses the fields of the tar header. Fails if the checksum of the header is wrong, or if a
    /// number in the header is invalid.
    pub fn header(&self) -> io::Result<Header> {
        self.check()?;
        let is_ustar = self.field(257..265) == b"ustar\x0000";
        let is_gnu = self.field(257..265) == b"ustar  \0";
        let is_star = is_ustar && self.field(508..512) == b"tar\0";
        let has_device = is_ustar || is_gnu;
        let mut name = text(self.field(0..100));
        let prefix = match (is_ustar, is_gnu) {
            (true, _) if is_star => text(self.field(345..476)),
            (true, _) => text(self.field(345..500)),
            // Old archives written by Go have the prefix in the field where GNU has times.
            (_, true) if !self.has_times() => text(self.field(345..500)),
            _ => Vec::new(),
        };
        if !prefix.is_empty() {
            name = [prefix.as_slice(), b"/", name.as_slice()].concat();
        }
        let device = if has_device {
            (self.number(329..337)?, self.number(337..345)?)
        } else {
            (0, 0)
        };
        let numbers = [
            100..108,
            108..116,
            116..124,
            124..136,
            136..148,
            329..337,
            337..345,
        ];
        let is_octal = numbers
            .into_iter()
            .all(|range| self.field(range).first().is_none_or(u8::is_ascii));
        // The time is not used. A header with an invalid time is refused nevertheless, as runtimes
        // do.
        signed(self.field(136..148))?;
        Ok(Header {
            name,
            link: text(self.field(157..257)),
            kind: self.field(156..157).first().copied().unwrap_or_default(),
            size: self.number(124..136)?,
            mode: self.number(100..108)?,
            owner: (self.number(108..116)?, self.number(116..124)?),
            device,
            is_plain: is_ustar && !is_star && is_octal,
        })
    }

    fn check(&self) -> io::Result<()> {
        let stated = signed(self.field(CHECKSUM))?;
        let counted = |at: usize, byte: u8| if CHECKSUM.contains(&at) { b' ' } else { byte };
        let bytes = self
            .0
            .iter()
            .enumerate()
            .map(|(at, byte)| counted(at, *byte));
        let (unsigned, signed) = bytes.fold((0, 0), |(unsigned, signed), byte| {
            (
                unsigned + i64::from(byte),
                signed + i64::from(byte.cast_signed()),
            )
        });
        if stated == unsigned || stated == signed {
            Ok(())
        } else {
            Err(refused("is not a tar, or a damaged one"))
        }
    }

    /// Returns true if the GNU fields for access time and change time are empty or hold times. In
    /// old archives that Go wrote, these fields hold a part of the path.
    fn has_times(&self) -> bool {
        [345..357, 357..369].into_iter().all(|range| {
            let field = self.field(range);
            field.first() == Some(&0) || signed(field).is_ok()
        })
    }

    fn number(&self, range: Range<usize>) -> io::Result<u64> {
        u64::try_from(signed(self.field(range))?)
            .map_err(|_| refused("holds a header with a negative number"))
    }

    fn field(&self, range: Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }
}

/// Returns the bytes of a header field before its first zero byte.
pub fn text(field: &[u8]) -> Vec<u8> {
    field
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

/// Parses the value of a PAX record as a decimal number. Fails if the value is not an unsigned
/// 64-bit number.
pub fn decimal(value: &[u8]) -> io::Result<u64> {
    let number = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok());
    number.ok_or_else(|| refused("holds an extension header with an invalid number"))
}

/// Parses the number in a header field, which is in octal digits, or in base 256 if the first bit
/// is set. Spaces and zero bytes around the octal digits are ignored, and so is everything after a
/// zero byte. An empty field is 0. Fails if the field has other characters, or if the number is too
/// large.
fn signed(field: &[u8]) -> io::Result<i64> {
    let broken = || refused("holds a header with an invalid number");
    if let Some(first) = field.first().filter(|first| **first & 0x80 != 0) {
        // The number is in two's complement; the first bit is only the flag for base 256.
        let mask = if first & 0x40 != 0 { 0xff } else { 0 };
        let mut number: u64 = 0;
        for (at, byte) in field.iter().enumerate() {
            let byte = (byte ^ mask) & if at == 0 { 0x7f } else { 0xff };
            if number >> 56 != 0 {
                return Err(broken());
            }
            number = number << 8 | u64::from(byte);
        }
        let number = i64::try_from(number).map_err(|_| broken())?;
        return Ok(if mask == 0 { number } else { !number });
    }
    let is_filling = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field
        .iter()
        .position(|byte| !is_filling(byte))
        .unwrap_or(field.len());
    let end = field
        .iter()
        .rposition(|byte| !is_filling(byte))
        .map_or(start, |last| last + 1);
    let digits = text(field.get(start..end).unwrap_or_default());
    if digits.is_empty() {
        return Ok(0);
    }
    let is_octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let digits = std::str::from_utf8(&digits).ok().filter(|_| is_octal);
    digits
        .and_then(|digits| i64::from_str_radix(digits, 8).ok())
        .ok_or_else(broken)
}

/// Parses the records of a PAX header into their keys and values. A record is `LENGTH KEY=VALUE\n`,
/// where `LENGTH` is the length of the whole record in bytes. Fails if a record is malformed.
pub fn records(mut text: &[u8]) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    let mut map = Vec::new();
    while !text.is_empty() {
        let (key, value, rest) =
            record(text).ok_or_else(|| refused("holds a broken extension header"))?;
        text = rest;
        // Older sparse files have their map in several records.
        if key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes" {
            map.extend_from_slice(value);
            continue;
        }
        records.insert(key.to_vec(), value.to_vec());
    }
    if !map.is_empty() {
        records.insert(b"GNU.sparse.map".to_vec(), map);
    }
    Ok(records)
}

/// Returns the key and the value of the first record of a PAX header, and the bytes after the
/// record. Returns `None` if the record is malformed.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(text.get(..space)?).ok()?.parse().ok()?;
    let body = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (body.get(..equals)?, body.get(equals + 1..)?);
    let is_text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
    let has_zero = if is_text {
        value.contains(&0)
    } else {
        key.contains(&0)
    };
    (!key.is_empty() && !has_zero).then_some((key, value, text.get(length..)?))
}
