//! Names and lines of text in `scorebox.toml` that end up in scripts, templates, addresses and
//! messages.
//!
//! Owns the characters that each of them may have. Must not know where they end up, or the names in
//! triggers.

use scorebox_text::{NAME_BYTES, Problem, quoted, start};

/// Maximum length of the name of an environment variable, in bytes.
const LONGEST_VARIABLE_BYTES: usize = 128;

/// Maximum length of the name of a label or of a `config` value, in bytes.
const LONGEST_KEY_BYTES: usize = 128;

/// Returns true if `name` has at most 128 bytes and can be the name of an environment variable in
/// every shell.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    (1..=LONGEST_VARIABLE_BYTES).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Checks that the value `text` of a setting is one line of at most `longest_bytes` bytes, because
/// it is shown and stored as one line. `key` is the name of the setting, for the error.
pub(super) fn line(key: &str, text: &str, longest_bytes: usize) -> Result<(), Problem> {
    if text.len() <= longest_bytes && is_line(text) {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "`{key}`: `{}` is not one line of at most {longest_bytes} bytes",
            quoted(text, NAME_BYTES)
        ),
        "remove line feeds and other control characters, or shorten the text",
    ))
}

/// Returns the name of a key or section as `scorebox.toml` writes it: in quotes if it is not a bare
/// key. Characters that cannot be shown are escaped, and a long name is truncated.
#[must_use]
pub fn written(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(is_bare) {
        return quoted(name, NAME_BYTES);
    }
    let name = start(name, NAME_BYTES.saturating_add(1));
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", quoted(&name, NAME_BYTES))
}

/// Checks `names`, the keys of a table whose keys the author of the manifest chooses, such as
/// `scorer.labels`. Fails if a key is empty, has more than 128 bytes, or has a control character.
/// `table` is the name of the table, for the error.
pub(super) fn keys<'a>(
    table: &str,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), Problem> {
    let misfit = names.into_iter().find(|name| {
        let fits = (1..=LONGEST_KEY_BYTES).contains(&name.len()) && is_line(name);
        !fits
    });
    let Some(name) = misfit else { return Ok(()) };
    Err(Problem::new(
        format!("`{table}`: `{}` is not a key", quoted(name, NAME_BYTES)),
        format!(
            "use 1 to {LONGEST_KEY_BYTES} bytes without control characters, e.g. `training-run`"
        ),
    ))
}

/// Returns true if a text does not have characters that end a line or control a terminal.
fn is_line(text: &str) -> bool {
    matches!(
        scorebox_text::printable(text),
        std::borrow::Cow::Borrowed(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_a_word_of_every_shell() {
        for name in ["A", "_", "SCOREBOX_REDIS_URL", "redisUrl2"] {
            assert!(is_variable(name), "{name}");
        }
        let long = "A".repeat(LONGEST_VARIABLE_BYTES + 1);
        for name in [
            "",
            "2A",
            "A B",
            "A-B",
            "A$(id)",
            "A`id`",
            "A;id",
            "A\nB",
            "A\u{2028}",
            "A\0",
            "Ä",
            "A}",
            &long,
        ] {
            assert!(!is_variable(name), "{name:?}");
        }
    }
}
