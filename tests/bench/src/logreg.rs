//! Multinomial logistic regression over 28x28 pixels, from a safetensors file.
//!
//! Owns a copy of the arithmetic in `guest/examples/digits/src/logreg.rs`, which reads its model
//! through the SDK and cannot be native code. Both must compute the same. Must not know how pixels
//! come in or answers go out.

use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use safetensors::{Dtype, SafeTensors};

/// Number of pixels of a digit. They are row by row, each from 0.0 (background) to 1.0 (ink).
pub const PIXELS: usize = 784;

/// Number of classes of the model.
pub const CLASSES: usize = 10;

/// Number of partial sums that a dot product keeps, so that no SIMD lane is idle.
const LANES: usize = 16;

const _: () = assert!(
    PIXELS.is_multiple_of(LANES),
    "`dot` would leave out the last pixels"
);

/// A trained model.
pub struct LogisticRegression {
    weights: Vec<[f32; PIXELS]>,
    intercepts: [f32; CLASSES],
    labels: [i64; CLASSES],
}

/// Prediction of the model for one digit.
pub struct Prediction {
    /// Label of the most probable class.
    pub label: i64,
    /// Probability of each class, in the model's order. The probabilities add up to 1.
    pub probabilities: [f32; CLASSES],
}

impl LogisticRegression {
    /// Reads the model from the tensors `coef`, `intercept` and `classes` of a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or holds another kind of model.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes =
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .with_context(|| format!("{} is not a safetensors file", file.display()))?;
        let coef = elements(&tensors, "coef", Dtype::F32, f32::from_le_bytes)?;
        let (weights, rest) = coef.as_chunks();
        ensure!(
            weights.len() == CLASSES && rest.is_empty(),
            "`coef` is not {CLASSES} rows of {PIXELS} weights"
        );
        let classes = |_| anyhow!("`intercept` and `classes` do not have {CLASSES} elements");
        Ok(Self {
            weights: weights.to_vec(),
            intercepts: elements(&tensors, "intercept", Dtype::F32, f32::from_le_bytes)?
                .try_into()
                .map_err(|_: Vec<_>| classes(()))?,
            labels: elements(&tensors, "classes", Dtype::I64, i64::from_le_bytes)?
                .try_into()
                .map_err(|_: Vec<_>| classes(()))?,
        })
    }

    /// Scores one digit.
    #[must_use]
    pub fn predict(&self, pixels: &[f32; PIXELS]) -> Prediction {
        let mut scores = self.intercepts;
        for (score, weights) in scores.iter_mut().zip(&self.weights) {
            *score += dot(weights, pixels);
        }
        let [first_label, ..] = self.labels;
        let [first_score, ..] = scores;
        let mut best = (first_label, first_score);
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

fn elements<T, const N: usize>(
    tensors: &SafeTensors<'_>,
    name: &str,
    dtype: Dtype,
    from_bytes: fn([u8; N]) -> T,
) -> anyhow::Result<Vec<T>> {
    let tensor = tensors
        .tensor(name)
        .with_context(|| format!("the model has no `{name}`"))?;
    ensure!(
        tensor.dtype() == dtype,
        "`{name}` is {:?}, not {dtype:?}",
        tensor.dtype()
    );
    Ok(tensor
        .data()
        .as_chunks::<N>()
        .0
        .iter()
        .copied()
        .map(from_bytes)
        .collect())
}

fn dot(a: &[f32; PIXELS], b: &[f32; PIXELS]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Returns the probabilities that these scores mean.
///
/// `largest` is subtracted first, so that no exponential overflows.
fn softmax(scores: [f32; CLASSES], largest: f32) -> [f32; CLASSES] {
    let exponentials = scores.map(|score| (score - largest).exp());
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|exponential| exponential / sum)
}
