//! Credit risk in Rust, in a repository of its own.

use scorebox_guest::{Error, Invocation, Json, Result, Scorer, Signature, export_scorer, model};
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

impl Scorer for Risk {
    type Input = Json<Request>;
    type Output = Json<Answer>;

    fn describe() -> Signature {
        Signature::json().input_example("one", r#"{"features": [1, 2, 0.5]}"#).deterministic()
    }

    fn init() -> Result<Self> {
        let coef = model::Tensor::open("coef")?.floats()?;
        let intercept = model::Tensor::open("intercept")?.floats()?.iter().sum();
        Ok(Self { coef, intercept })
    }

    fn run(&mut self, _call: &Invocation, Json(request): Json<Request>) -> Result<Json<Answer>> {
        if request.features.first().is_some_and(|income| *income < 0.0) {
            return Err(Error::rejected("negative-income", "the first feature is negative"));
        }
        let dot: f32 = request.features.iter().zip(&self.coef).map(|(x, w)| x * w).sum();
        Ok(Json(Answer { probability: 1.0 / (1.0 + (-(dot + self.intercept)).exp()) }))
    }
}

export_scorer!(Risk);
