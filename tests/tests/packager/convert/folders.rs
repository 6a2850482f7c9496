//! Model folders of MLflow that become projects without code: the columns of the signature, the
//! input example as the sample, and the commands that say how to get there.
//!
//! Owns folders that MLflow itself wrote, from `tests/data/convert/mlflow`. Must not know the other
//! sources of a conversion.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_tests::app::copy;
use scorebox_tests::host::{Host, scorebox};
use scorebox_tests::packaging::package_with_engine;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{onnx, place};
use serde_json::{Value, json};

use super::{convert, finish, folder};

/// Returns a folder that MLflow wrote.
fn written(name: &str) -> PathBuf {
    place::workspace()
        .join("tests/data/convert/mlflow")
        .join(name)
}

/// Converts a folder, and returns the report.
fn report(source: &Path, output: &Path) -> Value {
    let mut command = convert(source, output);
    finish(command.args(["--output-format", "json"]))
        .ended(0)
        .json()
}

/// Returns the text of a file of a project.
fn text(project: &Path, name: &str) -> String {
    std::fs::read_to_string(project.join(name)).expect("a text")
}

fn sample(project: &Path) -> Value {
    serde_json::from_str(&text(project, "sample.json")).expect("JSON")
}

/// Packages a project, which tries the sample.
fn package(project: &Path) -> Finished {
    let layout = folder();
    run::finish(&mut package_with_engine(project, layout.path()), b"")
}

/// Runs a command of `cargo xtask` on a path as its manifest.
fn with_manifest(command: &str, manifest: &Path) -> Finished {
    let mut xtask = Command::new(place::xtask());
    xtask
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args([command, "--manifest"])
        .arg(manifest);
    run::finish(&mut xtask, b"")
}

#[test]
fn a_graph_with_columns_is_served_as_its_folder_says() {
    models!(_models);
    for name in ["columns-2.10", "columns-3.17"] {
        let outputs = folder();
        let output = outputs.path().join("out");
        let report = report(&written(name), &output);
        assert_eq!(report["verdict"], "copied", "{report}");
        let manifest: toml::Table = text(&output, "scorebox.toml").parse().expect("TOML");
        let expected: toml::Table = "[inputs.age]\nmissing = true\n[inputs.city]\nmissing = true\n"
            .parse()
            .expect("TOML");
        assert_eq!(manifest["inputs"], expected["inputs"], "{name}");
        assert_eq!(manifest["package"]["sample"].as_str(), Some("sample.json"));
        let expected = json!({
            "inputs": {
                "age": [[30.5], [null], [12.25]], "member": [[true], [false], [true]],
                "count": [[1], [2], [3]], "city": [["Bern"], ["Chur"], [null]],
            },
            "outputs": {"sum": [[32.5], [3.0], [16.25]], "town": [["Bern"], ["Chur"], [""]]},
        });
        assert_eq!(sample(&output), expected, "{name}");
        package(&output)
            .ended(0)
            .said(&["sample.json is answered as it should be"]);
        let host = Host::start(&output);
        let answer = host.score(&expected["inputs"]).expect(200).json();
        assert_eq!(answer["town"], expected["outputs"]["town"], "{name}");
        assert_eq!(answer["sum"][1][0].as_f64(), Some(3.0), "{name}: {answer}");
        // A count may not be missing.
        let mut call = expected["inputs"].clone();
        call["count"][0][0] = Value::Null;
        host.score(&call).expect(400);
    }
}

#[test]
fn a_matrix_gets_the_names_of_the_signature() {
    models!(_models);
    let outputs = folder();
    let output = outputs.path().join("out");
    // The converter of scikit-learn gives the probabilities as a list of maps.
    let report = report(&written("frame-3.17"), &output);
    let columns = [
        "sepal length (cm)",
        "sepal width (cm)",
        "petal length (cm)",
        "petal width (cm)",
    ];
    assert_eq!(report["inputs"][0]["columns"], json!(columns), "{report}");
    let example = sample(&output);
    assert_eq!(example["inputs"]["X"][0], json!([5.1, 3.5, 1.4, 0.2]));
    package(&output).ended(0).said(&["sample.json"]);
    let host = Host::start(&output);
    let metadata = host.get("/v2/models/frame-3").expect(200).json();
    assert!(
        metadata.to_string().contains("petal width (cm)"),
        "{metadata}"
    );
    let answer = host.score(&example["inputs"]).expect(200).json();
    assert_eq!(answer["output_label"], json!([0, 0, 0]), "{answer}");
}

