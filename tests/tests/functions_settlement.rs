//! The settlement of blobs and messages whose invocations fail: parked or delivered again, with
//! their records.
//!
//! Owns settlement, parking, batches and the lines of an invocation. Must not know the forms of
//! values.

use std::sync::Arc;

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, park, requests};
use scorebox_tests::functions::delivery::Delivered;
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::functions::values::{
    base64, blob, envelope, message_metadata, request, text_message, wrapped,
};
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static HOST: Shared<(App, FunctionsHost)> = Shared::new();

const MANIFEST: &str = r#"
[limits]
deadline = "600ms"
memory = "32MiB"
body = "64KiB"

[[trigger]]
kind = "service-bus"
function = "thrice"
queue = "thrice"
max_delivery_count = 3
"#;

fn wayward() -> (App, FunctionsHost) {
    let blob_park = json!({"type": "blob", "direction": "out", "name": "park", "path": "parked/{blobname}.json"});
    let functions = [
        ("parks", messages("msg", "one", Some("binary"), &[park()])),
        ("bare", messages("msg", "one", Some("binary"), &[])),
        ("text", messages("msg", "one", Some("string"), &[park()])),
        ("thrice", messages("msg", "one", Some("binary"), &[park()])),
        ("batch", messages("msgs", "many", Some("binary"), &[park()])),
        ("bare-batch", messages("msgs", "many", Some("binary"), &[])),
        ("blobs", blobs(None, &[blob_park])),
        ("bare-blobs", blobs(None, &[])),
        ("request", requests("res", &[])),
    ];
    let app = function_app("wayward", MANIFEST, json!({}), &functions);
    let host = FunctionsHost::start(&app);
    (app, host)
}

fn host() -> Arc<(App, FunctionsHost)> {
    HOST.get(wayward)
}

fn message(body: &[u8], delivery_count: u32) -> Vec<u8> {
    envelope("msg", base64(body), message_metadata("m-1", delivery_count))
}

#[track_caller]
fn bound(function: &str, body: &[u8]) -> Bound {
    let shared = host();
    shared
        .1
        .invoke(function, body)
        .unwrap_or_else(|failed| panic!("{failed:?}\n{}", shared.1.log()))
}

/// Asserts that the platform counts the invocation as failed, and delivers again.
#[track_caller]
fn comes_again(function: &str, body: &[u8], status: u16, code: &str) {
    match host().1.invoke(function, body) {
        Err(Failed::Status(found, answer)) => {
            let answer: Value = serde_json::from_slice(&answer).expect("an error is JSON");
            assert_eq!((found, &answer["code"]), (status, &json!(code)), "{answer}");
        }
        other => panic!("{function} {code}: {other:?}"),
    }
}

/// Returns every way in which a request fails: the body, the status and code, and true if it can
/// never be scored.
fn failures() -> Vec<(Value, u16, &'static str, bool)> {
    let fault = |what: &str| json!({"do": what, "code": "told", "message": "as told"});
    vec![
        (fault("reject"), 422, "told", true),
        (json!({"do": "no such deed"}), 422, "invalid-json", true),
        (json!({"do": "x".repeat(70_000)}), 413, "too-large", true),
        (fault("unavailable"), 503, "told", false),
        (json!({"do": "loop"}), 504, "timed-out", false),
        (fault("fail"), 500, "told", false),
        (json!({"do": "panic"}), 500, "trapped", false),
        (json!({"do": "trap"}), 500, "trapped", false),
        (json!({"do": "grow"}), 500, "out-of-memory", false),
        (
            json!({"do": "wrong-type", "content_type": "text/\nhtml", "body": "x"}),
            500,
            "invalid-output",
            false,
        ),
    ]
}

#[test]
fn what_can_never_be_scored_is_parked_and_all_else_comes_again() {
    for (deed, status, code, never) in failures() {
        let body = message(deed.to_string().as_bytes(), 1);
        comes_again("bare", &body, status, code);
        if never {
            let record = bound("parks", &body).json("park");
            assert_eq!(record["problem"]["code"], code, "{record}");
            assert_eq!(record["body"], deed.to_string(), "{code}");
        } else {
            comes_again("parks", &body, status, code);
        }
    }
}

#[test]
fn the_last_delivery_parks_whatever_was_wrong() {
    for (deed, _, code, _) in failures() {
        let body = message(deed.to_string().as_bytes(), 10);
        let record = bound("parks", &body).json("park");
        assert_eq!(
            (&record["problem"]["code"], &record["attempt"]),
            (&json!(code), &json!(10)),
            "{record}"
        );
    }
    let deed = br#"{"do": "trap"}"#;
    comes_again("parks", &message(deed, 9), 500, "trapped");
    // The delivery count in the manifest's entry for the queue is used.
    comes_again("thrice", &message(deed, 2), 500, "trapped");
    assert_eq!(
        bound("thrice", &message(deed, 3)).json("park")["attempt"],
        3
    );
    // Without an output for parked messages, Service Bus dead-letters the message.
    comes_again("bare", &message(deed, 10), 500, "trapped");
}

