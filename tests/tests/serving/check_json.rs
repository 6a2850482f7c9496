//! `scorebox check --output json`: one JSON object on standard output for each exit code.
//!
//! Owns an app for each exit code that `check` can give. Must not know how an error is found.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::host::{scorebox, scorebox_with_threads};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{onnx, place, programs, require, skip};
use serde_json::{Value, json};

/// Id of a user without a name and without other processes.
const NOBODY: &str = "61235";

/// Asserts that a command prints the error as JSON if it is asked to, and otherwise only as text.
#[track_caller]
fn refuses(mut check: Command, code: i32, parts: &[&str]) -> Finished {
    let as_text = run::finish(&mut check, b"").ended(code);
    assert_eq!(as_text.stdout, "");
    let as_json = run::finish(check.args(["--output", "json"]), b"").ended(code);
    assert_eq!(as_json.stdout.lines().count(), 1, "{}", as_json.stdout);
    let answer = as_json.json();
    let error = &answer["error"];
    let expected = json!({
        "error": {"exit_code": code, "problem": error["problem"], "fix": error["fix"]},
    });
    assert_eq!(answer, expected);
    let problem = error["problem"].as_str().expect("a problem is a text");
    for part in parts {
        assert!(problem.contains(part), "no `{part}` in {answer}");
    }
    // Standard error ends with the same error, in both formats.
    let fix = match &error["fix"] {
        Value::Null => String::new(),
        fix => format!("\n  fix: {}", fix.as_str().expect("a fix is a text")),
    };
    let text = format!("error: {problem}{fix}\n");
    assert!(as_json.stderr.ends_with(&text), "{}", as_json.stderr);
    assert!(as_text.stderr.ends_with(&text), "{}", as_text.stderr);
    as_json
}

#[test]
fn an_app_that_can_be_served_has_a_report() {
    let app = App::of(programs::MIRROR);
    let report = run::finish(scorebox("check", &app).args(["--output", "json"]), b"")
        .ended(0)
        .json();
    assert_eq!(report["name"], "mirror");
    assert!(report.get("error").is_none(), "{report}");
}

#[test]
fn a_machine_without_threads_is_at_fault() {
    require!("setpriv", "prlimit");
    if !rustix::process::geteuid().is_root() {
        return skip::skip("being another user takes root");
    }
    let app = App::of(programs::MIRROR);
    std::fs::set_permissions(app.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = scorebox_with_threads(1, NOBODY);
    command.args(["check", "--app"]).arg(app.path());
    let refused = refuses(command, 1, &["this machine has no threads"]);
    let fix = refused.json()["error"]["fix"].clone();
    assert!(
        fix.as_str().is_some_and(|fix| fix.contains("ulimit -u")),
        "{fix}"
    );
}

#[test]
fn a_wrong_command_line_is_told_as_text() {
    let app = App::of(programs::MIRROR);
    let mut check = scorebox("check", &app);
    let refused = run::finish(check.args(["--output", "json", "--sampel", "x"]), b"").ended(2);
    assert_eq!(refused.stdout, "");
    refused.said(&["error: unexpected argument '--sampel'"]);
}

#[test]
fn a_wrong_setting_is_an_error_of_the_manifest() {
    let app = App::with(programs::MIRROR, "[limits]\nmemory = \"much\"\n");
    let refused = refuses(
        scorebox("check", &app),
        3,
        &["scorebox.toml: `limits.memory`"],
    );
    assert_eq!(
        refused.json()["error"]["fix"],
        "write a number and a unit, e.g. `512KiB`, `256MiB`"
    );
}

#[test]
fn an_import_that_no_host_has_is_an_error_of_the_component() {
    let app = App::of(programs::IMPORTER);
    refuses(
        scorebox("check", &app),
        4,
        &["component ", "intruder:host/secrets"],
    );
}

#[test]
fn weights_that_are_damaged_are_an_error_of_the_model() {
    let app = App::with(programs::WEIGHTS, "model = \"model\"\n");
    app.write("model/w.safetensors", b"not a model");
    refuses(scorebox("check", &app), 5, &["model ", "w.safetensors"]);
}

#[test]
fn a_graph_that_is_damaged_is_an_error_of_the_model() {
    let app = App::graph("m.onnx", b"not a graph at all", "");
    let mut check = scorebox("check", &app);
    check.env("SCOREBOX_ENGINE_LIBRARY", place::engine_library());
    refuses(check, 5, &["m.onnx: cannot be loaded"]);
}

#[test]
fn an_init_that_fails_has_an_exit_code_of_its_own() {
    let app = App::with(programs::WAYWARD, "[config]\ninit = \"fail\"\n");
    refuses(
        scorebox("check", &app),
        6,
        &["init of wayward", "told-to-fail"],
    );
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not_shown() {
    let app = App::with(programs::KEYS, "[stores.default]\n");
    let mut check = scorebox("check", &app);
    check.env("SCOREBOX_REDIS_URL", "hunter2@cache.example:6380");
    let refused = refuses(check, 8, &["environment variable SCOREBOX_REDIS_URL"]);
    assert!(!refused.stdout.contains("hunter2"), "{}", refused.stdout);
    // The log is started first.
    let mut check = scorebox("check", &app);
    check.env("SCOREBOX_LOG_FORMAT", "xml");
    refuses(check, 8, &["environment variable SCOREBOX_LOG_FORMAT"]);
}

#[test]
fn a_damaged_host_json_has_an_exit_code_of_its_own() {
    let app = App::of(programs::MIRROR);
    app.write("host.json", b"{");
    refuses(scorebox("check", &app), 9, &["host.json: "]);
}

#[test]
fn a_store_that_does_not_answer_is_a_problem_in_the_report() {
    let app = App::with(programs::KEYS, "[stores.default]\ntimeout = \"400ms\"\n");
    let mut check = scorebox("check", &app);
    // Nothing listens on a port that needs rights to be used.
    check.env("SCOREBOX_REDIS_URL", "redis://127.0.0.1:1");
    let report = run::finish(check.args(["--connect", "--output", "json"]), b"")
        .ended(10)
        .json();
    assert!(report["stores"][0]["problem"].is_string(), "{report}");
    assert!(report.get("error").is_none(), "{report}");
}

#[test]
fn an_engine_that_is_missing_is_not_an_error_of_the_model() {
    let app = App::graph("m.onnx", &onnx::trained("logreg"), "");
    let mut check = scorebox("check", &app);
    check.env("SCOREBOX_ENGINE_LIBRARY", "/nowhere/lib.so");
    refuses(check, 11, &["engine /nowhere/lib.so: ", "no such file"]);
}
