//! The steps of a call: admit, decode, look up, execute, encode.
//!
//! Owns the order of the steps. Must not know how any of them is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::instance::{Input, Output};
use super::large::{Admitted, NoTurn, Slot};
use super::prediction_cache::entry;
use super::signature::Signature;
use crate::call::{Invocation, Payload, Scored};
use crate::codec::{self, Reply, Written};
use crate::error::ScoreFailure;
use crate::offload;

/// Permits that a large call holds while it is under way.
struct Holding {
    admitted: Admitted,
    _decoded: Slot,
}

impl Shared {
    /// Scores a payload before the deadline: admits it, decodes it, looks it up in the cache,
    /// executes it, and encodes the answer.
    pub(super) async fn score(
        self: &Arc<Self>,
        invocation: Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<Scored, ScoreFailure> {
        // The call takes its place before its body is decoded. With a cache, only calls that have
        // to be executed take one.
        let place = if self.cache.is_none() {
            Some(self.enter(&invocation)?)
        } else {
            None
        };
        let holding = self.admit(payload.body.len(), deadline).await?;
        let (input, reply) = self.decode(&invocation, payload, deadline)?;
        let is_large = holding.is_some();
        let mut run_time = Duration::ZERO;
        let took = &mut run_time;
        let execute = async move |input, place| {
            let _slot = match is_large {
                true => Some(
                    self.large
                        .execute(deadline)
                        .await
                        .ok_or_else(|| self.late())?,
                ),
                false => None,
            };
            self.compute(invocation, input, deadline, place, took).await
        };
        let (output, status) = match &self.cache {
            None => (Box::pin(execute(input, place)).await?, None),
            Some(cache) => {
                let key = entry::key(cache.scorer(), &input);
                // This future is boxed separately, because a cache hit does not need it and it
                // holds most of a call's state.
                let compute = move || Box::pin(execute(input, None));
                let (output, status) = cache.answer(key, deadline, || self.late(), compute).await?;
                (Arc::unwrap_or_clone(output), Some(status))
            }
        };
        let Written {
            payload,
            attributes,
        } = self
            .encode(&reply, output, holding.is_some(), deadline)
            .await?;
        if let Some(Holding { admitted, .. }) = holding {
            admitted.finish();
        }
        Ok(Scored {
            payload,
            attributes,
            run_time,
            cache: status,
        })
    }

    /// Moves a large call to the scoring threads, and waits for the permit to decode it. Returns
    /// `None` for a small call.
    async fn admit(
        &self,
        bytes: usize,
        deadline: Instant,
    ) -> Result<Option<Holding>, ScoreFailure> {
        if bytes <= offload::LONG_BYTES {
            return Ok(None);
        }
        offload::offload().await;
        let left = deadline.saturating_duration_since(Instant::now());
        let admitted = self
            .large
            .enter(bytes as u64, left)
            .ok_or(ScoreFailure::Saturated)?;
        let decoded =
            self.large
                .decode(&admitted, deadline)
                .await
                .map_err(|reason| match reason {
                    NoTurn::Late => self.late(),
                    NoTurn::Hopeless => ScoreFailure::Saturated,
                })?;
        Ok(Some(Holding {
            admitted,
            _decoded: decoded,
        }))
    }

    /// Decodes a payload into the scorer's input. Also returns the format that the answer must
    /// have.
    fn decode(
        &self,
        invocation: &Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(Input, Reply), ScoreFailure> {
        match &self.signature {
            Signature::Payload(signature) => {
                let payload = signature.labelled(payload);
                signature.admit(&payload)?;
                Ok((Input::Payload(payload), Reply::default()))
            }
            Signature::Tensor(signature) => {
                let read = || {
                    codec::read(
                        signature.ports(),
                        invocation.format,
                        &payload,
                        &invocation.attributes,
                    )
                };
                let (tensors, reply) =
                    codec::reading_until(deadline, read).unwrap_or_else(|| Err(self.late()))?;
                Ok((Input::Tensors(tensors), reply))
            }
        }
    }

    /// Encodes the scorer's output as an answer. `is_large` is true if the call already has the
    /// permit to encode a large answer.
    async fn encode(
        &self,
        reply: &Reply,
        output: Output,
        is_large: bool,
        deadline: Instant,
    ) -> Result<Written, ScoreFailure> {
        let tensors = match (output, &self.signature) {
            (Output::Payload(payload), _) => {
                return Ok(Written {
                    payload,
                    attributes: Vec::new(),
                });
            }
            (Output::Tensors(tensors), Signature::Tensor(_)) => tensors,
            (Output::Tensors(_), Signature::Payload(_)) => {
                return Err(ScoreFailure::HostFault(
                    "tensors from a payload scorer".to_owned(),
                ));
            }
        };
        let bytes: usize = tensors.iter().map(|tensor| tensor.data.len()).sum();
        let mut _turn = None;
        if bytes > offload::LONG_BYTES {
            offload::offload().await;
            if !is_large {
                _turn = Some(
                    self.large
                        .encode(deadline)
                        .await
                        .ok_or_else(|| self.late())?,
                );
            }
        }
        Ok(codec::write(reply, &self.model, tensors))
    }

    fn late(&self) -> ScoreFailure {
        ScoreFailure::TimedOut {
            deadline: self.limits.deadline,
        }
    }
}
