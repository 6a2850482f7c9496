//! Components that call graphs: through wasi:nn, through the contract's `graphs`, and out of an
//! image.
//!
//! Owns the apps and the calls that the parts share. Must not know how an engine computes.

mod calls;
mod handles;
mod images;
mod misuse;
mod scoring;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::onnx;
use scorebox_tests::programs::{self, Program};
use serde_json::{Value, json};

/// Returns an app of a program whose model is these graphs.
fn app(program: Program, graphs: &[(&str, Vec<u8>)], manifest: &str) -> App {
    let app = App::with(program, &format!("model = \"model\"\n{manifest}"));
    for (name, bytes) in graphs {
        app.write(&format!("model/{name}.onnx"), bytes);
    }
    app
}

/// Starts a host of the program `grapher`, with every graph that these tests use. Returns the host
/// and its app.
fn grapher(manifest: &str) -> (Host, App) {
    let graphs = [
        ("counting", onnx::counting()),
        ("flags", onnx::identity(onnx::element::BOOL)),
        ("floats", onnx::identity(onnx::element::FLOAT)),
        ("judging", onnx::judging(true)),
        ("judging-alone", onnx::judging(false)),
        ("text/words", onnx::identity(onnx::element::STRING)),
        ("zeros", onnx::zeros()),
        ("zipmap", onnx::trained("logreg-zipmap")),
    ];
    let app = app(programs::GRAPHER, &graphs, manifest);
    (Host::start(&app), app)
}

/// Sends one operation and returns the response.
#[track_caller]
fn send(host: &Host, op: Value) -> Answer {
    host.score(&json!({ "ops": [op] }))
}

/// Sends one operation and returns its result.
#[track_caller]
fn op(host: &Host, op: Value) -> Value {
    send(host, op).expect(200).json()[0].take()
}
