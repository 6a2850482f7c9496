//! The envelopes of the Functions host, byte by byte: the scorer's input for each, and the answer.
//!
//! Owns the golden envelopes in `tests/data/envelopes`, one for each row of what the host's source
//! writes: the forms of values, requests, blobs, messages, batches and their metadata. Must not
//! know how failures are settled.

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, requests};
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::place;
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
    let app = function_app("mirror", "", json!({}), &functions);
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

#[track_caller]
fn check_blob(
    function: &str,
    name: &str,
    content_type: &str,
    body: &[u8],
    attributes: &[(&str, &str)],
) {
    let bound = invoke(function, name);
    assert_eq!(
        bound.json("output"),
        seen("blob", content_type, body, 1, attributes),
        "{function} {name}"
    );
    assert_eq!((bound.logs.len(), bound.response), (0, None), "{name}");
}

#[track_caller]
fn check_message(
    function: &str,
    name: &str,
    content_type: &str,
    body: &[u8],
    attempt: u32,
    attributes: &[(&str, &str)],
) {
    let bound = invoke(function, name);
    let expected = seen("service-bus", content_type, body, attempt, attributes);
    assert_eq!(bound.json("output"), expected, "{function} {name}");
    assert_eq!(bound.logs.len(), 0, "{name}");
}

/// Content type of content without a label, as over HTTP.
const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";

#[test]
fn blobs_arrive_as_bytes_whatever_they_look_like() {
    let uri = "https://acct.blob.core.windows.net/input/a.json";
    for function in ["blob", "blob-binary", "blob-text"] {
        let attributes = [
            ("uri", uri),
            ("etag", "0x8D1"),
            ("path.blobname", "a"),
            ("metadata.owner", "ml"),
        ];
        check_blob(function, "blob", JSON, b"{\"data\":[[1,2]]}", &attributes);
        check_blob(
            function,
            "blob-null",
            OCTETS,
            b"\x9e\xe9\x65",
            &[("path.blobname", "a")],
        );
        check_blob(function, "blob-1234", OCTETS, b"\xd7\x6d\xf8", &[]);
        check_blob(function, "blob-empty", OCTETS, b"", &[]);
        check_blob(function, "blob-escaped", OCTETS, b"\xfb\xef\xff", &[]);
    }
}

#[test]
fn a_blob_without_a_type_is_what_its_name_says_and_its_signature_stays_out() {
    let uri = "https://acct.blob.core.windows.net/input/a.bin";
    check_blob(
        "blob",
        "blob-signed-uri",
        OCTETS,
        &[1, 2, 3],
        &[("uri", uri)],
    );
    let uri = "https://acct.blob.core.windows.net/input/A.JSON";
    check_blob("blob", "blob-json-by-name", JSON, b"{}", &[("uri", uri)]);
}

#[test]
fn text_messages_are_unwrapped_once() {
    for function in ["one", "one-text"] {
        let attributes = [
            ("message-id", "m-1"),
            ("sequence-number", "42"),
            ("enqueued-time", "2024-05-01T12:34:56Z"),
            ("property.k", "1"),
        ];
        check_message(
            function,
            "message-least",
            OCTETS,
            b"{\"data\":[[1,2]]}",
            1,
            &attributes,
        );
        check_message(function, "message-empty", OCTETS, b"", 1, &[]);
        check_message(function, "message-quoted", OCTETS, b"\"x\"", 1, &[]);
        check_message(function, "message-number", OCTETS, b"42", 1, &[]);
        check_message(function, "message-like-base64", OCTETS, b"dGVzdA==", 1, &[]);
        check_message(
            function,
            "message-replaced",
            OCTETS,
            "caf\u{fffd}".as_bytes(),
            1,
            &[],
        );
        // The documentation of the host shows values in this form.
        check_message(function, "message-unwrapped", OCTETS, b"hello", 1, &[]);
        check_message(
            function,
            "message-unwrapped-object",
            OCTETS,
            b"{\"a\":1}",
            1,
            &[],
        );
    }
}

