//! Inputs of the benchmarks, which are handwritten digits, and the check of the answers.
//!
//! Owns the requests and the answers that are right. Must not know how servers are measured. A
//! server that gives a wrong answer is not measured.

use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

use super::client::{self, Answer};
use super::server::Server;
use crate::demo::SAMPLE;
use crate::demo::sample::{self, Agreement, Digit, Trained};

/// A handwritten digit of the file [`SAMPLE`], as a request that asks a server to score the digit.
pub struct Question {
    digit: Digit,
    /// Body of the request, as JSON.
    pub json: String,
    /// Bytes of the whole HTTP request, with its head and its body.
    pub bytes: Vec<u8>,
}

impl Question {
    /// Returns a request that asks a server to score the first digit of the file [`SAMPLE`]. Fails
    /// if the file cannot be read, or has no digit.
    pub fn read() -> Result<Self, Failure> {
        let first = Self::all()?.into_iter().next();
        first.ok_or_else(|| {
            Failure::file(
                &workspace::root().join(SAMPLE),
                "be used",
                "it holds no digit",
            )
        })
    }

    /// Returns one request for each handwritten digit of the file [`SAMPLE`]. Fails if the file
    /// cannot be read, or does not have the expected form.
    pub fn all() -> Result<Vec<Self>, Failure> {
        Ok(sample::read(&workspace::root().join(SAMPLE))?
            .into_iter()
            .map(Self::of)
            .collect())
    }

    fn of(digit: Digit) -> Self {
        let json = sample::request(std::slice::from_ref(&digit)).to_string();
        let bytes = client::request(&json);
        Self { digit, json, bytes }
    }

    /// Fails if a server's answer to this request is not the answer of scikit-learn's logistic
    /// regression.
    pub fn check(&self, server: &Server, answer: &Answer) -> Result<(), Failure> {
        self.check_as(Trained::Regression, server, answer)
    }

    /// Fails if a server's answer to this request is not the answer of `model`, as scikit-learn
    /// computes it.
    pub fn check_as(
        &self,
        model: Trained,
        server: &Server,
        answer: &Answer,
    ) -> Result<(), Failure> {
        let mut agreement = Agreement::with(model);
        if let Ok(body) = serde_json::from_slice(&answer.body) {
            agreement.add(std::slice::from_ref(&self.digit), &body);
        }
        if answer.status == 200 && agreement.is_full() {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(server.failure(&format!(
            "its answer is not scikit-learn's: {} {body}",
            answer.status
        )))
    }
}
