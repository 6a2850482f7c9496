//! Decoder of zstd.
//!
//! Owns the order of frames, and the checks that the library leaves to its user: the checksum and
//! the stated size of a frame. Must not know how much a body may decompress to.

use std::io::Read as _;

use ruzstd::decoding::errors::{
    BlockHeaderReadError, DecodeBlockContentError, DecompressBlockError, FrameDecoderError,
    ReadFrameHeaderError,
};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Damage, EMPTY_BYTES, MOST_PARTS, Step};

/// Maximum size of the window of a zstd frame, in bytes. RFC 9659 sets this bound for HTTP.
const WINDOW_BYTES: u64 = 8 << 20;

/// Size of the magic number and the length at the start of a skippable frame, in bytes.
const SKIPPED_HEAD_BYTES: usize = 8;

/// Decoder of a body with the coding zstd.
pub(super) struct Zstandard {
    decoder: FrameDecoder,
    position: usize,
    frames: u32,
    is_in_frame: bool,
    /// Number of bytes that were decompressed from the current frame so far.
    length: u64,
    /// Number of compressed bytes in skipped frames and empty blocks, which give no data.
    idle_bytes: usize,
}

impl Default for Zstandard {
    fn default() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES);
        Self {
            decoder,
            position: 0,
            frames: 0,
            is_in_frame: false,
            length: 0,
            idle_bytes: 0,
        }
    }
}

impl Zstandard {
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Decompresses the next bytes of `input`, the whole compressed body, into `output`, which must
    /// not be empty. Reads at most one block, the header of one frame, or one frame that is
    /// skipped. Fails if the body cannot be decompressed.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Damage> {
        if !self.is_in_frame {
            return self.next_frame(input);
        }
        if self.decoder.can_collect() == 0 {
            if self.decoder.is_finished() {
                self.end_frame()?;
                return Ok(Step {
                    written: 0,
                    is_done: false,
                });
            }
            let mut rest = input.get(self.position..).unwrap_or_default();
            let before = rest.len();
            self.count_idle(empty_block_bytes(rest))?;
            self.decoder
                .decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| damage(&error))?;
            self.position += before - rest.len();
        }
        // Reading from memory does not fail.
        let written = self.decoder.read(output).map_err(|_| Damage::Corrupt)?;
        self.length += written as u64;
        Ok(Step {
            written,
            is_done: false,
        })
    }

    fn next_frame(&mut self, input: &[u8]) -> Result<Step, Damage> {
        let mut rest = input.get(self.position..).unwrap_or_default();
        let is_done = rest.is_empty() && self.frames > 0;
        if !is_done {
            self.frames += 1;
            if self.frames > MOST_PARTS {
                return Err(Damage::Parts);
            }
            let before = rest.len();
            match self.decoder.reset(&mut rest) {
                Ok(()) => {
                    self.position += before - rest.len();
                    (self.is_in_frame, self.length) = (true, 0);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let size = SKIPPED_HEAD_BYTES.saturating_add(length as usize);
                    if size > before {
                        return Err(Damage::Truncated);
                    }
                    self.position += size;
                    self.count_idle(size)?;
                }
                Err(FrameDecoderError::ReadFrameHeaderError(
                    ReadFrameHeaderError::BadMagicNumber(_)
                    | ReadFrameHeaderError::MagicNumberReadError(_),
                )) if self.frames > 1 => return Err(Damage::Trailing),
                Err(error) => return Err(damage(&error)),
            }
        }
        Ok(Step {
            written: 0,
            is_done,
        })
    }

    /// Counts `bytes` compressed bytes of skipped frames and empty blocks, which give no data.
    /// Fails if the body has more than [`EMPTY_BYTES`] of them.
    fn count_idle(&mut self, bytes: usize) -> Result<(), Damage> {
        self.idle_bytes = self.idle_bytes.saturating_add(bytes);
        match self.idle_bytes as u64 > EMPTY_BYTES {
            true => Err(Damage::Empty),
            false => Ok(()),
        }
    }

    /// Ends the current frame, whose bytes were all decompressed. Fails if its checksum or its
    /// stated size does not match.
    fn end_frame(&mut self) -> Result<(), Damage> {
        let checksum = self.decoder.get_checksum_from_data();
        let is_whole = checksum
            .is_none_or(|checksum| Some(checksum) == self.decoder.get_calculated_checksum());
        // A size of 0 may also mean that the frame states none.
        let stated = self.decoder.content_size();
        self.is_in_frame = false;
        if is_whole && (stated == 0 || stated == self.length) {
            Ok(())
        } else {
            Err(Damage::Corrupt)
        }
    }
}

/// Returns the size of the block at the start of `block` with its header, in bytes, if the block
/// gives no data. Returns 0 for any other block. The header has the format of RFC 8878, section
/// 3.1.1.2.
fn empty_block_bytes(block: &[u8]) -> usize {
    let Some([low, middle, high]) = block.first_chunk().copied() else {
        return 0;
    };
    let head = u32::from_le_bytes([low, middle, high, 0]);
    let (kind, size) = (head >> 1 & 3, (head >> 3) as usize);
    // A compressed block without literals and sequences takes 2 or 3 bytes.
    let is_empty = if kind == 2 { size <= 3 } else { size == 0 };
    if is_empty { 3 + size } else { 0 }
}

fn damage(error: &FrameDecoderError) -> Damage {
    use DecodeBlockContentError as Block;
    use FrameDecoderError as Frame;
    use ReadFrameHeaderError as Header;
    match error {
        Frame::WindowSizeTooBig { .. } | Frame::FrameHeaderError(_) => Damage::Window,
        Frame::DictNotProvided { .. } => Damage::Dictionary,
        Frame::ReadFrameHeaderError(
            Header::MagicNumberReadError(_)
            | Header::FrameDescriptorReadError(_)
            | Header::WindowDescriptorReadError(_)
            | Header::DictionaryIdReadError(_)
            | Header::FrameContentSizeReadError(_),
        )
        | Frame::FailedToReadChecksum(_)
        | Frame::FailedToReadBlockHeader(BlockHeaderReadError::ReadError(_))
        | Frame::FailedToReadBlockBody(
            Block::ReadError { .. }
            | Block::DecompressBlockError(DecompressBlockError::BlockContentReadError(_)),
        ) => Damage::Truncated,
        _ => Damage::Corrupt,
    }
}