#[test]
fn a_parked_message_says_what_was_wrong_with_what() {
    // The log must be that of this test's host.
    let shared = host();
    let deed = r#"{"do": "reject", "code": "too-young", "message": "applicants are 18", "detail": "for the log"}"#;
    let bound = bound("parks", &message(deed.as_bytes(), 2));
    let mut record = bound.json("park");
    let id = record["id"].take();
    assert!(
        id.as_str()
            .is_some_and(|id| id.starts_with("00000000-0000-4000-8000-")),
        "{id}"
    );
    let expected = json!({
        "problem": {"code": "too-young", "message": "applicants are 18"},
        "id": null,
        "function": "parks",
        "attempt": 2,
        "attributes": {
            "message-id": "m-1", "sequence-number": "9007199254740993", "enqueued-time": "2024-05-01T12:34:56Z",
            "property.k": "1",
        },
        "body": deed,
    });
    assert_eq!(record, expected);
    assert!(bound.of("output").is_empty());
    assert_eq!(bound.logs, ["too-young applicants are 18"]);
    // Details for operators are only in the log.
    shared.1.wait_for_log("for the log");
}

#[test]
fn bytes_and_other_types_are_parked_as_they_are() {
    let record = bound("parks", &message(b"\xff\xfe", 1)).json("park");
    assert_eq!(
        (&record["body_base64"], &record["body"]),
        (&json!("//4="), &Value::Null)
    );
    let mut metadata = message_metadata("m-1", 1);
    metadata["ContentType"] = wrapped("image/png");
    let record = bound("parks", &envelope("msg", base64("{}"), metadata)).json("park");
    assert_eq!(
        record["problem"]["code"], "unsupported-media-type",
        "{record}"
    );
    assert_eq!(record["content_type"], "image/png");
}

#[test]
fn the_attempt_reaches_the_scorer_and_cannot_be_forged() {
    let deed = br#"{"do": "attributes"}"#;
    let seen = bound("parks", &message(deed, 4)).json("output");
    assert_eq!(
        (&seen["attempt"], &seen["source"]),
        (&json!(4), &json!("service-bus")),
        "{seen}"
    );
    assert!(
        seen["deadline_ms"]
            .as_u64()
            .is_some_and(|ms| (1..=600).contains(&ms)),
        "{seen}"
    );
    // A sender that claims the last delivery does not get its message parked.
    let forged = r#"{"do": "trap", "DeliveryCount": 10}"#;
    comes_again(
        "text",
        &text_message("msg", forged, message_metadata("m-1", 1)),
        500,
        "trapped",
    );
}

fn batch(deeds: &[Value], delivery_counts: &[u32]) -> Vec<u8> {
    let bodies: Vec<_> = deeds.iter().map(|deed| base64(deed.to_string())).collect();
    let ids: Vec<_> = (0..deeds.len()).map(|index| format!("m-{index}")).collect();
    let metadata = json!({"MessageIdArray": wrapped(ids), "DeliveryCountArray": wrapped(delivery_counts.to_vec())});
    envelope("msgs", wrapped(bodies), metadata)
}

fn said(text: &str) -> Value {
    json!({"do": "log", "level": "warn", "context": "c", "message": text})
}

#[test]
fn a_batch_has_a_result_for_each_message() {
    let reject = |code: &str| json!({"do": "reject", "code": code, "message": "as told"});
    let deeds = [
        json!({"do": "sleep", "ms": 1}),
        reject("a"),
        json!({"do": "sleep", "ms": 2}),
        said("hello"),
        reject("b"),
    ];
    let bound = bound("batch", &batch(&deeds, &[1; 5]));
    let all = |name: &str| -> Vec<Value> {
        bound
            .of(name)
            .into_iter()
            .map(|bytes| serde_json::from_slice(bytes).expect("JSON"))
            .collect()
    };
    assert_eq!(
        all("output"),
        [json!({"ms": 1}), json!({"ms": 2}), json!({})]
    );
    let parked = all("park");
    let of = |index: usize| {
        (
            parked[index]["problem"]["code"].clone(),
            parked[index]["attributes"]["message-id"].clone(),
        )
    };
    assert_eq!(
        (of(0), of(1)),
        ((json!("a"), json!("m-1")), (json!("b"), json!("m-4")))
    );
    assert!(
        parked[0]["id"]
            .as_str()
            .is_some_and(|id| id.ends_with("-1")),
        "{parked:?}"
    );
    assert_eq!(
        bound.logs,
        ["1: a as told", "3: WARN c: hello", "4: b as told"]
    );
}

