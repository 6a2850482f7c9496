//! Answers whose status and headers the scorer chose, and typed facts about a call, under the
//! Functions host: enveloped, forwarded, and for messages and blobs.
//!
//! Owns what the platform makes of a chosen status, and the types of properties. Must not know
//! which headers are allowed: that is in the area `serving`.

use std::sync::Arc;

use scorebox_tests::app::App;
use scorebox_tests::functions::app::{blobs, function_app, messages, park, requests};
use scorebox_tests::functions::outputs::{Bound, Failed, Response};
use scorebox_tests::functions::values::{
    base64, blob, envelope, message_metadata, request, wrapped,
};
use scorebox_tests::functions::{FunctionsHost, wire};
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

static HOST: Shared<(App, FunctionsHost)> = Shared::new();

fn chooser() -> (App, FunctionsHost) {
    let queue = json!({"type": "queue", "direction": "out", "name": "audit", "queueName": "q"});
    let functions = [
        ("named", requests("res", std::slice::from_ref(&queue))),
        ("returned", requests("$return", &[queue])),
        ("bare", messages("msg", "one", Some("binary"), &[])),
        ("parks", messages("msg", "one", Some("binary"), &[park()])),
        ("batch", messages("msgs", "many", Some("binary"), &[])),
        ("blobs", blobs(None, &[])),
    ];
    let manifest = "[answers]\ncookies = true\n";
    let app = function_app(programs::CHOOSER, manifest, json!({}), &functions);
    let host = FunctionsHost::start(&app);
    (app, host)
}

fn host() -> Arc<(App, FunctionsHost)> {
    HOST.get(chooser)
}

fn wish(status: u16, headers: &[(&str, &str)], body: &str) -> Value {
    json!({"status": status, "headers": headers, "body": body})
}

#[track_caller]
fn bound(function: &str, body: &[u8]) -> Bound {
    let shared = host();
    let bound = shared.1.invoke(function, body);
    bound.unwrap_or_else(|failed| panic!("{failed:?}\n{}", shared.1.log()))
}

/// Sends a request in an envelope. Returns the response, and the number of messages that were
/// written to the second output.
#[track_caller]
fn enveloped(function: &str, wish: &Value) -> (Response, usize) {
    let body = wish.to_string();
    let request = request(&JSON, Some(body.as_bytes()));
    let bound = bound(function, &envelope("req", request, json!({})));
    let written = bound.of("audit").len();
    (bound.response.expect("it is an HTTP function"), written)
}

fn message(wish: &Value, delivery_count: u32) -> Vec<u8> {
    let body = base64(wish.to_string());
    envelope("msg", body, message_metadata("m-1", delivery_count))
}

#[test]
fn a_chosen_answer_arrives_through_an_envelope() {
    for function in ["named", "returned"] {
        for (status, writes) in [(201, 1), (302, 1), (404, 0), (418, 0), (503, 0)] {
            let headers = [("X-Model", "7"), ("etag", "\"a\"")];
            let (answer, written) = enveloped(function, &wish(status, &headers, "as told"));
            assert_eq!(
                (answer.status, answer.body.as_slice()),
                (status, &b"as told"[..])
            );
            assert_eq!(answer.headers["x-model"], "7", "{function} {status}");
            assert_eq!(answer.headers["etag"], "\"a\"", "{function} {status}");
            assert!(answer.headers.contains_key("x-request-id"));
            // Only an answer that succeeded is an output, too.
            assert_eq!(written, writes, "{function} {status}");
        }
        let (answer, written) = enveloped(function, &wish(204, &[("x-model", "7")], "not sent"));
        assert_eq!((answer.status, answer.body.len(), written), (204, 0, 1));
        let (empty, written) = enveloped(function, &wish(204, &[], ""));
        assert_eq!((empty.status, empty.body.len(), written), (204, 0, 0));
        assert_eq!(answer.headers["x-model"], "7");
    }
}

#[test]
fn only_a_method_with_a_body_must_state_its_length() {
    for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 411), ("DELETE", 411)] {
        let mut request = request(&[("transfer-encoding", "chunked")], None);
        request["Method"] = method.into();
        let bound = bound("named", &envelope("req", request, json!({})));
        let answer = bound.response.expect("it is an HTTP function");
        assert_eq!(answer.status, status, "{method}");
    }
}

