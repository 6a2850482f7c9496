//! A script in Python as a scorer: a call waits for the permission to execute, runs on an instance,
//! and returns the instance to the pool.
//!
//! Owns the start of instances, and what the end of a start or of a call means. Must not know how
//! an interpreter runs, what a script can reach, or the prediction cache.

mod attributes;
mod failure;

use std::sync::Arc;
use std::time::{Duration, Instant};

use scorebox_python::{CallError, Request, Script, StartError};
use tokio::runtime::Handle;

use self::failure::{in_json, start_problem};
use super::conversion::TEXT_BYTES;
use super::output;
use super::pool::{Pool, Pooled};
use super::signature::{PayloadSignature, SignatureError};
use super::turns::{Turn, Turns};
use crate::call::{FAULT_OF_SCRIPT, Invocation, Payload};
use crate::capability::{Capabilities, ScriptServices};
use crate::error::{ScoreFailure, StartupError};
use crate::manifest::{Instances, Limits, Manifest};
use crate::sizing;
use crate::text::{self, Problem};

/// Runner of the calls of a script, with its instances.
pub(super) struct ScriptRunner {
    script: Script,
    shared: Arc<Capabilities>,
    pool: Pool<Instance>,
    turns: Turns,
    limits: Limits,
    /// True if the answer to a call that the script fails contains the traceback.
    tracebacks: bool,
    runtime: Handle,
}

/// Interpreter with the script in it, and the number of calls that it has answered.
struct Instance {
    python: scorebox_python::Instance,
    invocations: u64,
    made: Instant,
}

impl Pooled for Instance {
    fn is_reusable(&self) -> bool {
        self.python.is_alive()
    }

    fn invocations(&self) -> u64 {
        self.invocations
    }

    fn age(&self) -> Duration {
        self.made.elapsed()
    }
}

impl ScriptRunner {
    /// Starts the first instance of a script, and returns the runner with the contract that the
    /// script states. `script` is what all instances share, and `runtime` the async runtime of the
    /// scoring threads.
    ///
    /// # Errors
    /// Fails if the script cannot be imported, if its `init` fails or takes too long, or if its
    /// contract is invalid.
    pub(super) async fn load(
        script: Script,
        manifest: &Manifest,
        shared: Arc<Capabilities>,
        turns: Turns,
        runtime: Handle,
    ) -> Result<(Arc<Self>, PayloadSignature), StartupError> {
        let settings = manifest.scorer.script.as_ref();
        let runner = Arc::new(Self {
            pool: Self::pool(&manifest.limits, &manifest.instances),
            limits: manifest.limits.clone(),
            tracebacks: settings.is_some_and(|settings| settings.tracebacks),
            script,
            shared,
            turns,
            runtime,
        });
        let first = Self::start_apart(&runner).await?;
        let deterministic = settings.is_some_and(|settings| settings.deterministic);
        let signature = PayloadSignature::of_script(first.python.contract(), deterministic);
        let signature = signature.map_err(|error| runner.unfit(&error, manifest))?;
        runner.pool.put_back(first);
        Ok((runner, signature))
    }

    fn pool(limits: &Limits, instances: &Instances) -> Pool<Instance> {
        Pool::new(sizing::most_script_instances(limits), instances)
    }

    /// Creates instances until `count` are idle, so that the first calls do not wait for them.
    ///
    /// # Errors
    /// Fails if the script cannot be imported, or if its `init` fails or takes too long.
    pub(super) async fn warm_up(self: &Arc<Self>, count: usize) -> Result<(), StartupError> {
        // One instance is there since the script was loaded, unless each call has its own.
        for _ in 1..count {
            let instance = Self::start_apart(self).await?;
            self.pool.put_back(instance);
        }
        Ok(())
    }

