//! Ten thousand invocations of every kind at once, good and bad: each has its own answer and its
//! own lines.
//!
//! Owns the mixture and the expected outcome of each part. Must not know how the host keeps
//! invocations apart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, park, requests};
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::functions::values::{
    base64, blob, envelope, message_metadata, request, wrapped,
};
use scorebox_tests::programs;
use serde_json::{Value, json};

const INVOCATIONS: usize = 10_000;

/// Number of concurrent invocations, as in the Functions host.
const PARALLEL: usize = 16;

/// The behaviour that an invocation asks the scorer for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Log,
    Print,
    Reject,
    Unavailable,
    Fail,
    Panic,
    Trap,
    /// A computation without an end.
    Loop,
    /// A wait without an end.
    Wait,
}

impl Deed {
    /// Returns the deed for a number. Most deeds are good, and few take the whole deadline.
    fn of(number: usize) -> Self {
        match number % 1000 {
            0 => Self::Loop,
            1..=2 => Self::Wait,
            3..=60 => Self::Trap,
            61..=120 => Self::Panic,
            121..=200 => Self::Fail,
            201..=300 => Self::Unavailable,
            301..=450 => Self::Reject,
            451..=650 => Self::Print,
            _ => Self::Log,
        }
    }

    fn body(self, mark: &str) -> Value {
        let told = |what: &str| json!({"do": what, "code": "told", "message": mark});
        match self {
            Self::Log => json!({"do": "log", "level": "info", "context": "c", "message": mark}),
            Self::Print => json!({"do": "print", "stdout": [mark, "two"]}),
            Self::Reject => told("reject"),
            Self::Unavailable => told("unavailable"),
            Self::Fail => told("fail"),
            Self::Panic => json!({"do": "panic", "message": mark}),
            Self::Trap => json!({"do": "trap"}),
            Self::Loop => json!({"do": "loop"}),
            Self::Wait => json!({"do": "sleep", "ms": 60_000, "idle": true}),
        }
    }

    /// Returns the status and code of a failure, and true if its message is parked. `None` for a
    /// good deed.
    fn failure(self) -> Option<(u16, &'static str, bool)> {
        match self {
            Self::Log | Self::Print => None,
            Self::Reject => Some((422, "told", true)),
            Self::Unavailable => Some((503, "told", false)),
            Self::Fail => Some((500, "told", false)),
            Self::Panic | Self::Trap => Some((500, "trapped", false)),
            Self::Loop | Self::Wait => Some((504, "timed-out", false)),
        }
    }

    /// Asserts that the lines are those of this deed, each with the prefix `before`.
    fn check_lines(self, lines: &[String], before: &str, mark: &str) {
        let expected: Vec<String> = match self {
            Self::Log => vec![format!("INFO c: {mark}")],
            Self::Print => vec![
                format!("INFO stdout: {mark}"),
                "INFO stdout: two".to_owned(),
            ],
            Self::Reject | Self::Unavailable | Self::Fail => vec![format!("told {mark}")],
            Self::Panic => vec![format!("ERROR panic: {mark} ("), "trapped ".to_owned()],
            Self::Trap => vec!["trapped ".to_owned()],
            Self::Loop | Self::Wait => vec!["timed-out ".to_owned()],
        };
        assert_eq!(lines.len(), expected.len(), "{mark}: {lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            let is_whole = !matches!(self, Self::Panic | Self::Trap | Self::Loop | Self::Wait);
            let expected = format!("{before}{expected}");
            let fits = if is_whole {
                *line == expected
            } else {
                line.starts_with(&expected)
            };
            assert!(fits, "{mark}: {line} is not {expected}");
        }
    }
}

/// Returns a scattered number, so that neighbouring invocations have nothing in common.
fn scattered(number: usize) -> usize {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24
}

fn check_failed(answer: Result<Bound, Failed>, status: u16, code: &str, mark: &str) {
    match answer {
        Err(Failed::Status(found, body)) => {
            let body: Value = serde_json::from_slice(&body).expect("an error is JSON");
            assert_eq!(
                (found, &body["code"]),
                (status, &json!(code)),
                "{mark}: {body}"
            );
        }
        other => panic!("{mark}: {other:?}"),
    }
}

fn check_blob(host: &FunctionsHost, deed: Deed, mark: &str) {
    let metadata =
        json!({"blobname": wrapped(mark), "Uri": wrapped(format!("https://a/in/{mark}.json"))});
    let answer = host.invoke(
        "blobs",
        &blob("blob", deed.body(mark).to_string().as_bytes(), metadata),
    );
    match deed.failure() {
        Some((status, code, _)) => check_failed(answer, status, code, mark),
        None => {
            let bound = answer.unwrap_or_else(|failed| panic!("{mark}: {failed:?}"));
            assert_eq!(bound.json("output"), json!({}), "{mark}");
            deed.check_lines(&bound.logs, "", mark);
        }
    }
}

