//! The settlement of blobs and messages whose invocations fail: parked or delivered again, with
//! their records.
//!
//! Owns the functions that fail, and the list of ways to fail. Must not know the forms of values.

mod batches;
mod lines;
mod parking;

use std::sync::Arc;

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, park, requests};
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::functions::values::{base64, envelope, message_metadata, wrapped};
use scorebox_tests::programs;
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
    let app = function_app(programs::WAYWARD, MANIFEST, json!({}), &functions);
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

fn batch(deeds: &[Value], delivery_counts: &[u32]) -> Vec<u8> {
    let bodies: Vec<_> = deeds.iter().map(|deed| base64(deed.to_string())).collect();
    let ids: Vec<_> = (0..deeds.len()).map(|index| format!("m-{index}")).collect();
    let metadata = json!({"MessageIdArray": wrapped(ids), "DeliveryCountArray": wrapped(delivery_counts.to_vec())});
    envelope("msgs", wrapped(bodies), metadata)
}
