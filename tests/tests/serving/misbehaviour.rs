//! Scorers that loop, grow, panic, trap, recurse or return nonsense: each fails only its own
//! request.
//!
//! Owns the statuses and the log lines. Must not know inputs that are wrong by themselves: those
//! are in `bad_input.rs`.

use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, invoke};
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static WAYWARD: Shared<Host> = Shared::new();
static MISFIT: Shared<Host> = Shared::new();

const LIMITS: &str = "[limits]\ndeadline = \"3s\"\nmemory = \"32MiB\"\ninstances = 2\n";

fn wayward() -> Host {
    Host::start(&App::with(programs::WAYWARD, LIMITS))
}

/// Asserts that a deed fails, and returns its line in the log.
#[track_caller]
fn fails(deed: &Value, status: u16, code: &str, parts: &[&str]) -> Value {
    let host = WAYWARD.get(wayward);
    let answer = host.score(deed).expect_error(status, code, parts);
    let line = host
        .log
        .wait_for_failure(answer.header("x-request-id").expect("an id"));
    assert_eq!(
        (line["code"].as_str(), line["status"].as_u64()),
        (Some(code), Some(status.into())),
        "{line}"
    );
    let failed = if matches!(status, 500 | 504) {
        "True"
    } else {
        "False"
    };
    assert_eq!(
        answer.header("x-ms-run-function-failed"),
        Some(failed),
        "{}",
        answer.text()
    );
    is_well(&host);
    line
}

#[track_caller]
fn is_well(host: &Host) {
    host.score(&json!({"do": "count"})).expect(200);
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let start = Instant::now();
    fails(
        &json!({"do": "loop"}),
        504,
        "timed-out",
        &["3000 ms", "limits.deadline"],
    );
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(40),
        "{took:?}"
    );
}

