//! Credit risk: a logistic regression over the rows of a tensor. Must not know who asks.

use scorebox_guest::{
    Dtype, Error, InputPort, Inputs, Invocation, NamedTensor, OrProblem, Port, Result,
    TensorScorer, TensorSignature, model,
};

/// Names of the features, which are the columns of the input.
const FEATURES: [&str; 3] = ["income", "age", "debt"];

struct Risk {
    coef: Vec<f32>,
    intercept: f32,
}

impl TensorScorer for Risk {
    fn describe() -> TensorSignature {
        // The host checks each request against the ports before it calls `run`.
        let rows = InputPort::new("rows", Dtype::F32, [None, Some(3)]).columns(FEATURES);
        TensorSignature::new([rows], [Port::new("probability", Dtype::F32, [None])])
            .batchable()
            .deterministic()
            .example("one", r#"{"rows": [[1, 2, 0.5]]}"#)
    }

    /// Runs once, when the image is built. Each instance starts with the scorer that it returned.
    fn init() -> Result<Self> {
        let intercept = model::Tensor::open("intercept")?.floats()?;
        let intercept = *intercept.first().or_fail("no-intercept", "the model is empty")?;
        Ok(Self { coef: model::Tensor::open("coef")?.floats()?, intercept })
    }

    fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
        let rows = inputs.tensor("rows")?.values::<f32>()?;
        let mut probabilities = Vec::new();
        for row in rows.chunks_exact(self.coef.len().max(1)) {
            if row.first().is_some_and(|income| *income < 0.0) {
                return Err(Error::rejected("negative-income", "an income is negative"));
            }
            let dot: f32 = row.iter().zip(&self.coef).map(|(x, w)| x * w).sum();
            probabilities.push(1.0 / (1.0 + (-(dot + self.intercept)).exp()));
        }
        Ok(vec![NamedTensor::new("probability", [probabilities.len()], &probabilities)])
    }
}

scorebox_guest::export_tensor_scorer!(Risk);

#[cfg(test)]
mod tests;
