//! Credit risk: a logistic regression over three features. Must not know who asks.

use scorebox_guest::{Error, Invocation, Json, OrProblem, Result, Scorer, Signature, model};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    features: Vec<f32>,
}

#[derive(Serialize)]
struct Answer {
    probability: f32,
}

struct Risk {
    coef: Vec<f32>,
    intercept: f32,
}

/// The host checks each request against the schema before it calls `run`.
const SCHEMA: &str = r#"{"type": "object", "required": ["features"], "properties": {"features":
    {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}}}"#;

impl Scorer for Risk {
    type Input = Json<Request>;
    type Output = Json<Answer>;

    fn describe() -> Signature {
        let one = r#"{"features": [1, 2, 0.5]}"#;
        Signature::json().input_schema(SCHEMA).input_example("one", one).deterministic()
    }

    /// Runs once, when the image is built. Each instance starts with the scorer that it returned.
    fn init() -> Result<Self> {
        let intercept = model::Tensor::open("intercept")?.floats()?;
        let intercept = *intercept.first().or_fail("no-intercept", "the model is empty")?;
        Ok(Self { coef: model::Tensor::open("coef")?.floats()?, intercept })
    }

    fn run(&mut self, _call: &Invocation, Json(request): Json<Request>) -> Result<Json<Answer>> {
        if request.features.first().is_some_and(|income| *income < 0.0) {
            return Err(Error::rejected("negative-income", "the first feature is negative"));
        }
        let dot: f32 = request.features.iter().zip(&self.coef).map(|(x, w)| x * w).sum();
        Ok(Json(Answer { probability: 1.0 / (1.0 + (-(dot + self.intercept)).exp()) }))
    }
}

scorebox_guest::export_scorer!(Risk);

#[cfg(test)]
mod tests;