#[test]
fn a_header_is_no_value_of_the_route() {
    let forged = [("route.model", "forged"), ("input.limits", "forged")];
    let mut request = request(&forged, None);
    request["Params"] = json!({"model": "a"});
    let bound = bound("named", &envelope("req", request, json!({})));
    let answer = bound.response.expect("it is an HTTP function");
    let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(!seen.to_string().contains("forged"), "{seen}");
    let given = json!(["route.model", "text", "a"]);
    let attributes = seen["attributes"].as_array().expect("a list");
    assert!(attributes.contains(&given), "{seen}");
}

#[test]
fn an_envelope_has_one_value_for_each_header() {
    let twice = [
        ("vary", "accept"),
        ("x-a", "1"),
        ("Vary", "origin"),
        ("x-a", "2"),
    ];
    let (answer, _) = enveloped("named", &wish(200, &twice, "as told"));
    assert_eq!(answer.headers["vary"], "accept, origin");
    assert_eq!(answer.headers["x-a"], "1, 2");
    let one = [("set-cookie", "a=b")];
    let (answer, _) = enveloped("named", &wish(200, &one, "as told"));
    assert_eq!(answer.headers["set-cookie"], "a=b");
    let two = [("set-cookie", "a=b"), ("set-cookie", "c=d")];
    let (answer, _) = enveloped("named", &wish(200, &two, "as told"));
    let problem: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
    assert_eq!(
        (answer.status, &problem["code"]),
        (500, &json!("repeated-cookie")),
        "{problem}"
    );
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[test]
fn an_enveloped_answer_cannot_be_split() {
    for value in ["a\r\nx-injected: 1", "a\nb", "a\u{0}", "é"] {
        let (answer, written) = enveloped("named", &wish(200, &[("x-a", value)], "as told"));
        assert_eq!((answer.status, written), (500, 0), "{value:?}");
        let headers = serde_json::to_string(&answer.headers).unwrap();
        assert!(!headers.contains("injected"), "{headers}");
    }
}

#[test]
fn a_chosen_answer_and_the_request_line_are_forwarded() {
    let handler = json!({"customHandler": {
        "description": {"defaultExecutablePath": "scorebox"}, "enableForwardingHttpRequest": true,
    }});
    let functions = [("plain", requests("res", &[]))];
    let app = function_app(programs::CHOOSER, "", handler, &functions);
    let host = FunctionsHost::start(&app);
    let send = |path: &str, body: &Value| {
        let id = "11111111-0000-4000-8000-000000000000";
        let body = body.to_string();
        wire::forward(host.port(), path, &JSON, id, body.as_bytes()).expect("it answers")
    };
    for status in [201, 302, 404, 500, 503] {
        let headers = [("X-Model", "7"), ("x-model", "8")];
        let answer = send("/api/plain", &wish(status, &headers, "as told"));
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (status, &b"as told"[..])
        );
        let models = answer.headers.iter().filter(|(name, _)| name == "x-model");
        assert_eq!(models.count(), 2, "{status}");
    }
    let split = send(
        "/api/plain",
        &wish(200, &[("x-a", "a\r\nx-b: c")], "as told"),
    );
    assert_eq!((split.status, split.header("x-b")), (500, None));
    let answer = send("/api/plain?v=2&code=k3y&CODE=k3y", &json!({}));
    let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["query"]),
        (&json!("POST"), &json!("/api/plain"), &json!("v=2"))
    );
}

#[test]
fn the_request_line_of_an_envelope_is_that_of_the_client() {
    let (answer, _) = enveloped("named", &json!({}));
    let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["query"]),
        (&json!("POST"), &json!("/api/score"), &json!("v=2"))
    );
    assert!(
        !answer.body.windows(3).any(|bytes| bytes == b"k3y"),
        "{seen}"
    );
    // A message has no request line.
    let seen = bound("bare", &message(&json!({}), 1)).json("output");
    assert_eq!(
        (&seen["method"], &seen["source"]),
        (&Value::Null, &json!("service-bus"))
    );
}

