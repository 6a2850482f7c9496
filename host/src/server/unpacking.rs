//! Decompression of compressed request bodies, within bounds.
//!
//! Owns the maximum size of a decompressed body, the limits on the memory and the work of the
//! decompression, and the choice of the thread. Must not know the formats: each has a module of its
//! own.

mod inflating;
mod zstandard;

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Semaphore;

use self::inflating::Inflating;
use self::zstandard::Zstandard;
use super::body::{Bounds, Received};
use super::budget::SMALL_BYTES;
use super::coding::Coding;
use crate::error::{Disposition, RequestFailure, ScoreFailure};
use crate::functions::envelope::Buffer as _;
use crate::scorer::Scorer;
use crate::timer;

/// Maximum size of a compressed body that is decompressed on the thread that serves sockets, in
/// bytes. The slowest body takes the decoder 200 ns per byte, so one of this size takes about 3 ms.
const INLINE_BYTES: usize = 16 << 10;

/// Maximum number of compressed bytes that are read between two checks of the deadline. A step of
/// the decoder may exceed it.
const INPUT_PIECE_BYTES: usize = 64 << 10;

/// Maximum number of bytes that are decompressed between two checks of the deadline. A step of the
/// decoder may exceed it.
const OUTPUT_PIECE_BYTES: u64 = 256 << 10;

/// Size up to which every body may be decompressed, whatever its compressed size, in bytes. A
/// harmless body can shrink a lot: matrices of a few ones among zeros shrink by a factor of 450 to
/// 765, and equal rows by 1,000. Decompressing this much takes less than 100 ms and uses reserved
/// memory, so up to this size `limits.body` and `limits.bodies` suffice as limits.
const FREE_BYTES: u64 = 16 << 20;

/// Maximum factor by which a body of more than [`FREE_BYTES`] may be larger than its compressed
/// form. Text of numbers reaches factors of 3 to 30, and sparse pictures reach 100. Decompression
/// bombs reach 1,000 and more.
const RATIO: u64 = 250;

/// Maximum number of compressed bytes that may give no data. After this many bytes, a body of gzip
/// or deflate must have given at least one byte of data for each [`BYTES_PER_BYTE`] compressed
/// bytes. In a zstd body, this is the maximum size of all skipped frames and empty blocks together.
const EMPTY_BYTES: u64 = 64 << 10;

/// Maximum number of compressed bytes of gzip or deflate for each byte of data, once
/// [`EMPTY_BYTES`] were read. Empty blocks and members cost work and give no data.
const BYTES_PER_BYTE: u64 = 4;

/// Maximum number of gzip members, or of zstd frames, in one body. Compressors that work in blocks
/// write a member for each 64 KiB or more.
const MOST_PARTS: u32 = 1024;

/// Maximum number of large bodies that are decompressed at a time. Each takes memory that it does
/// not reserve: its compressed form, and a window of up to 8 MiB.
const PLACES: usize = 2;

static FREE_PLACES: Semaphore = Semaphore::const_new(PLACES);

/// Reason why a compressed body cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// The bytes of the body do not follow the format, or a checksum does not match.
    Corrupt,
    /// The body needs a dictionary that only the client has.
    Dictionary,
    /// The bytes of the body are mostly empty blocks, members or frames.
    Empty,
    /// The body has more than [`MOST_PARTS`] members or frames.
    Parts,
    /// Other bytes follow the end of the compressed data in the body.
    Trailing,
    /// The body ends before the end of its last member or frame.
    Truncated,
    /// The body needs a window of more than 8 MiB to be decompressed.
    Window,
}

impl Damage {
    fn text(self) -> &'static str {
        match self {
            Self::Corrupt => "its bytes are damaged",
            Self::Dictionary => "it needs a dictionary",
            Self::Empty => "it is mostly empty blocks",
            Self::Parts => "it has more than 1024 members or frames",
            Self::Trailing => "other bytes follow its end",
            Self::Truncated => "it ends too early",
            Self::Window => "its window is larger than 8 MiB",
        }
    }
}

/// Result of one step of the decoder of a compressed body.
struct Step {
    /// Number of decompressed bytes that were written to the output.
    written: usize,
    /// True if the whole body is decompressed.
    is_done: bool,
}

/// Decoder of one compressed body. The decoder knows its position in the compressed bytes.
enum Decoder {
    Inflating(Box<Inflating>),
    Zstandard(Box<Zstandard>),
}

impl Decoder {
    fn new(coding: Coding, input: &[u8]) -> Self {
        match coding {
            Coding::Gzip => Self::Inflating(Box::new(Inflating::gzip())),
            Coding::Deflate => Self::Inflating(Box::new(Inflating::deflate(input))),
            Coding::Zstd => Self::Zstandard(Box::default()),
        }
    }

    /// Decompresses the next bytes of `input`, the whole compressed body, into `output`. A step
    /// reads at most one zstd block, which has at most 128 KiB, one skipped zstd frame, 4 KiB of
    /// deflated data, or one header or trailer. Fails if the body cannot be decompressed.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Damage> {
        match self {
            Self::Inflating(inflating) => inflating.step(input, output),
            Self::Zstandard(zstandard) => zstandard.step(input, output),
        }
    }

    /// Returns the number of compressed bytes that were read.
    fn position(&self) -> usize {
        match self {
            Self::Inflating(inflating) => inflating.position(),
            Self::Zstandard(zstandard) => zstandard.position(),
        }
    }
}