#[test]
fn metadata_become_attributes_but_for_credentials_and_objects_of_the_sdk() {
    let attributes = [
        ("message-id", "m-1"),
        ("correlation-id", "c-1"),
        ("subject", "digits"),
        ("reply-to", "answers"),
        ("to", "scores"),
        ("session-id", "s-1"),
        ("reply-to-session-id", "s-2"),
        ("partition-key", "s-1"),
        ("dead-letter-source", "old"),
        ("sequence-number", "9007199254740993"),
        ("enqueued-time", "2024-05-01T12:34:56Z"),
        ("property.k", "1"),
        ("property.big", "9007199254740993"),
        ("property.flag", "true"),
        ("property.text", "t"),
    ];
    check_message("one", "message", "text/plain", b"hello", 3, &attributes);
}

#[test]
fn what_a_text_message_writes_over_its_metadata_is_not_believed() {
    let body =
        br#"{"MessageId":"forged","deliverycount":"zz","ApplicationProperties":{"admin":true}}"#;
    check_message(
        "one",
        "message-forged",
        OCTETS,
        body,
        1,
        &[("sequence-number", "7")],
    );
}

#[test]
fn binary_messages_arrive_as_they_were_sent() {
    let attributes = [("message-id", "m-1"), ("sequence-number", "42")];
    check_message(
        "one-binary",
        "bytes",
        JSON,
        br#"{"MessageId":"forged"}"#,
        1,
        &attributes,
    );
    check_message(
        "one-binary",
        "bytes-not-utf8",
        OCTETS,
        b"\xff\xfe\xfd\x80",
        1,
        &[("message-id", "m-1")],
    );
    check_message(
        "one-binary",
        "bytes-null",
        OCTETS,
        b"\x9e\xe9\x65",
        1,
        &[("message-id", "m-1")],
    );
    check_message("one-binary", "bytes-empty", OCTETS, b"", 1, &[]);
}

#[track_caller]
fn check_batch(function: &str, name: &str, expected: &[Value]) {
    let bound = invoke(function, name);
    let output: Vec<Value> = bound
        .of("output")
        .into_iter()
        .map(|bytes| serde_json::from_slice(bytes).expect("JSON"))
        .collect();
    assert_eq!(output, expected, "{function} {name}");
    assert_eq!(bound.logs.len(), 0, "{name}");
}

#[test]
fn batches_are_told_apart_with_their_metadata() {
    let message = |content_type: &str, body: &[u8], attempt, attributes: &[(&str, &str)]| {
        seen("service-bus", content_type, body, attempt, attributes)
    };
    let first = [
        ("message-id", "m-1"),
        ("enqueued-time", "2024-05-01T12:34:56.789Z"),
        ("property.k", "1"),
    ];
    let second = [
        ("message-id", "m-2"),
        ("enqueued-time", "2024-05-01T12:34:57.001Z"),
    ];
    let expected = [
        message(OCTETS, b"a", 1, &first),
        message(OCTETS, b"b", 2, &second),
    ];
    check_batch("many-text", "batch-text", &expected);
    check_batch("many", "batch-text", &expected);

    let first = [
        ("message-id", "m-1"),
        ("session-id", "s-1"),
        ("sequence-number", "9007199254740993"),
    ];
    let second = [
        ("correlation-id", "c-2"),
        ("session-id", "s-1"),
        ("sequence-number", "9223372036854775807"),
    ];
    check_batch(
        "many-binary",
        "batch-bytes",
        &[
            message(JSON, &[1], 1, &first),
            message(OCTETS, &[2], 1, &second),
        ],
    );

    let bodies: [&[u8]; 3] = [b"{\"a\":1}", b"text", b"42"];
    check_batch(
        "many",
        "batch-json",
        &bodies.map(|body| message(OCTETS, body, 1, &[])),
    );

    // Metadata arrays of another length are ignored, because they would give a message the metadata
    // of its neighbour.
    let bodies: [&[u8]; 2] = [b"a", b"b"];
    check_batch(
        "many-text",
        "batch-short-arrays",
        &bodies.map(|body| message(OCTETS, body, 1, &[])),
    );
}

