//! The requests of a recorded Functions host, replayed byte by byte.
//!
//! Owns what the scorer gets for each recording, and what the client would get. Must not know how
//! the recordings were made; `tests/data/functions-recorded` says so.

use scorebox_tests::app::App;
use scorebox_tests::functions::app::function_app;
use scorebox_tests::functions::outputs::{Response, bind};
use scorebox_tests::functions::{FunctionsHost, recorded, wire};
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// Content type of a payload whose sender did not state one.
const OCTETS: &str = "application/octet-stream";

/// Body that the client sent to `/api/web/a%20b`.
const CALL: &[u8] =
    br#"{"data":[[1,2.50,3]],"when":"2026-11-26T10:00:00Z","n":12345678901234567890}"#;

/// Content of the blob `json.json`.
const DOCUMENT: &[u8] = br#"{"data":[[1,2.50,3]],"when":"2026-11-26T10:00:00Z"}"#;

/// Text of a message.
const MESSAGE: &[u8] = br#"{"data":[[1,2.50]],"when":"2026-11-26T10:00:00Z"}"#;

/// A recording, with what the scorer gets: the body, the content type and some attributes.
type Recorded<'a> = (&'a str, &'a [u8], &'a str, &'a [(&'a str, &'a str)]);

const ENVELOPED: [Recorded<'static>; 10] = [
    (
        "http-web-web-a-20b-post",
        CALL,
        JSON,
        &[("route.kind", "a b")],
    ),
    (
        "http-web-web-bin-post",
        b"\x00\xff\xfe\x01",
        OCTETS,
        &[("route.kind", "bin"), ("accept", "*/*")],
    ),
    (
        "http-web-web-cook-post",
        b"null",
        "application/json; charset=utf-8",
        &[("x-multi", "1"), ("x-multi", "2")],
    ),
    (
        "http-web-web-get-get",
        b"",
        OCTETS,
        &[("route.kind", "get")],
    ),
    (
        // The Functions host reads the body as text.
        "http-web-web-img-post",
        "\u{0}\u{fffd}\u{fffd}\u{1}".as_bytes(),
        "image/png",
        &[],
    ),
    ("http-web-web-post-2", b"1234", TEXT, &[]),
    ("http-web-web-post", "plain é".as_bytes(), TEXT, &[]),
    (
        "http-web-web-put-put",
        b"[1,2]",
        JSON,
        &[("route.kind", "Put")],
    ),
    ("http-webret-webret-post-2", b"{}", JSON, &[]),
    (
        "http-webret-webret-post",
        b"{}",
        "application/x-www-form-urlencoded",
        &[],
    ),
];

const FORWARDED: [Recorded<'static>; 11] = [
    ("forwarded-web-a-20b-x-1-2-y-c3-a9-post", CALL, JSON, &[]),
    (
        "forwarded-web-bin-post",
        b"\x00\xff\xfe\x01",
        OCTETS,
        &[("route.kind", "bin"), ("accept", "*/*")],
    ),
    (
        "forwarded-web-cook-post",
        b"null",
        "application/json; charset=utf-8",
        &[("x-multi", "1, 2")],
    ),
    (
        "forwarded-web-get-z-9-get",
        b"",
        OCTETS,
        &[("route.kind", "get")],
    ),
    (
        "forwarded-web-img-post",
        b"\x00\xff\xfe\x01",
        "image/png",
        &[],
    ),
    ("forwarded-web-post-2", b"1234", TEXT, &[]),
    ("forwarded-web-post-3", b"", OCTETS, &[]),
    ("forwarded-web-post", "plain é".as_bytes(), TEXT, &[]),
    (
        "forwarded-web-put-put",
        b"[1,2]",
        JSON,
        &[("route.kind", "Put")],
    ),
    ("forwarded-webret-code-fk-post", b"{}", JSON, &[]),
    (
        "forwarded-webret-post",
        b"{}",
        "application/x-www-form-urlencoded",
        &[],
    ),
];

