//! The encoding of the text of a body: the byte order mark of UTF-8, and the first bytes by which
//! UTF-16 and UTF-32 are recognized.
//!
//! Owns these bytes. Must not know JSON beyond that its first two characters are ASCII (RFC 4627,
//! section 3).

/// The byte order mark of UTF-8, with which PowerShell and .NET begin texts.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Returns a text without the byte order mark at its start. RFC 8259 allows readers of JSON to
/// ignore the mark.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Returns the number of bytes of the byte order mark at the start of a text: 3, or 0 if there is
/// none.
#[must_use]
pub fn mark_bytes(text: &[u8]) -> usize {
    text.len() - without_mark(text).len()
}

/// Returns the name of the encoding of a JSON text if its first bytes show that the text is not
/// UTF-8. Returns `None` if the text may be UTF-8.
#[must_use]
pub fn other_encoding(text: &[u8]) -> Option<&'static str> {
    match text {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_skipped_once_and_only_at_the_start() {
        assert_eq!(without_mark(b"\xEF\xBB\xBF{}"), b"{}");
        assert_eq!(without_mark(b"{}\xEF\xBB\xBF"), b"{}\xEF\xBB\xBF");
        assert_eq!(without_mark(b"\xEF\xBB"), b"\xEF\xBB");
        assert_eq!((mark_bytes(b"\xEF\xBB\xBF"), mark_bytes(b"{}")), (3, 0));
    }

    #[test]
    fn other_encodings_are_known_by_their_first_bytes() {
        let text = "{\"data\": [[1]]}";
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (mark, rest) in [(&b"\xFE\xFF"[..], &big), (&b"\xFF\xFE"[..], &little)] {
            assert_eq!(other_encoding(rest), Some("UTF-16"));
            assert_eq!(other_encoding(&[mark, rest].concat()), Some("UTF-16"));
        }
        let big: Vec<u8> = text
            .chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect();
        let little: Vec<u8> = text
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        for wide in [big, little] {
            assert_eq!(other_encoding(&wide), Some("UTF-32"));
        }
        assert_eq!(other_encoding(b"\xFF\xFE\0\0{\0\0\0"), Some("UTF-32"));
        for text in [
            &b""[..],
            b"{}",
            b"{\"a\":1}",
            b"\xEF\xBB\xBF{}",
            b"\0\0\0\0",
            b"\xFF\xFF",
        ] {
            assert_eq!(other_encoding(text), None, "{text:?}");
        }
    }
}
