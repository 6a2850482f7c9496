//! A component as a scorer: a call waits for the permission to execute, runs on an instance, and
//! returns the instance to the pool.
//!
//! Owns the order of these steps, and what happens to a new instance if the call that needed it has
//! timed out. Must not know what a body means, or the prediction cache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batcher::{Answer, Runner};
use super::exports::{PayloadRun, Run, TensorRun};
use super::instance::{Failure, Instance, Ready};
use super::linking::Linked;
use super::output;
use super::pool::Pool;
use super::turns::{Turn, Turns};
use crate::call::{Invocation, Payload};
use crate::error::{ScoreFailure, StartupError};
use crate::manifest::Limits;
use crate::tensor::Tensor;

/// Runner of a component's calls: the linked component with its instances. `R` is the type of the
/// component's export `run`, which depends on its world.
pub(super) struct ComponentRunner<R> {
    linked: Arc<Linked>,
    pool: Pool<Ready<R>>,
    turns: Turns,
    limits: Limits,
}

impl<R: Run> ComponentRunner<R> {
    pub(super) fn new(linked: Linked, pool: Pool<Ready<R>>, turns: Turns, limits: Limits) -> Self {
        Self {
            linked: Arc::new(linked),
            pool,
            turns,
            limits,
        }
    }

    /// Creates `count` instances of the component, and keeps them for the first calls. If every
    /// call has an instance of its own, the instances are dropped again.
    ///
    /// # Errors
    /// Fails if an instance cannot be created, or if its `init` fails, traps or takes longer than
    /// `limits.init_deadline`.
    pub(super) async fn warm_up(&self, count: usize) -> Result<(), StartupError> {
        for _ in 0..count {
            let made = self.linked.instance(self.init_deadline()).await;
            match made.and_then(|instance| self.linked.ready(instance)) {
                Ok(ready) => self.pool.put_back(ready),
                Err(failure) => return Err(self.linked.init_error(failure, &self.limits)),
            }
        }
        Ok(())
    }

    /// Waits until `deadline` for the permission to execute a call of `caller`, which is `None` if
    /// the caller's address is unknown. Returns the permission with an instance that serves no
    /// other call meanwhile.
    ///
    /// # Errors
    /// Fails if the deadline passes first, or if a new instance is needed and cannot be created.
    async fn acquire(
        self: &Arc<Self>,
        caller: Option<IpAddr>,
        deadline: Instant,
    ) -> Result<(Ready<R>, Turn), ScoreFailure> {
        let Some(turn) = self.turns.permission(caller, deadline).await else {
            return Err(self.timed_out());
        };
        if let Some(ready) = self.pool.take() {
            return Ok((ready, turn));
        }
        // If the deadline passes first, nothing is kept for other calls: an instance from a
        // snapshot is made in microseconds, and other calls cannot use an instance that is for one
        // call only.
        let made = if self.linked.is_snapshot() || !self.pool.is_warm() {
            let made = self.linked.instance(deadline).await;
            made.map(|instance| (instance, turn))
        } else {
            self.fresh_instance(deadline, turn).await
        };
        made.and_then(|(instance, turn)| Ok((self.linked.ready(instance)?, turn)))
            .map_err(|failure| self.score_failure(failure))
    }

    /// Creates an instance and runs its `init`. `init` has a deadline of its own,
    /// `limits.init_deadline`, which may be later than the deadline of the call.
    ///
    /// If `deadline`, the deadline of the call, passes before `init` ends, the instance is kept for
    /// the next call. The permission to execute is held until `init` has ended, so that no more
    /// instances are created than may run.
    ///
    /// # Errors
    /// Fails if `init` fails, or does not end before `deadline`.
    async fn fresh_instance(
        self: &Arc<Self>,
        deadline: Instant,
        turn: Turn,
    ) -> Result<(Instance, Turn), Failure> {
        let runner = Arc::clone(self);
        // The box keeps the task free of `R`, so that its code is compiled once.
        let keep = Box::new(move |instance| {
            if let Ok(ready) = runner.linked.ready(instance) {
                runner.pool.put_back(ready);
            }
        });
        let linked = Arc::clone(&self.linked);
        let made = initialise(linked, self.init_deadline(), turn, keep);
        match tokio::time::timeout_at(deadline.into(), made).await {
            Ok(Ok((instance, turn))) => Ok((instance?, turn)),
            Ok(Err(_)) => Err(Failure::Score(ScoreFailure::HostFault(
                "making an instance ended".to_owned(),
            ))),
            Err(_) => Err(Failure::timed_out()),
        }
    }