const BLOBS: [Recorded<'static>; 17] = [
    (
        "blob-binary-bin-bin",
        b"\x00\xff\xfe\x01\x02\x80",
        TEXT,
        &[("path.name", "bin.bin")],
    ),
    ("blob-binary-json-json", DOCUMENT, JSON, &[]),
    (
        "blob-none-big-json",
        br#"{"n":12345678901234567890,"f":0.1,"e":1e400}"#,
        JSON,
        &[("metadata.client", "A17")],
    ),
    ("blob-none-bin-bin", b"\x00\xff\xfe\x01\x02\x80", TEXT, &[]),
    (
        "blob-none-date-txt",
        b"2026-11-26T10:00:00.5+02:00",
        TEXT,
        &[],
    ),
    ("blob-none-empty-bin", b"", TEXT, &[]),
    (
        "blob-none-json-json",
        DOCUMENT,
        JSON,
        &[(
            "uri",
            "http://127.0.0.1:10000/devstoreaccount1/in-none/json.json",
        )],
    ),
    ("blob-none-num-txt", b"1234", TEXT, &[]),
    ("blob-none-text-txt", "plain text é".as_bytes(), TEXT, &[]),
    ("blob-stream-json-json", DOCUMENT, JSON, &[]),
    (
        "blob-string-bin-bin",
        b"\x00\xff\xfe\x01\x02\x80",
        TEXT,
        &[],
    ),
    ("blob-string-bom-txt", b"\xef\xbb\xbfwith bom", TEXT, &[]),
    ("blob-string-empty-bin", b"", TEXT, &[]),
    ("blob-string-json-json", DOCUMENT, JSON, &[]),
    ("blob-string-null-txt", b"null", TEXT, &[]),
    ("blob-string-num-txt", b"1234", TEXT, &[]),
    ("blob-string-text-txt", "plain text é".as_bytes(), TEXT, &[]),
];

/// Recordings of messages of a storage queue, with the text of each.
const MESSAGES: [(&str, &[u8]); 9] = [
    ("queue-binary-cgxhaw4", b"plain"),
    ("queue-binary-eyjkyxrh", MESSAGE),
    ("queue-binary-mtizna", b"1234"),
    ("queue-none-20261126", b"2026-11-26T10:00:00.5+02:00"),
    ("queue-none-object", MESSAGE),
    ("queue-none-plain", b"plain"),
    ("queue-string-1234", b"1234"),
    ("queue-string-object", MESSAGE),
    ("queue-string-plain", b"plain"),
];

/// Recordings that have a test of their own.
const OTHERS: [&str; 2] = ["http-web-web-chunk-post", "ready"];

static ENVELOPES: Shared<(App, FunctionsHost)> = Shared::new();

