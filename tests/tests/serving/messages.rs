//! Messages that break or stretch the rules of HTTP and of text: each gets the status that the RFCs
//! name, and the connection serves the next request.
//!
//! Owns `Host`, `Expect`, transfer codings, byte order marks and charsets. Must not know content codings: those
//! are in `encodings.rs`.

use scorebox_tests::connection::Connection;
use scorebox_tests::digits::{self, sample};
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::place;
use scorebox_tests::shared::Shared;

static HOST: Shared<Host> = Shared::new();

/// Byte order mark of UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

fn start() -> Host {
    Host::start(&place::example("digits"))
}

/// Sends a request with these lines, and returns the response. Asserts that the connection then
/// answers a good request, unless the request has a transfer coding or is HTTP/1.0.
#[track_caller]
fn sent(head: &str) -> Answer {
    let host = HOST.get(start);
    let mut connection = Connection::open(&host.address).unwrap();
    connection
        .write(format!("{head}\r\n\r\n").as_bytes())
        .unwrap();
    let answer = connection.answer().unwrap();
    if head.contains("HTTP/1.1") && !head.contains("transfer-encoding") {
        connection.get("/readyz").unwrap().expect(200);
    }
    answer
}

#[test]
fn http_1_1_without_exactly_one_host_is_refused() {
    for head in [
        "GET /readyz HTTP/1.1",
        "GET /readyz HTTP/1.1\r\nhost: a\r\nhost: a",
        "GET /readyz HTTP/1.1\r\nhost: a b",
        "GET /v2/health/live HTTP/1.1\r\nhost: user@a",
        "GET http://a/readyz HTTP/1.1",
        "GET /readyz HTTP/1.0\r\nhost: a\r\nhost: b",
    ] {
        let answer = sent(head).expect_error(400, "bad-host", &["Host header"]);
        let is_protocol = head.contains("/v2/");
        assert_eq!(answer.json().get("error").is_some(), is_protocol, "{head}");
    }
    for head in [
        "GET /readyz HTTP/1.1\r\nhost:",
        "GET /readyz HTTP/1.1\r\nHost: example.com:80",
        "GET /readyz HTTP/1.1\r\nhost: [::1]:8080",
        "GET http://a/readyz HTTP/1.1\r\nhost: a",
        "GET /readyz HTTP/1.0",
    ] {
        sent(head).expect(200);
    }
}

#[test]
fn other_transfer_codings_than_chunked_are_not_implemented() {
    let head = "POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let body = "\r\n\r\n2\r\n{}\r\n0";
    for coding in ["gzip, chunked", "gzip\r\ntransfer-encoding: chunked"] {
        sent(&format!("{head}transfer-encoding: {coding}{body}")).expect_error(
            501,
            "transfer-coding",
            &["Content-Encoding"],
        );
    }
    // The scorer's own refusal shows that the body was read.
    sent(&format!("{head}transfer-encoding: Chunked{body}")).expect_error(
        400,
        "not-conforming",
        &["data"],
    );
}

#[test]
fn chunks_may_have_extensions_and_trailers_and_must_have_a_size() {
    let host = HOST.get(start);
    let digits = &sample()[..1];
    let json = digits::request(digits).to_string();
    let head = "POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let (first, rest) = json.split_at(7);
    let size = rest.len();
    let mut connection = Connection::open(&host.address).unwrap();
    let body =
        format!("7;name=value\r\n{first}\r\n{size:x}\r\n{rest}\r\n0\r\nx-checksum: 1\r\n\r\n");
    connection
        .write(format!("{head}{body}").as_bytes())
        .unwrap();
    digits::check(digits, &connection.answer().unwrap().expect(200).json());
    connection.get("/readyz").unwrap().expect(200);
    connection
        .write(format!("{head}size\r\n{json}\r\n0\r\n\r\n").as_bytes())
        .unwrap();
    connection
        .answer()
        .unwrap()
        .expect_error(400, "body-lost", &[]);
}

#[test]
fn a_connection_goes_on_after_refusals_and_takes_requests_ahead() {
    let host = HOST.get(start);
    let mut connection = Connection::open(&host.address).unwrap();
    let post = |path: &str, label: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {label}\r\ncontent-length: 2\r\n\r\n{{}}"
        )
    };
    let probe = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";
    // All requests are sent before the first response is read.
    let requests = [
        post("/score", "application/json"),
        post("/nowhere", "application/json"),
        post("/score", "text/csv"),
        post("/readyz", "application/json"),
        probe.to_owned(),
    ];
    connection.write(requests.concat().as_bytes()).unwrap();
    for status in [400, 404, 415, 405, 200] {
        connection.answer().unwrap().expect(status);
    }
    let long = format!(
        "GET /readyz HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "a".repeat(20 << 10)
    );
    connection.write(long.as_bytes()).unwrap();
    connection.answer().unwrap().expect(200);
    let answer = host.send("HEAD", "/readyz", &[], "").expect(200);
    assert!(answer.body.is_empty(), "{}", answer.text());
}

#[test]
fn a_path_or_a_head_that_is_too_long_ends_its_connection_alone() {
    let host = HOST.get(start);
    for (bytes, status) in [(60_000, 404), (70_000, 414), (200_000, 431)] {
        let mut connection = Connection::open(&host.address).unwrap();
        let head = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(bytes));
        connection.write(head.as_bytes()).unwrap();
        connection.answer().unwrap().expect(status);
        host.send("GET", "/readyz", &[], "").expect(200);
    }
}

#[test]
fn a_caller_that_waits_for_100_continue_is_answered_at_once() {
    let host = HOST.get(start);
    let digits = &sample()[..1];
    let json = digits::request(digits).to_string();
    let expecting = |bytes: usize| {
        let mut connection = Connection::open(&host.address).unwrap();
        let head = format!(
            "POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             expect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n"
        );
        connection.write(head.as_bytes()).unwrap();
        connection
    };
    let mut connection = expecting(json.len());
    connection.answer().unwrap().expect(100);
    connection.write(json.as_bytes()).unwrap();
    digits::check(digits, &connection.answer().unwrap().expect(200).json());
    // A body beyond the limit is not asked for.
    expecting(99 << 20)
        .answer()
        .unwrap()
        .expect_error(413, "too-large", &["limits.body"]);
}

#[test]
fn a_byte_order_mark_changes_no_answer() {
    let host = HOST.get(start);
    let digits = &sample()[..3];
    let marked = [MARK, digits::request(digits).to_string().as_bytes()].concat();
    let answer = host.post("application/json", marked).expect(200);
    digits::check(digits, &answer.json());
}

#[test]
fn text_in_another_encoding_is_refused_with_the_right_one() {
    let host = HOST.get(start);
    let json = digits::request(&sample()[..1]).to_string();
    for label in [
        "application/json; charset=utf-16",
        "text/plain;charset=ISO-8859-1",
    ] {
        host.post(label, json.clone()).expect_error(
            415,
            "unsupported-media-type",
            &["charset", "UTF-8"],
        );
    }
    for label in [
        "application/json; charset=UTF-8",
        "text/plain; charset=\"us-ascii\"",
    ] {
        host.post(label, json.clone()).expect(200);
    }
    let wide: Vec<u8> = json.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for body in [[&b"\xFE\xFF"[..], &wide].concat(), wide] {
        host.post("application/json", body).expect_error(
            400,
            "not-conforming",
            &["UTF-16", "in UTF-8"],
        );
    }
}