#[test]
fn one_message_that_must_come_again_brings_its_batch_with_it() {
    let unavailable = json!({"do": "unavailable", "code": "later", "message": "later"});
    let deeds = [
        said("a"),
        unavailable,
        json!({"do": "reject", "code": "no", "message": "no"}),
    ];
    comes_again("batch", &batch(&deeds, &[1, 1, 1]), 503, "later");
    // A message without an output for parked messages must not be left behind either.
    comes_again(
        "bare-batch",
        &batch(&[said("a"), json!({"do": "nothing known"})], &[1, 1]),
        422,
        "invalid-json",
    );
    // If one message is at its last delivery, the whole batch is settled.
    let bound = bound("batch", &batch(&deeds, &[10, 1, 1]));
    assert_eq!(
        (bound.of("output").len(), bound.of("park").len()),
        (1, 2),
        "{bound:?}"
    );
}

#[test]
fn a_large_batch_does_not_overrun_the_queue() {
    let deeds: Vec<_> = (0..300)
        .map(|index| json!({"do": "config", "name": index.to_string()}))
        .collect();
    assert_eq!(
        bound("bare-batch", &batch(&deeds, &[1; 300]))
            .of("output")
            .len(),
        300
    );
}

#[test]
fn a_blob_is_tried_again_unless_there_is_a_place_for_its_problem() {
    let reject = br#"{"do": "reject", "code": "no", "message": "not this one"}"#;
    let metadata = json!({"blobname": wrapped("a"), "Uri": wrapped("https://acct.blob.core.windows.net/in/a.json")});
    comes_again(
        "bare-blobs",
        &blob("blob", reject, metadata.clone()),
        422,
        "no",
    );
    let found = bound("blobs", &blob("blob", reject, metadata.clone()));
    let mut record = found.json("park");
    record["id"].take();
    // The blob itself stays in its container.
    let expected = json!({
        "problem": {"code": "no", "message": "not this one"}, "id": null, "function": "blobs", "attempt": 1,
        "attributes": {"uri": "https://acct.blob.core.windows.net/in/a.json", "path.blobname": "a"},
    });
    assert_eq!(record, expected);
    comes_again(
        "blobs",
        &blob("blob", br#"{"do": "trap"}"#, metadata.clone()),
        500,
        "trapped",
    );
    assert_eq!(
        bound("blobs", &blob("blob", br#"{"do": "count"}"#, metadata))
            .of("park")
            .len(),
        0
    );
}

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
fn errors_of_calls_leave_standard_error_alone_and_each_has_its_line_in_the_log() {
    let shared = host();
    comes_again("bare", &message(br#"{"do": "trap"}"#, 1), 500, "trapped");
    assert_eq!(shared.1.stderr(), "");
    shared.1.wait_for_log("\"code\":\"trapped\"");
}

#[test]
fn nothing_is_lost_whatever_happens_to_it() {
    let shared = host();
    let host = &shared.1;
    let trap = json!({"do": "trap"});
    let reject = json!({"do": "reject", "code": "no", "message": "no"});
    let good = json!({"do": "config", "name": "x"});

    let (attempt, bound) = host.deliver_message("parks", &trap).completed();
    assert_eq!(
        (attempt, &bound.json("park")["problem"]["code"]),
        (10, &json!("trapped"))
    );
    assert!(matches!(
        host.deliver_message("bare", &trap),
        Delivered::Kept(10)
    ));
    let (attempt, bound) = host.deliver_message("parks", &reject).completed();
    assert_eq!((attempt, bound.of("park").len()), (1, 1));
    assert!(matches!(
        host.deliver_message("bare", &reject),
        Delivered::Kept(10)
    ));

    // The good messages of a batch are delivered as often as the bad one, but their answers are
    // sent once.
    let (attempt, bound) = host
        .deliver_batch("batch", &[good.clone(), trap.clone(), good.clone()])
        .completed();
    assert_eq!(
        (attempt, bound.of("output").len(), bound.of("park").len()),
        (10, 2, 1)
    );
    let (attempt, bound) = host
        .deliver_batch("batch", &[good.clone(), reject.clone()])
        .completed();
    assert_eq!(
        (attempt, bound.of("output").len(), bound.of("park").len()),
        (1, 1, 1)
    );
    assert!(matches!(
        host.deliver_batch("bare-batch", &[good, reject.clone()]),
        Delivered::Kept(10)
    ));

    assert!(matches!(
        host.deliver_blob("blobs", &trap),
        Delivered::Kept(5)
    ));
    assert!(matches!(
        host.deliver_blob("bare-blobs", &reject),
        Delivered::Kept(5)
    ));
    assert_eq!(host.deliver_blob("blobs", &reject).completed().0, 1);
}
