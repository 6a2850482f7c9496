//! Samples: inputs, each usually with the answer that the model gave where it was trained.
//!
//! Owns the form of a file of samples, and the rule for equal answers. A model that was truncated,
//! changed during a transfer or converted wrongly can still load and run. Only an answer shows that
//! it still works. Must not know which command checks a model, nor how an answer is computed.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::{Invocation, Payload, Source};
use crate::codec::media_type::JSON;
use crate::error::{ScoreFailure, of_status};
use crate::manifest::ManifestError;
use crate::scorer::Scorer;

/// Maximum size of a sample file, in bytes. A file of this size has room for a few thousand rows of
/// a wide table, which is more than a sample needs.
const MOST_BYTES: u64 = 64 << 20;
/// Default tolerance for the numbers of an answer. The tolerance is relative for expected numbers
/// whose magnitude is above 1, and absolute for all others. Single precision and another order of
/// additions change a probability by about this much.
const TOLERANCE: f64 = 1e-4;
/// Maximum number of characters of a text, number or other scalar that an error message shows.
const SHOWN_CHARS: usize = 60;

/// The samples of a file: inputs of a scorer, each with the expected answer if the file has one.
#[derive(Debug)]
pub struct Sample {
    /// Path of the file that the samples were read from.
    pub path: PathBuf,
    /// The first sample. A file has at least one.
    first: Case,
    /// The samples after the first one.
    others: Vec<Case>,
}

/// One input of a scorer, with the expected answer if there is one.
#[derive(Debug)]
struct Case {
    inputs: Box<RawValue>,
    outputs: Option<Value>,
    tolerance: f64,
}

/// One JSON object of a sample file as serde parses it, before any value is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    inputs: Box<RawValue>,
    outputs: Option<Value>,
    tolerance: Option<f64>,
}

/// Reason why a scorer does not pass a sample.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The scorer fails on the input of the sample.
    #[error("{}", told(.0))]
    NoAnswer(ScoreFailure),
    /// The scorer answers with a status that says that the call failed.
    #[error("the scorer answers with the status {0}")]
    Status(u16),
    /// The scorer's answer is not JSON, so it cannot be compared with the expected answer.
    #[error("the answer is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// A value in the scorer's answer differs from the expected value. Long values are truncated in
    /// this error.
    #[error("{place} is {found}, and the sample says {expected}")]
    Different {
        /// JSON pointer to the first value that differs, or a text that stands for the whole
        /// answer.
        place: String,
        /// Text that shows the value at `place` in the scorer's answer.
        found: String,
        /// Text that shows the value at `place` in the expected answer of the sample.
        expected: String,
    },
    /// One of several samples in a file is not passed.
    #[error("{error}, in the sample number {number}")]
    InOne {
        /// Number of the sample in the file. The first one has the number 1.
        number: usize,
        /// Reason why the scorer does not pass this sample.
        error: Box<SampleError>,
    },
}

impl Sample {
    /// Reads the samples of a file, which holds one JSON object for each sample, one after another.
    ///
    /// # Errors
    /// Fails if the file cannot be read, has more than 64 MiB, is empty, or holds anything but
    /// valid samples.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let fail = |problem: String| ManifestError {
            path: path.to_path_buf(),
            problem,
            fix: "write {\"inputs\": BODY, \"outputs\": ANSWER, \"tolerance\": 1e-4}: the body of \
                  a call as JSON, and the answer that the model gave to it where it was trained; \
                  without `outputs`, any answer is accepted; `scorebox sample` writes such a file"
                .to_owned(),
        };
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| fail(format!("the sample cannot be read: {error}")))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(fail(format!("the sample has more than {MOST_BYTES} bytes")));
        }
        let mut cases = Vec::new();
        for raw in serde_json::Deserializer::from_slice(&bytes).into_iter() {
            let raw: Raw = raw.map_err(|error| fail(format!("is not a sample: {error}")))?;
            let tolerance = raw.tolerance.unwrap_or(TOLERANCE);
            if !(tolerance.is_finite() && tolerance >= 0.0) {
                return Err(fail(
                    "is not a sample: `tolerance` is not a number of at least 0".to_owned(),
                ));
            }
            cases.push(Case {
                inputs: raw.inputs,
                outputs: raw.outputs,
                tolerance,
            });
        }
        let mut cases = cases.into_iter();
        match cases.next() {
            Some(first) => Ok(Self {
                path: path.to_path_buf(),
                first,
                others: cases.collect(),
            }),
            None => Err(fail("is not a sample: the file is empty".to_owned())),
        }
    }

    /// Returns true if every sample of the file has an expected answer.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.cases().all(|(_, case)| case.outputs.is_some())
    }

    /// Checks that a scorer returns the expected answers to the inputs of all samples, in the order
    /// of the file. If a sample does not have an expected answer, each answer is accepted that is
    /// not a failure.
    ///
    /// # Errors
    /// Fails if the scorer fails, or if an answer differs from the expected answer. The error
    /// states the first difference.
    pub async fn try_scorer(&self, scorer: &Scorer) -> Result<(), SampleError> {
        for (number, case) in self.cases() {
            let tried = case.try_scorer(scorer).await;
            tried.map_err(|error| self.in_one(number, error))?;
        }
        Ok(())
    }

    /// Checks that an ONNX graph returns the expected answers to the inputs of all samples. If a
    /// sample does not have an expected answer, each answer is accepted.
    ///
    /// # Errors
    /// Fails if the graph fails, or if an answer differs from the expected answer. The error states
    /// the first difference.
    #[cfg(feature = "graphs")]
    pub fn try_graph(&self, graph: &crate::graph::Graph) -> Result<(), SampleError> {
        for (number, case) in self.cases() {
            let answer = crate::scorer::answer_of(graph, &case.payload());
            let answer = answer.map_err(SampleError::NoAnswer);
            let tried = answer.and_then(|answer| case.compare(&answer));
            tried.map_err(|error| self.in_one(number, error))?;
        }
        Ok(())
    }

    /// Returns the input of the first sample, as JSON.
    #[must_use]
    pub fn first_input(&self) -> &str {
        self.first.inputs.get()
    }

    /// Returns the input of the first sample as the body of a call.
    #[cfg(any(feature = "graphs", test))]
    pub(crate) fn payload(&self) -> Payload {
        self.first.payload()
    }

    /// Returns the samples with their numbers, which start with 1.
    fn cases(&self) -> impl Iterator<Item = (usize, &Case)> {
        (1..).zip(std::iter::once(&self.first).chain(&self.others))
    }

    /// Adds the number of the sample to an error, if there are several samples.
    fn in_one(&self, number: usize, error: SampleError) -> SampleError {
        if self.others.is_empty() {
            return error;
        }
        SampleError::InOne {
            number,
            error: Box::new(error),
        }
    }
}

