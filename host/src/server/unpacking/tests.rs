//! Tests of `unpacking`: a round trip of each format, damaged bodies, and bodies that are made to
//! cost memory or work.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const LIMIT: u64 = 8 << 20;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn bare(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

/// Returns a zstd frame with the window descriptor `window` (RFC 8878, section 3.1.1.1.2) and
/// `blocks` blocks of 128 KiB of zeros, each of which takes four bytes.
fn zeros(window: u8, blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0, window];
    for block in 0..blocks {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(block + 1 == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// Returns a zstd frame with `bytes` bytes of content that the decoder must skip.
fn skipped(bytes: u32) -> Vec<u8> {
    let head = [0x184D_2A50_u32.to_le_bytes(), bytes.to_le_bytes()].concat();
    [head, vec![0; bytes as usize]].concat()
}

/// Returns `count` bytes that look random, so that no encoder can compress them.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn unpacked(coding: Coding, body: &[u8], limit: u64) -> Result<Vec<u8>, Disposition> {
    let mut work = Work::new(coding, Received::Small(body.to_vec()), limit)?;
    while !work.is_done {
        work.piece()?;
    }
    Ok(work.unpacked.as_ref().to_vec())
}

#[track_caller]
fn refused(coding: Coding, body: &[u8], code: &str, part: &str) {
    let disposition = unpacked(coding, body, LIMIT).err().unwrap();
    assert_eq!(disposition.code, code, "{}", disposition.message);
    assert!(
        disposition.message.contains(part),
        "{}",
        disposition.message
    );
}

#[test]
fn every_format_gives_its_bytes_back() {
    let text = "[0.125, 1e-3, 7], ".repeat(20_000).into_bytes();
    for data in [&b""[..], b"{}", &noise(100_000), &text] {
        for (coding, body) in [
            (Coding::Gzip, gzip(data)),
            (Coding::Gzip, [gzip(data), gzip(b"")].concat()),
            (Coding::Deflate, zlib(data)),
            (Coding::Deflate, bare(data)),
            (Coding::Zstd, zstd(data)),
            (Coding::Zstd, [skipped(9), zstd(data), skipped(0)].concat()),
        ] {
            let got = unpacked(coding, &body, LIMIT).unwrap();
            assert!(got == data, "{coding:?} of {} bytes", data.len());
            // A small body, which is decompressed in one step, gives the same bytes.
            let mut work = Work::new(coding, Received::Small(body), LIMIT).unwrap();
            work.fill(&mut vec![0; 64 << 10]).unwrap();
            let small = work.unpacked.as_ref();
            assert_eq!(small, &data[..data.len().min(64 << 10)]);
        }
    }
    let twice = [gzip(b"a"), gzip(b"b")].concat();
    assert_eq!(unpacked(Coding::Gzip, &twice, LIMIT).unwrap(), b"ab");
    let twice = [zstd(b"a"), zstd(b"b")].concat();
    assert_eq!(unpacked(Coding::Zstd, &twice, LIMIT).unwrap(), b"ab");
}

#[test]
fn a_header_of_gzip_with_every_field_is_read() {
    let plain = gzip(b"{}");
    let mut full = plain[..10].to_vec();
    full[3] = 0b1_1110;
    full.extend_from_slice(b"\x03\0abcname\0comment\0\0\0");
    full.extend_from_slice(&plain[10..]);
    assert_eq!(unpacked(Coding::Gzip, &full, LIMIT).unwrap(), b"{}");
    for cut in 0..full.len() {
        refused(Coding::Gzip, &full[..cut], "damaged-body", "ends too early");
    }
}

#[test]
fn damaged_bodies_are_refused_with_what_is_wrong() {
    let data = "[0.125, 1e-3, 7], ".repeat(50).into_bytes();
    let bodies = [
        (Coding::Gzip, gzip(&data)),
        (Coding::Deflate, zlib(&data)),
        (Coding::Zstd, zstd(&data)),
    ];
    for (coding, body) in bodies {
        for cut in [0, 1, 2, body.len() / 2, body.len() - 1] {
            refused(coding, &body[..cut], "damaged-body", "ends too early");
        }
        for more in [&b"x"[..], b"more", b"much more"] {
            let trailing = [&body[..], more].concat();
            refused(coding, &trailing, "damaged-body", "follow its end");
        }
        let mut changed = body.clone();
        changed[body.len() - 2] ^= 1;
        refused(coding, &changed, "damaged-body", "damaged");
        refused(coding, b"{\"data\": [[1]]}", "damaged-body", coding.name());
        // Whichever bit is changed, decompressing returns a result or an error.
        for index in 0..body.len() {
            for bit in 0..8 {
                let mut changed = body.clone();
                changed[index] ^= 1 << bit;
                drop(unpacked(coding, &changed, LIMIT));
            }
        }
    }
    // A frame that needs a dictionary states the id of the dictionary.
    refused(
        Coding::Zstd,
        b"\x28\xB5\x2F\xFD\x01\0\x07\x01\0\0",
        "damaged-body",
        "dictionary",
    );
}

#[test]
fn bombs_end_at_the_bounds() {
    let small = 100 << 10;
    for (coding, body) in [
        (Coding::Gzip, gzip(&vec![0; 64 << 20])),
        (Coding::Deflate, zlib(&vec![0; 64 << 20])),
        (Coding::Deflate, bare(&vec![0; 64 << 20])),
        (Coding::Zstd, zeros(0x38, 512)),
    ] {
        assert!(body.len() < 400 << 10, "{coding:?}");
        let refused = unpacked(coding, &body, small).err().unwrap();
        assert_eq!((refused.status, refused.code.as_str()), (413, "too-large"));
        let refused = unpacked(coding, &body, 1 << 30).err().unwrap();
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (413, "inflated-body")
        );
    }
    // Up to 16 MiB any ratio is right, and the limit of a body is the only bound.
    let sparse = vec![0; 16 << 20];
    assert!(unpacked(Coding::Gzip, &gzip(&sparse), 1 << 30).unwrap() == sparse);
    assert!(unpacked(Coding::Zstd, &zeros(0x68, 128), 1 << 30).unwrap() == sparse);
    let above = gzip(&vec![0; (16 << 20) + 1]);
    let refused = unpacked(Coding::Gzip, &above, 1 << 30).err().unwrap();
    assert_eq!(refused.code, "inflated-body");
    // A limit is exact.
    assert!(unpacked(Coding::Gzip, &gzip(&sparse), 16 << 20).is_ok());
    let refused = unpacked(Coding::Gzip, &above, 16 << 20).err().unwrap();
    assert_eq!((refused.status, refused.code.as_str()), (413, "too-large"));
}