/// A body that is being decompressed.
struct Work {
    coding: Coding,
    decoder: Decoder,
    input: Bytes,
    unpacked: Received,
    /// Maximum size of the decompressed body, in bytes.
    limit_bytes: u64,
    is_done: bool,
}

/// Decompresses the body of a request. A large body is decompressed on a scoring thread, with
/// memory that is reserved as for a body that is not compressed.
///
/// # Errors
/// Fails if the body is damaged, if the decompressed body is too large, in itself or compared with
/// the compressed body, or if the host does not have the memory or the time for it before
/// `bounds.deadline`.
pub(super) async fn unpack(
    coding: Coding,
    body: Received,
    bounds: &Bounds<'_>,
    scorer: &Scorer,
) -> Result<Bytes, Disposition> {
    let mut work = Work::new(coding, body, bounds.limit_bytes)?;
    if work.input.len() <= INLINE_BYTES {
        work.fill(&mut vec![0; SMALL_BYTES as usize])?;
        if work.is_done {
            return Ok(work.unpacked.into_bytes());
        }
        work.restart();
    }
    let busy = || ScoreFailure::Saturated.disposition();
    // The semaphore is never closed.
    let place = timer::until(bounds.deadline, FREE_PLACES.acquire()).await;
    let _place = place.ok_or_else(busy)?;
    while !work.is_done {
        if Instant::now() >= bounds.deadline {
            return Err(busy());
        }
        let wanted = work.total().saturating_add(OUTPUT_PIECE_BYTES);
        let room = wanted.min(bounds.limit_bytes).max(work.total());
        work.unpacked.make_room(room, bounds).await?;
        let unpacked = scorer.offload(move || {
            let filled = work.piece();
            filled.map(|()| work)
        });
        work = unpacked.await.map_err(ScoreFailure::disposition)??;
    }
    Ok(work.unpacked.into_bytes())
}

impl Work {
    /// Prepares the decompression of `body`. The memory that is reserved for the compressed body
    /// counts for the decompressed body, because a body must not wait for memory that it holds
    /// itself. Fails if the host cannot get address space for the decompressed body.
    fn new(coding: Coding, body: Received, limit_bytes: u64) -> Result<Self, Disposition> {
        let (input, unpacked) = body.into_source(limit_bytes)?;
        Ok(Self {
            coding,
            decoder: Decoder::new(coding, &input),
            input,
            unpacked,
            limit_bytes,
            is_done: false,
        })
    }

    /// Forgets what was decompressed, and starts again with the first byte of the body.
    ///
    /// A zstd decoder keeps up to 8 MiB that no reservation of memory counts. So a body must not
    /// keep its decoder while it waits for memory. It takes little time to decompress the first
    /// bytes of a small body again.
    fn restart(&mut self) {
        self.decoder = Decoder::new(self.coding, &self.input);
        self.unpacked.truncate(0);
    }

    fn total(&self) -> u64 {
        self.unpacked.as_ref().len() as u64
    }

    /// Decompresses the next piece of a large body, until it has read `INPUT_PIECE_BYTES` or
    /// written `OUTPUT_PIECE_BYTES`. Fails as [`Self::step`] does.
    fn piece(&mut self) -> Result<(), Disposition> {
        // The bytes of one step go through this buffer, which fits into the processor's cache.
        let mut buffer = vec![0; 32 << 10];
        let (start, total) = (self.decoder.position(), self.total());
        while !self.is_done
            && self.total() - total < OUTPUT_PIECE_BYTES
            && self.decoder.position() - start < INPUT_PIECE_BYTES
        {
            self.step(&mut buffer)?;
        }
        Ok(())
    }

    /// Decompresses a small body until it is done, or until the decompressed bytes fill `buffer`.
    /// Fails as [`Self::step`] does.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Disposition> {
        while !self.is_done && self.total() < buffer.len() as u64 {
            let left = buffer.len() - self.unpacked.as_ref().len();
            self.step(buffer.get_mut(..left).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Decompresses the next bytes into `buffer`, and appends them to the decompressed body. Fails
    /// if the body is damaged, or exceeds a limit.
    fn step(&mut self, buffer: &mut [u8]) -> Result<(), Disposition> {
        let Step { written, is_done } = self
            .decoder
            .step(&self.input, buffer)
            .map_err(|damage| self.damaged(damage))?;
        let total = self.total() + written as u64;
        let read = self.decoder.position() as u64;
        let ratio_bytes = (self.input.len() as u64)
            .saturating_mul(RATIO)
            .max(FREE_BYTES);
        if total > self.limit_bytes {
            let limit_bytes = self.limit_bytes;
            return Err(ScoreFailure::TooLarge { limit_bytes }.disposition());
        }
        if total > ratio_bytes {
            let failure = RequestFailure::Inflated {
                coding: self.coding.name(),
                ratio: RATIO,
            };
            return Err(failure.disposition());
        }
        // A decoder of zstd holds up to a window of data back until the end.
        let gives_at_once = matches!(self.decoder, Decoder::Inflating(_));
        if gives_at_once && read > EMPTY_BYTES && total < read / BYTES_PER_BYTE {
            return Err(self.damaged(Damage::Empty));
        }
        self.is_done = is_done;
        self.unpacked
            .extend(buffer.get(..written).unwrap_or_default())
    }

    fn damaged(&self, damage: Damage) -> Disposition {
        let coding = self.coding.name();
        let problem = damage.text();
        RequestFailure::DamagedBody { coding, problem }.disposition()
    }
}

#[cfg(test)]
mod tests;
