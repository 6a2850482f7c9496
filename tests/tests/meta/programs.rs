//! Programs of the tests: each of them is used.
//!
//! Owns the search for the uses. Must not know the purpose of a program.

use std::path::Path;

use scorebox_tests::place;

#[test]
fn every_program_is_used_by_a_test() {
    let tests = place::workspace().join("tests");
    let mut code = String::new();
    collect(&tests.join("tests"), &mut code);
    let unused: Vec<_> = std::fs::read_dir(tests.join("programs"))
        .expect("the folder can be listed")
        .map(|file| file.expect("the folder can be listed to its end").path())
        .filter(|file| file.extension() == Some("rs".as_ref()))
        .filter(|file| {
            let name = file.file_stem().and_then(|stem| stem.to_str());
            let name = name.expect("a program has a name").to_uppercase();
            !uses(&code, &name)
        })
        .collect();
    assert!(
        unused.is_empty(),
        "no test uses these programs: write `programs::NAME` in one, or remove them: {unused:?}"
    );
}

/// Returns true if a line of the code, comments aside, has the program's constant.
fn uses(code: &str, name: &str) -> bool {
    let constant = format!("programs::{name}");
    let lines = code.lines().map(|line| line.trim_start());
    lines.filter(|line| !line.starts_with("//")).any(|line| {
        line.match_indices(&constant).any(|(at, _)| {
            let next = line[at + constant.len()..].chars().next();
            next.is_none_or(|next| !next.is_ascii_alphanumeric() && next != '_')
        })
    })
}

/// Appends the code of all tests below a folder.
fn collect(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed to its end").path();
        if path.is_dir() {
            collect(&path, code);
        } else if path.extension() == Some("rs".as_ref()) {
            code.push_str(&std::fs::read_to_string(path).expect("code is text"));
        }
    }
}

#[test]
fn a_use_is_a_whole_word_of_code() {
    assert!(uses("    let app = App::of(programs::KEYS);", "KEYS"));
    assert!(!uses("    let app = App::of(programs::KEYS_OF);", "KEYS"));
    assert!(!uses("    // See programs::KEYS.", "KEYS"));
}
