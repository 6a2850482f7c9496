//! The digits' example compared with scikit-learn, through the server and without it.
//!
//! Owns the agreement on all 200 digits. Must not know more of the host's JSON than its documented
//! form.

use scorebox_tests::digits::{self, sample};
use scorebox_tests::host::{Host, invoke};
use scorebox_tests::place;
use scorebox_tests::shared::Shared;
use serde_json::json;

static HOST: Shared<Host> = Shared::new();

fn start() -> Host {
    Host::start(&place::example("digits"))
}

#[test]
fn each_digit_alone_is_scored_as_scikit_learn_does() {
    let host = HOST.get(start);
    for digit in sample() {
        let answer = host.score(&json!({ "data": [digit.row()] })).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        digits::check(std::slice::from_ref(digit), &answer.json());
    }
}

#[test]
fn all_digits_in_one_call_are_scored_as_scikit_learn_does() {
    let host = HOST.get(start);
    let answer = host.score(&digits::request(sample())).expect(200);
    digits::check(sample(), &answer.json());
}

#[test]
fn the_trigger_s_route_gives_the_same_answer() {
    let host = HOST.get(start);
    let request = digits::request(&sample()[..3]);
    let headers = [("content-type", "application/json")];
    let by_route = host
        .send("POST", "/api/score", &headers, request.to_string())
        .expect(200);
    assert_eq!(by_route.body, host.score(&request).expect(200).body);
}

#[test]
fn pixels_by_the_port_s_name_and_as_integers_are_understood() {
    let host = HOST.get(start);
    // The model's own port has the name that Azure ML's form uses, so both forms are the same.
    let pixels: Vec<u8> = sample()[0]
        .pixels
        .iter()
        .map(|pixel| u8::from(*pixel > 127))
        .collect();
    let answer = host.score(&json!({ "data": [pixels] })).expect(200).json();
    assert_eq!(answer["label"].as_array().map(Vec::len), Some(1));
}

#[test]
fn answers_carry_azure_ml_s_headers() {
    let host = HOST.get(start);
    let answer = host.score(&digits::request(&sample()[..1])).expect(200);
    assert_eq!(answer.header("x-ms-run-function-failed"), Some("False"));
    assert_eq!(answer.header("x-ms-server-version"), Some("scorebox/0.1.0"));
    let milliseconds: f64 = answer
        .header("x-ms-run-fn-exec-ms")
        .expect("a time")
        .parse()
        .expect("a number");
    assert!(
        milliseconds > 0.0 && milliseconds < 60_000.0,
        "{milliseconds}"
    );
}

#[test]
fn invoke_scores_without_a_server() {
    let app = place::example("digits");
    let request = digits::request(&sample()[..10]);
    let finished = invoke(&app, "application/json", request.to_string().as_bytes()).ended(0);
    digits::check(&sample()[..10], &finished.json());
    let host = HOST.get(start);
    assert_eq!(
        finished.stdout.trim_end().as_bytes(),
        host.score(&request).expect(200).body
    );
}

#[test]
fn invoke_reads_a_file_and_tells_what_is_wrong() {
    let app = place::example("digits");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("input.json");
    std::fs::write(&file, digits::request(&sample()[..1]).to_string()).unwrap();
    let mut command = scorebox_tests::host::scorebox("invoke", &app);
    let finished = scorebox_tests::run::finish(command.arg("--input").arg(&file), b"").ended(0);
    digits::check(&sample()[..1], &finished.json());

    let finished = invoke(&app, "application/json", br#"{"data": [[1, 2]]}"#).ended(20);
    let finished = finished.said(&["not-conforming", "784"]);
    assert_eq!(finished.stdout, "");
}
