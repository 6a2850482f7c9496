//! The rule that an error has a type of its own and is not only a text.
//!
//! Owns the list of types that an error must not have, and the search for them. Must not know which
//! error type is right for a function.

use super::finding::Finding;
use super::layers::before_tests;
use super::source_text::views;

/// Folders in which the error of a `Result` must have a type of its own.
const TYPED: &[&str] = &["host/", "xtask/"];

/// Types, written without white space, that hold only the text of an error.
const TEXTS: &[&str] = &["String", "(String,String)"];

/// Starts of the lines in which the implementation of a trait chooses its error type.
const ALIASES: &[&str] = &["type Err =", "type Error ="];

/// Finds the `Result` types in a Rust file whose error type is `String` or `(String, String)`, and
/// the trait implementations whose type `Err` or `Error` is one of these two. Tests may use such
/// errors. `file` is the path of the file, relative to the workspace's root, and `text` is its
/// content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    if !TYPED.iter().any(|folder| file.starts_with(folder)) || is_test(file) {
        return Vec::new();
    }
    let code = views(text).code;
    let code = before_tests(&code);
    let after = |at: usize| code.get(at..).unwrap_or_default();
    let results = code
        .match_indices("Result<")
        .map(|(at, word)| (at, arguments(after(at + word.len())).into_iter().nth(1)));
    let aliases = ALIASES.iter().flat_map(|alias| code.match_indices(alias));
    let aliases = aliases.map(|(at, alias)| {
        let aliased = after(at + alias.len()).split(';').next();
        (at, aliased.map(without_space))
    });
    results
        .chain(aliases)
        .filter_map(|(at, error)| {
            Some((at, error.filter(|error| TEXTS.contains(&error.as_str()))?))
        })
        .map(|(at, error)| {
            let line = 1 + code.get(..at).unwrap_or_default().matches('\n').count();
            let what = format!("`{}` as an error", error.replace(',', ", "));
            let fix = "return `scorebox_text::Problem`, or an error type that holds the evidence";
            Finding::new(file, line, what, fix)
        })
        .collect()
}

/// Returns true if a path is that of a file with unit tests.
fn is_test(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("/tests.rs") || file.ends_with("_tests.rs")
}

/// Returns the generic arguments at the start of a text, up to the bracket that closes them. `text`
/// starts after the opening bracket. The arguments are returned without white space.
fn arguments(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut argument = String::new();
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            // The `>` of an arrow `->` is not a closing bracket.
            '>' if argument.ends_with('-') => {}
            '>' | ')' | ']' if depth == 0 => break,
            '>' | ')' | ']' => depth -= 1,
            '<' | '(' | '[' => depth += 1,
            ',' if depth == 0 => {
                found.push(without_space(&std::mem::take(&mut argument)));
                continue;
            }
            _ => {}
        }
        argument.push(character);
    }
    found.push(without_space(&argument));
    found
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[track_caller]
    fn finds(file: &str, text: &str, expected: &[(usize, &str)]) {
        let found = check(file, text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, (line, part)) in found.iter().zip(expected) {
            assert!(
                finding.line == *line && finding.what.contains(part),
                "{finding}"
            );
        }
    }

    #[test]
    fn texts_are_no_errors() {
        let finds = |text: &str, expected: &[(usize, &str)]| finds("host/src/a.rs", text, expected);
        finds("fn a() -> Result<(), String> {\n", &[(1, "`String`")]);
        finds(
            "\ntype A = Result<String, (String, String)>;\n",
            &[(2, "`(String, String)`")],
        );
        finds(
            "fn a() -> Result<Result<Vec<(u8, B)>, String>, Failure> {\n",
            &[(1, "`String`")],
        );
        finds(
            "fn a() -> io::Result<\n    Result<\n        (A, B),\n        String,\n    >,\n> {\n",
            &[(2, "`String`")],
        );
        finds(
            "fn a(f: Result<fn(u8, u8) -> Vec<u8>, String>) {}\n",
            &[(1, "`String`")],
        );
        finds(
            "impl FromStr for A {\n    type Err = String;\n",
            &[(2, "`String`")],
        );
    }

    #[test]
    fn other_results_are_fine() {
        let fine = |text: &str| finds("xtask/src/a.rs", text, &[]);
        fine("fn a() -> Result<String, Failure> {\n");
        fine("fn a() -> io::Result<(A, String)> {\n");
        fine("fn a() -> Result<BTreeMap<String, String>, Problem> {\n");
        fine("fn a() -> Result<Option<(String, String)>, Problem> {\n");
        fine("fn a<T>() -> Result<T, Box<String>> {\n");
        fine("// Result<(), String>\nlet a = \"Result<(), String>\";\n");
        fine("type Value = String;\ntype Err = Problem;\n");
    }

    #[test]
    fn tests_and_other_folders_may_use_texts() {
        let text = "fn a() -> Result<(), String> {\n";
        finds("guest/src/a.rs", text, &[]);
        finds("host/src/a/tests.rs", text, &[]);
        finds("xtask/src/a/runtime_tests.rs", text, &[]);
        finds("host/src/tests/a.rs", text, &[]);
        let within = format!("fn a() {{}}\n\n#[cfg(test)]\nmod tests {{\n    {text}}}\n");
        finds("host/src/a.rs", &within, &[]);
    }
}
