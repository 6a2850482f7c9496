//! A strict parser of the parts of Bicep that `deploy` uses.
//!
//! Owns the check of literals, comments, brackets and names.

use std::collections::BTreeSet;

/// Checks literals, comments, brackets and names. Returns the names that are declared.
pub fn read(text: &str) -> Result<BTreeSet<String>, String> {
    if let Some(c) = text
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || "\u{2028}\u{2029}\u{feff}".contains(*c))
    {
        return Err(format!("{c:?} is in the file"));
    }
    let code = code(text)?;
    let mut declared = BTreeSet::new();
    for line in code.lines() {
        let mut words = line.split_whitespace();
        let Some(keyword @ ("param" | "resource" | "var" | "output")) = words.next() else {
            continue;
        };
        let name = words.next().unwrap_or_default();
        let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits || (keyword != "output" && !declared.insert(name.to_owned())) || name == "evil" {
            return Err(format!("`{name}` is declared twice, or is no name: {line}"));
        }
    }
    Ok(declared)
}

/// Returns the text without comments, and with `''` for every literal. Expressions within
/// literals are checked, too.
fn code(text: &str) -> Result<String, String> {
    let mut code = String::new();
    let mut open = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|c| *c != '\n').is_some() {},
            '\'' if rest.peek() == Some(&'\'') => {
                rest.next();
                if rest.peek() == Some(&'\'') {
                    return Err("a literal of several lines".to_owned());
                }
                code.push_str("''");
            }
            '\'' => {
                literal(&mut rest)?;
                code.push_str("''");
            }
            '{' | '[' | '(' => {
                open.push(c);
                code.push(c);
            }
            '}' | ']' | ')' => {
                if !matches!(
                    (open.pop(), c),
                    (Some('{'), '}') | (Some('['), ']') | (Some('('), ')')
                ) {
                    return Err(format!("`{c}` closes nothing"));
                }
                code.push(c);
            }
            c if c.is_ascii_alphanumeric() || " \n.,:=@_-?".contains(c) => code.push(c),
            c => return Err(format!("{c:?} stands outside of literals")),
        }
    }
    if open.is_empty() {
        Ok(code)
    } else {
        Err(format!("{open:?} is not closed"))
    }
}

/// Reads the rest of a literal whose opening quote was read.
fn literal(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), String> {
    loop {
        match rest.next() {
            None | Some('\n') => return Err("a literal does not end on its line".to_owned()),
            Some('\'') => return Ok(()),
            Some('\\') => match rest.next() {
                Some('\\' | '\'' | 'n' | 'r' | 't' | '$') => {}
                Some('u') => {
                    let digits: String =
                        std::iter::from_fn(|| rest.next_if(|c| *c != '}' && *c != '\'')).collect();
                    let hex = digits
                        .strip_prefix('{')
                        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    if rest.next() != Some('}') || hex.and_then(char::from_u32).is_none() {
                        return Err(format!("`\\u{digits}` is no escape"));
                    }
                }
                other => return Err(format!("`\\{other:?}` is no escape")),
            },
            Some('$') if rest.peek() == Some(&'{') => {
                rest.next();
                let expression: String =
                    std::iter::from_fn(|| rest.next_if(|c| *c != '}' && *c != '\'')).collect();
                let known = [
                    "name",
                    "image",
                    "puller.id",
                    "storage.name",
                    "app.properties.",
                    "storage.listKeys()",
                    "environment()",
                ];
                if rest.next() != Some('}')
                    || !known.iter().any(|start| expression.starts_with(start))
                {
                    return Err(format!("`${{{expression}}}` is no expression of ours"));
                }
            }
            Some(_) => {}
        }
    }
}

#[test]
fn the_reader_is_strict() {
    for text in [
        "param a string = 'x'\n",
        "// 'x\nvar b = '${name}\\'\\u{2028}\\${x}'\n",
    ] {
        assert!(read(text).is_ok(), "{text}");
    }
    let wrong = [
        "param a string = 'x\n",
        "param a string = 'x' evil() '\n'",
        "param a string = '${evil()}'\n",
        "param a string\nparam a string\n",
        "param 2 string\n",
        "var a = '''x'''\n",
        "var a = '\\q'\n",
        "var a = {\n",
        "var a = 'x'; \n",
        "// x\u{2028}param evil string\n",
    ];
    for text in wrong {
        assert!(read(text).is_err(), "{text}");
    }
}
