//! Processes that another process waits for: they end when that process ends, or when their own
//! time is over.
//!
//! Owns the cases in which no signal arrives. Must not know what the processes compute.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::host::scorebox_alone;
use scorebox_tests::{onnx_hostile, place, require, run};
use serde_json::json;

/// Id of a process that runs for ever and is not the parent of this test's processes.
const OTHER: &str = "1";

#[test]
fn a_trial_of_a_graph_that_lost_its_parent_before_it_began_ends_at_once() {
    let app = App::graph("m.onnx", &onnx_hostile::endless(), "");
    let mut trial = scorebox_alone("graph");
    trial
        .arg(app.path().join("model/m.onnx"))
        .args(["--parent", OTHER]);
    trial.env("SCOREBOX_ENGINE_LIBRARY", place::engine_library());
    let ended = run::finish(&mut trial, b"").ended(1);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_trial_of_a_graph_ends_by_its_own_clock() {
    let app = App::graph("m.onnx", &onnx_hostile::endless(), "");
    let mut trial = scorebox_alone("graph");
    trial
        .arg(app.path().join("model/m.onnx"))
        .args(["--limit-ms", "2000"]);
    trial.args(["--parent", &std::process::id().to_string()]);
    trial.env("SCOREBOX_ENGINE_LIBRARY", place::engine_library());
    assert_eq!(run::finish(&mut trial, b"").status.signal(), Some(9));
}

#[test]
fn a_conversion_that_lost_its_parent_before_it_began_ends_at_once() {
    require!("python3");
    let folder = tempfile::tempdir().unwrap();
    let outcome = folder.path().join("outcome.json");
    let parent: u32 = OTHER.parse().unwrap();
    let request =
        json!({"memory_bytes": 1_u64 << 34, "parent": parent, "seconds": 60, "outcome": outcome});
    let mut python = Command::new(place::tool("python3").unwrap());
    python
        .args(["-s", "-P", "-B"])
        .arg(place::workspace().join("xtask/python/convert"));
    let ended = run::finish(&mut python, request.to_string().as_bytes()).ended(1);
    assert_eq!(ended.stderr, "");
    assert!(!outcome.exists());
}