#[test]
fn a_chosen_status_settles_a_message() {
    let comes_again =
        |function: &str, body: &[u8], status: u16| match host().1.invoke(function, body) {
            Err(Failed::Status(found, answer)) => {
                let answer: Value = serde_json::from_slice(&answer).expect("an error is JSON");
                assert_eq!(
                    (found, &answer["code"]),
                    (status, &json!("status-of-scorer")),
                    "{answer}"
                );
            }
            other => panic!("{function} {status}: {other:?}"),
        };
    for status in [200, 201, 302, 399] {
        let bound = bound("parks", &message(&wish(status, &[], "as told"), 1));
        assert_eq!(
            (bound.of("output").len(), bound.of("park").len()),
            (1, 0),
            "{status}"
        );
    }
    // A message has no HTTP answer, so the status takes no body from its output.
    for status in [204, 205, 304] {
        let kept = bound("parks", &message(&wish(status, &[], "as told"), 1));
        let output = String::from_utf8_lossy(kept.of("output")[0]).into_owned();
        assert!(output.contains("as told"), "{status}: {output}");
        let empty = bound("parks", &message(&wish(status, &[], ""), 1));
        assert!(empty.written.is_empty(), "{status}: {empty:?}");
    }
    let blob_of = |body: &str| {
        blob(
            "blob",
            wish(204, &[], body).to_string().as_bytes(),
            json!({}),
        )
    };
    assert_eq!(
        bound("blobs", &blob_of("as told")).of("output"),
        [b"as told"]
    );
    assert!(bound("blobs", &blob_of("")).written.is_empty());
    for status in [400, 404, 409, 422, 499] {
        let told = wish(status, &[], "as told");
        let bound = bound("parks", &message(&told, 1));
        let record = bound.json("park");
        assert_eq!(record["problem"]["code"], "status-of-scorer", "{record}");
        assert!(bound.of("output").is_empty(), "{status}");
        comes_again("bare", &message(&told, 1), status);
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let told = wish(status, &[], "as told");
        comes_again("parks", &message(&told, 1), status);
        // The last delivery parks whatever was wrong.
        let bound = bound("parks", &message(&told, 10));
        assert_eq!(bound.of("park").len(), 1, "{status}");
    }
    let deeds = [wish(200, &[], "a"), wish(503, &[], "b")];
    let bodies: Vec<_> = deeds.iter().map(|deed| base64(deed.to_string())).collect();
    comes_again("batch", &envelope("msgs", wrapped(bodies), json!({})), 503);
    let failing = wish(500, &[], "as told").to_string();
    comes_again("blobs", &blob("blob", failing.as_bytes(), json!({})), 500);
}

#[test]
fn properties_keep_their_types_and_a_time_has_its_zone() {
    let mut metadata = message_metadata("m-1", 2);
    metadata["ApplicationProperties"] = json!({
        "Count": 7, "ratio": 0.5, "flag": true, "text": "7", "nothing": null,
        "large": 18_446_744_073_709_551_615_u64, "list": [1], "api-key": "s3cret",
    });
    let typed = bound("bare", &envelope("msg", base64("{}"), metadata)).json("output");
    let expected = json!([
        ["message-id", "text", "m-1"],
        ["sequence-number", "integer", 9_007_199_254_740_993_i64],
        ["enqueued-time", "time", "2024-05-01T12:34:56Z"],
        ["property.count", "integer", 7],
        ["property.flag", "boolean", true],
        ["property.large", "decimal", "18446744073709551615"],
        ["property.nothing", "null", null],
        ["property.ratio", "number", 0.5],
        ["property.text", "text", "7"],
    ]);
    let sorted = |value: &Value| {
        let mut rows: Vec<String> = value
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(&typed["attributes"]), sorted(&expected));

    let metadata = json!({
        "Uri": wrapped("https://acct.blob.core.windows.net/in/a.json"),
        "Metadata": {"Run": "7"}, "blobname": wrapped("a"),
    });
    let typed = bound("blobs", &blob("blob", b"{}", metadata)).json("output");
    let attributes = typed["attributes"].as_array().unwrap();
    assert!(
        attributes.contains(&json!(["metadata.run", "text", "7"])),
        "{typed}"
    );
}