#[test]
fn an_array_is_the_sample_of_the_only_input() {
    models!(_models);
    let outputs = folder();
    let output = outputs.path().join("out");
    let report = report(&written("array-2.10"), &output);
    assert_eq!(report["inputs"][0]["columns"], Value::Null, "{report}");
    let mut example = sample(&output);
    assert_eq!(example["outputs"]["label"], json!([0, 0, 0]), "{example}");
    package(&output).ended(0);
    // The sample is a proof: another answer than the recorded one is refused.
    example["outputs"]["label"][1] = json!(2);
    std::fs::write(output.join("sample.json"), example.to_string()).expect("a file");
    package(&output).ended(3).said(&["/label/1 is 0"]);
}

#[test]
fn the_answers_of_a_library_are_the_sample_of_its_model() {
    models!(models);
    let (folders, outputs) = (folder(), folder());
    models.write("forms.py", folders.path(), &[]);
    // The answer of a regression is a list without a name.
    for (name, answers) in [
        ("mlflow-columns", "/outputs/label"),
        ("mlflow-inputs", "/outputs/probabilities"),
        ("mlflow-lightgbm", "/outputs"),
    ] {
        let output = outputs.path().join(name);
        let source = folders.path().join("folders").join(name);
        report(&source, &output);
        let example = sample(&output);
        let rows = example.pointer(answers).and_then(Value::as_array);
        assert_eq!(rows.map(Vec::len), Some(5), "{name}: {example}");
        package(&output)
            .ended(0)
            .said(&["sample.json is answered as it should be"]);
    }
    // Rows of the caller's own are not kept.
    let rows = folders.path().join("rows.json");
    std::fs::write(&rows, json!({"X": [[5.1, 3.5, 1.4, 0.2]]}).to_string()).expect("a file");
    let output = outputs.path().join("rows");
    let source = folders.path().join("folders/mlflow-inputs");
    let mut command = convert(&source, &output);
    finish(command.arg("--sample").arg(&rows)).ended(0);
    assert!(!output.join("sample.json").exists());
}

/// Follows the command in the fix of a refusal: the converted folder is served and packaged.
#[test]
fn other_commands_name_the_conversion_that_they_need() {
    models!(_models);
    let place = folder();
    let source = place.path().join("my model");
    copy(&written("columns-3.17"), &source);
    for (command, manifest) in [
        ("build", source.clone()),
        ("package", source.join("scorebox.toml")),
        ("package", source.join("MLmodel")),
    ] {
        let refused = with_manifest(command, &manifest).ended(3).said(&[
            "is a model folder of MLflow, not a project",
            "cargo xtask convert '",
            "converted/my-model",
        ]);
        // Below, the command is run with an output folder that only this test has.
        assert!(refused.stderr.contains("my model' --output "));
    }
    let mut check = scorebox("check", &source);
    run::finish(&mut check, b"")
        .ended(3)
        .said(&["scorebox convert MODEL --output DIR"]);
    let output = place.path().join("my-model");
    let converted = finish(&mut convert(&source, &output)).ended(0).said(&[
        "next: scorebox serve --app ",
        "next: cargo xtask package --manifest ",
        "sample.json",
    ]);
    assert!(converted.stdout.contains("my-model"));
    crate::next_steps::after_conversion(&converted);
}

#[test]
fn a_folder_that_is_a_model_is_packaged_with_a_note() {
    let project = folder();
    let model = project.path().join("model");
    std::fs::create_dir(&model).expect("a folder");
    std::fs::write(model.join("m.onnx"), onnx::trained("logreg")).expect("a file");
    std::fs::write(model.join("MLmodel"), "flavors: {}\n").expect("a file");
    let manifest = "[scorer]\nname = \"m\"\nmodel = \"model\"\n";
    std::fs::write(project.path().join("scorebox.toml"), manifest).expect("a file");
    let parts = [
        "note: ",
        "input example are not used",
        "cargo xtask convert",
    ];
    package(project.path()).ended(0).said(&parts);
    // A pickle in it is never packaged, and the fix is that of the folder.
    std::fs::write(model.join("model.pkl"), b"\x80\x04\x95").expect("a file");
    package(project.path())
        .ended(3)
        .said(&["a pickle", "make a project of it by `cargo xtask convert"]);
}
