//! Texts of 5 MB in every place whose text a host repeats: the output stays small, and a cut is
//! marked.
//!
//! The output is answers, log lines, lines of an invocation and parked records. Owns the list of
//! these places. Must not know how the log of a whole request is bounded: that is in `logs.rs`.

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{function_app, messages, park, requests};
use scorebox_tests::functions::values::{base64, envelope, message_metadata, request, wrapped};
use scorebox_tests::host::{Host, invoke};
use scorebox_tests::place;
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static DIGITS: Shared<Host> = Shared::new();
static TALKER: Shared<Host> = Shared::new();
static WAYWARD: Shared<Host> = Shared::new();
static FUNCTIONS: Shared<(App, FunctionsHost)> = Shared::new();

/// Largest size of an answer, of a log line, and of a record without its message, in bytes.
const SMALL: usize = 16 << 10;

/// Settings that let two long texts into one body.
const ROOM: &str = "[limits]\nbody = \"32MiB\"\n";

/// Character at the end of a text that was cut.
const MARK: char = '…';

fn long() -> String {
    "long".repeat(5 << 18)
}

/// Asserts that the answer to a request, its headers and its log line are small. Returns the
/// answer's body.
#[track_caller]
fn is_small(
    host: &Host,
    path: &str,
    content_type: &str,
    body: impl Into<Vec<u8>>,
    status: u16,
) -> Value {
    let answer = host.send("POST", path, &[("content-type", content_type)], body);
    assert_eq!(answer.status, status, "{:.2000}", answer.text());
    assert!(
        answer.body.len() < SMALL,
        "{path}: {} bytes",
        answer.body.len()
    );
    let headers: usize = answer
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    assert!(headers < SMALL, "{path}: {headers} bytes of headers");
    let id = answer.header("x-request-id").expect("an id").to_owned();
    let line = host.log.wait_for_failure(&id).to_string();
    assert!(line.len() < SMALL, "{path}: a line of {} bytes", line.len());
    answer.json()
}

#[track_caller]
fn is_marked(answer: &Value) {
    let texts = [&answer["message"], &answer["pointer"]];
    assert!(
        texts
            .iter()
            .any(|text| text.as_str().is_some_and(|text| text.contains(MARK))),
        "{answer}"
    );
}

#[test]
fn keys_and_values_of_tensors_come_back_small() {
    let host = DIGITS.get(|| Host::start(&place::example("digits")));
    let score = |body: Value| is_small(&host, "/score", "application/json", body.to_string(), 400);
    is_marked(&score(json!({ long(): [[1]] })));
    // If the characters of a key are escaped in a pointer, they become longer.
    is_marked(&score(json!({ "~/".repeat(5 << 19): [[1]] })));
    score(json!({ "data": [[long()]] }));
    score(json!({ "data": long() }));
    score(json!(long()));
    is_small(&host, "/score", "application/json", long(), 400);
    is_small(
        &host,
        "/score",
        &format!("text/{}", "t".repeat(50_000)),
        "x",
        415,
    );
}

#[test]
fn names_of_the_open_inference_protocol_come_back_small() {
    let host = DIGITS.get(|| Host::start(&place::example("digits")));
    let input = |key: &str, value: Value| {
        let mut input = json!({"name": "data", "shape": [1, 784], "datatype": "FP32", "data": [1]});
        input[key] = value;
        json!({ "inputs": [input] })
    };
    let infer = |body: Value| {
        is_small(
            &host,
            "/v2/models/digits/infer",
            "application/json",
            body.to_string(),
            400,
        )
    };
    is_marked(&infer(input("datatype", json!(long()))));
    infer(input("name", json!(long())));
    infer(input("data", json!([long()])));
    infer(input("shape", json!([long()])));
    infer(input("parameters", json!(long())));
    let mut request = input("name", json!("data"));
    request["id"] = long().into();
    infer(request);
    infer(json!({"inputs": [], "outputs": [{"name": long()}]}));
}

