//! An example of a scorer with a store: a request names a key in Redis, and the handwritten digit
//! that is stored under this key is scored.
//!
//! Owns the request, the JSON in the store and its expiry. The value of a key is a JSON array of
//! 784 integers from 0 (background) to 255 (ink): the pixels of a 28x28 picture, row by row. The
//! answer for the key `<key>` is kept under `<key>:score` for later requests.

// This is the model of the example `digits`. In a scorer of your own, put the file next to this
// one.
#[path = "../../digits/src/logreg.rs"]
mod logreg;

use std::time::Duration;

use scorebox_guest::cache::Bucket;
use scorebox_guest::{
    Error, Invocation, Json, OrProblem, Result, Scorer, Signature, config, export_scorer,
};
use serde::{Deserialize, Serialize};

use crate::logreg::{LogisticRegression, PIXELS};

/// Time for which an answer is kept in the store if the setting `answer_ttl` is not set.
///
/// The pixels of a digit rarely change. If they do, the answer to the old pixels is returned for an
/// hour at most.
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

/// Answer in the form in which it is kept in the store, under `<key>:score`.
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
            // The store is opened when it is first used, because `init` runs while the container
            // image is built, without a store.
            store: Bucket::lazy("default"),
        })
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(Request { key }): Json<Request>,
    ) -> Result<Json<Answer>> {
        let answer_key = format!("{key}:score");
        // If a stored answer cannot be read, e.g. one of an older version, score again and replace
        // it.
        let stored = self
            .store
            .get(&answer_key)?
            .and_then(|value| serde_json::from_slice(&value).ok());
        if let Some(StoredAnswer {
            label,
            probabilities,
        }) = stored
        {
            return Ok(Json(Answer {
                key,
                label,
                probabilities,
                cached: true,
            }));
        }
        let pixels = self.pixels(&key)?;
        let prediction = self.model.predict(&pixels);
        let answer = StoredAnswer {
            label: prediction.label,
            probabilities: prediction.probabilities.to_vec(),
        };
        let ttl = config::duration("answer_ttl")?.unwrap_or(ANSWER_TTL);
        self.store.set_json(&answer_key, &answer, Some(ttl))?;
        Ok(Json(Answer {
            key,
            label: answer.label,
            probabilities: answer.probabilities,
            cached: false,
        }))
    }
}

impl Features {
    fn pixels(&self, key: &str) -> Result<[f32; PIXELS]> {
        let value = self.store.get(key)?.or_problem(|| {
            Error::rejected(
                "unknown-key",
                format!(
                    "nothing is stored under `{key}`: write the digit's {PIXELS} pixels there first"
                ),
            )
        })?;
        let malformed = || {
            Error::rejected(
                "malformed-features",
                format!(
                    "the value of `{key}` is not a JSON array of {PIXELS} integers from 0 to 255"
                ),
            )
        };
        let bytes: Vec<u8> = serde_json::from_slice(&value).or_problem(malformed)?;
        let pixels: [u8; PIXELS] = bytes.try_into().ok().or_problem(malformed)?;
        Ok(pixels.map(|pixel| f32::from(pixel) / 255.0))
    }
}

export_scorer!(Features);
