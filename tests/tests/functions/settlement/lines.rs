//! Reports of a failure other than its record: the lines of an invocation, the answer to an HTTP
//! caller, and the log.
//!
//! Owns the limit on the lines.

use scorebox_tests::functions::values::{envelope, request};
use serde_json::{Value, json};

use super::{batch, bound, comes_again, failures, host, message};

#[test]
fn an_invocation_carries_its_own_lines_and_no_more_than_an_answer_holds() {
    let printed = json!({"do": "print", "stdout": ["out", "two"], "stderr": ["err"]});
    let logs = bound("parks", &message(printed.to_string().as_bytes(), 1)).logs;
    assert_eq!(
        logs,
        ["INFO stdout: out", "INFO stdout: two", "INFO stderr: err"]
    );
    // Lines below the level of the log are not returned.
    let quiet = json!({"do": "log", "level": "debug", "message": "quiet"});
    assert!(
        bound("parks", &message(quiet.to_string().as_bytes(), 1))
            .logs
            .is_empty()
    );
    // A panic is a line of its own invocation.
    let panic = json!({"do": "panic", "message": "marked"});
    let logs = bound("parks", &message(panic.to_string().as_bytes(), 10)).logs;
    assert!(logs.iter().any(|line| line.contains("marked")), "{logs:?}");
    assert!(
        logs.last().is_some_and(|line| line.starts_with("trapped ")),
        "{logs:?}"
    );

    let long =
        |_: usize| json!({"do": "print", "stdout": ["x".repeat(16_000), "y".repeat(16_000)]});
    let deeds: Vec<_> = (0..40).map(long).collect();
    let logs = bound("bare-batch", &batch(&deeds, &[1; 40])).logs;
    let bytes: usize = logs.iter().map(String::len).sum();
    assert!((900_000..1_100_000).contains(&bytes), "{bytes}");
    assert!(
        logs.last()
            .is_some_and(|line| line.contains("the log of the host has the rest")),
        "{:?}",
        logs.last()
    );
}

#[test]
fn an_http_caller_gets_every_failure_with_its_status() {
    for (deed, status, code, _) in failures() {
        let request = request(
            &[("Content-Type", "application/json")],
            Some(deed.to_string().as_bytes()),
        );
        let bound = bound("request", &envelope("req", request, json!({})));
        let response = bound.response.expect("it is an HTTP function");
        let answer: Value = serde_json::from_slice(&response.body).expect("an error is JSON");
        assert_eq!(
            (response.status, &answer["code"]),
            (status, &json!(code)),
            "{answer}"
        );
        assert_eq!(
            response.headers["content-type"], "application/json",
            "{code}"
        );
        assert!(
            bound.logs.last().is_some_and(|line| line.starts_with(code)),
            "{code}: {:?}",
            bound.logs
        );
    }
}

#[test]
fn errors_of_calls_have_their_lines_in_the_log_with_their_levels() {
    let shared = host();
    comes_again("bare", &message(br#"{"do": "trap"}"#, 1), 500, "trapped");
    shared.1.wait_for_log("\"code\":\"trapped\"");
    shared.1.check_levels();
}
