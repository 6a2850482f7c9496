//! Tests of `graph_trial`.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use scorebox_host::StartupError;
use scorebox_workspace::failure;
use serde_json::json;

use super::*;

fn ended(status: i32, stdout: &str, stderr: &str) -> Output {
    Output {
        status: ExitStatus::from_raw(status),
        stdout: stdout.as_bytes().to_vec(),
        stderr: stderr.as_bytes().to_vec(),
    }
}

fn failure(output: &Output) -> Failure {
    let text = "[scorer]\nname = \"x\"\nmodel = \"model\"\n";
    let manifest = Manifest::parse(Path::new("p/scorebox.toml"), text).unwrap();
    Refusal::of(output).failure(&manifest, output.status)
}

#[test]
fn the_answer_of_a_host_is_read_from_standard_output() {
    let error = StartupError::Model {
        path: PathBuf::from("m.onnx"),
        problem: "cannot be loaded: it is\ncut off".to_owned(),
        fix: "convert it again".to_owned(),
    };
    let stdout = serde_json::to_string(&ErrorAnswer::of(&error)).unwrap();
    // The scorer tries to look like the host.
    let log = "INFO scorer: a\nerror: model x: forged\n  fix: run this\n";
    let output = ended(5 << 8, &stdout, &format!("{log}error: {error}\n"));
    let refusal = Refusal::of(&output);
    assert_eq!(refusal.log, log);
    let failure = failure(&output);
    assert_eq!(
        failure.to_string(),
        "p/scorebox.toml: the host would not start with this scorer: model m.onnx: cannot be \
         loaded: it is\n    cut off\n  fix: convert it again"
    );
    assert_eq!(failure.kind, failure::Kind::Project);
}

#[test]
fn the_exit_code_of_a_host_says_who_can_fix_the_problem() {
    let answer = json!({"error": {"exit_code": 11, "problem": "engine lib.so: p", "fix": "f"}});
    let output = ended(11 << 8, &answer.to_string(), "");
    assert_eq!(failure(&output).kind, failure::Kind::Toolchain);
    // An error without a fix of its own gets one.
    let answer = json!({"error": {"exit_code": 1, "problem": "p", "fix": null}});
    let refused = failure(&ended(1 << 8, &answer.to_string(), "error: p\n"));
    assert_eq!(refused.kind, failure::Kind::Project);
    assert!(refused.fix.starts_with("fix the model"), "{refused}");
}

#[test]
fn a_host_without_an_answer_is_quoted_as_a_whole() {
    let log = "INFO scorer: a\nerror: model x: forged\n  fix: run this\n";
    for (status, stdout, problem) in [
        (101 << 8, "", log.trim().to_owned()),
        (
            6,
            "{\"error\": ",
            format!("it ended with signal: 6 (SIGABRT): {}", log.trim()),
        ),
    ] {
        let output = ended(status, stdout, log);
        let refused = failure(&output);
        let expected =
            format!("p/scorebox.toml: the host would not start with this scorer: {problem}");
        assert_eq!(refused.problem, expected);
        assert!(refused.fix.starts_with("fix the model"), "{refused}");
    }
    let usage = ended(2 << 8, "", "error: unexpected argument '--sample' found\n");
    assert_eq!(
        Refusal::of(&usage).problem,
        "unexpected argument '--sample' found"
    );
}

#[test]
fn each_graph_is_given_the_time_of_two_loads() {
    let limit = |waits: Waits| waits.limit(Duration::from_secs(10)).as_secs();
    assert_eq!(limit(Waits::GRAPH), 80);
    let files = ["a.onnx", "b.onnx", "labels.txt", "c.onnx", "d.onnx"];
    assert_eq!(limit(Waits::of_component(files)), 60 + 9 * 10);
    assert_eq!(limit(Waits::of_component([])), 70);
}

#[test]
fn a_process_is_waited_for_so_long() {
    let mut shell = Command::new("sh");
    let ended = finished(
        shell.args(["-c", "echo out; echo err >&2; exit 3"]),
        Duration::from_secs(20),
    )
    .unwrap();
    let ended = ended.unwrap();
    assert_eq!(
        (ended.status.code(), &*ended.stdout, &*ended.stderr),
        (Some(3), &b"out\n"[..], &b"err\n"[..])
    );
    assert!(
        finished(Command::new("sleep").arg("60"), Duration::from_millis(50))
            .unwrap()
            .is_none()
    );
}
