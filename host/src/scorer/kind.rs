//! The kinds of scorers: of payloads, which is a component or a script, a component of tensors, and
//! a graph.
//!
//! Owns the choice of the kind, which is made once when the scorer is loaded, and the pairing of a
//! call's decoded input with the scorer that runs it and with its cache key. Must not know how
//! bodies are decoded, the order of a call's steps, or where answers are kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batcher::Batcher;
use super::component_runner::ComponentRunner;
use super::exports::{PayloadRun, TensorRun};
use super::graph_runner::GraphRunner;
use super::linking::world::World;
use super::output::Output;
use super::prediction_cache::entry::{self, Key};
#[cfg(feature = "python")]
use super::script::ScriptRunner;
use super::signature::{PayloadSignature, Signature, TensorSignature};
use crate::call::{Invocation, Payload};
use crate::error::{ScoreFailure, StartupError};
use crate::tensor::Tensor;

/// A loaded scorer, with one variant for each kind of scorer.
pub(super) enum Kind {
    /// Scorer that takes and returns payloads: a component or a script.
    Payloads(PayloadScorer),
    /// Scorer that is a component and takes and returns tensors.
    Tensors(TensorComponent),
    /// Scorer that is an ONNX graph, served without a component.
    Graph(GraphRunner),
}

/// A component of the world `scoring` or a script, with its contract with callers.
pub(super) struct PayloadScorer {
    pub(super) runner: PayloadRunner,
    pub(super) signature: PayloadSignature,
    /// True if the scorer may set cookies: the setting `answers.cookies`.
    pub(super) allows_cookies: bool,
}

/// Runner of the calls of a scorer of payloads.
pub(super) enum PayloadRunner {
    Component(Arc<ComponentRunner<PayloadRun>>),
    #[cfg(feature = "python")]
    Script(Arc<ScriptRunner>),
}

/// A component of the world `tensor-scoring`, with its contract with callers.
pub(super) struct TensorComponent {
    pub(super) runner: Arc<ComponentRunner<TensorRun>>,
    pub(super) signature: TensorSignature,
    /// Batcher that joins concurrent calls. `None` if the manifest does not ask for batching.
    pub(super) batcher: Option<Arc<Batcher>>,
}

/// Decoded input of one call, with the scorer that runs it.
pub(super) enum Work<'a> {
    Payload(&'a PayloadScorer, Payload),
    Tensors(&'a TensorComponent, Vec<Tensor>),
    Graph(&'a GraphRunner, Vec<Tensor>),
}

impl Kind {
    /// Returns the world of the scorer. The world of a script is `scoring`, and the world of a
    /// graph is `tensor-scoring`.
    pub(super) fn world(&self) -> World {
        match self {
            Self::Payloads(_) => World::Scoring,
            Self::Tensors(_) | Self::Graph(_) => World::TensorScoring,
        }
    }

    pub(super) fn signature(&self) -> Signature<'_> {
        match self {
            Self::Payloads(component) => Signature::Payload(&component.signature),
            Self::Tensors(component) => Signature::Tensor(&component.signature),
            Self::Graph(graph) => Signature::Tensor(graph.signature()),
        }
    }

    /// Returns the signature of a tensor scorer, for changes. Returns `None` for a payload scorer.
    pub(super) fn tensor_signature_mut(&mut self) -> Option<&mut TensorSignature> {
        match self {
            Self::Payloads(_) => None,
            Self::Tensors(component) => Some(&mut component.signature),
            Self::Graph(graph) => Some(graph.signature_mut()),
        }
    }

    /// Creates `count` instances of the component or the script, or sessions of the graph, so that
    /// the first calls do not wait for them.
    ///
    /// # Errors
    /// Fails if `init` of an instance fails, traps or takes too long, or if a session cannot be
    /// created.
    pub(super) async fn warm_up(&self, count: usize) -> Result<(), StartupError> {
        match self {
            Self::Payloads(scorer) => match &scorer.runner {
                PayloadRunner::Component(runner) => runner.warm_up(count).await,
                #[cfg(feature = "python")]
                PayloadRunner::Script(runner) => runner.warm_up(count).await,
            },
            Self::Tensors(component) => component.runner.warm_up(count).await,
            Self::Graph(graph) => Ok(graph.prepare(count).await?),
        }
    }
}

impl Work<'_> {
    /// Returns the key of the input in the prediction cache. `scorer` is the digest of the scorer's
    /// code, model and settings.
    pub(super) fn key(&self, scorer: &Key) -> Key {
        match self {
            Self::Payload(_, payload) => entry::payload_key(scorer, payload),
            Self::Tensors(_, tensors) | Self::Graph(_, tensors) => {
                entry::tensors_key(scorer, tensors)
            }
        }
    }

    /// Runs the scorer on the input, alone or in a batch. Checks output tensors against the
    /// signature, and the status and headers of an answer. Returns the output and the time for
    /// which the component, script or graph ran.
    ///
    /// # Errors
    /// Fails if the scorer does not answer before the deadline, traps or answers with an error,
    /// returns tensors that do not fit its signature, or chooses a status or headers that it may
    /// not.
    pub(super) async fn run(
        self,
        invocation: Invocation,
        deadline: Instant,
    ) -> Result<(Output, Duration), ScoreFailure> {
        let ((tensors, elapsed), signature) = match self {
            Self::Payload(scorer, payload) => {
                let (answer, elapsed) = match &scorer.runner {
                    PayloadRunner::Component(runner) => {
                        runner.run(invocation, payload, deadline).await?
                    }
                    #[cfg(feature = "python")]
                    PayloadRunner::Script(runner) => {
                        // The future is boxed, because that of a component should not grow by it.
                        Box::pin(runner.run(invocation, payload, deadline)).await?
                    }
                };
                let output = Output::of_answer(answer, scorer.allows_cookies)?;
                return Ok((output, elapsed));
            }
            Self::Tensors(component, tensors) => {
                let runner = &component.runner;
                let ran = match &component.batcher {
                    Some(batcher) => batcher.score(runner, invocation, tensors, deadline).await?,
                    None => {
                        runner
                            .run_batch(vec![invocation], tensors, deadline)
                            .await?
                    }
                };
                (ran, &component.signature)
            }
            Self::Graph(graph, tensors) => {
                let ran = graph.run(invocation.caller, tensors, deadline).await?;
                (ran, graph.signature())
            }
        };
        Ok((Output::Tensors(signature.in_order(tensors)?), elapsed))
    }
}
