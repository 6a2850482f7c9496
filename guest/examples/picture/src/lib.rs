//! An example of a scorer of pictures: pre-processing, a neural network through wasi:nn,
//! post-processing.
//!
//! Owns the steps before and after the run of the graph. Must not know the format of a picture,
//! which is in the module `pgm`. The host runs the graph.

mod pgm;

use scorebox_guest::nn::graph::load_by_name;
use scorebox_guest::nn::inference::GraphExecutionContext;
use scorebox_guest::nn::tensor::{Tensor, TensorType};
use scorebox_guest::{
    Invocation, Json, OrProblem, Payload, Result, Scorer, Signature, config, export_scorer,
};
use serde::Serialize;

/// Width and height of a picture in pixels, as in the network's training data.
const SIDE: usize = 28;

/// Number of guesses in an answer if the setting `best` under `[config]` is not set.
const BEST: usize = 3;

#[derive(Serialize)]
struct Answer {
    label: usize,
    /// Guesses for the digit, the most probable one first.
    best: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    label: usize,
    probability: f32,
}

/// A scorer with the execution context of its graph. `None` until the first call opens the context.
///
/// `init` cannot open the context: it runs while the container image is built, without an inference
/// engine.
struct Picture(Option<GraphExecutionContext>);

impl Scorer for Picture {
    type Input = Payload;
    type Output = Json<Answer>;

    fn describe() -> Signature {
        Signature::any()
            .accepts(["image/x-portable-graymap"])
            .produces(["application/json"])
            .input_example("seven", include_bytes!("../seven.pgm"))
            .deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self(None))
    }

    fn run(&mut self, _call: &Invocation, picture: Payload) -> Result<Json<Answer>> {
        let pixels = pgm::pixels(&picture.body, SIDE)?;
        let probabilities = self.infer(&pixels)?;
        let guesses = probabilities.into_iter().enumerate();
        let mut best: Vec<_> = guesses
            .map(|(label, probability)| Guess { label, probability })
            .collect();
        best.sort_by(|one, other| other.probability.total_cmp(&one.probability));
        best.truncate(config::parsed("best")?.unwrap_or(BEST).max(1));
        let label = best
            .first()
            .map(|guess| guess.label)
            .or_fail("no-answer", "the network gives no probabilities")?;
        Ok(Json(Answer { label, best }))
    }
}

impl Picture {
    /// Runs the graph on one picture, and returns the probability of each digit from 0 to 9.
    /// `pixels` lists the pixels of the picture row by row. Fails if the graph cannot be opened or
    /// run.
    fn infer(&mut self, pixels: &[f32]) -> Result<Vec<f32>> {
        let context = match self.0.take() {
            Some(context) => context,
            None => load_by_name("mlp")?.init_execution_context()?,
        };
        let data: Vec<u8> = pixels
            .iter()
            .flat_map(|pixel| pixel.to_le_bytes())
            .collect();
        let input = Tensor::new(&[1, (SIDE * SIDE) as u32], TensorType::Fp32, &data);
        let outputs = self
            .0
            .insert(context)
            .compute(vec![("X".to_owned(), input)])?;
        let probabilities = outputs
            .into_iter()
            .find(|(name, _)| name == "probabilities");
        let (_, probabilities) =
            probabilities.or_fail("no-answer", "the network gives no probabilities")?;
        Ok(probabilities
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }
}

export_scorer!(Picture);
