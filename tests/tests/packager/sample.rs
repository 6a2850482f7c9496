//! Samples: a scorer that does not give the answers of its training is not packaged.
//!
//! Owns which scorers are tried with a sample: components of both worlds by the packager, and
//! graphs by a host. Must not know which answers count as equal: that is tested next to its code.
//! Damaged graphs are in the area `models`, in `hostile/graphs.rs`.

use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::digits::{request, sample};
use scorebox_tests::host::{invoke, scorebox};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{onnx, place, programs};
use serde_json::{Value, json};

const MANIFEST: &str = "[package]\nsample = \"sample.json\"\n";

/// Runs `cargo xtask build` on an app.
fn build(app: &App) -> Finished {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .args(["build", "--manifest"])
        .arg(app.path().join("scorebox.toml"));
    run::finish(command.arg("--app").arg(app.path().join("built")), b"")
}

/// Writes a sample with the scorer's answer to this body, after a change.
fn write(app: &App, body: &Value, change: impl FnOnce(&mut Value)) {
    let mut outputs = invoke(app, "application/json", body.to_string().as_bytes())
        .ended(0)
        .json();
    change(&mut outputs);
    app.write(
        "sample.json",
        json!({ "inputs": body, "outputs": outputs })
            .to_string()
            .as_bytes(),
    );
}

#[test]
fn a_component_of_tensors_is_tried_by_the_packager() {
    let app = App::example("digits", MANIFEST);
    let body = request(&sample()[..3]);
    write(&app, &body, |_| {});
    build(&app).ended(0);
    assert!(
        !std::fs::read_to_string(app.path().join("built/scorebox.toml"))
            .unwrap()
            .contains("sample")
    );
    write(&app, &body, |outputs| {
        outputs["probabilities"][2][7] = json!(0.4711)
    });
    let parts = [
        "does not answer",
        "sample.json as it should: /probabilities/2/7 is",
        "the sample says 0.4711",
        "fix:",
    ];
    build(&app).ended(3).said(&parts);
    run::finish(&mut scorebox("check", &app), b"")
        .ended(4)
        .said(&parts);
}

#[test]
fn a_component_of_json_is_tried_by_the_packager() {
    let app = App::with(programs::WEIGHTS, &format!("model = \"model\"\n{MANIFEST}"));
    app.write("model/labels.txt", b"cat\ndog\n");
    let body = json!([{"read": "whole-file", "name": "labels.txt"}, {"read": "files"}]);
    write(&app, &body, |_| {});
    build(&app).ended(0);
    app.write("model/labels.txt", b"dog\ncat\n");
    build(&app)
        .ended(3)
        .said(&["as it should: /0/ok/0 is 100, and the sample says 99"]);
}

#[test]
fn a_graph_is_tried_by_a_host() {
    let app = App::graph("m.onnx", &onnx::trained("logreg"), MANIFEST);
    let body = json!({ "X": [sample()[0].row(), sample()[1].row()] });
    let check = || run::finish(&mut scorebox("check", &app), b"");
    write(&app, &body, |_| {});
    check().ended(0);
    write(&app, &body, |outputs| outputs["label"][1] = json!(11));
    check().ended(5).said(&[
        "m.onnx: does not answer",
        "sample.json as it should: /label/1 is",
        "says 11",
        "fix: convert",
    ]);
    // A sample in the argument replaces the manifest's.
    app.write(
        "other.json",
        json!({ "inputs": body }).to_string().as_bytes(),
    );
    run::finish(
        scorebox("check", &app)
            .arg("--sample")
            .arg(app.path().join("other.json")),
        b"",
    )
    .ended(0);
    app.write("other.json", b"{\"inputs\": {\"X\": [[1]]}}");
    let refused = run::finish(
        scorebox("check", &app)
            .arg("--sample")
            .arg(app.path().join("other.json")),
        b"",
    );
    refused.ended(5).said(&["other.json as it should", "784"]);
    app.remove("sample.json");
    check().ended(3).said(&[
        "sample.json: the sample cannot be read",
        "fix: write {\"inputs\"",
    ]);
}
