//! Limits of graphs that are served: the deadline of a run, the size of outputs, and answers that
//! are kept.
//!
//! Owns the graphs that reach a limit.

use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::Host;
use scorebox_tests::onnx;
use serde_json::json;

#[test]
fn a_run_ends_at_its_deadline_and_gives_its_place_back() {
    let settings = "[limits]\ndeadline = \"500ms\"\ninstances = 1\n";
    let host = Host::start(&App::graph("m.onnx", &onnx::counting(), settings));
    let steps = |n: u64| host.score(&json!({ "n": n, "x": [1.0] }));
    assert_eq!(steps(3).expect(200).json(), json!([4.0]));
    let started = Instant::now();
    steps(1 << 40).expect_error(504, "timed-out", &["500 ms"]);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    // There is one place for runs. It is free only because the engine stopped.
    assert_eq!(steps(4).expect(200).json(), json!([5.0]));
}

#[test]
fn outputs_are_bounded_and_what_the_engine_refuses_is_told() {
    let host = Host::start(&App::graph(
        "m.onnx",
        &onnx::zeros(),
        "[limits]\nmemory = \"1MiB\"\n",
    ));
    let zeros = |n: i64| host.score(&json!({ "n": [n] }));
    assert_eq!(zeros(3).expect(200).json(), json!([0.0, 0.0, 0.0]));
    zeros(1 << 20).expect_error(500, "out-of-memory", &["1048576"]);
    let size = ["ConstantOfShape: Tensor shape.Size() must be >= 0"];
    let refused = zeros(-1).expect_error(422, "graph-refused", &size);
    assert_eq!(refused.header("x-ms-run-function-failed"), Some("False"));
    // A lack of memory is not what the caller gave.
    let failed = zeros(1 << 60).expect_error(500, "graph-failed", &["The log has the reason"]);
    assert_eq!(failed.header("x-ms-run-function-failed"), Some("True"));
    assert_eq!(zeros(1).expect(200).json(), json!([0.0]));
}

#[test]
fn a_range_that_no_memory_holds_fails_alone() {
    let app = App::graph("m.onnx", &onnx::range(), "[limits]\nmemory = \"1MiB\"\n");
    let host = Host::start(&app);
    let range = |to: i64| host.score(&json!({ "from": 0, "to": to }));
    assert_eq!(range(3).expect(200).json(), json!([0, 1, 2]));
    range(1 << 20).expect_error(500, "out-of-memory", &["1048576"]);
    // 10^11 numbers have 745 GiB.
    range(100_000_000_000).expect_error(500, "graph-failed", &["The log has the reason"]);
    assert_eq!(range(2).expect(200).json(), json!([0, 1]));
}

#[test]
fn answers_are_kept_where_the_manifest_says_so() {
    let settings = "[stores.default]\n[prediction_cache]\n";
    let host = Host::start(&App::graph("m.onnx", &onnx::trained("logreg"), settings));
    let request = json!({ "X": [sample()[0].row()] });
    let status = |expected: &str| {
        let answer = host.score(&request).expect(200);
        assert_eq!(answer.header("cache-status"), Some(expected));
        answer.body
    };
    assert_eq!(status("scorebox; fwd=miss"), status("scorebox; hit"));
}
