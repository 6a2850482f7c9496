//! Tests without a host: `cargo test`.

use scorebox_guest::Error;
use scorebox_guest::testing::{self, Host};
use serde_json::Value;

use super::Risk;

#[test]
fn the_sample_is_answered() {
    let host = Host::new().model("model").unwrap().install();
    let mut risk: Risk = host.start().unwrap();
    let sample: Value = serde_json::from_str(include_str!("../sample.json")).unwrap();
    let answer = testing::post(&mut risk, &sample["inputs"].to_string()).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let [found, expected] = [&answer, &sample["outputs"]].map(|of| of["probability"].as_f64());
    assert!((found.unwrap() - expected.unwrap()).abs() < 1e-6, "{answer}");
    testing::score_examples(&mut risk).unwrap();
}

#[test]
fn a_negative_income_is_rejected() {
    let host = Host::new().model("model").unwrap().install();
    let mut risk: Risk = host.start().unwrap();
    let refused = testing::post(&mut risk, r#"{"features": [-1, 2, 0.5]}"#);
    assert!(matches!(refused, Err(Error::Rejected(problem)) if problem.code == "negative-income"));
}