impl Case {
    async fn try_scorer(&self, scorer: &Scorer) -> Result<(), SampleError> {
        let scored = scorer
            .run(Invocation::new("sample", Source::Direct), self.payload())
            .await;
        let scored = scored.map_err(SampleError::NoAnswer)?;
        match of_status(scored.status()) {
            Some(disposition) => Err(SampleError::Status(disposition.status)),
            None => self.compare(&scored.payload.body),
        }
    }

    fn payload(&self) -> Payload {
        let body = self.inputs.get().to_owned().into_bytes();
        Payload {
            content_type: JSON.to_owned(),
            body: body.into(),
        }
    }

    fn compare(&self, answer: &[u8]) -> Result<(), SampleError> {
        let Some(expected) = &self.outputs else {
            return Ok(());
        };
        let found: Value = serde_json::from_slice(answer)?;
        match difference(&found, expected, self.tolerance, &mut String::new()) {
            None => Ok(()),
            Some(difference) => Err(difference),
        }
    }
}

/// Returns the message for the caller about a failed call, followed by the detail for the operator
/// if there is one.
fn told(failure: &ScoreFailure) -> String {
    let row = failure.clone().disposition();
    row.detail.map_or(row.message.clone(), |detail| {
        format!("{} {detail}", row.message)
    })
}

/// Returns the first difference between a value of an answer and the expected value. Returns `None`
/// if they are equal within the tolerance. `place` is the JSON pointer to both values.
fn difference(
    found: &Value,
    expected: &Value,
    tolerance: f64,
    place: &mut String,
) -> Option<SampleError> {
    let length = place.len();
    let mut within = |name: &dyn std::fmt::Display, found: &Value, expected: &Value| {
        // Writing to a string cannot fail.
        let _ = write!(place, "/{name}");
        let found = difference(found, expected, tolerance, place);
        place.truncate(length);
        found
    };
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let mut pairs = found.iter().zip(expected).enumerate();
            pairs.find_map(|(index, (found, expected))| within(&index, found, expected))
        }
        (Value::Object(found), Value::Object(expected)) if found.keys().eq(expected.keys()) => {
            let mut pairs = found.iter().zip(expected.values());
            pairs.find_map(|((name, found), expected)| within(&escaped(name), found, expected))
        }
        (Value::Number(a), Value::Number(b)) if is_same(a, b, tolerance) => None,
        (found, expected) if found == expected => None,
        (found, expected) => {
            let place = if place.is_empty() {
                "the answer"
            } else {
                place.as_str()
            };
            Some(SampleError::Different {
                place: place.to_owned(),
                found: shown(found),
                expected: shown(expected),
            })
        }
    }
}

/// Escapes the name of a member for a JSON pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Returns true if the numbers `a` and `b` are equal within the tolerance. `b` is the expected
/// number.
///
/// Two integers are labels or counts, and must be equal. All other numbers are compared by their
/// distance. If the magnitude of `b` is above 1, the tolerance is relative to `b`.
fn is_same(a: &serde_json::Number, b: &serde_json::Number, tolerance: f64) -> bool {
    if !a.is_f64() && !b.is_f64() {
        return a == b;
    }
    let (Some(found), Some(expected)) = (a.as_f64(), b.as_f64()) else {
        return a == b;
    };
    let distance = match (whole(a), whole(b)) {
        // A float holds no more than 53 bits of a whole number.
        #[expect(
            clippy::cast_precision_loss,
            reason = "a distance is rounded, and 0 stays 0"
        )]
        (Some(found), Some(expected)) => found.abs_diff(expected) as f64,
        _ => (found - expected).abs(),
    };
    distance <= tolerance * expected.abs().max(1.0)
}

/// Returns a JSON number as an integer. Returns `None` if the number has a fraction, or if its
/// magnitude is 2^64 or more.
fn whole(number: &serde_json::Number) -> Option<i128> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole, and far below 128 bits"
    )]
    let of_float =
        |float: f64| (float.fract() == 0.0 && float.abs() < 2f64.powi(64)).then_some(float as i128);
    let whole = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from));
    whole.or_else(|| number.as_f64().and_then(of_float))
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => return format!("a list of {}", items.len()),
        Value::Object(fields) => {
            return format!(
                "an object of {:?}",
                fields.keys().take(8).collect::<Vec<_>>()
            );
        }
        other => other.to_string(),
    };
    if text.chars().count() <= SHOWN_CHARS {
        text
    } else {
        text.chars().take(SHOWN_CHARS).chain("…".chars()).collect()
    }
}

#[cfg(test)]
mod tests;
