//! Bodies that are not JSON: the message about them, and the words `NaN` and `Infinity`, which some
//! clients write as numbers.
//!
//! Owns the search for these words, and the marked strings that replace them. The JSON parser
//! refuses the words, so a body is copied with a marked string in place of each word, and the copy
//! is decoded. Must not know ports or formats. Only bodies that the parser refused are handled
//! here, so other bodies take no more time.

use serde_json::Error;

use super::encoding::other_encoding;
use crate::text::{REASON_BYTES, counted, displayed};

/// Start of a marked string: the JSON string that replaces `NaN`, `Infinity` or `-Infinity` in a
/// copy of a body. It is a quotation mark and the escape of NUL. A text of a tensor must not hold a
/// NUL, so no valid element starts like this.
const MARK: &[u8] = b"\"\\u0000";

/// Number of bytes by which a marked string is longer than the word that it replaces.
const MARK_BYTES: usize = MARK.len() + 1;

/// Words that are numbers in many programming languages, but not in JSON. A minus sign may precede
/// `Infinity`.
const WORDS: [&str; 2] = ["NaN", "Infinity"];

/// Advice for a caller who sent `NaN` or `Infinity` as an element of an input, with one text for
/// each of the two words.
pub(super) struct Advice {
    pub(super) nan: String,
    pub(super) infinity: String,
}

/// Returns the word at which the JSON parser stopped with `error`: `NaN` or `Infinity`. Returns
/// `None` if the body has something else at this position.
#[cold]
#[inline(never)]
pub(super) fn word_at(body: &[u8], error: &Error) -> Option<&'static str> {
    let line = line_start(body, error.line())?;
    let rest = body.get(line + error.column().checked_sub(1)?..)?;
    word(rest)
}

/// Start of the text of the JSON parser's error about a number that is valid JSON, but too large
/// for an `f64`.
const LARGE_NUMBER: &str = "number out of range";

/// Returns true if the JSON parser refused a number because no `f64` holds it.
pub(super) fn is_large_number(error: &Error) -> bool {
    displayed(error, REASON_BYTES).starts_with(LARGE_NUMBER)
}

/// Returns a copy of `body` in which marked strings replace the words `NaN`, `Infinity` and
/// `-Infinity`. [`word_of`] recognizes these strings. Words within strings stay.
#[cold]
#[inline(never)]
pub(super) fn with_marks(body: &[u8]) -> Vec<u8> {
    let mut marked = Vec::with_capacity(body.len() + body.len() / 8);
    let mut rest = body;
    let mut is_string = false;
    while let Some((byte, after)) = rest.split_first() {
        let sign = usize::from(*byte == b'-');
        let word = rest.get(sign..).filter(|_| !is_string).and_then(word);
        if let Some(word) = word.filter(|word| sign == 0 || *word != "NaN") {
            let (text, after) = rest.split_at(sign + word.len());
            marked.extend_from_slice(MARK);
            marked.extend_from_slice(text);
            marked.push(b'"');
            rest = after;
            continue;
        }
        marked.push(*byte);
        rest = after;
        match (*byte, after.split_first()) {
            (b'"', _) => is_string = !is_string,
            (b'\\', Some((escaped, after))) if is_string => {
                marked.push(*escaped);
                rest = after;
            }
            _ => {}
        }
    }
    marked
}

/// Returns the word that a marked string replaces: `NaN`, `Infinity` or `-Infinity`. `text` is the
/// unescaped string. Returns `None` for a string that is not marked.
pub(super) fn word_of(text: &str) -> Option<&str> {
    text.strip_prefix('\0')
        .filter(|text| WORDS.contains(&text.strip_prefix('-').unwrap_or(text)))
}

