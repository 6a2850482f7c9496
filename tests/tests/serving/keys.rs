//! Keys of the server (`server.keys`): calls with one are answered, calls without one are 401, and no
//! key is in the log or reaches a scorer.
//!
//! Owns the places of a key in a request, over HTTP/1 and HTTP/2, and starts with keys that are
//! missing or too short. Must not know how keys are compared.

use scorebox_tests::app::App;
use scorebox_tests::connection::Connection;
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::http::Answer;
use scorebox_tests::http2::{Http2, request};
use scorebox_tests::shared::Shared;
use scorebox_tests::{programs, run};
use serde_json::json;

static HOST: Shared<Host> = Shared::new();

const FIRST: &str = "s3cret0123456789abcdef0123456789abcdef";
const SECOND: &str = "s3cret+/==+/==+/==+/==+/==+/==+/==";

const KEYS: &str = "[server]\nkeys = [\"env:KEY_1\", \"env:KEY_2\"]\n";

const COUNT: &str = r#"{"do": "count"}"#;

fn start() -> Host {
    // A secret store often adds a line feed.
    let second = format!("{SECOND}\n");
    let variables = [
        ("KEY_1", FIRST),
        ("KEY_2", second.as_str()),
        ("SCOREBOX_LOG", "trace"),
    ];
    Host::start_with(&App::with(programs::WAYWARD, KEYS), &variables)
}

/// Scores with these headers, and with this query.
fn score(headers: &[(&str, &str)], query: &str) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let path = format!("/score{query}");
    HOST.get(start).send("POST", &path, &all, COUNT)
}

#[test]
fn each_key_is_taken_in_each_of_its_places() {
    for key in [FIRST, SECOND] {
        let bearer = format!("Bearer {key}");
        score(&[("authorization", &bearer)], "").expect(200);
        score(&[("authorization", &bearer.replace('B', "b"))], "").expect(200);
        score(&[("x-functions-key", key)], "").expect(200);
        let encoded = key
            .replace('+', "%2B")
            .replace('/', "%2f")
            .replace('=', "%3D");
        score(&[], &format!("?code={encoded}")).expect(200);
        score(&[], &format!("?a=b&code={key}")).expect(200);
        // A gateway may add a header of its own.
        let headers = [
            ("authorization", "Bearer of-a-gateway"),
            ("x-functions-key", key),
        ];
        score(&headers, "").expect(200);
    }
}

#[test]
fn a_call_without_a_key_is_401_in_each_dialect() {
    let none = score(&[], "").expect_error(401, "unauthorized", &["Authorization: Bearer KEY"]);
    assert_eq!(
        none.header("www-authenticate"),
        Some("Bearer realm=\"scorebox\"")
    );
    assert_eq!(none.header("x-ms-run-function-failed"), Some("False"));
    let wrong = format!("Bearer {FIRST}0");
    for (headers, query) in [
        (&[("authorization", wrong.as_str())][..], ""),
        (&[("x-functions-key", &FIRST[1..])], ""),
        (&[], "?code=x"),
        (&[("authorization", "Bearer ")], "?code="),
    ] {
        let answer = score(headers, query).expect_error(401, "unauthorized", &["not one of"]);
        assert!(answer.header("www-authenticate").is_some());
    }
    let host = HOST.get(start);
    for (method, path, is_protocol) in [
        ("GET", "/openapi.json", false),
        ("GET", "/swagger.json", false),
        ("POST", "/api/score", false),
        ("GET", "/nothing", false),
        ("OPTIONS", "/score", false),
        ("GET", "/v1/models", true),
        ("POST", "/v1/models/wayward:predict", true),
        ("POST", "/invocations", true),
        ("GET", "/v2", true),
        ("GET", "/v2/models/wayward", true),
        ("GET", "/v2/models/wayward/ready", true),
        ("POST", "/v2/models/wayward/infer", true),
    ] {
        let answer = host.send(method, path, &[], "").expect(401);
        assert!(answer.header("www-authenticate").is_some(), "{path}");
        let json = answer.json();
        assert_eq!(json["code"], "unauthorized", "{path}: {json}");
        assert_eq!(json.get("error").is_some(), is_protocol, "{path}: {json}");
    }
}

#[test]
fn probes_need_no_key() {
    let host = HOST.get(start);
    for path in [
        "/",
        "/livez",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
    ] {
        host.get(path).expect(200);
        let head = host.send("HEAD", path, &[], "").expect(200);
        assert!(head.body.is_empty(), "{path}");
        // Only a probe reads: a call on the path of a probe needs a key.
        for method in ["POST", "PUT", "OPTIONS"] {
            host.send(method, path, &[], "{}").expect(401);
        }
    }
}

