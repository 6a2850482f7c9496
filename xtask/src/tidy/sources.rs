//! Rules for a Rust file that can be checked without any other file.
//!
//! Owns the rules for module docs, for the length of a file, for names of modules, and for code
//! that must not be left in, such as `todo!`. Must not know which file may use which: `layers`,
//! `arrows` and `packager_arrows` own these rules.

use super::finding::Finding;
use super::source_text::views;

const LONGEST: usize = 500;
const VAGUE_NAMES: &[&str] = &["common", "helpers", "imp", "misc", "types", "utils"];
const LEFT_OVER: &[(&str, &str)] = &[
    ("todo!", "write it, or open an issue"),
    ("unimplemented!", "write it, or open an issue"),
    ("dbg!", "remove it"),
    (
        "#[ignore",
        "let the test say why it cannot run, and skip itself",
    ),
];

/// Checks the rules that apply to a Rust file by itself: its module doc, its length, its name, and
/// code that must not be left in. `file` is the path relative to the workspace's root, and `text`
/// is the content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let doc = module_doc(text);
    if !text.starts_with("//!") {
        findings.push(Finding::new(
            file,
            1,
            "no module doc",
            "open with `//!`: what the file owns, what it must not know",
        ));
    } else if !is_test(file) && !doc.contains("not know") && !doc.contains("must not") {
        findings.push(Finding::new(
            file,
            1,
            "the module doc sets no bound",
            "say what the file must not know",
        ));
    }
    let lines = text.lines().count();
    if lines > LONGEST && !doc.contains("long because") {
        let fix = "split it, or say in the module doc: Long because …";
        findings.push(Finding::new(
            file,
            LONGEST + 1,
            format!("{lines} lines, more than {LONGEST}"),
            fix,
        ));
    }
    let stems = file.split('/').map(|part| part.trim_end_matches(".rs"));
    if let Some(vague) = stems.into_iter().find(|stem| VAGUE_NAMES.contains(stem)) {
        findings.push(Finding::new(
            file,
            1,
            format!("`{vague}` says nothing"),
            "name what it holds",
        ));
    }
    findings.extend(left_over(file, text));
    findings
}

fn left_over(file: &str, text: &str) -> Vec<Finding> {
    let code = views(text).code;
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for (word, fix) in LEFT_OVER {
            if line.contains(word) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    format!("`{word}` is left in the code"),
                    *fix,
                ));
            }
        }
        let name = line
            .trim()
            .trim_start_matches("pub ")
            .strip_prefix("mod ")
            .unwrap_or_default();
        let name = name.trim_end_matches(['{', ';', ' ']);
        if VAGUE_NAMES.contains(&name) {
            findings.push(Finding::new(
                file,
                index + 1,
                format!("module `{name}` says nothing"),
                "name what it holds",
            ));
        }
    }
    findings
}

/// Returns the module doc of a Rust file in lower case and in one line, so that a phrase may break
/// over two lines anywhere.
fn module_doc(text: &str) -> String {
    let lines = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim);
    lines.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

/// Returns true if a file is named `tests.rs`, or is in a folder `tests`, `benches` or `examples`.
/// A file of another name, such as `a_tests.rs`, counts only by its folder. The module docs of
/// these files do not have to say what the file must not know.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs")
        || ["tests/", "benches/", "examples/"]
            .iter()
            .any(|folder| file.starts_with(folder) || file.contains(&format!("/{folder}")))
}

#[cfg(test)]
mod tests {
    const DOC: &str = "//! Owns x. Must\n//! not know y.\n";

    fn check(file: &str, text: &str, expected: &[(usize, &str)]) {
        let found = super::check(file, text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, (line, part)) in found.iter().zip(expected) {
            assert!(
                finding.line == *line && finding.what.contains(part),
                "{finding}"
            );
        }
    }

    #[test]
    fn files_open_with_their_bounds() {
        check("host/src/a.rs", DOC, &[]);
        check("host/src/a.rs", "use std::fs;\n", &[(1, "no module doc")]);
        check("host/src/a.rs", "//! Owns x.\n", &[(1, "sets no bound")]);
        check("host/src/a/tests.rs", "//! Tests of a.\n", &[]);
        check("tests/tests/a.rs", "//! Tests of a.\n", &[]);
        check("guest/examples/a/src/lib.rs", "//! Scores.\n", &[]);
    }

    #[test]
    fn long_files_give_a_reason() {
        let long = format!("{DOC}{}", "\n".repeat(500));
        check("host/src/a.rs", &long, &[(501, "502 lines")]);
        check(
            "host/src/a.rs",
            &format!("//! Long because it is a table. Must not know y.\n{long}"),
            &[],
        );
    }

    #[test]
    fn names_and_left_overs_are_found() {
        check("host/src/utils.rs", DOC, &[(1, "`utils`")]);
        check("host/src/types/a.rs", DOC, &[(1, "`types`")]);
        check(
            "host/src/a.rs",
            &format!("{DOC}pub mod helpers;\n"),
            &[(3, "`helpers`")],
        );
        check(
            "host/src/a.rs",
            &format!("{DOC}fn f() {{\n    todo!()\n}}\n"),
            &[(4, "todo!")],
        );
        check(
            "host/src/a.rs",
            &format!("{DOC}// todo!()\nlet a = \"dbg!\";\n"),
            &[],
        );
    }
}
