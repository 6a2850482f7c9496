//! Each fix that `convert` prints works: the source converts after its fix was followed.
//!
//! Owns the walk through the cases that `tests/data/convert/fixes.py` writes, and the fix that
//! makes a Python environment. Must not know what a case holds.

use std::path::Path;
use std::process::Command;

use scorebox_tests::extent;
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use serde_json::Value;

use super::{LIMIT, convert, finish, folder};

/// Names of the cases that the short form of the test walks through: one for each place in the code
/// that refuses a source.
const SHORT: [&str; 11] = [
    "allow-differences",
    "cut-joblib",
    "folder-up",
    "function",
    "own-module",
    "pointer",
    "several-targets",
    "single-precision",
    "sparse-matrix",
    "xgboost-dump",
    "xgboost-ranks",
];

/// One case: a source that is refused, and the source after its fix was followed.
struct Case<'a> {
    folder: &'a Path,
    described: Value,
}

impl Case<'_> {
    /// Returns the texts of a list in the description.
    fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.described[key].as_array().expect("a list");
        list.iter()
            .map(|text| text.as_str().expect("a text"))
            .collect()
    }

    /// Converts one of the two sources: the refused one with the index 0, the fixed one with 1.
    fn convert(&self, index: usize, output: &Path) -> Finished {
        let source = self.texts("sources")[index];
        let mut command = convert(&self.folder.join(source), output);
        let more = self.texts("more");
        // What is to be said instead of the first arguments is said instead of all of them.
        let arguments = match index {
            1 if !more.is_empty() => more,
            _ => self.texts("arguments"),
        };
        command.args(arguments);
        if let Some(sample) = self.texts("samples").get(index) {
            command.arg("--sample").arg(self.folder.join(sample));
        }
        finish(&mut command)
    }

    /// Checks the refusal, and what the fix leads to.
    fn walk(&self, output: &Path) {
        let code = self.described["code"].as_i64().expect("a number");
        let code = i32::try_from(code).expect("an exit code");
        let refused = self.convert(0, &output.join("refused")).ended(code);
        let told = refused.said(&self.texts("problem"));
        let (_, fix) = told.stderr.rsplit_once("fix: ").expect("a fix");
        for part in self.texts("fix") {
            assert!(fix.contains(part), "{part} is not in the fix: {fix}");
        }
        assert!(!told.stderr.contains("Traceback"), "{}", told.stderr);
        let fixed = self.convert(1, &output.join("fixed"));
        match self.texts("then").as_slice() {
            [] => drop(fixed.ended(0)),
            then => drop(fixed.ended(3).said(then)),
        }
    }
}

#[test]
fn every_printed_fix_works() {
    models!(models);
    let (cases, outputs) = (folder(), folder());
    models.write("fixes.py", cases.path(), &[]);
    let entries = std::fs::read_dir(cases.path()).expect("the folder can be listed");
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let known = |name: &&str| names.iter().any(|one| one == *name);
    assert!(names.len() >= 60 && SHORT.iter().all(known), "{names:?}");
    let tried = names
        .iter()
        .filter(|name| extent::is_whole() || SHORT.contains(&name.as_str()));
    let mut failed = Vec::new();
    for name in tried {
        let folder = cases.path().join(name);
        let text = std::fs::read(folder.join("case.json")).expect("the case is there");
        let case = Case {
            folder: &folder,
            described: serde_json::from_slice(&text).expect("it is JSON"),
        };
        let output = outputs.path().join(name);
        let walked = || case.walk(&output);
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(walked)).is_err() {
            failed.push(name.as_str());
        }
    }
    assert!(
        failed.is_empty(),
        "the fixes of these cases do not work, see above: {failed:?}"
    );
}

/// Returns the commands that a fix prints between backticks.
fn commands(stderr: &str) -> &str {
    let (_, rest) = stderr
        .split_once("environment of that version, `")
        .expect("a fix");
    rest.split('`').next().expect("commands")
}

#[test]
fn the_environment_of_another_version_holds_everything_that_a_pickle_imports() {
    models!(models);
    let _ = models.path();
    let folder = folder();
    let file = place::workspace().join("tests/data/convert/models/lgbm-4.3-sklearn-1.5.pkl");
    let output = folder.path().join("out");
    let refused = finish(&mut convert(&file, &output)).ended(3).said(&[
        "pickled by scikit-learn 1.5.2",
        "scikit-learn==1.5.2",
        "lightgbm==4.",
        "onnxmltools==1.",
        "--python ENV/bin/python",
        "--other-version",
    ]);
    finish(convert(&file, &folder.path().join("other")).arg("--other-version")).ended(0);
    if !extent::is_whole() {
        return;
    }
    // Some 400 MB are fetched and installed.
    let environment = folder.path().join("env");
    let script = commands(&refused.stderr).replace("ENV", &environment.display().to_string());
    run::finish_within(LIMIT * 4, Command::new("sh").args(["-c", &script]), b"").ended(0);
    let mut command = convert(&file, &output);
    let report = finish(
        command
            .args(["--output-format", "json", "--python"])
            .arg(environment.join("bin/python")),
    )
    .ended(0)
    .json();
    assert_eq!(report["libraries"]["scikit-learn"], "1.5.2", "{report}");
}
