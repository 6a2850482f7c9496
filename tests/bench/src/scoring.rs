//! One call: from a body to an answer.
//!
//! Owns the ports of the example `digits`, and the only use of the host's tensor JSON, so that the ceiling takes, refuses
//! and writes exactly what the host does. Must not know HTTP.

use std::path::Path;

use scorebox_host::error::ScoreFailure;
use scorebox_host::model::Dtype;
use scorebox_host::scorer::signature::Port;
use scorebox_host::scorer::tensor::Tensor;
use scorebox_host::scorer::tensor_json;

use crate::logreg::{CLASSES, LogisticRegression, PIXELS};

/// The model with its ports.
pub struct Digits {
    model: LogisticRegression,
    inputs: [Port; 1],
}

impl Digits {
    /// Reads the model.
    ///
    /// # Errors
    /// As [`LogisticRegression::read`].
    pub fn read(model: &Path) -> anyhow::Result<Self> {
        let data = Port { name: "data".to_owned(), dtype: Dtype::F32, shape: vec![None, Some(PIXELS as u64)] };
        Ok(Self { model: LogisticRegression::read(model)?, inputs: [data] })
    }

    /// Scores a body `{"data": [[…784 numbers…], …]}`.
    ///
    /// # Errors
    /// The body does not fit.
    pub fn score(&self, body: &[u8]) -> Result<Vec<u8>, ScoreFailure> {
        let inputs = parse(&self.inputs, body)?;
        let data = inputs.first().map_or(&[][..], |tensor| &tensor.data);
        let count = data.len() / (PIXELS * size_of::<f32>());
        let mut labels = Vec::with_capacity(count * size_of::<i64>());
        let mut probabilities = Vec::with_capacity(count * CLASSES * size_of::<f32>());
        for digit in data.chunks_exact(PIXELS * size_of::<f32>()) {
            let mut pixels = [0.0; PIXELS];
            for (pixel, bytes) in pixels.iter_mut().zip(digit.as_chunks().0) {
                *pixel = f32::from_le_bytes(*bytes);
            }
            let prediction = self.model.predict(&pixels);
            labels.extend(prediction.label.to_le_bytes());
            probabilities.extend(prediction.probabilities.iter().flat_map(|value| value.to_le_bytes()));
        }
        let rows = count as u64;
        Ok(render(&[
            Tensor { name: "label".to_owned(), dtype: Dtype::I64, shape: vec![rows], data: labels },
            Tensor {
                name: "probabilities".to_owned(),
                dtype: Dtype::F32,
                shape: vec![rows, CLASSES as u64],
                data: probabilities,
            },
        ]))
    }
}

/// The host's own reader.
///
/// # Errors
/// The body does not fit the ports.
pub fn parse(ports: &[Port], body: &[u8]) -> Result<Vec<Tensor>, ScoreFailure> {
    tensor_json::parse(ports, body)
}

/// The host's own writer.
#[must_use]
pub fn render(tensors: &[Tensor]) -> Vec<u8> {
    tensor_json::render(tensors)
}