#[test]
fn what_a_schema_does_not_allow_comes_back_small() {
    let host = TALKER.get(|| Host::start(&App::of(programs::TALKER)));
    let score = |body: Value| is_small(&host, "/score", "application/json", body.to_string(), 400);
    is_marked(&score(json!({ long(): 1 })));
    score(json!({ "way": long() }));
    score(json!({ "times": long() }));
    score(json!(long()));
    is_small(&host, "/score", "application/json", long(), 400);
}

#[test]
fn paths_queries_and_headers_come_back_small() {
    let host = DIGITS.get(|| Host::start(&place::example("digits")));
    let long = "long".repeat(12_000);
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let answer = host.send(method, path, headers, "{}");
        let headers: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        assert!(
            answer.body.len() + headers < SMALL,
            "{method} {path:.40}: {} {headers}",
            answer.body.len()
        );
    };
    send("POST", &format!("/{long}"), &[]);
    send("GET", &format!("/v2/models/{long}"), &[]);
    send("POST", &format!("/score?{long}"), &[]);
    send(&long, "/score", &[]);
    for name in [
        "x-request-id",
        "x-ms-request-id",
        "x-ms-client-request-id",
        "traceid",
        "content-type",
        "accept",
        "x-other",
    ] {
        send("POST", "/score", &[(name, &long)]);
    }
    let log = host.log.text();
    assert!(log.lines().all(|line| line.len() < SMALL), "{}", log.len());
}

#[test]
fn what_a_scorer_says_of_a_failure_comes_back_small() {
    let host = WAYWARD.get(|| Host::start(&App::with(programs::WAYWARD, ROOM)));
    let score = |deed: Value, status| {
        is_small(
            &host,
            "/score",
            "application/json",
            deed.to_string(),
            status,
        )
    };
    for (deed, status) in [("reject", 422), ("unavailable", 503), ("fail", 500)] {
        is_marked(&score(
            json!({"do": deed, "code": "c", "message": long(), "detail": long()}),
            status,
        ));
        score(json!({"do": deed, "code": long(), "message": "m"}), status);
        score(
            json!({"do": deed, "code": "c".repeat(5 << 20), "message": "m", "detail": long()}),
            status,
        );
    }
    score(json!({"do": "panic", "message": long()}), 500);
    score(
        json!({"do": "wrong-type", "content_type": long(), "body": "x"}),
        500,
    );
    // The text is a media type, but no client accepts a header of 5 MB.
    score(
        json!({"do": "wrong-type", "content_type": format!("text/{}", long()), "body": "x"}),
        500,
    );
    // The SDK's parser repeats a value that it does not know.
    score(json!({ "do": long() }), 422);
    let said = invoke(
        &App::with(programs::WAYWARD, ROOM),
        "application/json",
        json!({"do": "fail", "code": "c", "message": long(), "detail": long()})
            .to_string()
            .as_bytes(),
    );
    assert!(said.ended(23).stderr.len() < SMALL);
}

