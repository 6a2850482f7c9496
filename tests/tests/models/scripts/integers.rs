//! Integers that need 64 bits: a script gets the native value, or an error that names the operation,
//! but never a number that wrapped.
//!
//! Owns the values. The operations are in `tests/data/scripts/integers.py`.

use scorebox_tests::scripts::{LIBRARIES, app, native, start, text};
use scorebox_tests::{libraries, pack};
use serde_json::{Value, json};

/// Numbers that the operations are tried with: their results need 32 bits, 33 bits and 62 bits.
const NUMBERS: [u64; 4] = [3, 46_341, 70_000, 1_500_000_000];

/// Operations whose memory is proportional to the number.
const LARGE: [&str; 2] = ["arange sum", "bool sum"];

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
