//! The steps of a call: admit, decode, look up, execute, encode.
//!
//! Owns the order of the steps. Must not know how any of them is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::kind::{Kind, Work};
use super::large::{Admitted, Large, NoTurn, Slot};
use super::output::Output;
use super::prediction_cache::PredictionCache;
use super::prediction_cache::entry::Key;
use super::signature::TensorSignature;
use super::turns::{Place, Turns};
use crate::call::{CacheStatus, Invocation, Payload, Scored};
use crate::codec::open_inference::ModelName;
use crate::codec::{self, Reply, Written};
use crate::error::ScoreFailure;
use crate::manifest::Limits;
use crate::offload;
use crate::tensor::Tensor;

/// Steps that a call of a scorer goes through, with the parts of the scorer that they use.
pub(super) struct Pipeline {
    pub(super) kind: Kind,
    pub(super) turns: Turns,
    pub(super) large: Large,
    pub(super) model: ModelName,
    pub(super) limits: Limits,
    pub(super) cache: Option<PredictionCache>,
}

/// Permits that a call holds while it is in progress.
struct Permits {
    /// Place of the call among the calls that wait or execute. `None` if the scorer has a
    /// prediction cache: then a call takes a place only when it has to be executed.
    place: Option<Place>,
    /// Permits of a large call: one to be in progress, and one to be decoded. `None` for a small
    /// call.
    large: Option<(Admitted, Slot)>,
}

impl Pipeline {
    /// Handles one call: admits it, decodes its payload, looks it up in the prediction cache,
    /// executes it, and encodes the answer.
    ///
    /// # Errors
    /// Fails if one of these steps fails, or if there is no answer before the deadline.
    pub(super) async fn handle(
        &self,
        invocation: Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<Scored, ScoreFailure> {
        let Permits { place, large } = self
            .admit(&invocation, payload.body.len(), deadline)
            .await?;
        let is_large = large.is_some();
        let (work, reply) = self.decode(&invocation, payload, deadline)?;
        let mut run_time = Duration::ZERO;
        let elapsed = &mut run_time;
        let cached = self.cache.as_ref();
        let cached = cached.map(|cache| (cache, work.key(cache.scorer())));
        // This future is boxed, because it holds most of a call's state, and a call that the cache
        // answers does not need it.
        let execute =
            move || Box::pin(self.execute(invocation, work, place, is_large, deadline, elapsed));
        let (output, cache) = self.look_up(cached, deadline, execute).await?;
        let (written, http) = match output {
            Output::Payload(payload) => (Written::from(payload), None),
            Output::Chosen(payload, http) => (Written::from(payload), Some(http)),
            Output::Tensors(tensors) => (
                self.encode(&reply, tensors, is_large, deadline).await?,
                None,
            ),
        };
        let Written {
            payload,
            attributes,
        } = written;
        if let Some((admitted, _)) = large {
            admitted.finish();
        }
        Ok(Scored {
            payload,
            attributes,
            http,
            run_time,
            cache,
        })
    }

    /// Returns the permits of a call with a body of `bytes` bytes. Moves a large call to the
    /// scoring threads, where the call waits until it may be decoded.
    ///
    /// # Errors
    /// Fails if too many calls wait already, if a large call is not expected to be answered before
    /// its deadline, or if the deadline passes while it waits.
    async fn admit(
        &self,
        invocation: &Invocation,
        bytes: usize,
        deadline: Instant,
    ) -> Result<Permits, ScoreFailure> {
        let place = match self.cache {
            None => Some(self.enter(invocation)?),
            Some(_) => None,
        };
        if bytes <= offload::LONG_BYTES {
            return Ok(Permits { place, large: None });
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
                    NoTurn::Late => self.timed_out(),
                    NoTurn::Hopeless => ScoreFailure::Saturated,
                })?;
        Ok(Permits {
            place,
            large: Some((admitted, decoded)),
        })
    }

