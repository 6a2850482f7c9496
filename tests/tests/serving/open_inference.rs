//! The Open Inference Protocol and bare bytes, through the real server.
//!
//! The scorers are the digits' example, and the test program `dtypes` with a port for each element
//! type. Owns what a client of KServe or Triton sees: the servers and requests that the parts
//! share. Must not know Azure ML's form: that is in `bad_input.rs`, and in the area `models` in
//! `tensors.rs`.

mod data;
mod routes;

use scorebox_tests::digits::{self, Digit};
use scorebox_tests::host::Host;
use scorebox_tests::place;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static DIGITS: Shared<Host> = Shared::new();

const INFER: &str = "/v2/models/digits/infer";
const JSON: (&str, &str) = ("content-type", "application/json");
const BYTES: (&str, &str) = ("content-type", "application/octet-stream");
const LENGTH: &str = "inference-header-content-length";

fn digits_host() -> Host {
    Host::start(&place::example("digits"))
}

fn pixels(digits: &[Digit]) -> Vec<f64> {
    digits.iter().flat_map(Digit::row).collect()
}

fn request(digits: &[Digit]) -> Value {
    json!({
        "id": "seven",
        "inputs": [{"name": "data", "shape": [digits.len(), 784], "datatype": "FP32", "data": pixels(digits)}],
    })
}

/// Asserts that an answer in the Open Inference Protocol has scikit-learn's predictions for these
/// digits.
#[track_caller]
fn check(digits: &[Digit], answer: &Value) {
    assert_eq!(
        (&answer["model_name"], &answer["model_version"]),
        (&json!("digits"), &json!("1.0.0")),
        "{answer}"
    );
    let [label, probabilities] = answer["outputs"].as_array().expect("outputs").as_slice() else {
        panic!("not two outputs in {answer}")
    };
    assert_eq!(
        (&label["name"], &label["datatype"]),
        (&json!("label"), &json!("INT64"))
    );
    assert_eq!(
        (&label["shape"], &probabilities["shape"]),
        (&json!([digits.len()]), &json!([digits.len(), 10]))
    );
    let rows: Vec<_> = probabilities["data"]
        .as_array()
        .expect("data")
        .chunks(10)
        .map(|row| json!(row))
        .collect();
    digits::check(
        digits,
        &json!({"label": label["data"], "probabilities": rows}),
    );
}
