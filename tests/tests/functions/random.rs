//! Random and damaged invocations: random content arrives unchanged, and damaged content gets no
//! undeserved success.
//!
//! Owns the generated invocations. Must not know how the host parses them. A second parser, in
//! `tests/fuzz`, decides which result an invocation deserves.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use scorebox_fuzz::envelope::{Deserved, FUNCTIONS, deserved, repeats};
use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, requests};
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::functions::values::{
    base64, blob, envelope, message_metadata, request, text_message, wrapped,
};
use scorebox_tests::place;
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static HOST: Shared<(App, FunctionsHost)> = Shared::new();

fn mirror() -> (App, FunctionsHost) {
    let functions = FUNCTIONS.map(|(name, trigger, _)| {
        let bindings = match name {
            "blob" => blobs(None, &[]),
            "request" | "inputs" => requests("res", &[]),
            _ => {
                let (cardinality, data_type) = match name.split_once('-') {
                    Some((cardinality, "text")) => (cardinality, Some("string")),
                    Some((cardinality, data_type)) => (cardinality, Some(data_type)),
                    None => (name, None),
                };
                messages(trigger, cardinality, data_type, &[])
            }
        };
        (name, bindings)
    });
    let app = function_app(programs::MIRROR, "", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    (app, host)
}

/// Checks a property on many cases. Every run has the same cases.
#[track_caller]
fn hold<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let persistence = Box::new(FileFailurePersistence::Off);
    let config = Config {
        cases,
        failure_persistence: Some(persistence),
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    if let Err(error) = runner.run(strategy, property) {
        panic!("{error}");
    }
}

/// Returns the payloads that reached the scorer, which it repeats in its answers.
fn payloads(bound: &Bound) -> Vec<Vec<u8>> {
    let answers: Vec<Vec<u8>> = match &bound.response {
        Some(response) => vec![response.body.clone()],
        None => bound.of("output").into_iter().map(<[u8]>::to_vec).collect(),
    };
    let body = |answer: &[u8]| {
        let answer: Value = serde_json::from_slice(answer).expect("the mirror answers in JSON");
        let bytes = answer["body"].as_array().expect("with the body").iter();
        bytes
            .map(|byte| u8::try_from(byte.as_u64().unwrap_or(256)).expect("a byte"))
            .collect()
    };
    answers.iter().map(|answer| body(answer)).collect()
}

#[track_caller]
fn arrived(function: &str, body: &[u8]) -> Result<Vec<Vec<u8>>, TestCaseError> {
    let shared = HOST.get(mirror);
    let bound = shared.1.invoke(function, body);
    bound
        .map(|bound| payloads(&bound))
        .map_err(|failed| TestCaseError::fail(format!("{failed:?}")))
}

/// Generates texts that are sometimes JSON, or look like base64, or like metadata.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-z0-9+/]{4,12}={0,2}",
        select(vec![
            "null",
            "1234",
            "\"x\"",
            "[]",
            "{}",
            "[\"a\"]",
            "{\"MessageId\":\"x\",\"Uri\":1}",
            " {\"a\":1}",
            ""
        ])
        .prop_map(str::to_owned),
    ]
}

#[test]
fn any_bytes_arrive_as_they_are() {
    hold(200, &vec(any::<u8>(), 0..2000), |bytes| {
        prop_assert_eq!(
            arrived("blob", &blob("blob", &bytes, json!({})))?,
            [bytes.as_slice()]
        );
        let body = envelope("msg", base64(&bytes), message_metadata("m", 1));
        prop_assert_eq!(arrived("one-binary", &body)?, [bytes.as_slice()]);
        let octets = request(
            &[("Content-Type", "application/octet-stream")],
            Some(&bytes),
        );
        prop_assert_eq!(
            arrived("request", &envelope("req", octets, json!({})))?,
            [bytes.as_slice()]
        );
        Ok(())
    });
}

