//! Text from outside, made fit for a message: bounded in bytes, and without control characters.
//!
//! Owns the mark of what was cut and the rule for what is escaped. Must not know where a text came from or goes to.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest name, key, id or address that a message repeats, in bytes: enough to recognise it.
pub const NAME_BYTES: usize = 128;

/// Longest reason that a message repeats, in bytes: a paragraph.
pub const REASON_BYTES: usize = 2048;

/// Stands at the end of a text that was cut. One character of three bytes.
const MARK: &str = "…";

/// Returns a text of at most `limit_bytes` bytes. A longer one ends with `…` in place of the rest.
#[must_use]
pub fn cut(text: &str, limit_bytes: usize) -> Cow<'_, str> {
    if text.len() <= limit_bytes {
        return Cow::Borrowed(text);
    }
    let kept = start(text, limit_bytes.saturating_sub(MARK.len()));
    Cow::Owned([kept, MARK].concat())
}

/// Returns the first `limit_bytes` bytes of a text, or a few less where a character would be split. Without a mark.
#[must_use]
pub fn start(text: &str, limit_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(limit_bytes)).unwrap_or_default()
}

/// Returns a text on one line that no terminal and no reader of lines takes for anything but text.
///
/// Control characters (line feeds and escape sequences among them), the separators of lines and paragraphs, and the
/// characters that change the direction of writing or are invisible become `\n`, `\t`, `\r` or `\u{…}`. Everything else stays, a
/// backslash included: the result is for reading, not for decoding.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // Writing to a string cannot fail.
            character if is_deceptive(character) => drop(write!(shown, "{}", character.escape_unicode())),
            character => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Returns a text that is [`printable`] and at most about `limit_bytes` bytes long: the cut comes first, so that what is
/// escaped is never long.
#[must_use]
pub fn quoted(text: &str, limit_bytes: usize) -> String {
    cut(&printable(start(text, limit_bytes.saturating_add(1))), limit_bytes).into_owned()
}

/// True for a character that a terminal obeys, that ends a line somewhere, or that hides or reorders its neighbours.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Separators of lines and paragraphs.
            '\u{2028}' | '\u{2029}'
            // Direction marks, embeddings, overrides, isolates (Unicode Technical Report 36, bidirectional spoofing).
            | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Zero-width characters, the byte order mark, tags.
            | '\u{00ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_marked() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 5), "ab…");
        assert_eq!(cut("äöüäöü", 8), "äö…");
        assert_eq!(cut("abcdef", 2), "…");
        assert_eq!(cut(&"x".repeat(5 << 20), NAME_BYTES).len(), NAME_BYTES);
        assert_eq!(start("äöü", 3), "ä");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        assert_eq!(printable("plain ü 漢 \\ text"), "plain ü 漢 \\ text");
        assert_eq!(printable("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(printable("\u{1b}[2J\u{7}\u{9b}31m"), "\\u{1b}[2J\\u{7}\\u{9b}31m");
        assert_eq!(printable("a\u{202e}b\u{2028}c\u{feff}"), "a\\u{202e}b\\u{2028}c\\u{feff}");
        assert!(quoted(&"\u{1b}".repeat(5 << 20), 100).len() <= 100);
        assert!(quoted(&"\u{1b}".repeat(50), 100).ends_with('…'));
    }
}