#[test]
fn waiting_ends_at_the_deadline_too() {
    let start = Instant::now();
    fails(
        &json!({"do": "sleep", "ms": 60_000, "idle": true}),
        504,
        "timed-out",
        &["3000 ms"],
    );
    assert!(
        start.elapsed() < Duration::from_secs(40),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn memory_has_a_limit_and_a_reason() {
    fails(
        &json!({"do": "grow"}),
        500,
        "out-of-memory",
        &["33554432", "limits.memory"],
    );
    // A scorer that can handle a refused allocation continues.
    let host = WAYWARD.get(wayward);
    let answer = host
        .score(&json!({"do": "grow", "gently": true}))
        .expect(200)
        .json();
    let granted = answer["granted_bytes"].as_u64().expect("a number");
    assert!((8 << 20..32 << 20).contains(&granted), "{granted}");
    is_well(&host);
}

#[test]
fn a_panic_reaches_the_log_with_its_message_and_place() {
    // The host ends with its last user, and its log with it.
    let host = WAYWARD.get(wayward);
    let line = fails(
        &json!({"do": "panic", "message": "the model is upside down"}),
        500,
        "trapped",
        &["id"],
    );
    let Some(id) = line["invocation"].as_str() else {
        panic!("{line}")
    };
    host.log.wait_for("the panic's message and place", |line| {
        let text = line.to_string();
        line["invocation"] == id
            && text.contains("the model is upside down")
            && text.contains("wayward.rs:")
    });
    let answer = host.score(&json!({"do": "panic", "message": "hunter2"}));
    assert!(!answer.text().contains("hunter2"), "{}", answer.text());
}

#[test]
fn a_trap_is_explained_in_the_log() {
    let line = fails(
        &json!({"do": "trap"}),
        500,
        "trapped",
        &["The log has the reason"],
    );
    assert!(
        line["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("unreachable")),
        "{line}"
    );
}

#[test]
fn a_stack_that_overflows_is_a_trap() {
    let line = fails(
        &json!({"do": "overflow"}),
        500,
        "trapped",
        &["The log has the reason"],
    );
    assert!(
        line["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("stack")),
        "{line}"
    );
}

#[test]
fn the_scorer_s_own_errors_keep_code_and_message_and_hide_the_detail() {
    let fault = |deed: &str| json!({"do": deed, "code": "its-code", "message": "its message", "detail": "for the log"});
    for (deed, status) in [("reject", 422), ("unavailable", 503), ("fail", 500)] {
        let line = fails(&fault(deed), status, "its-code", &["its message"]);
        assert_eq!(line["detail"], "for the log", "{line}");
        let answer = WAYWARD.get(wayward).score(&fault(deed));
        assert!(!answer.text().contains("for the log"), "{}", answer.text());
    }
}

#[test]
fn an_input_that_the_scorer_cannot_read_is_the_caller_s_fault() {
    let host = WAYWARD.get(wayward);
    let answer = host.score(&json!({"do": "somersault"}));
    assert!(
        matches!(answer.status, 400 | 422),
        "{} {}",
        answer.status,
        answer.text()
    );
    assert!(answer.text().contains("somersault"), "{}", answer.text());
    is_well(&host);
}

#[test]
fn a_media_type_that_is_none_is_an_invalid_output() {
    for content_type in [
        "",
        "json",
        "text/html\r\nset-cookie: a=b",
        "application/ json",
    ] {
        let deed = json!({"do": "wrong-type", "content_type": content_type, "body": "x"});
        fails(&deed, 500, "invalid-output", &["signature"]);
    }
}

#[test]
fn an_answer_goes_out_with_the_type_that_the_scorer_gave() {
    let host = WAYWARD.get(wayward);
    let answer = host.score(
        &json!({"do": "wrong-type", "content_type": "text/html; charset=utf-8", "body": "<p>"}),
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(answer.expect(200).body, b"<p>");
}

#[test]
fn tensors_that_do_not_fit_the_ports_are_an_invalid_output() {
    let host = MISFIT.get(|| Host::start(&App::of(programs::MISFIT)));
    let score = |way: f64| host.score(&json!({"x": [[way, 2.0], [0.5, 0.25]]}));
    for (way, part) in [
        (1.0, "f64"),
        (2.0, "shape"),
        (3.0, "y"),
        (4.0, "z"),
        (5.0, "bytes"),
        (7.0, "y"),
    ] {
        let answer = score(way).expect_error(500, "invalid-output", &["signature"]);
        host.log.wait_for_detail(&answer, part);
        assert_eq!(score(0.0).expect(200).json(), json!([[2.0], [0.75]]));
    }
    assert_eq!(score(6.0).expect(200).json(), json!([[null], [null]]));
    score(8.0).expect_error(422, "unknown-way", &["0 to 7"]);
}

#[test]
fn invoke_ends_with_a_code_for_each_kind_of_failure() {
    let app = App::with(
        programs::WAYWARD,
        "[limits]\ndeadline = \"1s\"\nmemory = \"32MiB\"\n",
    );
    let run = |deed: Value| invoke(&app, "application/json", deed.to_string().as_bytes());
    let fault = |deed: &str| json!({"do": deed, "code": "its-code", "message": "its message"});
    run(fault("reject"))
        .ended(20)
        .said(&["its-code", "its message"]);
    run(fault("unavailable"))
        .ended(21)
        .said(&["its-code", "its message"]);
    run(json!({"do": "loop"}))
        .ended(22)
        .said(&["timed-out", "limits.deadline"]);
    run(fault("fail"))
        .ended(23)
        .said(&["its-code", "its message"]);
    run(json!({"do": "panic"})).ended(23).said(&["trapped"]);
    run(json!({"do": "grow"}))
        .ended(23)
        .said(&["out-of-memory", "limits.memory"]);
    invoke(&app, "text/csv", b"x")
        .ended(20)
        .said(&["unsupported-media-type"]);
    let counted = run(json!({"do": "count"})).ended(0);
    assert_eq!(counted.json(), json!({"count": 1}));
}
