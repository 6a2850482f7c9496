//! Models of many kinds, trained and pickled natively, answer in the sandbox as natively.
//!
//! Owns the number of kinds. `tests/data/scripts/kinds.py` trains the models.

use std::path::PathBuf;

use scorebox_tests::scripts::{LIBRARIES, assert_close, built, start};
use scorebox_tests::{extent, libraries, pack};
use serde_json::Value;

/// Largest difference between a number in an answer and the native one.
const TOLERANCE: f64 = 1e-12;

/// Kinds in a short run: trees, a tree that is compiled, a table of pandas, texts, and a regression.
const SHORT: [&str; 5] = ["forest", "frequencies", "histograms", "regression", "table"];

#[test]
fn models_of_many_kinds_answer_as_natively() {
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    let folder = tempfile::tempdir().unwrap();
    let mut words = vec![folder.path().to_string_lossy().into_owned()];
    words.extend(
        SHORT
            .iter()
            .filter(|_| !extent::is_whole())
            .map(|name| (*name).to_owned()),
    );
    libraries.run("kinds.py", &words).ended(0);
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut kinds: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    kinds.sort();
    assert_eq!(kinds.len(), extent::of(SHORT.len(), 18));
    for kind in kinds {
        let name = kind.file_name().unwrap().to_string_lossy().into_owned();
        // The build also compares the answer with the native one, which the sample has.
        let app = built(pack, &kind);
        let host = start(pack, app.path());
        let cases: Vec<Value> =
            serde_json::from_slice(&std::fs::read(kind.join("cases.json")).unwrap()).unwrap();
        for (number, case) in cases.iter().enumerate() {
            let body = case["body"].as_str().expect("a text");
            let found = host.post("application/json", body).expect(200).json();
            assert_close(
                &format!("{name} {number}"),
                &found,
                &case["answer"],
                TOLERANCE,
            );
        }
    }
}
