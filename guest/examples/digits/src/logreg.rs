//! Multinomial logistic regression over 28x28 pixels, from the tensors `coef`, `intercept` and
//! `classes`.
//!
//! Owns the arithmetic and the form of the model. Must not know requests or answers, because the
//! examples `digits` and `features` both use this file.

use scorebox_guest::{Error, OrProblem, Result, model};

/// Number of pixels of a digit. The pixels of a digit are listed row by row, each from 0.0
/// (background) to 1.0 (ink).
pub const PIXELS: usize = 784;

/// Number of classes of the model: the digits 0 to 9.
pub const CLASSES: usize = 10;

/// Number of partial sums that a dot product accumulates.
///
/// The compiler must not reorder the additions of a floating-point sum, so it could not use SIMD
/// for a single sum. Sixteen partial sums fill four SIMD vectors of four `f32`, whose additions
/// overlap.
const LANES: usize = 16;

/// A trained logistic regression, which scores images of digits.
pub struct LogisticRegression {
    weights: Vec<[f32; PIXELS]>,
    intercepts: [f32; CLASSES],
    labels: [i64; CLASSES],
}

/// Prediction of the model for one digit.
pub struct Prediction {
    /// Label of the most probable class.
    pub label: i64,
    /// Probability of each class, in the order of the model's tensor `classes`. The sum of the
    /// probabilities is 1.
    pub probabilities: [f32; CLASSES],
}

impl LogisticRegression {
    /// Reads the model from its tensors `coef`, `intercept` and `classes`. Fails if their shapes do
    /// not fit a logistic regression of the digits.
    pub fn load() -> Result<Self> {
        let misfit = || {
            Error::failed(
                "model",
                "the model is not a logistic regression of 10 classes over 784 pixels",
            )
        };
        let coef = model::Tensor::open("coef")?.floats()?;
        let (weights, rest) = coef.as_chunks();
        if weights.len() != CLASSES || !rest.is_empty() {
            return Err(misfit());
        }
        let intercepts = model::Tensor::open("intercept")?
            .floats()?
            .try_into()
            .ok()
            .or_problem(misfit)?;
        let labels = model::Tensor::open("classes")?
            .integers()?
            .try_into()
            .ok()
            .or_problem(misfit)?;
        Ok(Self {
            weights: weights.to_vec(),
            intercepts,
            labels,
        })
    }

    /// Returns the most probable label of a digit, and the probability of each class. `pixels`
    /// lists the pixels of the digit row by row, each from 0.0 (background) to 1.0 (ink).
    pub fn predict(&self, pixels: &[f32; PIXELS]) -> Prediction {
        let mut scores = self.intercepts;
        for (score, weights) in scores.iter_mut().zip(&self.weights) {
            *score += dot(weights, pixels);
        }
        let mut best = (self.labels[0], scores[0]);
        for (label, score) in self.labels.into_iter().zip(scores) {
            if score > best.1 {
                best = (label, score);
            }
        }
        Prediction {
            label: best.0,
            probabilities: softmax(scores, best.1),
        }
    }
}

fn dot(a: &[f32; PIXELS], b: &[f32; PIXELS]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// Converts the scores of the classes to probabilities whose sum is 1.
///
/// `largest` is the largest score. It is subtracted from every score first, so that no exponential
/// overflows.
fn softmax(scores: [f32; CLASSES], largest: f32) -> [f32; CLASSES] {
    let exponentials = scores.map(|score| (score - largest).exp());
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|exponential| exponential / sum)
}

const _: () = assert!(
    PIXELS.is_multiple_of(LANES),
    "`dot` would leave out the last pixels"
);
