//! Scores what a key in Redis holds: a request names a digit, and the answer is kept for the next that asks.
//!
//! Owns the request, the stored forms and their expiry. A value is a JSON array of 784 integers from 0 (background) to
//! 255 (ink), a 28x28 image row by row; the answer to `<key>` is kept under `<key>:score`.

// The same model as the example `digits`; in a scorer of your own the file stands beside this one.
#[path = "../../digits/src/logreg.rs"]
mod logreg;

use std::time::Duration;

use scorebox_guest::cache::Bucket;
use scorebox_guest::{Error, Invocation, Json, OrProblem, Result, Scorer, Signature, config, export_scorer};
use serde::{Deserialize, Serialize};

use crate::logreg::{LogisticRegression, PIXELS};

/// How long an answer is kept unless the setting `answer_ttl` says otherwise: digits rarely change, and an hour bounds
/// how long an answer can outlive its features.
const ANSWER_TTL: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Request {
    key: String,
}

#[derive(Serialize)]
struct Answer {
    key: String,
    label: i64,
    probabilities: Vec<f32>,
    cached: bool,
}

/// What is kept under `<key>:score`.
#[derive(Deserialize, Serialize)]
struct StoredAnswer {
    label: i64,
    probabilities: Vec<f32>,
}

struct Features {
    model: LogisticRegression,
    store: Bucket,
}

impl Scorer for Features {
    type Input = Json<Request>;
    type Output = Json<Answer>;

    fn describe() -> Signature {
        Signature::json()
            .input_schema(
                r#"{"type": "object", "required": ["key"], "properties": {"key": {"type": "string", "minLength": 1}}}"#,
            )
            .input_example("digit-7", r#"{"key": "digit:7"}"#)
    }

    fn init() -> Result<Self> {
        Ok(Self {
            model: LogisticRegression::load()?,
            // Opened when it is used: this runs where the image is built.
            store: Bucket::lazy("default"),
        })
    }

    fn run(&mut self, _call: &Invocation, Json(Request { key }): Json<Request>) -> Result<Json<Answer>> {
        let answer_key = format!("{key}:score");
        // An answer that cannot be read, e.g. of an older version, is no answer: score again and replace it.
        let stored = self.store.get(&answer_key)?.and_then(|value| serde_json::from_slice(&value).ok());
        if let Some(StoredAnswer { label, probabilities }) = stored {
            return Ok(Json(Answer { key, label, probabilities, cached: true }));
        }
        let pixels = self.pixels(&key)?;
        let prediction = self.model.predict(&pixels);
        let answer = StoredAnswer { label: prediction.label, probabilities: prediction.probabilities.to_vec() };
        let ttl = config::duration("answer_ttl")?.unwrap_or(ANSWER_TTL);
        self.store.set_json(&answer_key, &answer, Some(ttl))?;
        Ok(Json(Answer { key, label: answer.label, probabilities: answer.probabilities, cached: false }))
    }
}

impl Features {
    fn pixels(&self, key: &str) -> Result<[f32; PIXELS]> {
        let value = self.store.get(key)?.or_problem(|| {
            Error::rejected(
                "unknown-key",
                format!("nothing is stored under `{key}`: write the digit's {PIXELS} pixels there first"),
            )
        })?;
        let malformed = || {
            Error::rejected(
                "malformed-features",
                format!("the value of `{key}` is not a JSON array of {PIXELS} integers from 0 to 255"),
            )
        };
        let bytes: Vec<u8> = serde_json::from_slice(&value).or_problem(malformed)?;
        let pixels: [u8; PIXELS] = bytes.try_into().ok().or_problem(malformed)?;
        Ok(pixels.map(|pixel| f32::from(pixel) / 255.0))
    }
}

export_scorer!(Features);
