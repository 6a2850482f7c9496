//! Limits of a script: each way to run out of time, memory or stack ends one call, with the
//! documented error, and the next call is answered.
//!
//! Owns the table of ways and their errors. The ways are in `tests/data/scripts/limits.py`.

use std::time::{Duration, Instant};

use scorebox_tests::host::Host;
use scorebox_tests::pack;
use scorebox_tests::scripts::{app, start};
use serde_json::json;

use super::{TIGHT, answer, ask};

/// Settings for calls that fail for another reason than time: as tight, but with a long deadline,
/// because a busy machine takes seconds to fill the memory.
const PATIENT: &str = "[limits]\ndeadline = \"60s\"\nmemory = \"192MiB\"\ninstances = 1\n";

/// Asserts that each of these ways to fail is answered with the status and the code, and that a
/// later call is answered.
#[track_caller]
fn fails(host: &Host, status: u16, code: &str, names: &[&str]) {
    for name in names {
        let start = Instant::now();
        let found = ask(host, name);
        assert_eq!(found.status, status, "{name}: {}", found.text());
        assert_eq!(found.json()["code"], code, "{name}: {}", found.text());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
        answer(host, &json!({"do": "nothing"}));
    }
}

#[test]
fn time_ends_a_call_wherever_the_script_is() {
    let (pack, app) = (pack!(), app("limits", TIGHT));
    let host = start(pack, &app);
    let names = [
        "loop",
        "loop-that-catches",
        "multiply",
        "pattern",
        "sum",
        "sleep",
    ];
    fails(&host, 504, "timed-out", &names);
    assert_eq!(host.stderr.text(), "");
}

#[test]
fn memory_ends_a_call() {
    let (pack, app) = (pack!(), app("limits", PATIENT));
    let host = start(pack, &app);
    for name in ["bytes", "ones", "list", "dicts"] {
        let headers = [("content-type", "application/json"), ("x-request-id", name)];
        let body = json!({ "do": name }).to_string();
        let found = host.send("POST", "/score", &headers, body);
        assert_eq!(found.status, 500, "{name}: {}", found.text());
        // Either the script gets a MemoryError, or the interpreter ends at the limit.
        let line = host.log.wait_for_failure(name).to_string();
        match found.json()["code"].as_str() {
            Some("out-of-memory") => {}
            Some("script-raised") => assert!(line.contains("MemoryError"), "{name}: {line}"),
            code => panic!("{name}: {code:?} {line}"),
        }
        answer(&host, &json!({"do": "nothing"}));
    }
}

#[test]
fn exceptions_and_ends_of_the_process_end_only_their_call() {
    let (pack, app) = (pack!(), app("limits", PATIENT));
    let host = start(pack, &app);
    let raised = ["depth", "raise", "interrupt", "array", "thread"];
    for name in raised {
        let found = ask(&host, name);
        assert_eq!(found.status, 500, "{name}: {}", found.text());
        // The instance goes on: globals are kept.
        let calls = answer(&host, &json!({"do": "nothing"}))["calls"].clone();
        assert!(calls.as_u64().unwrap() > 1, "{name}: {calls}");
    }
    for name in ["exit", "hard-exit", "abort", "chain", "deep-c"] {
        let found = ask(&host, name);
        assert!(
            matches!(found.status, 200 | 500),
            "{name}: {}",
            found.text()
        );
        answer(&host, &json!({"do": "nothing"}));
    }
}

#[test]
fn values_that_json_cannot_hold_are_refused() {
    let (pack, app) = (pack!(), app("limits", TIGHT));
    let host = start(pack, &app);
    let nan = ask(&host, "nan");
    // A bare NaN is not JSON, so it must not be in the answer.
    assert!(
        !nan.text().contains("NaN") || nan.status == 500,
        "{}",
        nan.text()
    );
    let array = ask(&host, "array").expect(500).text();
    assert!(!array.is_empty());
}

#[test]
fn an_instance_for_each_call_keeps_nothing() {
    let settings = format!("{TIGHT}[instances]\nisolation = \"call\"\n");
    let (pack, app) = (pack!(), app("limits", &settings));
    let host = start(pack, &app);
    for _ in 0..3 {
        assert_eq!(answer(&host, &json!({"do": "nothing"}))["calls"], 1);
    }
    fails(&host, 504, "timed-out", &["sleep"]);
}

#[test]
fn a_warm_instance_keeps_globals() {
    let (pack, app) = (pack!(), app("limits", TIGHT));
    let host = start(pack, &app);
    for number in 1..4 {
        assert_eq!(answer(&host, &json!({"do": "nothing"}))["calls"], number);
    }
}
