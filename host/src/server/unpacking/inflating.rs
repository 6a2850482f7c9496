//! Decoder of gzip, zlib and bare deflate.
//!
//! Owns the format around deflated data: members of gzip with their headers and checksums, and the
//! choice between zlib and bare deflate. Must not know how much a body may decompress to.

use flate2::{Decompress, FlushDecompress, Status};

use super::super::checksum::crc32;
use super::{Damage, MOST_PARTS, Step};

/// Maximum number of bytes of deflated data that one step of the decoder reads.
const STEP_BYTES: usize = 4 << 10;

/// First two bytes of a gzip member.
const MAGIC: &[u8] = &[0x1F, 0x8B];

/// Flags in the header of a gzip member (RFC 1952, section 2.3.1).
mod flag {
    pub(super) const HEADER_CHECKSUM: u8 = 1 << 1;
    pub(super) const EXTRA: u8 = 1 << 2;
    pub(super) const NAME: u8 = 1 << 3;
    pub(super) const COMMENT: u8 = 1 << 4;
    pub(super) const RESERVED: u8 = 0b1110_0000;
}

/// Decoder of a body with the coding gzip or deflate.
pub(super) struct Inflating {
    inflate: Decompress,
    is_gzip: bool,
    position: usize,
    state: State,
    members: u32,
    /// Checksum (CRC-32) of the bytes that were decompressed from the current gzip member so far.
    /// `length` is their number, modulo 2^32.
    checksum: u32,
    length: u32,
}

/// Part of the compressed body that the decoder reads next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Data,
    Trailer,
    Done,
}

impl Inflating {
    /// Creates a decoder for the coding gzip.
    pub(super) fn gzip() -> Self {
        Self::new(Decompress::new(false), true, State::Header)
    }

    /// Creates a decoder for the coding deflate. The first bytes of `input` show whether the data
    /// is in a zlib frame, as HTTP requires, or without one.
    pub(super) fn deflate(input: &[u8]) -> Self {
        let is_zlib = match input {
            // A bare deflate block that begins with these bits would be a stored block whose
            // padding bits are set, which no encoder writes.
            [first, second, ..] => {
                first & 0x0F == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0
            }
            _ => true,
        };
        Self::new(Decompress::new(is_zlib), false, State::Data)
    }

    fn new(inflate: Decompress, is_gzip: bool, state: State) -> Self {
        Self {
            inflate,
            is_gzip,
            position: 0,
            state,
            members: 0,
            checksum: 0,
            length: 0,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Decompresses the next bytes of `input`, the whole compressed body, into `output`, which must
    /// not be empty. Fails if the body cannot be decompressed.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Damage> {
        let rest = input.get(self.position..).unwrap_or_default();
        let mut written = 0;
        match self.state {
            State::Header => {
                self.position += header_bytes(rest)?;
                self.members += 1;
                if self.members > MOST_PARTS {
                    return Err(Damage::Parts);
                }
                self.state = State::Data;
            }
            State::Data => written = self.data(rest, output)?,
            State::Trailer => {
                let Some((trailer, rest)) = rest.split_first_chunk::<8>() else {
                    return Err(Damage::Truncated);
                };
                let [a, b, c, d, length @ ..] = *trailer;
                if u32::from_le_bytes([a, b, c, d]) != self.checksum
                    || u32::from_le_bytes(length) != self.length
                {
                    return Err(Damage::Corrupt);
                }
                self.position += trailer.len();
                self.state = match rest {
                    [] => State::Done,
                    _ if rest.starts_with(MAGIC) => State::Header,
                    _ => return Err(Damage::Trailing),
                };
                if self.state == State::Header {
                    self.inflate.reset(false);
                    (self.checksum, self.length) = (0, 0);
                }
            }
            State::Done => {}
        }
        Ok(Step {
            written,
            is_done: self.state == State::Done,
        })
    }

    /// Inflates the next bytes of `rest` into `output`, and returns the number of bytes written.
    /// Fails if the data is damaged, ends too early, or is followed by other bytes.
    fn data(&mut self, rest: &[u8], output: &mut [u8]) -> Result<usize, Damage> {
        let piece = rest.get(..STEP_BYTES).unwrap_or(rest);
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(piece, output, FlushDecompress::None)
            .map_err(|_| Damage::Corrupt)?;
        let read = self.inflate.total_in() - read;
        let written = self.inflate.total_out() - written;
        // Both are lengths of slices.
        #[expect(clippy::cast_possible_truncation, reason = "no more than a slice has")]
        let (read, written) = (read as usize, written as usize);
        self.position += read;
        if self.is_gzip {
            let bytes = output.get(..written).unwrap_or_default();
            self.checksum = crc32(self.checksum, bytes);
            // The trailer has the length modulo 2^32.
            #[expect(clippy::cast_possible_truncation, reason = "a step is smaller")]
            let length = written as u32;
            self.length = self.length.wrapping_add(length);
        }
        if status == Status::StreamEnd {
            self.state = match (self.is_gzip, read == rest.len()) {
                (true, _) => State::Trailer,
                (false, true) => State::Done,
                (false, false) => return Err(Damage::Trailing),
            };
        } else if read == 0 && written == 0 {
            return Err(Damage::Truncated);
        }
        Ok(written)
    }
}

/// Returns the size of the header of the gzip member at the start of `bytes`, in bytes. Fails if
/// the header is cut off, or does not follow RFC 1952.
fn header_bytes(bytes: &[u8]) -> Result<usize, Damage> {
    if bytes.len() >= MAGIC.len() && !bytes.starts_with(MAGIC) {
        return Err(Damage::Corrupt);
    }
    let Some(([_, _, method, flags, ..], mut rest)) = bytes.split_first_chunk::<10>() else {
        return Err(Damage::Truncated);
    };
    if *method != 8 || flags & flag::RESERVED != 0 {
        return Err(Damage::Corrupt);
    }
    let skip = |rest: &mut &[u8], count: usize| -> Result<(), Damage> {
        *rest = rest.get(count..).ok_or(Damage::Truncated)?;
        Ok(())
    };
    if flags & flag::EXTRA != 0 {
        let Some(length) = rest.first_chunk::<2>() else {
            return Err(Damage::Truncated);
        };
        skip(&mut rest, 2 + usize::from(u16::from_le_bytes(*length)))?;
    }
    for text in [flag::NAME, flag::COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0);
            skip(&mut rest, end.ok_or(Damage::Truncated)? + 1)?;
        }
    }
    if flags & flag::HEADER_CHECKSUM != 0 {
        skip(&mut rest, 2)?;
    }
    Ok(bytes.len() - rest.len())
}