#[test]
fn sparse_data_is_unpacked_up_to_the_limit_of_a_body() {
    // A matrix of zeros with a one here and there, as JSON.
    let mut row = "0,".repeat(500);
    let data = (0..10_000)
        .map(|index| {
            row.replace_range(2 * (index % 500)..=2 * (index % 500), "1");
            let shown = format!("[{}],", row.trim_end_matches(','));
            row.replace_range(2 * (index % 500)..=2 * (index % 500), "0");
            shown
        })
        .collect::<String>()
        .into_bytes();
    let zeros = format!("[{}]", "0,".repeat(4 << 20)).into_bytes();
    assert!(zlib(&zeros).len() as u64 * RATIO < zeros.len() as u64);
    for data in [data, zeros] {
        for (coding, body) in [(Coding::Gzip, gzip(&data)), (Coding::Deflate, zlib(&data))] {
            assert!(
                unpacked(coding, &body, 16 << 20).unwrap() == data,
                "{coding:?}"
            );
            refused(coding, &body, "too-large", "");
        }
    }
}

#[test]
fn bodies_that_hold_nothing_end_early() {
    refused(
        Coding::Gzip,
        &gzip(b"").repeat(1025),
        "damaged-body",
        "members",
    );
    refused(
        Coding::Zstd,
        &zstd(b"").repeat(1025),
        "damaged-body",
        "members",
    );
    refused(
        Coding::Zstd,
        &skipped(0).repeat(1025),
        "damaged-body",
        "members",
    );
    refused(Coding::Zstd, &skipped(1 << 20), "damaged-body", "empty");
    // Stored blocks of deflate, and raw blocks of zstd, of no bytes.
    let empty = b"\0\0\0\xFF\xFF".repeat(20_000);
    refused(
        Coding::Deflate,
        &[b"\x78\x9C", &empty[..]].concat(),
        "damaged-body",
        "empty",
    );
    refused(Coding::Deflate, &empty, "damaged-body", "empty");
    let empty = [&zeros(0, 0)[..], &b"\0\0\0".repeat(40_000)].concat();
    refused(Coding::Zstd, &empty, "damaged-body", "empty");
}

#[test]
fn a_window_of_more_than_8_mib_is_refused() {
    assert!(unpacked(Coding::Zstd, &zeros(0x68, 1), LIMIT).is_ok());
    for window in [0x69, 0x70, 0xFF] {
        refused(Coding::Zstd, &zeros(window, 1), "damaged-body", "8 MiB");
    }
    // A frame that states no window size has a window of the size of its content.
    let huge = b"\x28\xB5\x2F\xFD\xA0\xFF\xFF\xFF\xFF\x01\0\0";
    refused(Coding::Zstd, huge, "damaged-body", "8 MiB");
}

#[test]
fn a_small_body_that_is_not_done_waits_with_nothing_and_starts_again() {
    let text = "[0.125, 1e-3, 7], ".repeat(20_000).into_bytes();
    for (coding, body, expected) in [
        (Coding::Gzip, gzip(&text), text.clone()),
        (Coding::Deflate, bare(&text), text),
        (Coding::Zstd, zeros(0x68, 80), vec![0; 80 * (128 << 10)]),
    ] {
        let mut work = Work::new(coding, Received::Small(body), 16 << 20).unwrap();
        work.fill(&mut vec![0; 64 << 10]).unwrap();
        assert!(!work.is_done && work.decoder.position() > 0, "{coding:?}");
        work.restart();
        assert_eq!(
            (work.decoder.position(), work.total()),
            (0, 0),
            "{coding:?}"
        );
        while !work.is_done {
            work.piece().unwrap();
        }
        assert!(work.unpacked.as_ref() == expected, "{coding:?}");
    }
}
