//! Models of a script that run as graphs in the host, with `accelerate = true`.
//!
//! Owns the script, which asks the models for everything. `tests/data/convert/accelerated.py` trains
//! them, one with a library that the sandbox does not have.

use std::ffi::OsStr;
use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::models::{Models, TOLERANCE};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::scripts::{assert_close, build, packager_command, start_with};
use scorebox_tests::{extent, pack, place, require, skip};
use serde_json::{Value, json};

/// Script that loads its models as the author wrote it, without a word about graphs.
const SCRIPT: &str = r#"
import json
import os

import joblib
import numpy as np


def init():
    global models
    folder = os.environ["AZUREML_MODEL_DIR"]
    models = {name: joblib.load(os.path.join(folder, name + ".pkl")) for name in ("trees", "linear")}


def run(data):
    request = json.loads(data)
    model = models[request["model"]]
    if "attribute" in request:
        try:
            return {"value": np.asarray(getattr(model, request["attribute"])).tolist()}
        except AttributeError as error:
            return {"error": str(error)}
    rows = np.array(request["rows"])
    return {
        "kind": type(model).__name__,
        "label": model.predict(rows).tolist(),
        "probabilities": model.predict_proba(rows).tolist(),
        "classes": model.classes_.tolist(),
    }
"#;

/// Runs `convert --accelerate` on a model of the app.
#[track_caller]
fn convert(pack: &Path, app: &App, name: &str, more: &[&str]) -> Finished {
    let mut command = packager_command(pack);
    command.arg("convert").arg(app.path().join(name));
    command.arg("--accelerate").args(more);
    run::finish_within(std::time::Duration::from_secs(180), &mut command, b"")
}

/// Builds the app with the library that runs graphs.
#[track_caller]
fn built(pack: &Path, app: &App, to: &Path) -> Finished {
    let library = place::engine_library();
    let words = [OsStr::new("--engine-library"), library.as_os_str()];
    build(pack, app.path(), to, &words)
}

/// Asserts that a model answers as its library, and is of the given kind.
#[track_caller]
fn answers(host: &Host, cases: &Value, name: &str, kind: &str) {
    let body = json!({ "model": name, "rows": cases["rows"] });
    let found = host.score(&body).expect(200).json();
    assert_eq!(found["kind"], kind, "{name}");
    assert_eq!(found["classes"], json!([0, 1, 2]), "{name}");
    assert_eq!(found["label"], cases[name]["label"], "{name}");
    let probabilities = &cases[name]["probabilities"];
    assert_close(name, &found["probabilities"], probabilities, TOLERANCE);
}

#[test]
fn a_converted_model_runs_as_a_graph_and_the_script_stays() {
    require!("python3", "pip3");
    let pack = pack!();
    let models = match Models::made_by("accelerated.py", &[]) {
        Ok(models) => models,
        Err(reason) => return skip::skip(&reason),
    };
    let (app, to) = (
        App::script(
            "accelerated",
            SCRIPT,
            "model = \"model\"\naccelerate = true\n",
        ),
        tempfile::tempdir().unwrap(),
    );
    for name in ["trees", "linear"] {
        let pickle = std::fs::read(models.file(name)).unwrap();
        app.write(&format!("model/{name}.pkl"), &pickle);
    }
    let cases = std::fs::read(models.file("trees").with_file_name("cases.json")).unwrap();
    let cases: Value = serde_json::from_slice(&cases).unwrap();

    // Only `convert` loads a pickle outside of the sandbox, and only the author starts it.
    built(pack, &app, to.path()).ended(3).said(&[
        "no file of the model has a graph",
        "fix: convert",
        "--accelerate`",
    ]);
    convert(pack, &app, "model/trees.pkl", &[]).ended(0).said(&[
        "written    ",
        "trees.pkl.onnx",
        "accelerate = true",
    ]);
    let report = std::fs::read_to_string(app.path().join("model/trees.pkl.report.json")).unwrap();
    let folder = app.path().to_string_lossy().into_owned();
    assert!(!report.contains(&folder), "{report}");
    convert(pack, &app, "model/trees.pkl", &[])
        .ended(1)
        .said(&["earlier conversion", "--force"]);
    if extent::is_whole() {
        convert(pack, &app, "model/linear.pkl", &[]).ended(0);
    }

    built(pack, &app, to.path())
        .ended(0)
        .said(&["accelerated: trees.pkl runs as a graph: predict, predict_proba"]);
    let library = place::engine_library();
    let library = library.to_string_lossy();
    let host = start_with(pack, to.path(), &[("SCOREBOX_ENGINE_LIBRARY", &library)]);
    let graph = "AcceleratedEstimator";
    answers(&host, &cases, "trees", graph);
    let linear = extent::of("LogisticRegression", graph);
    answers(&host, &cases, "linear", linear);
    let ask = |model: &str, attribute: &str| {
        let body = json!({ "model": model, "attribute": attribute });
        host.score(&body).expect(200).json()
    };
    assert_eq!(ask("linear", "coef_")["value"], cases["coef_"]);
    let error = ask("trees", "feature_importances_");
    let error = error["error"].as_str().expect("an error");
    for part in ["xgboost", "classes_, predict, predict_proba"] {
        assert!(error.contains(part), "{error}");
    }

    // A graph of another model is not used.
    let mut pickle = std::fs::read(models.file("trees")).unwrap();
    pickle.push(b'\n');
    app.write("model/trees.pkl", &pickle);
    built(pack, &app, to.path())
        .ended(3)
        .said(&["trees.pkl.onnx", "changed since", "--force`"]);
}