    /// Decodes the payload of a call into the scorer's input. Also returns the format that the
    /// answer must have.
    ///
    /// # Errors
    /// Fails if the payload does not fit the scorer's signature, or if decoding does not end before
    /// the deadline.
    fn decode(
        &self,
        invocation: &Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(Work<'_>, Reply), ScoreFailure> {
        let read = |signature: &TensorSignature| {
            let (ports, format) = (signature.ports(), invocation.format);
            let read = || codec::read(ports, format, &payload, &invocation.attributes);
            let read = codec::reading_until(deadline, read);
            let (tensors, reply) = read.unwrap_or_else(|| Err(self.timed_out()))?;
            signature.agree(&tensors).map(|()| (tensors, reply))
        };
        let (work, reply) = match &self.kind {
            Kind::Payloads(component) => {
                let payload = component.signature.labelled(payload);
                component.signature.admit(&payload)?;
                (Work::Payload(component, payload), Reply::default())
            }
            Kind::Tensors(component) => {
                let (tensors, reply) = read(&component.signature)?;
                (Work::Tensors(component, tensors), reply)
            }
            Kind::Graph(graph) => {
                let (tensors, reply) = read(graph.signature())?;
                (Work::Graph(graph, tensors), reply)
            }
        };
        Ok((work, reply))
    }

    /// Returns the output for a call from the prediction cache, or from `execute` if the cache does
    /// not hold it. `cached` is the prediction cache with the key of the call's input, or `None` if
    /// the scorer does not have a prediction cache.
    ///
    /// # Errors
    /// Fails if `execute` fails. Also fails if another call computes the answer, and does not end
    /// before the deadline of this call, or fails for another reason than a timeout or too many
    /// calls.
    async fn look_up<F: Future<Output = Result<Output, ScoreFailure>>>(
        &self,
        cached: Option<(&PredictionCache, Key)>,
        deadline: Instant,
        execute: impl FnOnce() -> F,
    ) -> Result<(Output, Option<CacheStatus>), ScoreFailure> {
        let Some((cache, key)) = cached else {
            return Ok((execute().await?, None));
        };
        let (output, status) = cache
            .answer(key, deadline, || self.timed_out(), execute)
            .await?;
        Ok((Arc::unwrap_or_clone(output), Some(status)))
    }

    /// Executes a call, alone or in a batch, and checks output tensors against the signature. If
    /// `is_large` is true, the call first waits for the permit to execute a large call. If `place`
    /// is `None`, the call then takes a place among the calls that wait or execute. Sets `run_time`
    /// to the time for which the component, script or graph ran.
    ///
    /// # Errors
    /// Fails if too many calls wait already, if the scorer does not answer before the deadline, or
    /// if it answers with an error or with an invalid output.
    async fn execute(
        &self,
        invocation: Invocation,
        work: Work<'_>,
        place: Option<Place>,
        is_large: bool,
        deadline: Instant,
        run_time: &mut Duration,
    ) -> Result<Output, ScoreFailure> {
        let mut _slot = None;
        if is_large {
            _slot = self.large.execute(deadline).await;
            if _slot.is_none() {
                return Err(self.timed_out());
            }
        }
        let _place = match place {
            Some(place) => place,
            None => self.enter(&invocation)?,
        };
        let (output, elapsed) = work.run(invocation, deadline).await?;
        *run_time = elapsed;
        Ok(output)
    }

    /// Encodes the tensors of the scorer's output as an answer in the format `reply`. `is_large` is
    /// true if the call already has the permit to encode a large answer.
    ///
    /// # Errors
    /// Fails if the deadline passes while a large answer waits for a permit to be encoded.
    async fn encode(
        &self,
        reply: &Reply,
        tensors: Vec<Tensor>,
        is_large: bool,
        deadline: Instant,
    ) -> Result<Written, ScoreFailure> {
        let bytes: usize = tensors.iter().map(|tensor| tensor.data.len()).sum();
        let mut _slot = None;
        if bytes > offload::LONG_BYTES {
            offload::offload().await;
            if !is_large {
                _slot = Some(
                    self.large
                        .encode(deadline)
                        .await
                        .ok_or_else(|| self.timed_out())?,
                );
            }
        }
        Ok(codec::write(reply, &self.model, tensors))
    }

    /// Adds a call to the calls that wait or execute, and returns its place among them.
    ///
    /// # Errors
    /// Fails if too many calls wait already.
    fn enter(&self, invocation: &Invocation) -> Result<Place, ScoreFailure> {
        self.turns
            .enter(invocation.caller)
            .ok_or(ScoreFailure::Saturated)
    }

    fn timed_out(&self) -> ScoreFailure {
        ScoreFailure::TimedOut {
            deadline: self.limits.deadline,
        }
    }
}
