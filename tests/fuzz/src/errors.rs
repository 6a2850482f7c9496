//! Rules for the texts of errors.
//!
//! Owns their limits, and which characters they may hold. Must not know any reader.

use crate::readers::is_deceptive;

/// Maximum length of an error that stops a command, in bytes. Its problem and its fix have at most
/// 16 KiB each.
const ERROR_BYTES: usize = 40 << 10;

/// Checks an error of several lines: its length, its characters, and that no line after the first
/// one begins like a line of its own.
#[track_caller]
pub fn several_lines(text: &str) {
    assert!(
        text.len() <= ERROR_BYTES,
        "an error of {} bytes",
        text.len()
    );
    for (index, line) in text.split('\n').enumerate() {
        assert!(!line.contains(is_deceptive), "{line:?} of {text:?}");
        assert!(index == 0 || line.starts_with("  "), "{line:?} of {text:?}");
    }
    let fixes = text.lines().filter(|line| line.starts_with("  fix: "));
    assert_eq!(fixes.count(), 1, "{text:?}");
}

/// Checks a text of one line: its length and its characters.
#[track_caller]
pub fn one_line(text: &str, limit_bytes: usize) {
    assert!(
        !text.is_empty() && text.len() <= limit_bytes,
        "{} bytes: {text:?}",
        text.len()
    );
    assert!(!text.contains(is_deceptive), "{text:?}");
}
