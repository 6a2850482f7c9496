//! Integers that need 64 bits: a script gets the native value, or an error that names the operation,
//! but never a number that wrapped.
//!
//! Owns the values, and the run of a table of expressions on both sides. The operations are in
//! `tests/data/scripts/integers.py`, and the table is in `host/python/world/tests`.

use std::path::Path;
use std::time::Duration;

use scorebox_tests::scripts::{LIBRARIES, app, native, start, text};
use scorebox_tests::{libraries, pack, place, run};
use serde_json::{Value, json};

/// Numbers that the operations are tried with: their results need 32 bits, 33 bits and 62 bits.
const NUMBERS: [u64; 4] = [3, 46_341, 70_000, 1_500_000_000];

/// Operations whose memory is proportional to the number.
const LARGE: [&str; 2] = ["arange sum", "bool sum"];

/// Timeout of the table's native run, which takes seconds on a quiet machine.
const MINUTES: Duration = Duration::from_secs(300);

#[test]
fn integers_are_native_or_refused_by_name() {
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    let app = app("integers", "[limits]\nmemory = \"512MiB\"\n");
    let script = text("integers");
    let names = script.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("    \"")?.split_once("\": lambda")?;
        Some(name)
    });
    let cases = names.flat_map(|name| NUMBERS.map(|number| (name, number)));
    let cases = cases.filter(|(name, number)| *number < 1_000_000 || !LARGE.contains(name));
    let bodies: Vec<String> = cases
        .map(|(name, number)| json!({"do": name, "n": number}).to_string())
        .collect();
    assert!(bodies.len() > 100, "the operations are found in the script");
    let expected = native(libraries, app.path(), &bodies, None);
    let host = start(pack, app.path());
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for (body, expected) in bodies.iter().zip(&expected) {
        let found = host.post("application/json", body.as_bytes());
        if found.status == 200 && equal(&found.json(), &expected["answer"]) {
            continue;
        }
        let said = found.text();
        if found.status == 200 {
            wrong.push(format!("{body}: {said}, and natively {expected}"));
        } else {
            refused.push(format!("{body}: {} {said}", found.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What is refused must be the exception, and each line says why.
    assert!(refused.len() * 4 < bodies.len(), "{refused:#?}");
}

#[test]
fn a_table_of_expressions_is_native_or_refused() {
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    let folder = tempfile::tempdir().unwrap();
    let comparison = place::workspace().join("host/python/world/tests/compare_integers.py");
    let compared = |arguments: &[&Path]| {
        let mut python = libraries.python();
        run::finish(python.arg(&comparison).args(arguments), b"")
    };
    let table = compared(&[Path::new("script")]).ended(0).stdout;
    let (program, native) = (
        folder.path().join("table.py"),
        folder.path().join("native.txt"),
    );
    std::fs::write(&program, &table).unwrap();
    let answers = run::finish_within(MINUTES, libraries.python().arg(&program), b"").ended(0);
    std::fs::write(&native, answers.stdout).unwrap();

    let limits = "[limits]\nmemory = \"1GiB\"\ndeadline = \"300s\"\n";
    let host = start(pack, app("expressions", limits).path());
    let answer = host.post("application/json", json!({"text": table}).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answers = answer.json();
    let sandbox = folder.path().join("sandbox.txt");
    std::fs::write(&sandbox, answers.as_str().expect("a text")).unwrap();

    let said = compared(&[&native, &sandbox]).ended(0).stdout;
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains(" expressions: 0 wrong, "), "{said}");
    let counted = last
        .split(' ')
        .next()
        .and_then(|count| count.parse::<u32>().ok());
    assert!(counted > Some(1_000), "{said}");
    // What is refused is named one by one, and is little.
    let refused = said
        .lines()
        .filter(|line| line.starts_with("refused"))
        .count();
    assert!(refused < 100, "{said}");
}

/// Returns true if both answers are equal. Floating-point numbers may differ in their last digits.
fn equal(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(own), Value::Number(other)) if other.is_f64() => {
            let (own, other) = (own.as_f64().unwrap(), other.as_f64().unwrap());
            (own - other).abs() <= 1e-12 * other.abs()
        }
        _ => found == expected,
    }
}