    /// Runs the script on the payload of one call. Returns the answer and the time for which the
    /// script ran.
    ///
    /// # Errors
    /// Fails if there is no instance or no answer before the deadline, if the script raises an
    /// exception, or if it reaches a limit.
    pub(super) async fn run(
        self: &Arc<Self>,
        call: Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(output::Answer, Duration), ScoreFailure> {
        let Some(turn) = self.turns.permission(call.caller, deadline).await else {
            return Err(self.timed_out());
        };
        let (instance, turn) = match self.pool.take() {
            Some(instance) => (instance, turn),
            None => self.fresh_instance(deadline, turn).await?,
        };
        // If this future is dropped, the instance goes before the permission does.
        let (_turn, mut instance) = (turn, instance);
        let attributes = attributes::json(&call, &payload.content_type);
        let shared = Arc::clone(&self.shared);
        let services = ScriptServices::new(shared, &call.id, call.lines, deadline);
        let request = Request {
            attributes: &attributes,
            body: &payload.body,
        };
        instance.invocations += 1;
        let started = Instant::now();
        let called = instance.python.call(request, Arc::new(services), deadline);
        let called = called.await;
        let elapsed = started.elapsed();
        self.pool.put_back(instance);
        let answer = called.map_err(|error| self.failure(error))?;
        let mut headers = answer.headers;
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(FAULT_OF_SCRIPT));
        in_json(&answer.content_type, &answer.body)?;
        let answer = output::Answer {
            payload: Payload {
                content_type: answer.content_type,
                body: answer.body.into(),
            },
            status: Some(answer.status),
            headers,
        };
        Ok((answer, elapsed))
    }

    /// Creates an instance for a call. If `deadline`, the deadline of the call, passes before the
    /// script's `init` ends, the instance is kept for the next call. The permission to execute is
    /// held until then, so that no more instances are created than may run.
    ///
    /// # Errors
    /// Fails if the script does not start, or not before `deadline`.
    async fn fresh_instance(
        self: &Arc<Self>,
        deadline: Instant,
        turn: Turn,
    ) -> Result<(Instance, Turn), ScoreFailure> {
        let (hand_over, made) = tokio::sync::oneshot::channel();
        let runner = Arc::clone(self);
        self.runtime.spawn(async move {
            let instance = runner.start(runner.init_deadline()).await;
            if let Err((Ok(instance), _turn)) = hand_over.send((instance, turn)) {
                runner.pool.put_back(instance);
            }
        });
        match tokio::time::timeout_at(deadline.into(), made).await {
            Ok(Ok((Ok(instance), turn))) => Ok((instance, turn)),
            // The first instance started, so this one met something that has changed since, such as
            // a store.
            Ok(Ok((Err(error), _turn))) => Err(ScoreFailure::Unavailable(crate::error::Problem {
                code: "init-failed".to_owned(),
                message: "The scorer is not ready. Try again later.".to_owned(),
                detail: Some(text::bounded(error.to_string(), TEXT_BYTES)),
            })),
            Ok(Err(_)) => Err(ScoreFailure::HostFault(
                "making an instance ended".to_owned(),
            )),
            Err(_) => Err(self.timed_out()),
        }
    }

    /// Starts an instance on a scoring thread, because a start takes tens of milliseconds.
    ///
    /// # Errors
    /// Fails if the script does not start.
    async fn start_apart(runner: &Arc<Self>) -> Result<Instance, StartupError> {
        let starting = Arc::clone(runner);
        let started = runner
            .runtime
            .spawn(async move { starting.start(starting.init_deadline()).await });
        let started = started.await;
        let started = started.map_err(|error| StartupError::Host(format!("init: {error}")))?;
        started.map_err(|error| {
            let Problem { problem, fix } = start_problem(&error, &runner.limits);
            StartupError::Init {
                scorer: runner.shared.scorer.to_string(),
                problem,
                fix,
            }
        })
    }

    async fn start(&self, deadline: Instant) -> Result<Instance, StartError> {
        let shared = Arc::clone(&self.shared);
        let services = ScriptServices::new(shared, "init", None, deadline);
        let python = scorebox_python::Instance::start(&self.script, Arc::new(services), deadline);
        Ok(Instance {
            python: python.await?,
            invocations: 0,
            made: Instant::now(),
        })
    }

    fn unfit(&self, error: &SignatureError, manifest: &Manifest) -> StartupError {
        let file = manifest.scorer.script.as_ref();
        StartupError::Script {
            path: file.map(|script| script.file.clone()).unwrap_or_default(),
            problem: format!("states a contract that callers cannot use: {error}"),
            fix: "correct the samples in the decorators of `run`".to_owned(),
        }
    }

    fn failure(&self, error: CallError) -> ScoreFailure {
        failure::of_call(error, self.tracebacks, &self.limits)
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
