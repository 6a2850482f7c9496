//! Text in a Bicep file: string literals and comments.
//!
//! Owns their escapes, by the language's rules (learn.microsoft.com, Bicep data types, "Strings"):
//! `\\`, `\'`, `\n`, `\r`, `\t`, `\u{…}` and `\$`, which keeps `${` from being an expression. Must
//! not know what a file holds.

use std::fmt;
use std::fmt::Write as _;

use scorebox_host::text::printable;

/// A Bicep string literal, with quotes and escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// Returns the Bicep string literal whose value is exactly `text`.
    pub fn of(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len() + 2);
        escaped.push('\'');
        for c in text.chars() {
            match c {
                '\\' | '\'' | '$' => escaped.extend(['\\', c]),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                ' '..='~' => escaped.push(c),
                c if c.is_alphanumeric() => escaped.push(c),
                // Writing to a string cannot fail.
                c => drop(write!(escaped, "\\u{{{:x}}}", u32::from(c))),
            }
        }
        escaped.push('\'');
        Self(escaped)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns a Bicep comment of one line that contains `text`. Characters that could end the line are
/// escaped.
pub fn comment(text: &str) -> String {
    format!("// {}\n", printable(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_stays_within_its_quotes() {
        let check = |text: &str, literal: &str| assert_eq!(Literal::of(text).to_string(), literal);
        check("plain-1.0", "'plain-1.0'");
        check("a'b", r"'a\'b'");
        check("'''", r"'\'\'\''");
        check("${evil()}", r"'\${evil()}'");
        check("\\${evil()}", r"'\\\${evil()}'");
        check("\\' + evil() + '", r"'\\\' + evil() + \''");
        check("a\nb\r\tc", r"'a\nb\r\tc'");
        check(
            "a\0b\u{2028}c\u{202e}d\u{7f}",
            r"'a\u{0}b\u{2028}c\u{202e}d\u{7f}'",
        );
        check("Grüße", "'Grüße'");
    }

    #[test]
    fn a_comment_is_one_line() {
        let text = comment("a\nparam x string\r\u{2028}b\u{85}c");
        assert!(
            text.ends_with('\n')
                && text
                    .chars()
                    .filter(|c| "\n\r\u{2028}\u{2029}\u{85}".contains(*c))
                    .count()
                    == 1
        );
    }
}
