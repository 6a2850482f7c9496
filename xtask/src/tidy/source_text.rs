//! The text of Rust files without comments or strings, for rules that must not see them.
//!
//! Owns a lexer that is just good enough to tell code from comments and strings. Must not know any
//! rule.

/// The text of a Rust file in two views. A view replaces the parts that it leaves out by spaces, so
/// that lines and columns stay the same.
pub struct SourceText {
    /// Text in which comments and the contents of strings are blank.
    pub code: String,
    /// Text in which comments are blank.
    pub with_strings: String,
}

/// Kind of text at the position of the lexer: code, a comment or a string.
enum Part {
    Code,
    Line,
    Block(u32),
    Text,
    Raw(usize),
}

/// Returns two views of the text of a Rust file: without comments and strings, and without
/// comments.
pub fn views(text: &str) -> SourceText {
    let characters: Vec<char> = text.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let (mut code, mut with_strings) = (String::new(), String::new());
    let mut part = Part::Code;
    let mut index = 0;
    while index < characters.len() {
        let (next, width, in_code, in_strings) = match part {
            Part::Code => match (at(index), at(index + 1)) {
                ('/', '/') => (Part::Line, 2, false, false),
                ('/', '*') => (Part::Block(1), 2, false, false),
                ('"', _) => match hashes_before(&characters, index) {
                    Some(hashes) => (Part::Raw(hashes), 1, true, true),
                    None => (Part::Text, 1, true, true),
                },
                ('\'', _) => (Part::Code, character_width(&characters, index), true, true),
                _ => (Part::Code, 1, true, true),
            },
            Part::Line if at(index) == '\n' => (Part::Code, 1, true, true),
            Part::Line => (Part::Line, 1, false, false),
            Part::Block(depth) => match (at(index), at(index + 1)) {
                ('*', '/') if depth == 1 => (Part::Code, 2, false, false),
                ('*', '/') => (Part::Block(depth - 1), 2, false, false),
                ('/', '*') => (Part::Block(depth + 1), 2, false, false),
                _ => (Part::Block(depth), 1, false, false),
            },
            Part::Text => match at(index) {
                '"' => (Part::Code, 1, true, true),
                '\\' => (Part::Text, 2, false, true),
                _ => (Part::Text, 1, false, true),
            },
            Part::Raw(hashes) => {
                let ends = at(index) == '"' && (1..=hashes).all(|offset| at(index + offset) == '#');
                if ends {
                    (Part::Code, 1, true, true)
                } else {
                    (Part::Raw(hashes), 1, false, true)
                }
            }
        };
        for offset in 0..width {
            let character = at(index + offset);
            if index + offset < characters.len() {
                let blank = if character == '\n' { '\n' } else { ' ' };
                code.push(if in_code { character } else { blank });
                with_strings.push(if in_strings { character } else { blank });
            }
        }
        part = next;
        index += width;
    }
    SourceText { code, with_strings }
}

/// Returns the number of `#` between an `r` and the quote at the index `quote`. Returns `None` if
/// the string that starts at the quote is not raw.
fn hashes_before(characters: &[char], quote: usize) -> Option<usize> {
    let before = characters.get(..quote)?;
    let hashes = before
        .iter()
        .rev()
        .take_while(|character| **character == '#')
        .count();
    (before.iter().rev().nth(hashes) == Some(&'r')).then_some(hashes)
}

/// Returns the width in characters of the character literal that starts at the index `quote`.
/// Returns 1 if the quote belongs to a lifetime.
fn character_width(characters: &[char], quote: usize) -> usize {
    let at = |offset: usize| characters.get(quote + offset).copied();
    match (at(1), at(2)) {
        (Some('\\'), _) => (3..12)
            .find(|offset| at(*offset) == Some('\''))
            .map_or(1, |end| end + 1),
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_told_from_code() {
        let check = |text: &str, code: &str, with_strings: &str| {
            let views = views(text);
            assert_eq!(
                (views.code.as_str(), views.with_strings.as_str()),
                (code, with_strings)
            );
        };
        check("a // b", "a     ", "a     ");
        check(
            "a /* b /* c */ d */ e",
            "a                   e",
            "a                   e",
        );
        check(
            r#"f("x // y", 'z')"#,
            r#"f("      ", 'z')"#,
            r#"f("x // y", 'z')"#,
        );
        check(r##"r#"a"b"# c"##, r##"r#"   "# c"##, r##"r#"a"b"# c"##);
        check(r#""\"" b"#, r#""  " b"#, r#""\"" b"#);
        check("'\"' \"x\"", "'\"' \" \"", "'\"' \"x\"");
        check(
            "fn f<'a>(x: &'a str) // y",
            "fn f<'a>(x: &'a str)     ",
            "fn f<'a>(x: &'a str)     ",
        );
        check("'\\'' // y", "'\\''     ", "'\\''     ");
        check("// a\nb", "    \nb", "    \nb");
    }
}
