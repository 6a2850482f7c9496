//! The sample of handwritten digits, with the predictions of scikit-learn for each.
//!
//! Owns the file's form and the comparison. Must not know how digits are sent.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::place;

/// Largest accepted difference between a probability in an answer and that of scikit-learn.
pub const TOLERANCE: f64 = 1e-4;

/// One handwritten digit of the sample.
#[derive(Deserialize)]
pub struct Digit {
    /// Number of the digit in the sample.
    pub id: u64,
    /// Pixels of the digit: 784 numbers from 0 to 255.
    pub pixels: Vec<u8>,
    expected: Expected,
}

/// Predictions of scikit-learn, by the name of the model.
type Expected = BTreeMap<String, Prediction>;

#[derive(Deserialize)]
struct Prediction {
    label: i64,
    proba: Vec<f64>,
}

#[derive(Deserialize)]
struct File {
    digits: Vec<Digit>,
}

static SAMPLE: LazyLock<Vec<Digit>> = LazyLock::new(|| {
    let text = std::fs::read(place::workspace().join("tests/data/digits-sample.json"))
        .expect("the sample is there");
    serde_json::from_slice::<File>(&text)
        .expect("the sample has the form that its README describes")
        .digits
});

/// Returns all 200 digits of the sample.
#[must_use]
pub fn sample() -> &'static [Digit] {
    &SAMPLE
}

/// Returns the request body that scores these digits.
#[must_use]
pub fn request(digits: &[Digit]) -> Value {
    let rows: Vec<Vec<f64>> = digits.iter().map(Digit::row).collect();
    json!({ "data": rows })
}

/// Asserts that an answer equals scikit-learn's predictions for these digits.
#[track_caller]
pub fn check(digits: &[Digit], answer: &Value) {
    let labels = answer["label"]
        .as_array()
        .unwrap_or_else(|| panic!("no labels in {answer}"));
    let probabilities = answer["probabilities"].as_array().expect("probabilities");
    assert_eq!(
        (labels.len(), probabilities.len()),
        (digits.len(), digits.len())
    );
    for ((digit, label), probabilities) in digits.iter().zip(labels).zip(probabilities) {
        digit.check(label, probabilities);
    }
}

impl Digit {
    /// Returns the pixels as numbers from 0 to 1, which are the inputs of the model.
    #[must_use]
    pub fn row(&self) -> Vec<f64> {
        self.pixels
            .iter()
            .map(|pixel| f64::from(*pixel) / 255.0)
            .collect()
    }

    /// Returns the pixels in the form in which the example `features` keeps them in a store.
    #[must_use]
    pub fn stored(&self) -> String {
        json!(self.pixels).to_string()
    }

    /// Asserts that the label and the probabilities are those of scikit-learn's logistic
    /// regression.
    #[track_caller]
    pub fn check(&self, label: &Value, probabilities: &Value) {
        self.check_by("logreg", label, probabilities);
    }

    /// Asserts that the label and the probabilities are those of the scikit-learn model with the
    /// name `model`.
    #[track_caller]
    pub fn check_by(&self, model: &str, label: &Value, probabilities: &Value) {
        let Prediction {
            label: expected_label,
            proba,
        } = &self.expected[model];
        assert_eq!(
            label.as_i64(),
            Some(*expected_label),
            "label of digit {}",
            self.id
        );
        let probabilities = probabilities.as_array().expect("a list of probabilities");
        assert_eq!(probabilities.len(), proba.len());
        for (got, expected) in probabilities.iter().zip(proba) {
            let difference = (got.as_f64().expect("a number") - expected).abs();
            assert!(
                difference <= TOLERANCE,
                "digit {}: {got} is not {expected}",
                self.id
            );
        }
    }
}