fn check_message(host: &FunctionsHost, deed: Deed, is_last: bool, mark: &str) {
    let metadata = message_metadata(mark, if is_last { 10 } else { 1 });
    let answer = host.invoke(
        "messages",
        &envelope("msg", base64(deed.body(mark).to_string()), metadata),
    );
    let failure = deed.failure();
    if let Some((status, code, false)) = failure.filter(|_| !is_last) {
        return check_failed(answer, status, code, mark);
    }
    let bound = answer.unwrap_or_else(|failed| panic!("{mark}: {failed:?}"));
    match failure {
        None => assert_eq!(bound.json("output"), json!({}), "{mark}"),
        Some((_, code, _)) => {
            let record = bound.json("park");
            assert_eq!(record["problem"]["code"], code, "{mark}");
            assert_eq!(record["attributes"]["message-id"], mark);
            assert_eq!(record["body"], deed.body(mark).to_string(), "{mark}");
        }
    }
    deed.check_lines(&bound.logs, "", mark);
}

fn check_batch(host: &FunctionsHost, deed: Deed, mark: &str) {
    let marks = [format!("{mark}-a"), mark.to_owned(), format!("{mark}-c")];
    let deeds = [Deed::Log, deed, Deed::Print];
    let bodies: Vec<_> = deeds
        .iter()
        .zip(&marks)
        .map(|(deed, mark)| base64(deed.body(mark).to_string()))
        .collect();
    let metadata = json!({"MessageIdArray": wrapped(marks.to_vec())});
    let answer = host.invoke("batches", &envelope("msgs", wrapped(bodies), metadata));
    if let Some((status, code, false)) = deed.failure() {
        return check_failed(answer, status, code, mark);
    }
    let bound = answer.unwrap_or_else(|failed| panic!("{mark}: {failed:?}"));
    let is_parked = deed.failure().is_some();
    assert_eq!(
        bound.of("output").len(),
        if is_parked { 2 } else { 3 },
        "{mark}"
    );
    assert_eq!(bound.of("park").len(), usize::from(is_parked), "{mark}");
    for (index, (deed, mark)) in deeds.iter().zip(&marks).enumerate() {
        let before = format!("{index}: ");
        let own: Vec<_> = bound
            .logs
            .iter()
            .filter(|line| line.starts_with(&before))
            .cloned()
            .collect();
        deed.check_lines(&own, &before, mark);
    }
}

fn check_request(host: &FunctionsHost, deed: Deed, mark: &str) {
    let headers = [("Content-Type", "application/json"), ("x-request-id", mark)];
    let request = request(&headers, Some(deed.body(mark).to_string().as_bytes()));
    let bound = host.invoke("requests", &envelope("req", request, json!({})));
    let bound = bound.unwrap_or_else(|failed| panic!("{mark}: {failed:?}"));
    deed.check_lines(&bound.logs, "", mark);
    let response = bound.response.expect("it is an HTTP function");
    let body: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(response.headers["x-request-id"], mark);
    match deed.failure() {
        None => assert_eq!((response.status, body), (200, json!({})), "{mark}"),
        Some((status, code, _)) => {
            assert_eq!(
                (response.status, &body["code"]),
                (status, &json!(code)),
                "{mark}"
            );
            assert_eq!(body["id"], mark);
        }
    }
}

#[test]
fn ten_thousand_invocations_have_their_own_answers_and_lines() {
    let functions = [
        ("blobs", blobs(None, &[])),
        (
            "messages",
            messages("msg", "one", Some("binary"), &[park()]),
        ),
        (
            "batches",
            messages("msgs", "many", Some("binary"), &[park()]),
        ),
        ("requests", requests("res", &[])),
    ];
    let app = function_app(
        programs::WAYWARD,
        "[limits]\ndeadline = \"1s\"\n",
        json!({}),
        &functions,
    );
    let host = FunctionsHost::start(&app);
    let pid = host.pid();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= INVOCATIONS {
                        break;
                    }
                    let (scattered, mark) = (scattered(number), format!("mark-{number:05}"));
                    let deed = Deed::of(scattered / 8);
                    match scattered % 4 {
                        0 => check_blob(&host, deed, &mark),
                        1 => check_message(&host, deed, scattered % 8 == 1, &mark),
                        2 => check_batch(&host, deed, &mark),
                        _ => check_request(&host, deed, &mark),
                    }
                }
            });
        }
    });
    assert_eq!(host.pid(), pid);
    host.check_levels();
    host.invoke(
        "messages",
        &envelope("msg", base64(r#"{"do": "count"}"#), json!({})),
    )
    .expect("it still works");
}
