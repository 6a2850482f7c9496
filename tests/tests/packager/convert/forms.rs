//! Sources that convert: a pickle under any name, models that XGBoost and LightGBM saved, and model
//! folders of MLflow.
//!
//! Owns the outcome for each form, and graphs and weights that stand in a model folder under a
//! wrong name. Must not know what is in a model.

use std::path::{Path, PathBuf};

use scorebox_tests::app::App;
use scorebox_tests::packaging::package;
use scorebox_tests::{extent, host::Host, place, programs};
use serde_json::{Value, json};

use super::{convert, finish, folder};

/// Content of a Git LFS pointer.
const POINTER: &[u8] =
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";

/// Returns the sources that `forms.py` writes into a folder, sorted by name.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be listed");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Converts a source, and returns the report.
fn converted(source: &Path, output: &Path) -> Value {
    let mut command = convert(source, output);
    finish(command.args(["--output-format", "json"]))
        .ended(0)
        .json()
}

#[test]
fn a_pickle_under_any_name_converts() {
    models!(models);
    let (pickles, outputs) = (folder(), folder());
    models.write("forms.py", pickles.path(), &[]);
    let short = ["joblib-lzma.out", "model", "protocol-0.p"];
    let mut tried = 0;
    for source in sources(&pickles.path().join("pickles")) {
        let name = source.file_name().expect("a name").to_string_lossy();
        if extent::is_whole() || short.contains(&&*name) {
            let report = converted(&source, &outputs.path().join(&*name));
            assert_eq!(report["verdict"], "agrees", "{name}: {report}");
            tried += 1;
        }
    }
    assert_eq!(tried, extent::of(short.len(), 17));
}

#[test]
fn saved_models_of_boosting_libraries_convert() {
    models!(models);
    let outputs = folder();
    let data = place::workspace().join("tests/data/convert/models");
    for (name, summary) in [
        ("xgb-save-model.json", "XGBClassifier"),
        ("lgbm-save-model.txt", "LGBMClassifier"),
        ("xgb-2.1.3.pkl", "XGBClassifier"),
    ] {
        let mut command = convert(&data.join(name), &outputs.path().join(name));
        let finished = finish(&mut command).ended(0).said(&[summary, "compared"]);
        if name.contains("2.1.3") {
            finished.said(&["written by XGBoost 2.1.3, loaded by "]);
        }
    }
    let report = converted(&models.file("booster"), &outputs.path().join("booster"));
    assert_eq!(report["verdict"], "agrees", "{report}");
    assert!(
        report["warnings"]
            .to_string()
            .contains("labels are the numbers 0 to 2")
    );
}

#[test]
fn model_folders_of_mlflow_convert() {
    models!(models);
    let (folders, outputs) = (folder(), folder());
    models.write("forms.py", folders.path(), &[]);
    let short = ["mlflow-columns", "mlflow-onnx", "mlflow-xgboost"];
    for source in sources(&folders.path().join("folders")) {
        let name = source.file_name().expect("a name").to_string_lossy();
        if !extent::is_whole() && !short.contains(&&*name) {
            continue;
        }
        let output = outputs.path().join(&*name);
        let report = converted(&source, &output);
        let copied = name == "mlflow-onnx";
        assert_eq!(
            report["verdict"],
            if copied { "copied" } else { "agrees" },
            "{name}: {report}"
        );
        match &*name {
            "mlflow-columns" => columns(&report, &output),
            "mlflow-onnx" => graph(&source, &report, &output),
            // The model knows no names, the signature does.
            "mlflow-xgboost" => assert_eq!(report["inputs"][0]["columns"][0], "sepal length (cm)"),
            _ => {}
        }
    }
}

/// Checks a model whose columns have several types: its example is compared next to made-up rows.
fn columns(report: &Value, output: &Path) {
    let inputs = report["inputs"].as_array().expect("inputs");
    let names: Vec<&Value> = inputs.iter().map(|input| &input["name"]).collect();
    assert_eq!(names, ["age", "city", "member"], "{report}");
    assert_eq!(inputs[2]["boolean"], true, "{report}");
    assert_eq!(report["comparison"]["rows"], 256 + 5, "{report}");
    let host = Host::start(output);
    let call = json!({"age": [[41]], "city": [["Bern"]], "member": [[true]]});
    host.score(&call).expect(200);
}

/// Checks a graph that is copied: its bytes, the names of its columns, and that it is served.
fn graph(source: &Path, report: &Value, output: &Path) {
    let read = |path: PathBuf| std::fs::read(path).expect("a graph");
    let written = output.join(report["graph"]["file"].as_str().expect("a file"));
    assert!(
        read(source.join("model.onnx")) == read(written),
        "the graph has other bytes"
    );
    assert_eq!(
        report["inputs"][0]["columns"][3], "petal width (cm)",
        "{report}"
    );
    let host = Host::start(output);
    host.score(&json!({"X": [[5.1, 3.5, 1.4, 0.2]]}))
        .expect(200);
}

#[test]
fn a_folder_that_is_no_model_is_named() {
    let (source, outputs) = (folder(), folder());
    let output = outputs.path().join("out");
    finish(&mut convert(source.path(), &output))
        .ended(3)
        .said(&["without the file MLmodel", "fix: "]);
}

#[test]
fn graphs_and_weights_need_no_conversion() {
    let (sources, outputs) = (folder(), folder());
    let weights = b"\x02\0\0\0\0\0\0\0{}";
    for (bytes, part) in [
        (b"\x08\x08\x12\x03abc".as_slice(), "an ONNX graph"),
        (weights.as_slice(), "a safetensors file"),
    ] {
        let file = sources.path().join("model.bin");
        std::fs::write(&file, bytes).expect("a file can be written");
        finish(&mut convert(&file, &outputs.path().join("out")))
            .ended(3)
            .said(&[part, "needs no conversion", "`scorer.model`"]);
    }
}

#[test]
fn files_of_a_model_that_are_something_else_are_not_packaged() {
    let graph = [b"\x08\x08\x3a\xac\x02".as_slice(), &[0; 9]].concat();
    let page = b"<!DOCTYPE html><html></html>";
    for (file, bytes, part) in [
        ("m.onnx", POINTER, "git lfs pull"),
        ("m.onnx", page, "an HTML page"),
        ("m.onnx", &graph, "was cut"),
        ("m.onnx", b"", "is empty"),
        ("m.safetensors", POINTER, "Git LFS pointer"),
        ("words.txt", POINTER, "Git LFS pointer"),
    ] {
        let app = App::with(programs::MIRROR, "model = \"model\"\n");
        app.write(&format!("model/{file}"), bytes);
        let layout = folder();
        finish(&mut package(app.path(), layout.path()))
            .ended(3)
            .said(&[file, part, "fix: "]);
    }
}
