//! Envelopes of HTTP requests.
//!
//! Owns the bodies, headers and routes of requests, their ids, and the values of input bindings.

use serde_json::{Value, json};

use super::{JSON, OCTETS, invoke, seen};

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
        &[("route.id", "7"), ("route.model", "A"), both[0], both[1]],
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
