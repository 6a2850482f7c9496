//! The options of a conversion, and its output folder.
//!
//! Owns what a caller can choose: another version of the library, the inputs, the environment and a
//! repetition.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{convert, finish, folder};

#[test]
fn another_version_of_the_library_is_said() {
    models!(models);
    let folder = folder();
    let mut bytes = std::fs::read(models.file("logreg-texts")).expect("the model is there");
    let version = b"_sklearn_version";
    let place = bytes
        .windows(version.len())
        .position(|part| part == version)
        .expect("a version")
        + version.len();
    let digits = bytes[place..]
        .windows(3)
        .position(|part| part == b"1.9")
        .expect("of this series")
        + place;
    bytes[digits + 2] = b'5';
    let file = folder.path().join("old.pkl");
    std::fs::write(&file, bytes).expect("a file can be written");
    let output = folder.path().join("out");
    let parts = [
        "pickled by scikit-learn 1.5.",
        "LogisticRegression",
        "scikit-learn==1.5.",
        "--python",
        "--other-version",
    ];
    finish(&mut convert(&file, &output)).ended(3).said(&parts);
    finish(convert(&file, &output).arg("--other-version"))
        .ended(0)
        .said(&["warning ", "pickled by scikit-learn 1.5."]);
    let report = std::fs::read(output.join("report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert!(report["warnings"].to_string().contains("1.5."), "{report}");
}

#[test]
fn a_conversion_can_be_repeated_and_its_folder_is_not_lost() {
    models!(models);
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let file = models.file("columns-xgb");
    finish(&mut convert(&file, &one)).ended(0);
    finish(convert(&file, &other).args(["--name", "same"])).ended(0);
    let graph = |folder: &PathBuf, name: &str| {
        std::fs::read(folder.join("model").join(name)).expect("a graph")
    };
    let first = graph(&one, "columns-xgb.onnx");
    finish(&mut convert(&file, &one))
        .ended(1)
        .said(&["holds an earlier conversion", "--force"]);
    finish(convert(&file, &one).arg("--force")).ended(0);
    assert!(
        first == graph(&one, "columns-xgb.onnx"),
        "the same file gave other bytes"
    );
    assert!(graph(&other, "same.onnx").len().abs_diff(first.len()) < 100);
    let manifest = std::fs::read_to_string(other.join("scorebox.toml")).expect("a manifest");
    assert!(
        manifest.contains("name = \"same\"") && manifest.contains("scikit-learn = \"1."),
        "{manifest}"
    );
    // A folder with other contents is not replaced.
    let strange = folder.path().join("strange");
    std::fs::create_dir(&strange)
        .and_then(|()| std::fs::write(strange.join("thesis.txt"), ""))
        .expect("a file");
    finish(convert(&file, &strange).arg("--force"))
        .ended(1)
        .said(&["holds files, and no report.json"]);
}

#[test]
fn inputs_and_environment_are_the_callers_choice() {
    models!(models);
    let folder = folder();
    let double = folder.path().join("double");
    let mut command = convert(&models.file("linear"), &double);
    let report = finish(command.args(["--inputs", "X=f64[8]", "--output-format", "json"]))
        .ended(0)
        .json();
    let columns = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    let input = json!({
        "name": "X", "dtype": "f64", "shape": [null, 8],
        "missing": false, "boolean": false, "columns": columns,
    });
    assert_eq!(report["inputs"], json!([input]));
    let largest = report["comparison"]["outputs"][0]["largest_difference"]
        .as_f64()
        .expect("a number");
    assert!(largest < 1e-9, "{report}");
    let output = folder.path().join("out");
    let refused = |arguments: &[&str], code: i32, parts: &[&str]| {
        finish(convert(&models.file("linear"), &output).args(arguments))
            .ended(code)
            .said(parts);
    };
    refused(&["--inputs", "X=f16"], 2, &["NAME=TYPE[COLUMNS]"]);
    refused(
        &["--inputs", "X=f32[3]"],
        3,
        &[
            "LinearRegression",
            "takes 8 columns",
            "fix: write --inputs 'X=f32[8]'",
        ],
    );
    refused(
        &["--sample", "/nowhere.csv"],
        3,
        &["--sample /nowhere.csv", "cannot be read"],
    );
    refused(
        &["--sample", "/etc/hosts"],
        3,
        &["its form is not known", ".npy"],
    );
    refused(
        &["--name", "Prices"],
        3,
        &["`Prices` cannot be a scorer's name", "lower-case"],
    );
    refused(
        &["--python", "/nowhere/python"],
        4,
        &["/nowhere/python", "cannot be run"],
    );
    let mut command = convert(Path::new("/nowhere.h5"), &output);
    finish(&mut command)
        .ended(3)
        .said(&["/nowhere.h5: cannot be read", "fix: "]);
}
