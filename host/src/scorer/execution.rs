//! The execution of a call: its entry in the queue, its permission to execute, and the instance or
//! graph that computes the output.
//!
//! Owns the order of these steps, and what becomes of an instance whose call cannot wait for it.
//! Must not know bodies, or the prediction cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batcher::{Answer, Runner};
use super::instance::{Failure, Input, Instance, Output};
use super::linking::Linked;
use super::signature::Signature;
use super::turns::{Place, Turn};
use super::{Code, Shared};
use crate::call::Invocation;
use crate::error::ScoreFailure;
use crate::offload;
use crate::tensor::Tensor;

impl Shared {
    /// Adds a call to the calls that wait or execute.
    ///
    /// # Errors
    /// Fails if too many calls wait already.
    pub(super) fn enter(&self, invocation: &Invocation) -> Result<Place, ScoreFailure> {
        self.turns
            .enter(invocation.caller)
            .ok_or(ScoreFailure::Saturated)
    }

    /// Scores an input, alone or in a batch, and checks the output against the signature. Sets
    /// `run_time` to the time that the component or graph ran.
    pub(super) async fn compute(
        self: &Arc<Self>,
        invocation: Invocation,
        input: Input,
        deadline: Instant,
        place: Option<Place>,
        run_time: &mut Duration,
    ) -> Result<Output, ScoreFailure> {
        let _place = match place {
            Some(place) => place,
            None => self.enter(&invocation)?,
        };
        let (output, took) = match (input, &self.batcher) {
            (Input::Tensors(inputs), Some(batcher)) => {
                let (tensors, took) = batcher.score(self, invocation, inputs, deadline).await?;
                (Output::Tensors(tensors), took)
            }
            (input, _) => self.call(vec![invocation], input, deadline).await?,
        };
        *run_time = took;
        match (output, &self.signature) {
            (Output::Tensors(tensors), Signature::Tensor(signature)) => {
                Ok(Output::Tensors(signature.in_order(tensors)?))
            }
            (output, _) => Ok(output),
        }
    }

    /// Waits for permission to execute, then calls the component or graph once. `calls` holds one
    /// call or several joined calls.
    async fn call(
        self: &Arc<Self>,
        calls: Vec<Invocation>,
        input: Input,
        deadline: Instant,
    ) -> Result<(Output, Duration), ScoreFailure> {
        let late = || ScoreFailure::TimedOut {
            deadline: self.limits.deadline,
        };
        let caller = calls.first().and_then(|call| call.caller);
        let turn = self.turns.turn(caller, deadline).await.ok_or_else(late)?;
        if turn.is_apart() {
            offload::offload().await;
        }
        match (&self.code, input) {
            (Code::Component(linked), input) => {
                self.call_instance(linked, turn, calls, input, deadline)
                    .await
            }
            (Code::Graph(graph), Input::Tensors(inputs)) => {
                let (outputs, run_time) = graph.run(inputs, turn, deadline).await?;
                Ok((Output::Tensors(outputs), run_time))
            }
            (Code::Graph(_), Input::Payload(_)) => {
                Err(ScoreFailure::HostFault("a payload for a graph".to_owned()))
            }
        }
    }

    /// Runs the calls on one instance, which serves no other call meanwhile.
    async fn call_instance(
        self: &Arc<Self>,
        linked: &Linked,
        turn: Turn,
        calls: Vec<Invocation>,
        input: Input,
        deadline: Instant,
    ) -> Result<(Output, Duration), ScoreFailure> {
        let late = || ScoreFailure::TimedOut {
            deadline: self.limits.deadline,
        };
        let made = match self.pool.take() {
            Some(instance) => Ok((instance, turn)),
            // The instance comes from a snapshot, or is for this call alone. In both cases there is
            // nothing to save for other calls.
            None if linked.is_snapshot() || !self.pool.is_warm() => linked
                .instance(deadline)
                .await
                .map(|instance| (instance, turn)),
            None => self.initialised(deadline, turn).await,
        };
        let outcome = match made {
            Ok((mut instance, _turn)) => {
                let started = Instant::now();
                let outcome = instance.run(calls, input, deadline).await;
                let run_time = started.elapsed();
                self.pool.put_back(instance);
                outcome.map(|output| (output, run_time))
            }
            Err(failure) => Err(failure),
        };
        outcome.map_err(|failure| match failure {
            Failure::Score(ScoreFailure::TimedOut { .. }) => late(),
            other => other.into_score_failure(),
        })
    }

    /// Returns a new instance. Its `init` has a deadline of its own, which is longer than the
    /// deadline of a call.
    ///
    /// If the call cannot wait for `init`, the instance is kept for the next call. The permission
    /// to execute lasts until `init` has ended, so that no more instances are created than may run.
    async fn initialised(
        self: &Arc<Self>,
        deadline: Instant,
        turn: Turn,
    ) -> Result<(Instance, Turn), Failure> {
        let shared = Arc::clone(self);
        let (hand_over, made) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let Code::Component(linked) = &shared.code else {
                return;
            };
            let instance = linked
                .instance(Instant::now() + shared.limits.init_deadline)
                .await;
            if let Err((Ok(instance), _turn)) = hand_over.send((instance, turn)) {
                shared.pool.put_back(instance);
            }
        });
        match tokio::time::timeout_at(deadline.into(), made).await {
            Ok(Ok((instance, turn))) => Ok((instance?, turn)),
            Ok(Err(_)) => Err(Failure::Score(ScoreFailure::HostFault(
                "making an instance ended".to_owned(),
            ))),
            Err(_) => Err(Failure::timed_out()),
        }
    }
}

impl Runner for Shared {
    async fn run(
        self: Arc<Self>,
        calls: Vec<Invocation>,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<Answer, ScoreFailure> {
        match self.call(calls, Input::Tensors(inputs), deadline).await? {
            (Output::Tensors(tensors), run_time) => Ok((tensors, run_time)),
            (Output::Payload(_), _) => Err(ScoreFailure::HostFault(
                "a payload from a tensor scorer".to_owned(),
            )),
        }
    }
}