fn functions() -> (App, FunctionsHost) {
    let one = |data_type| messages("msg", "one", data_type, &[park()]);
    let functions = [
        ("request", requests("res", &[])),
        ("text", one(Some("string"))),
        ("bytes", one(Some("binary"))),
        ("kept", messages("msg", "one", Some("binary"), &[])),
    ];
    let app = function_app(programs::WAYWARD, "", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    (app, host)
}

/// Asserts that the record of a parked message is small without the message, and so are the lines
/// of the invocation.
#[track_caller]
fn is_parked_small(deed: &Value, metadata: Value) -> Value {
    let shared = FUNCTIONS.get(functions);
    let body = deed.to_string();
    let bound = shared
        .1
        .invoke("bytes", &envelope("msg", base64(&body), metadata))
        .unwrap_or_else(|failed| panic!("{failed:?}"));
    let record = bound.json("park");
    let bytes = record.to_string().len() - json!(body).to_string().len();
    assert_eq!(record["body"], body, "the message is whole");
    assert!(bytes < SMALL, "{bytes}");
    assert!(json!(bound.logs).to_string().len() < SMALL);
    record
}

#[test]
fn a_parked_record_is_small_but_for_the_message() {
    let reject = |message: &str| json!({"do": "reject", "code": "no", "message": message});
    let metadata = |name: &str, value: Value| {
        let mut metadata = message_metadata("m-1", 1);
        metadata[name] = value;
        metadata
    };
    let record = is_parked_small(&reject(&long()), metadata("Subject", wrapped("s")));
    is_marked(&record["problem"]);
    for name in [
        "MessageId",
        "CorrelationId",
        "Subject",
        "ReplyTo",
        "ContentType",
        "SessionId",
        "DeadLetterSource",
    ] {
        let record = is_parked_small(&reject("no"), metadata(name, wrapped(long())));
        assert!(record.to_string().contains(MARK), "{name}");
    }
    is_parked_small(
        &reject("no"),
        metadata("ApplicationProperties", json!({"p": long()})),
    );
    is_parked_small(
        &reject("no"),
        metadata("ApplicationProperties", json!({ long(): 1 })),
    );
    let log = FUNCTIONS.get(functions).1.log();
    assert!(log.lines().all(|line| line.len() < SMALL));
}

#[test]
fn an_envelope_that_does_not_fit_is_answered_in_few_words() {
    let shared = FUNCTIONS.get(functions);
    let bodies = [
        json!(long()),
        json!({ "Data": long() }),
        json!({ long(): 1 }),
        json!({ "Data": { long(): 1 } }),
        json!({ "Data": { "req": long() } }),
        json!({ "Data": { "req": { "Headers": long() } } }),
        json!({ "Data": { "req": { "Params": long() } } }),
    ];
    for body in bodies {
        match shared.1.invoke("request", body.to_string().as_bytes()) {
            Err(scorebox_tests::functions::outputs::Failed::Status(400, body)) => {
                assert!(body.len() < SMALL, "{}", body.len())
            }
            other => panic!("{other:?}"),
        }
    }
    let deed = json!({"do": "count"}).to_string();
    for name in [
        "content-type",
        "traceid",
        "x-request-id",
        "x-ms-client-request-id",
        "x-other",
    ] {
        let value = if name == "content-type" {
            format!("text/{}", long())
        } else {
            long()
        };
        let bound = shared.1.invoke(
            "request",
            &envelope(
                "req",
                request(&[(name, &value)], Some(deed.as_bytes())),
                json!({}),
            ),
        );
        let response = bound
            .unwrap_or_else(|failed| panic!("{failed:?}"))
            .response
            .expect("it is an HTTP function");
        let bytes = response.body.len() + json!(response.headers).to_string().len();
        assert!(bytes < SMALL, "{name}: {bytes}");
    }
    assert!(shared.1.log().lines().all(|line| line.len() < SMALL));
}

#[test]
fn every_failure_that_is_answered_in_an_envelope_is_among_its_lines() {
    let octets = "application/octet-stream";
    let echo = scorebox_tests::functions::app::echoing_app(
        "",
        json!({}),
        &[("named", requests("res", &[]))],
    );
    let host = FunctionsHost::start(&echo);
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        let bound = host.invoke(
            "named",
            &envelope("req", request(headers, Some(body)), json!({})),
        );
        let bound = bound.unwrap_or_else(|failed| panic!("{failed:?}"));
        let response = bound.response.expect("it is an HTTP function");
        let problem: Value = serde_json::from_slice(&response.body).expect("an error is JSON");
        let code = problem["code"].as_str().expect("a code").to_owned();
        assert!(
            bound.logs.iter().any(|line| line.starts_with(&code)),
            "{code}: {:?}",
            bound.logs
        );
        code
    };
    assert_eq!(
        send(&[("content-type", octets)], b"\xff\x00\x01"),
        "binary-answer"
    );
    assert_eq!(
        send(
            &[("content-type", octets), ("x-request-id", &"i".repeat(101))],
            b"x"
        ),
        "id-too-long"
    );
    assert_eq!(
        send(&[("content-type", "text/plain")], &vec![b'x'; 9 << 20]),
        "too-large"
    );
}
