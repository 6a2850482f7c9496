//! Handwritten digits with known answers, and the comparison of a scorer's answers with them.
//!
//! Owns the sample file's shape, the request, and the comparison with scikit-learn. Must not know
//! how requests are sent.

use std::path::Path;

use scorebox_workspace::failure::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

/// Maximum accepted difference between a probability in an answer and scikit-learn's probability,
/// which is computed in 64 bits.
const TOLERANCE: f64 = 1e-4;

/// A handwritten digit with known answers: its pixels, its true label and the answers of
/// scikit-learn's models.
#[derive(Debug, Clone, Deserialize)]
pub struct Digit {
    /// True label of the digit.
    label: i64,
    /// Pixels of the digit: 28 rows of 28 bytes.
    pixels: Vec<u8>,
    expected: Expected,
}

/// Answers of scikit-learn for one digit, from each model that was trained on images of digits.
#[derive(Debug, Clone, Deserialize)]
struct Expected {
    logreg: Answer,
    mlp: Answer,
}

/// A model that was trained on images of digits.
#[derive(Debug, Clone, Copy, Default)]
pub enum Trained {
    /// The logistic regression of the example `digits`.
    #[default]
    Regression,
    /// The neural network of the example `digits-mlp`.
    Network,
}

impl Expected {
    fn of(&self, model: Trained) -> &Answer {
        match model {
            Trained::Regression => &self.logreg,
            Trained::Network => &self.mlp,
        }
    }
}

/// Known answer of a scikit-learn model for one digit.
#[derive(Debug, Clone, Deserialize)]
struct Answer {
    label: i64,
    proba: Vec<f64>,
}

#[derive(Deserialize)]
struct Sample {
    digits: Vec<Digit>,
}

/// Reads all digits from the sample file `path`, such as `tests/data/digits-sample.json`. Fails if
/// the file cannot be read, or does not have the expected form.
pub fn read(path: &Path) -> Result<Vec<Digit>, Failure> {
    let text = std::fs::read(path).map_err(|error| Failure::file(path, "be read", error))?;
    let sample: Sample =
        serde_json::from_slice(&text).map_err(|error| Failure::file(path, "be parsed", error))?;
    Ok(sample.digits)
}

/// Returns the digit with the true label `label` of which scikit-learn's logistic regression is
/// most certain. Returns `None` if no digit has the label.
pub fn clearest(digits: &[Digit], label: i64) -> Option<&Digit> {
    let certainty = |digit: &Digit| {
        let index = usize::try_from(label).unwrap_or(usize::MAX);
        digit
            .expected
            .logreg
            .proba
            .get(index)
            .copied()
            .unwrap_or(0.0)
    };
    digits
        .iter()
        .filter(|digit| digit.label == label)
        .max_by(|a, b| certainty(a).total_cmp(&certainty(b)))
}

/// Returns a request to score the given digits, as JSON.
pub fn request(digits: &[Digit]) -> Value {
    let row = |digit: &Digit| {
        digit
            .pixels
            .iter()
            .map(|pixel| f64::from(*pixel) / 255.0)
            .collect::<Vec<_>>()
    };
    json!({ "data": digits.iter().map(row).collect::<Vec<_>>() })
}

/// Comparison of a scorer's answers with the known answers of a model.
#[derive(Debug, Default)]
pub struct Agreement {
    /// Model whose known answers are compared with the scorer's answers.
    model: Trained,
    /// Number of digits that the scorer was asked to score.
    pub count: usize,
    /// Number of digits for which the scorer answered with the true label.
    pub right: usize,
    agreed: usize,
    largest: f64,
}

impl Agreement {
    /// Creates a comparison with the known answers of `model`, without any answer of the scorer
    /// yet.
    pub fn with(model: Trained) -> Self {
        Self {
            model,
            ..Self::default()
        }
    }

    /// Compares the scorer's answer to a request for `digits` with the known answers, and counts
    /// the agreeing answers and the right labels.
    pub fn add(&mut self, digits: &[Digit], answer: &Value) {
        self.count += digits.len();
        for (index, digit) in digits.iter().enumerate() {
            let label = answer
                .pointer(&format!("/label/{index}"))
                .and_then(Value::as_i64);
            let probabilities = answer
                .pointer(&format!("/probabilities/{index}"))
                .and_then(Value::as_array);
            let expected = digit.expected.of(self.model);
            let difference = difference(&expected.proba, probabilities.map_or(&[], Vec::as_slice));
            self.right += usize::from(label == Some(digit.label));
            self.agreed += usize::from(label == Some(expected.label) && difference <= TOLERANCE);
            self.largest = self.largest.max(difference);
        }
    }

    /// Returns the percentage of digits for which the scorer answered with the true label.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.right as f64 / self.count.max(1) as f64
    }

    /// Returns true if the scorer scored at least one digit and all its answers agree with the
    /// known answers.
    pub fn is_full(&self) -> bool {
        self.count > 0 && self.agreed == self.count
    }

    /// Returns the result of the comparison as one line of text.
    pub fn summary(&self) -> String {
        format!(
            "{} of {} answers are scikit-learn's; largest difference {:.1e}, {TOLERANCE:e} allowed",
            self.agreed, self.count, self.largest
        )
    }
}

/// Returns the largest difference between two lists of numbers. It is infinite if the lists have
/// different lengths or if a value is not a number.
fn difference(expected: &[f64], found: &[Value]) -> f64 {
    if expected.len() != found.len() {
        return f64::INFINITY;
    }
    let pairs = expected.iter().zip(found);
    pairs
        .map(|(expected, found)| {
            found
                .as_f64()
                .map_or(f64::INFINITY, |found| (expected - found).abs())
        })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared() {
        let digit = Digit {
            label: 7,
            pixels: vec![0, 255],
            expected: Expected {
                logreg: Answer {
                    label: 1,
                    proba: vec![0.25, 0.75],
                },
                mlp: Answer {
                    label: 0,
                    proba: vec![],
                },
            },
        };
        let digits = [digit.clone(), digit];
        assert_eq!(
            request(&digits),
            json!({ "data": [[0.0, 1.0], [0.0, 1.0]] })
        );
        let check = |answer: Value, right: usize, agreed: usize| {
            let mut agreement = Agreement::default();
            agreement.add(&digits, &answer);
            assert_eq!(
                (agreement.right, agreement.agreed, agreement.count),
                (right, agreed, 2),
                "{answer}"
            );
        };
        let good = [0.25, 0.75001];
        check(
            json!({ "label": [1, 1], "probabilities": [good, good] }),
            0,
            2,
        );
        check(
            json!({ "label": [1, 7], "probabilities": [good, good] }),
            1,
            1,
        );
        check(
            json!({ "label": [1, 1], "probabilities": [good, [0.2, 0.8]] }),
            0,
            1,
        );
        check(json!({ "label": [1], "probabilities": [good] }), 0, 1);
        check(
            json!({ "label": [1, 1], "probabilities": [good, [null, 0.75]] }),
            0,
            1,
        );
        check(json!("no"), 0, 0);
    }
}
