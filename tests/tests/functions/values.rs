//! The envelopes of the Functions host, byte by byte: the scorer's input for each, and the answer.
//!
//! Owns the golden envelopes in `tests/data/envelopes`, one for each row of what the host's source
//! writes: the forms of values, requests, blobs, messages, batches and their metadata. Owns also
//! the bodies that are no invocation. Must not know how failures are settled.

mod blob;
mod message;
mod request;

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, requests};
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::place;
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static HOST: Shared<(App, FunctionsHost)> = Shared::new();

fn mirror() -> (App, FunctionsHost) {
    let input =
        |name: &str| json!({"type": "blob", "direction": "in", "name": name, "path": "x/y"});
    let names = [
        "object", "bytes", "text", "document", "empty", "number", "truth", "list", "uri",
        "missing", "time", "zoned", "absent",
    ];
    let warm_up = json!([{"type": "warmupTrigger", "direction": "in", "name": "warmup"}]);
    let functions = [
        ("blob", blobs(None, &[])),
        ("blob-binary", blobs(Some("binary"), &[])),
        ("blob-text", blobs(Some("string"), &[])),
        ("one", messages("msg", "one", None, &[])),
        ("one-text", messages("msg", "one", Some("string"), &[])),
        ("one-binary", messages("msg", "one", Some("binary"), &[])),
        ("many", messages("msgs", "many", None, &[])),
        ("many-text", messages("msgs", "many", Some("string"), &[])),
        ("many-binary", messages("msgs", "many", Some("binary"), &[])),
        ("request", requests("res", &[])),
        ("inputs", requests("res", &names.map(input))),
        ("warm-up", warm_up),
    ];
    let app = function_app(programs::MIRROR, "", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    (app, host)
}

fn golden(name: &str) -> Vec<u8> {
    let path = place::workspace()
        .join("tests/data/envelopes")
        .join(name)
        .with_extension("json");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn invoke(function: &str, name: &str) -> Bound {
    let shared = HOST.get(mirror);
    shared
        .1
        .invoke(function, &golden(name))
        .unwrap_or_else(|failed| panic!("{name}: {failed:?}\n{}", shared.1.log()))
}

/// Returns the answer in which the scorer repeats this input.
fn seen(
    source: &str,
    content_type: &str,
    body: &[u8],
    attempt: u32,
    attributes: &[(&str, &str)],
) -> Value {
    json!({
        "body": body, "content_type": content_type, "source": source, "attempt": attempt, "attributes": attributes,
    })
}

/// Content type of content without a label, as over HTTP.
const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";

#[test]
fn a_warm_up_is_answered_once_the_scorer_is_ready() {
    let bound = invoke("warm-up", "warmup");
    assert!(bound.response.is_none() && bound.written.is_empty() && bound.logs.is_empty());
}

#[test]
fn what_is_no_invocation_fails_and_says_why_in_the_log() {
    let shared = HOST.get(mirror);
    let host = &shared.1;
    let deep = format!(
        r#"{{"Data":{{"req":{{"Headers":{}1{}}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let cases: [(&str, &str); 23] = [
        ("blob", ""),
        ("blob", " "),
        ("blob", "{"),
        ("blob", "null"),
        ("blob", "[]"),
        ("blob", "\"Data\""),
        ("blob", "{}"),
        ("blob", r#"{"data":{"blob":""}}"#),
        ("blob", r#"{"Data":null}"#),
        ("blob", r#"{"Data":[]}"#),
        ("blob", r#"{"Data":{"Blob":""}}"#),
        ("blob", r#"{"Data":{"blob":null}}"#),
        ("blob", r#"{"Data":{"blob":{}}}"#),
        ("blob", r#"{"Data":{"blob":"A"}}"#),
        ("blob", r#"{"Data":{"blob":"AA=A"}}"#),
        ("blob", r#"{"Data":{"blob":"\"hello\""}}"#),
        ("blob", r#"{"Data":{"blob":""}} {}"#),
        ("one-binary", r#"{"Data":{"msg":"\"x\""}}"#),
        ("many-text", r#"{"Data":{"msgs":"\"x\""}}"#),
        ("many-binary", r#"{"Data":{"msgs":"[\"AQ==\",1]"}}"#),
        ("request", r#"{"Data":{"req":"x"}}"#),
        (
            "request",
            r#"{"Data":{"req":{"Headers":{"content-type":["application/octet-stream"]},"Body":"\u00ff"}}}"#,
        ),
        ("request", &deep),
    ];
    for (function, body) in cases {
        let shown = body.get(..100).unwrap_or(body);
        match host.invoke(function, body.as_bytes()) {
            Err(Failed::Status(400, answer)) => {
                let answer: Value = serde_json::from_slice(&answer).expect("an error is JSON");
                assert_eq!(answer["code"], "malformed-invocation", "{shown}");
            }
            other => panic!("{function} {shown}: {other:?}"),
        }
    }
    match host.invoke("blob", b"{\"Data\":{\"blob\":\"\xff\"}}") {
        Err(Failed::Status(400, _)) => {}
        other => panic!("{other:?}"),
    }
    host.wait_for_log("`Data` has no `blob`, the trigger of blob");
    // After every one of these bodies the handler still works.
    invoke("blob", "blob");
    host.check_levels();
}