#[test]
fn a_refused_body_is_not_read_and_the_caller_reads_the_answer() {
    let host = HOST.get(start);
    let mut connection = Connection::open(&host.address).unwrap();
    let head = "POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\nexpect: 100-continue\r\n\r\n";
    connection.write(head.as_bytes()).unwrap();
    connection.answer().unwrap().expect(401);
    let body = vec![b' '; 4 << 20];
    let answer = host.send(
        "POST",
        "/score",
        &[("content-type", "application/json")],
        body,
    );
    answer.expect(401);
}

#[test]
fn the_same_holds_over_http2() {
    let host = HOST.get(start);
    // Only the first response of a connection has every header as a literal.
    let status = |path: &str| {
        let mut connection = Http2::open(&host.address, &[]).unwrap();
        connection.write(&request(1, "GET", path, false)).unwrap();
        connection.status(1)
    };
    assert_eq!(status("/v2"), 401);
    assert_eq!(status("/readyz"), 200);
    assert_eq!(status("/v2?code=wrong"), 401);
    assert_eq!(status(&format!("/v2?code={FIRST}")), 200);
}

#[test]
fn no_key_is_logged_or_reaches_the_scorer() {
    let host = start();
    let bearer = format!("Bearer {FIRST}");
    let wrong = format!("Bearer {FIRST}-wrong");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
        ("x-functions-key", SECOND),
    ];
    let path = format!("/score?code={FIRST}");
    let answer = host
        .send("POST", &path, &headers, r#"{"do": "attributes"}"#)
        .expect(200);
    assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    for path in [
        format!("/nothing?code={FIRST}"),
        format!("/score?code={FIRST}-wrong"),
    ] {
        let answer = host.send("GET", &path, &[], "");
        assert!(!answer.text().contains("s3cret"), "{}", answer.text());
        let refused = host.send("GET", &path, &[("authorization", &wrong)], "");
        assert!(!refused.text().contains("s3cret"), "{}", refused.text());
    }
    host.terminate();
    host.wait_for_exit();
    for log in [host.log.text(), host.stderr.text()] {
        assert!(!log.contains("s3cret"), "{log}");
    }
}

#[test]
fn the_document_names_the_keys() {
    let host = HOST.get(start);
    let document = host
        .send("GET", "/openapi.json", &[("x-functions-key", FIRST)], "")
        .expect(200)
        .json();
    assert_eq!(document["security"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["paths"]["/readyz"]["get"]["security"], json!([]));
    assert!(document["paths"]["/score"]["post"]["responses"]["401"].is_object());
    // Without keys the document does not mention them.
    let open = Host::start(&App::of(programs::WAYWARD));
    let document = open.get("/openapi.json").expect(200).json();
    assert_eq!(document.get("security"), None);
    assert_eq!(document["components"].get("securitySchemes"), None);
}

#[test]
fn a_server_without_its_keys_does_not_start() {
    let app = App::with(programs::WAYWARD, KEYS);
    for (variables, parts) in [
        (&[][..], &["KEY_1, KEY_2", "is not set"][..]),
        (&[("KEY_1", "")], &["KEY_1", "is empty"]),
        (&[("KEY_1", " \n")], &["KEY_1", "is empty"]),
        (
            &[("KEY_1", "hunter2")],
            &["KEY_1", "fewer than 32 characters"],
        ),
        (
            &[("KEY_1", FIRST), ("KEY_2", "hunter2")],
            &["KEY_2", "fewer than 32 characters"],
        ),
        (
            &[("KEY_2", "hunter2 hunter2 hunter2 hunter2 hunter2")],
            &["KEY_2", "visible ASCII"],
        ),
    ] {
        let said = refused(&app, variables)
            .ended(8)
            .said(parts)
            .said(&["fix: ", "openssl rand -hex 32"]);
        for text in [&said.stdout, &said.stderr] {
            assert!(
                !text.contains("hunter2") && !text.contains("s3cret"),
                "{text}"
            );
        }
    }
    // One of the keys suffices, so that a key can be replaced.
    let host = Host::start_with(&app, &[("KEY_2", FIRST)]);
    let headers = [
        ("content-type", "application/json"),
        ("x-functions-key", FIRST),
    ];
    host.send("POST", "/score", &headers, COUNT).expect(200);
}

#[test]
fn the_functions_host_and_keys_exclude_each_other() {
    let app = App::with(programs::WAYWARD, KEYS);
    let variables = [
        ("KEY_1", FIRST),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "0"),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", "w"),
    ];
    refused(&app, &variables)
        .ended(3)
        .said(&["server.keys", "trigger.auth_level", "fix: "]);
    // Another platform may set the port's variable, and then calls still need a key.
    let host = Host::start_with(&app, &variables[..2]);
    let headers = [("content-type", "application/json")];
    host.send("POST", "/score", &headers, COUNT).expect(401);
}

#[test]
fn check_needs_no_key() {
    let app = App::with(programs::WAYWARD, KEYS);
    run::finish(&mut scorebox("check", &app), b"").ended(0);
}
