//! The requests that every scorer gets in the comparison of languages, with the correct answers.
//!
//! Owns the arithmetic of the model that the templates of `cargo xtask new` ship. Must not know
//! languages. A scorer that answers wrongly gets no figures.

use scorebox_workspace::failure::Failure;
use serde_json::{Value, json};

use crate::bench::client::{self, Answer};
use crate::bench::server::Server;

/// JSON body of the request with which the latency and the memory of scorers are measured.
pub const SAMPLE: &str = r#"{"features": [1, 2, 0.5]}"#;

/// Number of requests whose answers are checked before a scorer is measured.
const COUNT: u32 = 100;

/// Coefficients of the logistic regression in the templates of `cargo xtask new`.
const WEIGHTS: [f64; 3] = [0.8, -0.4, 1.5];
/// Intercept of the logistic regression in the templates of `cargo xtask new`.
const INTERCEPT: f64 = -1.0;

/// Maximum accepted difference between the probability in an answer and the correct one. They
/// differ because the scorers' weights are 32-bit numbers.
const TOLERANCE: f64 = 1e-5;

/// A request with its correct answer.
pub struct Question {
    /// Bytes of the whole HTTP request, with its head and its body.
    pub bytes: Vec<u8>,
    probability: f64,
}

/// Returns the 100 requests whose answers are checked before a scorer is measured. Each has
/// different features.
pub fn all() -> Vec<Question> {
    (0..COUNT).map(f64::from).map(Question::of).collect()
}

impl Question {
    fn of(number: f64) -> Self {
        let features = [0.25 * number, 2.0 - 0.125 * number, 0.5];
        let products = features.iter().zip(WEIGHTS).map(|(x, weight)| x * weight);
        let dot = products.sum::<f64>() + INTERCEPT;
        Self {
            bytes: client::request(&json!({ "features": features }).to_string()),
            probability: 1.0 / (1.0 + (-dot).exp()),
        }
    }

    /// Fails if a server's answer to this request does not have the status code 200 and the
    /// probability that the model computes.
    pub fn check(&self, server: &Server, answer: &Answer) -> Result<(), Failure> {
        if answer.status == 200 && self.is_answered_by(&answer.body) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(server.failure(&format!(
            "its answer is not that of the model, {}: {} {body}",
            self.probability, answer.status
        )))
    }

    fn is_answered_by(&self, body: &[u8]) -> bool {
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let found = body
            .as_ref()
            .and_then(|body| body.get("probability")?.as_f64());
        found.is_some_and(|found| (found - self.probability).abs() < TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_with_the_model() {
        let questions = all();
        assert_eq!(questions.len(), 100);
        // The features of this request are 1, 1.5 and 0.5, so the dot product is -0.05.
        let fifth = &questions[4];
        assert!(fifth.is_answered_by(br#"{"probability":0.4875026}"#));
        assert!(!fifth.is_answered_by(br#"{"probability":0.4876}"#));
        assert!(!fifth.is_answered_by(b"{}"));
        assert!(!fifth.is_answered_by(b""));
    }
}