fn http_functions() -> [(&'static str, Value); 2] {
    let bindings = |route: &str, level: &str, output: &str| {
        json!([
            {"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": level, "route": route,
             "methods": ["get", "post", "put"]},
            {"type": "http", "direction": "out", "name": output},
        ])
    };
    [
        ("web", bindings("web/{kind?}", "anonymous", "res")),
        ("webret", bindings("webret", "function", "$return")),
    ]
}

fn triggered(kind: &str, name: &str, place: (&str, &str), data_type: &str) -> Value {
    let mut trigger =
        json!({"type": kind, "direction": "in", "name": name, "connection": "Storage"});
    trigger[place.0] = place.1.into();
    if data_type != "none" {
        trigger["dataType"] = data_type.into();
    }
    let output =
        json!({"type": "blob", "direction": "out", "name": "output", "path": "out/{rand-guid}"});
    json!([trigger, output])
}

fn envelopes() -> (App, FunctionsHost) {
    let blob = |data_type: &str| {
        let path = format!("in-{data_type}/{{name}}");
        triggered("blobTrigger", "blob", ("path", &path), data_type)
    };
    let blobs = [
        ("blobnone", blob("none")),
        ("blobstring", blob("string")),
        ("blobbinary", blob("binary")),
        ("blobstream", blob("stream")),
    ];
    let functions: Vec<_> = http_functions().into_iter().chain(blobs).collect();
    let app = function_app(programs::MIRROR, "", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    (app, host)
}

/// Sends a recording to the handler, and returns its answer as the Functions host binds it.
#[track_caller]
fn bound(host: &FunctionsHost, name: &str) -> scorebox_tests::functions::outputs::Bound {
    let request = recorded::request(name);
    let (head, _) = recorded::head_and_body(&request);
    let path = head.split(' ').nth(1).expect("a request has a path");
    let bindings = host.bindings(path.trim_start_matches('/'));
    let answer = wire::replay(host.port(), &request).expect("the handler answers");
    bind(&bindings, &answer).unwrap_or_else(|failed| panic!("{name}: {failed:?}\n{}", host.log()))
}

/// Checks what the scorer got, which its answer repeats.
#[track_caller]
fn check(seen: &Value, source: &str, (name, body, content_type, attributes): Recorded<'_>) {
    assert_eq!(
        (&seen["body"], &seen["content_type"]),
        (&json!(body), &json!(content_type)),
        "{name}"
    );
    assert_eq!(
        (&seen["source"], &seen["attempt"]),
        (&json!(source), &json!(1)),
        "{name}"
    );
    let given = seen["attributes"].as_array().expect("a list");
    for (attribute, value) in attributes {
        assert!(
            given.contains(&json!([attribute, value])),
            "{name}: no {attribute} in {seen}"
        );
    }
    for secret in ["FK", "Bearer", "a=b"] {
        assert!(!seen.to_string().contains(secret), "{name}: {seen}");
    }
}

#[test]
fn every_recording_has_a_test() {
    let tables = [&ENVELOPED[..], &FORWARDED, &BLOBS];
    let names = tables
        .iter()
        .flat_map(|table| table.iter().map(|row| row.0));
    let messages = MESSAGES.iter().map(|row| row.0);
    let mut names: Vec<_> = names.chain(messages).chain(OTHERS).collect();
    names.sort_unstable();
    assert_eq!(recorded::requests(), names);
}

#[test]
fn the_first_request_is_answered() {
    let shared = ENVELOPES.get(envelopes);
    let answer = wire::replay(shared.1.port(), &recorded::request("ready")).expect("it answers");
    assert_eq!(answer.status, 200);
}

#[test]
fn recorded_requests_in_envelopes_are_scored() {
    let shared = ENVELOPES.get(envelopes);
    for row in ENVELOPED {
        let response = Response::of(Ok(bound(&shared.1, row.0)));
        assert_eq!(
            (response.status, response.content_type.as_deref()),
            (200, Some("application/json; charset=utf-8")),
            "{}",
            row.0
        );
        let seen = serde_json::from_slice(&response.body).expect("it is JSON");
        check(&seen, "http", row);
    }
}

#[test]
fn a_body_that_the_functions_host_lost_is_asked_for_with_its_length() {
    let shared = ENVELOPES.get(envelopes);
    let bound = bound(&shared.1, "http-web-web-chunk-post");
    let response = bound.response.as_ref().expect("it is an HTTP function");
    let problem: Value = serde_json::from_slice(&response.body).expect("an error is JSON");
    assert_eq!(
        (response.status, &problem["code"]),
        (411, &json!("length-required")),
        "{problem}"
    );
    for part in ["Content-Length", "Transfer-Encoding", "target"] {
        let message = problem["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{part}: {problem}");
    }
    assert!(
        bound
            .logs
            .iter()
            .any(|line| line.starts_with("length-required")),
        "{bound:?}"
    );
}

#[test]
fn recorded_forwarded_requests_are_scored() {
    let handler = json!({"description": {"defaultExecutablePath": "scorebox"}, "enableForwardingHttpRequest": true});
    let app = function_app(
        programs::MIRROR,
        "",
        json!({"customHandler": handler}),
        &http_functions(),
    );
    let host = FunctionsHost::start(&app);
    for row in FORWARDED {
        let request = recorded::request(row.0);
        let answer = wire::replay(host.port(), &request).expect("the handler answers");
        assert_eq!(answer.status, 200, "{}: {}", row.0, host.log());
        let seen = serde_json::from_slice(&answer.body).expect("it is JSON");
        check(&seen, "http", row);
    }
}

#[test]
fn recorded_blobs_are_scored_as_they_were_written() {
    let shared = ENVELOPES.get(envelopes);
    for row in BLOBS {
        let seen = bound(&shared.1, row.0).json("output");
        check(&seen, "blob", row);
    }
}

#[test]
fn recorded_queue_messages_are_scored_as_they_were_sent() {
    let queue = |data_type: &str| {
        let queue = format!("in-{data_type}");
        triggered("queueTrigger", "message", ("queueName", &queue), data_type)
    };
    let functions = [
        ("queuenone", queue("none")),
        ("queuestring", queue("string")),
        ("queuebinary", queue("binary")),
    ];
    let app = function_app(programs::MIRROR, "", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    for (name, text) in MESSAGES {
        let seen = bound(&host, name).json("output");
        assert_eq!(
            (&seen["body"], &seen["attempt"]),
            (&json!(text), &json!(1)),
            "{name}"
        );
    }
}
