//! Requests with bad input: each gets its status, its code and a message that says what to do.
//!
//! After each of them the host that refused it must answer the next good request. Owns the list of
//! these requests for scorers of tensors. Must not know scorers that misbehave: those are in
//! `misbehaviour.rs`.

use scorebox_tests::app::App;
use scorebox_tests::digits::{self, sample};
use scorebox_tests::host::Host;
use scorebox_tests::http::{self, Body};
use scorebox_tests::place;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static HOST: Shared<Host> = Shared::new();

const JSON: (&str, &str) = ("content-type", "application/json");

fn start() -> Host {
    Host::start(&place::example("digits"))
}

/// Asserts that a body is refused with 400, with this pointer and these parts of the message.
#[track_caller]
fn refused(body: impl Into<Vec<u8>>, pointer: &str, parts: &[&str]) {
    let host = HOST.get(start);
    let answer = host
        .post("application/json", body)
        .expect_error(400, "not-conforming", parts);
    assert_eq!(answer.json()["pointer"], pointer, "{}", answer.text());
    assert_eq!(answer.header("x-ms-run-function-failed"), Some("False"));
    is_well(&host);
}

#[track_caller]
fn is_well(host: &Host) {
    let digits = &sample()[..2];
    digits::check(
        digits,
        &host.score(&digits::request(digits)).expect(200).json(),
    );
}

fn row() -> Vec<Value> {
    vec![json!(0.5); 784]
}

fn row_with(index: usize, value: Value) -> Vec<Value> {
    let mut row = row();
    row[index] = value;
    row
}