    /// Puts an instance back into the pool after a call. Returns the result of the call with the
    /// time since `started`, which is the time for which the call ran. Returns the failure if the
    /// call failed.
    fn release<T>(
        &self,
        ready: Ready<R>,
        started: Instant,
        outcome: Result<T, Failure>,
    ) -> Result<(T, Duration), ScoreFailure> {
        let elapsed = started.elapsed();
        self.pool.put_back(ready);
        match outcome {
            Ok(value) => Ok((value, elapsed)),
            Err(failure) => Err(self.score_failure(failure)),
        }
    }

    fn score_failure(&self, failure: Failure) -> ScoreFailure {
        match failure {
            Failure::Score(ScoreFailure::TimedOut { .. }) => self.timed_out(),
            other => other.into_score_failure(),
        }
    }

    fn timed_out(&self) -> ScoreFailure {
        ScoreFailure::TimedOut {
            deadline: self.limits.deadline,
        }
    }

    fn init_deadline(&self) -> Instant {
        Instant::now() + self.limits.init_deadline
    }
}

impl ComponentRunner<PayloadRun> {
    /// Runs one call on an instance. Returns the answer and the time for which the component ran.
    ///
    /// # Errors
    /// Fails if there is no instance or no answer before the deadline, if the component traps, or
    /// if it answers with an error.
    pub(super) async fn run(
        self: &Arc<Self>,
        call: Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(output::Answer, Duration), ScoreFailure> {
        let (mut ready, _turn) = self.acquire(call.caller, deadline).await?;
        let started = Instant::now();
        let outcome = ready.run_payload(call, payload, deadline).await;
        self.release(ready, started, outcome)
    }
}

impl ComponentRunner<TensorRun> {
    /// Runs one call, or several joined calls as one, on an instance. `calls` has one invocation
    /// for each call. Returns the output tensors and the time for which the component ran.
    ///
    /// # Errors
    /// Fails if there is no instance or no answer before the deadline, if the component traps, or
    /// if it answers with an error.
    pub(super) async fn run_batch(
        self: &Arc<Self>,
        calls: Vec<Invocation>,
        tensors: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<Answer, ScoreFailure> {
        let caller = calls.first().and_then(|call| call.caller);
        let (mut ready, _turn) = self.acquire(caller, deadline).await?;
        let started = Instant::now();
        let outcome = ready.run_tensors(calls, tensors, deadline).await;
        self.release(ready, started, outcome)
    }
}

impl Runner for ComponentRunner<TensorRun> {
    async fn run(
        self: Arc<Self>,
        calls: Vec<Invocation>,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<Answer, ScoreFailure> {
        self.run_batch(calls, inputs, deadline).await
    }
}

/// Creates an instance in a task of its own, and sends it with the permission to execute to the
/// returned receiver. If the receiver was dropped and the instance could be created, calls `keep`
/// with the instance.
fn initialise(
    linked: Arc<Linked>,
    deadline: Instant,
    turn: Turn,
    keep: Box<dyn FnOnce(Instance) + Send>,
) -> tokio::sync::oneshot::Receiver<(Result<Instance, Failure>, Turn)> {
    let (hand_over, made) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let instance = linked.instance(deadline).await;
        if let Err((Ok(instance), _turn)) = hand_over.send((instance, turn)) {
            keep(instance);
        }
    });
    made
}