#[test]
fn any_text_arrives_as_it_is() {
    hold(400, &texts(), |text| {
        for function in ["one", "one-text"] {
            let body = text_message("msg", &text, message_metadata("m", 1));
            prop_assert_eq!(arrived(function, &body)?, [text.as_bytes()]);
        }
        let body = request(&[("Content-Type", "text/plain")], Some(text.as_bytes()));
        prop_assert_eq!(
            arrived("request", &envelope("req", body, json!({})))?,
            [text.as_bytes()]
        );
        Ok(())
    });
}

#[test]
fn any_batch_arrives_in_its_order() {
    hold(100, &vec(texts(), 0..12), |texts| {
        let body = envelope("msgs", wrapped(texts.clone()), json!({}));
        let expected: Vec<_> = texts.iter().map(|text| text.clone().into_bytes()).collect();
        prop_assert_eq!(arrived("many-text", &body)?, expected.clone());
        let bytes: Vec<_> = texts.iter().map(base64).collect();
        prop_assert_eq!(
            arrived("many-binary", &envelope("msgs", wrapped(bytes), json!({})))?,
            expected
        );
        Ok(())
    });
}

/// A change to an envelope on its way to the host.
#[derive(Debug, Clone)]
enum Damage {
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Flip(Index, u8),
    Repeat(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let token = select(vec![
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        "-1",
        "1e999",
        "\\u0000",
        "\"Data\"",
        "\"Metadata\"",
        "=",
        "\\\"",
        "9007199254740993",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 1..40_usize).prop_map(|(at, bytes)| Damage::Remove(at, bytes)),
        (any::<Index>(), token)
            .prop_map(|(at, token)| Damage::Insert(at, token.as_bytes().to_vec())),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, bytes)| Damage::Repeat(at, bytes)),
    ]
}

fn damaged(mut body: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let length = body.len();
        let at = |index: &Index| index.index(length + 1);
        match damage {
            Damage::Cut(index) => body.truncate(at(index)),
            Damage::Remove(index, bytes) => {
                drop(body.drain(at(index)..length.min(at(index) + bytes)))
            }
            Damage::Insert(index, bytes) => {
                drop(body.splice(at(index)..at(index), bytes.iter().copied()))
            }
            Damage::Flip(index, mask) => {
                if let Some(byte) = body.get_mut(at(index)) {
                    *byte ^= mask;
                }
            }
            Damage::Repeat(index, bytes) => {
                let again = body[at(index)..length.min(at(index) + bytes)].to_vec();
                drop(body.splice(at(index)..at(index), again));
            }
        }
    }
    body
}

#[test]
fn damaged_invocations_get_no_success_that_they_do_not_deserve() {
    let folder = place::workspace().join("tests/data/envelopes");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let whole: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).expect("a file can be read"))
        .collect();
    let strategy = (
        select(whole),
        vec(damage(), 0..4),
        select(FUNCTIONS.to_vec()),
    );
    let shared = HOST.get(mirror);
    let host = &shared.1;
    let pid = host.pid();
    hold(
        4000,
        &strategy,
        |(body, damages, (function, trigger, form))| {
            let body = damaged(body, &damages);
            let answer = host.invoke(function, &body);
            let shown = String::from_utf8_lossy(&body);
            match (deserved(trigger, form, &body), answer) {
                (Deserved::Nothing, Err(Failed::Status(400, _))) => {}
                (Deserved::Payloads(expected), Ok(bound)) => {
                    prop_assert_eq!(payloads(&bound), expected, "{}", shown)
                }
                (Deserved::Payloads(_), Err(Failed::Status(400, _))) if repeats(&body) => {}
                (Deserved::Unknown, Ok(_) | Err(Failed::Status(400, _))) => {}
                (deserved, answer) => {
                    prop_assert!(false, "{function}: {shown}: {deserved:?}, {answer:?}")
                }
            }
            Ok(())
        },
    );
    assert_eq!(host.pid(), pid);
    host.check_levels();
    let body = blob("blob", b"still here", json!({}));
    assert_eq!(arrived("blob", &body).expect("it works"), [b"still here"]);
}
