//! One native call: from a body to an answer.
//!
//! Owns the ports of the example `digits`, and the only use of the host's tensor JSON, so that the
//! native reference program accepts, refuses and writes exactly what the host does. Must not know
//! HTTP.

use std::path::Path;

use bytes::Bytes;
use scorebox_host::call::{BodyFormat, Payload};
use scorebox_host::codec::open_inference::ModelName;
use scorebox_host::codec::{self, Reply};
use scorebox_host::error::ScoreFailure;
use scorebox_host::model::Dtype;
use scorebox_host::scorer::signature::TensorSignature;
use scorebox_host::tensor::{EqualSizes, Port, Requests, Tensor};

use crate::logreg::{CLASSES, LogisticRegression, PIXELS};
use crate::serving::Scores;

/// The model of the example `digits`, with its ports.
pub struct Digits {
    model: LogisticRegression,
    signature: TensorSignature,
    name: ModelName,
}

impl Digits {
    /// Reads the model from its file.
    ///
    /// # Errors
    /// Fails as [`LogisticRegression::read`] does.
    pub fn read(model: &Path) -> anyhow::Result<Self> {
        let data = Port::new("data", Dtype::F32, vec![None, Some(PIXELS as u64)]);
        let name = ModelName {
            name: "digits".to_owned(),
            version: String::new(),
        };
        Ok(Self {
            model: LogisticRegression::read(model)?,
            signature: signature(data),
            name,
        })
    }

    /// Converts a body to tensors.
    ///
    /// # Errors
    /// Fails if the body does not fit the ports.
    pub fn parse(&self, body: Bytes) -> Result<(Vec<Tensor>, Reply), ScoreFailure> {
        parse(&self.signature, body)
    }

    /// Converts tensors to an answer.
    #[must_use]
    pub fn render(&self, reply: &Reply, tensors: Vec<Tensor>) -> Bytes {
        render(reply, &self.name, tensors)
    }

    /// Predicts labels and probabilities from pixels.
    #[must_use]
    pub fn predict(&self, inputs: &[Tensor]) -> Vec<Tensor> {
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
            probabilities.extend(
                prediction
                    .probabilities
                    .iter()
                    .flat_map(|value| value.to_le_bytes()),
            );
        }
        let rows = count as u64;
        vec![
            Tensor {
                name: "label".to_owned(),
                dtype: Dtype::I64,
                shape: vec![rows],
                data: labels,
            },
            Tensor {
                name: "probabilities".to_owned(),
                dtype: Dtype::F32,
                shape: vec![rows, CLASSES as u64],
                data: probabilities,
            },
        ]
    }
}

impl Scores for Digits {
    /// Scores a body `{"data": [[…784 numbers…], …]}`.
    fn score(&self, body: Bytes) -> Result<Bytes, ScoreFailure> {
        let (inputs, reply) = self.parse(body)?;
        Ok(self.render(&reply, self.predict(&inputs)))
    }
}

/// Returns the contract of `digits`, as far as bodies are concerned.
#[must_use]
pub fn signature(data: Port) -> TensorSignature {
    TensorSignature {
        inputs: vec![data],
        outputs: Vec::new(),
        requests: Requests::default(),
        sizes: EqualSizes::default(),
        batchable: false,
        deterministic: true,
        examples: Vec::new(),
    }
}

/// Reads a body with the host's own reader.
///
/// # Errors
/// Fails if the body does not fit the ports.
pub fn parse(
    signature: &TensorSignature,
    body: Bytes,
) -> Result<(Vec<Tensor>, Reply), ScoreFailure> {
    codec::read(
        signature.ports(),
        BodyFormat::Labelled,
        &Payload {
            content_type: "application/json".to_owned(),
            body,
        },
        &[],
    )
}

/// Writes an answer with the host's own writer.
#[must_use]
pub fn render(reply: &Reply, name: &ModelName, tensors: Vec<Tensor>) -> Bytes {
    codec::write(reply, name, tensors).payload.body
}