#[test]
fn what_is_not_json_is_refused() {
    refused("", "", &["JSON"]);
    refused("seven", "", &["JSON"]);
    refused(r#"{"data": [[1, 2"#, "", &["JSON"]);
    refused(r#"{"data": [[NaN]]}"#, "", &["JSON"]);
    refused([0xff, 0xfe, b'{', b'}'], "", &["JSON"]);
    refused(
        format!("{} trailing", json!({ "data": [row()] })),
        "",
        &["JSON"],
    );
    let good = json!({ "data": [row()] }).to_string();
    for body in [
        format!("{good} {good}"),
        format!("/* a comment */ {good}"),
        good.replace('"', "'"),
        "{\"data\": [[01]]}".to_owned(),
        "{\"data\": [[1.]]}".to_owned(),
        "{\"data\": [[+1]]}".to_owned(),
    ] {
        refused(body, "", &["JSON"]);
    }
    let host = HOST.get(start);
    let surrogate = r#"{"data": [["\ud800"]]}"#;
    host.post("application/json", surrogate)
        .expect_error(400, "not-conforming", &[]);
    refused("[".repeat(100_000), "/0/0", &[]);
}

#[test]
fn a_wrong_shape_is_pointed_at() {
    refused(
        json!({ "data": [vec![0.5; 783]] }).to_string(),
        "/data/0",
        &["784", "783"],
    );
    refused(
        json!({ "data": [vec![0.5; 785]] }).to_string(),
        "/data/0",
        &["784"],
    );
    refused(
        json!({ "data": [row(), vec![0.5; 783]] }).to_string(),
        "/data/1",
        &["784", "783"],
    );
    refused(json!({ "data": row() }).to_string(), "/data/0", &["a list"]);
    refused(
        json!({ "data": [[row()]] }).to_string(),
        "/data/0/0",
        &["a list", "f32"],
    );
    refused(json!({ "data": 7 }).to_string(), "/data", &["a list"]);
    refused(json!({ "data": null }).to_string(), "/data", &["a list"]);
}

#[test]
fn a_wrong_type_is_pointed_at() {
    refused(
        json!({ "data": [row_with(3, json!("0.5"))] }).to_string(),
        "/data/0/3",
        &["string"],
    );
    refused(
        json!({ "data": [row(), row_with(783, json!(null))] }).to_string(),
        "/data/1/783",
        &["null"],
    );
    refused(
        json!({ "data": [row_with(0, json!(true))] }).to_string(),
        "/data/0/0",
        &["boolean"],
    );
    refused(
        json!({ "data": [row_with(0, json!([1]))] }).to_string(),
        "/data/0/0",
        &["a list"],
    );
    refused(
        json!({ "data": [row_with(9, json!({}))] }).to_string(),
        "/data/0/9",
        &["object"],
    );
    refused(
        json!({ "data": [row_with(9, json!(1e300))] }).to_string(),
        "/data/0/9",
        &["f32"],
    );
}

#[test]
fn a_missing_or_unknown_port_is_named() {
    refused("{}", "", &["data"]);
    refused(
        json!({ "date": [row()] }).to_string(),
        "/date",
        &["\"data\": [N, 784] of f32"],
    );
    refused(
        json!({ "data": [row()], "extra": [1] }).to_string(),
        "/extra",
        &["no input of this name"],
    );
    refused(json!(row()[0]).to_string(), "", &["data"]);
}

#[test]
fn other_media_types_are_refused_with_those_that_would_do() {
    let host = HOST.get(start);
    let body = digits::request(&sample()[..1]).to_string();
    for content_type in ["text/csv", "image/png", "application/jsonlines"] {
        let answer = host.post(content_type, body.clone());
        answer.expect_error(
            415,
            "unsupported-media-type",
            &[content_type, "application/json"],
        );
    }
    is_well(&host);
    // Callers send some of these types by mistake. The others are spellings of JSON's own type.
    for content_type in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        digits::check(
            &sample()[..1],
            &host.post(content_type, body.clone()).expect(200).json(),
        );
    }
    digits::check(
        &sample()[..1],
        &host.send("POST", "/score", &[], body).expect(200).json(),
    );
}

#[test]
fn ten_megabytes_too_much_are_refused() {
    const TOO_MUCH: usize = 18 << 20;
    let host = HOST.get(start);
    let limit = (8 << 20).to_string();
    let parts = [limit.as_str(), "limits.body"];
    host.post("application/json", vec![b' '; TOO_MUCH])
        .expect_error(413, "too-large", &parts);
    is_well(&host);

    let pieces = vec![vec![b' '; 64 << 10]; TOO_MUCH >> 16];
    let answer = http::try_send("POST", &host.url("/score"), &[JSON], Body::Chunked(pieces));
    answer
        .expect("the answer comes although the body is not read")
        .expect_error(413, "too-large", &parts);
    is_well(&host);
}

#[test]
fn a_body_may_be_as_large_as_the_limit() {
    let host = HOST.get(start);
    let mut body = digits::request(&sample()[..1]).to_string().into_bytes();
    body.resize(8 << 20, b' ');
    host.post("application/json", body.clone()).expect(200);
    body.push(b' ');
    host.post("application/json", body)
        .expect_error(413, "too-large", &[]);
}

#[test]
fn unknown_paths_and_wrong_verbs_are_refused() {
    let host = HOST.get(start);
    for path in ["/scores", "/api/other", "/api", "/score/1", "/favicon.ico"] {
        assert_eq!(host.get(path).status, 404, "{path}");
        assert_eq!(host.send("POST", path, &[JSON], "{}").status, 404, "{path}");
    }
    for (method, path, allow) in [
        ("GET", "/score", "POST"),
        ("PUT", "/api/score", "POST"),
        ("DELETE", "/score", "POST"),
        ("POST", "/", "GET"),
        ("POST", "/readyz", "GET"),
        ("POST", "/openapi.json", "GET"),
        ("POST", "/swagger.json", "GET"),
        ("GET", "/invocations", "POST"),
        ("POST", "/v1/models", "GET"),
    ] {
        let answer = host.send(method, path, &[], "").expect(405);
        let allowed = answer.header("allow").unwrap_or_default();
        assert!(
            allowed.split(',').any(|verb| verb.trim() == allow),
            "{method} {path}: Allow: {allowed}"
        );
    }
    is_well(&host);
}

#[test]
fn pages_of_other_origins_get_no_permission() {
    let host = HOST.get(start);
    let origin = ("origin", "https://example.com");
    let asked = [origin, ("access-control-request-method", "POST")];
    let answer = host.send("OPTIONS", "/score", &asked, "").expect(405);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let body = digits::request(&sample()[..1]).to_string();
    let answer = host
        .send("POST", "/score", &[origin, JSON], body)
        .expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn the_verbs_that_a_path_knows_are_named_whatever_was_sent() {
    let host = HOST.get(start);
    for (method, path, allow) in [
        ("PUT", "/", "GET"),
        ("DELETE", "/readyz", "GET"),
        ("PATCH", "/swagger.json", "GET"),
    ] {
        let answer = host.send(method, path, &[], "").expect(405);
        let allowed = answer.header("allow").unwrap_or_default();
        assert!(
            allowed.split(',').any(|verb| verb.trim() == allow),
            "{method} {path}: Allow: {allowed}"
        );
    }
}

#[test]
fn a_schema_of_a_bytes_scorer_is_checked_at_the_door() {
    let host = Host::start(&place::example("features"));
    for (body, pointer) in [
        (r#"{"key": 7}"#, "/key"),
        (r#"{"key": ""}"#, "/key"),
        ("{}", ""),
        ("[]", ""),
    ] {
        let answer = host
            .post("application/json", body)
            .expect_error(400, "not-conforming", &[]);
        assert_eq!(
            answer.json()["pointer"],
            pointer,
            "{body}: {}",
            answer.text()
        );
    }
    host.post("application/json", "{key}")
        .expect_error(400, "not-conforming", &["JSON"]);
    host.post("text/csv", "digit:7").expect_error(
        415,
        "unsupported-media-type",
        &["application/json"],
    );
    host.score(&json!({"key": "digit:7"}))
        .expect_error(422, "unknown-key", &["digit:7"]);
}

#[test]
fn any_media_type_may_be_any() {
    let host = Host::start(&App::example("echo", ""));
    let every_byte: Vec<u8> = (0..=255).collect();
    for content_type in [
        "image/png",
        "text/csv; header=present",
        "application/x-protobuf",
    ] {
        let answer = host.post(content_type, every_byte.clone()).expect(200);
        assert_eq!(
            (answer.header("content-type"), &answer.body),
            (Some(content_type), &every_byte)
        );
    }
}