#[test]
fn an_empty_batch_is_answered_and_sends_nothing() {
    for function in ["many", "many-text", "many-binary"] {
        let bound = invoke(function, "batch-empty");
        assert!(
            bound.written.is_empty() && bound.logs.is_empty(),
            "{bound:?}"
        );
    }
}

#[track_caller]
fn check_request(name: &str, content_type: &str, body: &[u8], attributes: &[(&str, &str)]) {
    check_request_of("request", name, content_type, body, attributes);
}

#[track_caller]
fn check_request_of(
    function: &str,
    name: &str,
    content_type: &str,
    body: &[u8],
    attributes: &[(&str, &str)],
) {
    let bound = invoke(function, name);
    let response = bound.response.expect("it is an HTTP function");
    assert_eq!(response.status, 200, "{name}");
    assert_eq!(response.headers["content-type"], JSON, "{name}");
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(
        answer,
        seen("http", content_type, body, 1, attributes),
        "{name}"
    );
    assert!(bound.written.is_empty() && bound.logs.is_empty(), "{name}");
}

#[test]
fn requests_arrive_with_their_bodies_headers_and_route() {
    let both = [("x-caller", "a"), ("x-caller", "b")];
    check_request("request", JSON, b"{\"data\":[[1,2]]}", &both);
    check_request(
        "request-text",
        "text/plain; charset=utf-8",
        b"dGVzdA==",
        &[],
    );
    check_request("request-octets", OCTETS, &[255, 0, 1], &[]);
    check_request(
        "request-multipart",
        "multipart/form-data; boundary=x",
        b"--x",
        &[],
    );
    check_request(
        "request-damaged",
        "image/png",
        "\u{fffd}PNG".as_bytes(),
        &[],
    );
    check_request("request-without-body", OCTETS, b"", &[]);
    check_request(
        "request-params",
        JSON,
        b"{}",
        &[both[0], both[1], ("route.id", "7"), ("route.model", "A")],
    );
    check_request("request-old-query", JSON, b"{}", &both);
    check_request("request-unwrapped", JSON, b"{\"data\":[[1,2]]}", &both);
}

#[test]
fn ids_of_a_request_come_back() {
    let headers = invoke("request", "request-ids")
        .response
        .expect("it is an HTTP function")
        .headers;
    assert_eq!(
        (&headers["x-request-id"], &headers["x-ms-client-request-id"]),
        (&json!("r-1"), &json!("c-1"))
    );
    let headers = invoke("request", "request")
        .response
        .expect("it is an HTTP function")
        .headers;
    // This is the id of the invocation.
    let id = headers["x-request-id"].as_str().unwrap_or_default();
    assert!(id.starts_with("00000000-0000-4000-8000-"), "{headers:?}");
}

#[test]
fn input_bindings_of_every_kind_become_attributes() {
    let attributes = [
        ("input.object", "{\"a\":1}"),
        ("input.bytes", "AQID"),
        ("input.text", "hello"),
        ("input.document", "{\"a\":1}"),
        ("input.empty", ""),
        ("input.number", "4"),
        ("input.truth", "true"),
        ("input.list", "[1,2]"),
        ("input.uri", "https://a/b"),
        ("input.time", "2024-05-01T12:34:56"),
        ("input.zoned", "2024-05-01T12:34:56+00:00"),
    ];
    check_request_of("inputs", "inputs", "text/plain", b"x", &attributes);
}

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
    // After every one of these bodies the handler still works, and none of them counts as an error
    // of the handler.
    invoke("blob", "blob");
    assert_eq!(host.stderr(), "");
}
