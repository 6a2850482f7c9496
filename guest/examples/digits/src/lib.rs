//! An example of a scorer of tensors: handwritten digits, by scikit-learn's logistic regression.
//!
//! Owns the input and output ports. The host converts the JSON of a request,
//! `{"data": [[…784 numbers…]]}`, to the tensor `data`, so the scorer does not parse JSON.

mod logreg;

use scorebox_guest::{
    Dtype, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
    export_tensor_scorer,
};

use crate::logreg::{CLASSES, LogisticRegression, PIXELS};

struct Digits(LogisticRegression);

impl TensorScorer for Digits {
    fn describe() -> TensorSignature {
        TensorSignature::new(
            [Port::new("data", Dtype::F32, [None, Some(PIXELS as u64)])],
            [
                Port::new("label", Dtype::I64, [None]),
                Port::new("probabilities", Dtype::F32, [None, Some(CLASSES as u64)]),
            ],
        )
        .batchable()
        .deterministic()
        .example("seven", include_str!("seven.json"))
    }

    fn init() -> Result<Self> {
        LogisticRegression::load().map(Self)
    }

    fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
        let data = inputs.tensor("data")?.values::<f32>()?;
        let (digits, _) = data.as_chunks::<PIXELS>();
        let mut labels = Vec::with_capacity(digits.len());
        let mut probabilities = Vec::with_capacity(digits.len() * CLASSES);
        for digit in digits {
            let prediction = self.0.predict(digit);
            labels.push(prediction.label);
            probabilities.extend(prediction.probabilities);
        }
        Ok(vec![
            NamedTensor::new("label", [labels.len()], &labels),
            NamedTensor::new("probabilities", [labels.len(), CLASSES], &probabilities),
        ])
    }
}

export_tensor_scorer!(Digits);