/// Returns the message about a body that the JSON parser refused with `error`. `is_marked` is true
/// if the body comes from [`with_marks`]. If the parser stopped at `NaN` or `Infinity`, `advice` is
/// added. It is about the input whose elements the parser was reading.
#[cold]
#[inline(never)]
pub(super) fn message(
    body: &[u8],
    error: &Error,
    is_marked: bool,
    advice: Option<&Advice>,
) -> String {
    if let Some(found) = other_encoding(body) {
        return format!("The body is not JSON in UTF-8, it looks like {found}. Send it in UTF-8.");
    }
    if let Err(error) = str::from_utf8(body) {
        let offset = error.valid_up_to();
        let before = body.get(..offset).filter(|_| is_marked);
        let offset = offset.saturating_sub(MARK_BYTES * before.map_or(0, marks));
        let offset = counted(offset as u64, "byte");
        return format!("The body is not UTF-8: a wrong byte follows the first {offset}.");
    }
    if let Some(word) = word_at(body, error) {
        let (line, column) = (error.line(), error.column());
        let message =
            format!("The body is not JSON: JSON has no {word} (line {line}, column {column}).");
        return match advice {
            Some(advice) if word == "NaN" => format!("{message} {}", advice.nan),
            Some(advice) => format!("{message} {}", advice.infinity),
            None => message,
        };
    }
    let shown = displayed(error, REASON_BYTES / 2);
    let (begin, shown) = match shown.strip_prefix(LARGE_NUMBER) {
        Some(place) => ("A number of the body is too large", place),
        None => ("The body is not JSON: ", shown.as_str()),
    };
    if !is_marked {
        return format!("{begin}{shown}.");
    }
    // The copy with marked strings is longer than the caller's body, so the column is corrected.
    let (line, column) = (error.line(), error.column());
    let place = format!(" at line {line} column {column}");
    let start = line_start(body, line).unwrap_or_default();
    let before = body.get(start..start.saturating_add(column));
    let column = column.saturating_sub(MARK_BYTES * before.map_or(0, marks));
    let what = shown.strip_suffix(&place).unwrap_or(shown);
    format!("{begin}{what} at line {line} column {column}.")
}

/// Returns the number of marked strings in `text`.
fn marks(text: &[u8]) -> usize {
    text.windows(MARK.len())
        .filter(|window| *window == MARK)
        .count()
}

fn word(text: &[u8]) -> Option<&'static str> {
    WORDS
        .into_iter()
        .find(|word| text.starts_with(word.as_bytes()))
}

/// Returns the offset in bytes at which a line starts. The first line has the number 1. Returns
/// `None` if the body has fewer lines.
fn line_start(body: &[u8], line: usize) -> Option<usize> {
    let Some(ends) = line.checked_sub(2) else {
        return Some(0);
    };
    let mut lines = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    lines.nth(ends).map(|(end, _)| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_outside_strings() {
        #[track_caller]
        fn check(body: &str, marked: &str) {
            let found = with_marks(body.as_bytes());
            assert_eq!(str::from_utf8(&found).unwrap(), marked);
        }
        check("[NaN]", r#"["\u0000NaN"]"#);
        check(
            "[Infinity,-Infinity, 1]",
            r#"["\u0000Infinity","\u0000-Infinity", 1]"#,
        );
        check(r#"{"NaN": "\"NaN\\"}"#, r#"{"NaN": "\"NaN\\"}"#);
        check(r#"["\\",NaN]"#, r#"["\\","\u0000NaN"]"#);
        check("[-NaN]", r#"[-"\u0000NaN"]"#);
        check("[\"Infinity", "[\"Infinity");
        check("\"\\", "\"\\");
        check("-", "-");
    }

    #[test]
    fn a_string_stands_for_a_word_only_after_a_nul() {
        assert_eq!(word_of("\0NaN"), Some("NaN"));
        assert_eq!(word_of("\0-Infinity"), Some("-Infinity"));
        for text in ["NaN", "\0", "\0nan", "\0NaN ", "", "\0--Infinity"] {
            assert_eq!(word_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_message_names_what_is_wrong_and_where() {
        #[track_caller]
        fn check(body: &[u8], expected: &str) {
            let error = serde_json::from_slice::<serde_json::Value>(body).unwrap_err();
            let found = message(body, &error, false, None);
            assert!(found.contains(expected), "{found}");
        }
        check(b"[1, NaN]", "JSON has no NaN (line 1, column 5)");
        check(
            b"{\n\"x\":\n [-Infinity]}",
            "no Infinity (line 3, column 4)",
        );
        check(
            b"[\"Z\xfcrich\"]",
            "not UTF-8: a wrong byte follows the first 3 bytes",
        );
        check(b"[1, \xff]", "follows the first 4 bytes");
        check(b"[1, x]", "not JSON: expected value at line 1 column 5.");
        check(b"", "not JSON: EOF");
        check(
            b"[1, 1e400]",
            "A number of the body is too large at line 1 column",
        );
        let marked = with_marks(b"[1,\n NaN, NaN, x, NaN]");
        let error = serde_json::from_slice::<serde_json::Value>(&marked).unwrap_err();
        let found = message(&marked, &error, true, None);
        assert!(found.contains("at line 2 column 12."), "{found}");
        let marked = with_marks(b"[NaN, NaN, \"\xff\"]");
        let error = serde_json::from_slice::<serde_json::Value>(&marked).unwrap_err();
        let found = message(&marked, &error, true, None);
        assert!(found.contains("follows the first 12 bytes"), "{found}");
    }
}
