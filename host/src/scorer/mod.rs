//! A scorer, ready to run: component, model and settings.
//!
//! The front door of scoring: [`Scorer::load`], [`Scorer::warm_up`], [`Scorer::run`]. Owns the way of one call from a
//! payload to an outcome, whatever made it. Must not know HTTP, the Functions envelope or Redis.

pub(crate) mod bindings;
mod instance;
mod linking;
mod pool;
pub mod signature;
pub mod tensor;
pub mod tensor_body;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wasmtime::Engine;

pub use self::linking::{WIT_VERSION, World};

use self::instance::{Failure, Input, Instance, Output};
use self::linking::Linked;
use self::pool::{Admission, Pool, Refusal};
use self::signature::Signature;
use self::tensor_body::Written;
use self::tensor_body::open_inference::ModelName;
use crate::capability::Capabilities;
use crate::engine::Compiled;
use crate::error::{ScoreFailure, StartupError};
use crate::manifest::{Limits, Manifest};

/// Bytes with a media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// A media type; empty if the sender gave none.
    pub content_type: String,
    /// The bytes.
    pub body: Bytes,
}

/// What made the host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A developer's or a test's direct call.
    Direct,
    /// An HTTP request.
    Http,
}

/// One call, as the scorer may want to know it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Unique for each delivery.
    pub id: String,
    /// What made the host call.
    pub source: Source,
    /// 1 for the first delivery.
    pub attempt: u32,
    /// Names lower-case; credentials removed.
    pub attributes: Vec<(String, String)>,
}

/// An answer, and what it took.
#[derive(Debug)]
pub struct Scored {
    /// What the scorer gave.
    pub payload: Payload,
    /// What the answer's form says beside the body; names lower-case.
    pub attributes: Vec<(&'static str, String)>,
    /// Time in the guest, waiting for an instance not included.
    pub run_time: Duration,
}

/// A component, linked, with its contract and its instances.
pub struct Scorer {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
}

struct Shared {
    linked: Linked,
    pool: Pool,
    signature: Signature,
    model: ModelName,
    limits: Limits,
}

impl Scorer {
    /// Checks a component against the contract, links it and asks it for its signature.
    ///
    /// `runtime` runs guests and all other work of a call, and nothing that serves sockets.
    ///
    /// # Errors
    /// The component is not a scorer of a known world, imports what is not granted, or `describe` fails.
    pub async fn load(
        engine: &Engine,
        compiled: &Compiled,
        manifest: &Manifest,
        capabilities: Arc<Capabilities>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let limits = manifest.limits.clone();
        let linked = Linked::new(engine, compiled, manifest, capabilities)?;
        let deadline = Instant::now() + limits.init_deadline;
        let described = runtime.spawn(async move {
            let signature = linked.describe(deadline).await?;
            Ok::<_, StartupError>((linked, signature))
        });
        let described = described.await.map_err(|error| StartupError::Host(format!("describe: {error}")))?;
        let (linked, signature) = described?;
        let pool = Pool::new(&limits);
        let model = ModelName { name: manifest.scorer.name.clone(), version: manifest.scorer.version.clone() };
        Ok(Self { shared: Arc::new(Shared { linked, pool, signature, model, limits }), runtime })
    }

    /// Makes the first instance and runs its `init`, so that the first caller does not wait for it.
    ///
    /// # Errors
    /// `init` fails, traps or takes too long.
    pub async fn warm_up(&self) -> Result<(), StartupError> {
        let shared = Arc::clone(&self.shared);
        let started = self.runtime.spawn(async move {
            let deadline = Instant::now() + shared.limits.init_deadline;
            match shared.linked.instance(deadline).await {
                Ok(instance) => {
                    shared.pool.put_back(instance);
                    Ok(())
                }
                Err(failure) => Err(shared.linked.init_error(failure, &shared.limits)),
            }
        });
        started.await.map_err(|error| StartupError::Host(format!("init: {error}")))?
    }

    /// The world that the component exports.
    #[must_use]
    pub fn world(&self) -> World {
        self.shared.linked.world()
    }

    /// The scorer's contract with its callers.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.shared.signature
    }

    /// Scores one payload. The deadline counts from here, waiting for an instance included.
    ///
    /// # Errors
    /// There is no answer; the failure says why.
    pub async fn run(&self, invocation: Invocation, payload: Payload) -> Result<Scored, ScoreFailure> {
        let limits = &self.shared.limits;
        let deadline = Instant::now() + limits.deadline;
        let admission = self.shared.pool.admit(deadline).await.map_err(|refusal| match refusal {
            Refusal::Full => ScoreFailure::Saturated,
            Refusal::TooLate => ScoreFailure::TimedOut { deadline: limits.deadline },
        })?;
        let shared = Arc::clone(&self.shared);
        // In a task of its own: parsing and scoring are work for a core, not for a thread that serves sockets; and a
        // caller that goes away must not leave an instance in the middle of a call.
        let call = self.runtime.spawn(async move {
            let admission = Arc::new(admission);
            shared.score(invocation, payload, deadline, &admission).await
        });
        call.await.unwrap_or_else(|error| Err(ScoreFailure::HostFault(format!("a scoring task ended: {error}"))))
    }
}

impl Shared {
    async fn score(
        self: &Arc<Self>,
        invocation: Invocation,
        payload: Payload,
        deadline: Instant,
        admission: &Arc<Admission>,
    ) -> Result<Scored, ScoreFailure> {
        let mut reply = tensor_body::Reply::default();
        let input = match &self.signature {
            Signature::Payload(signature) => {
                let payload = signature.labelled(payload);
                signature.admit(&payload)?;
                Input::Payload(payload)
            }
            Signature::Tensor(signature) => {
                let (tensors, asked) = tensor_body::read(signature, &payload, &invocation.attributes)?;
                reply = asked;
                Input::Tensors(tensors)
            }
        };
        let (output, run_time) =
            self.call(invocation, input, deadline, admission).await.map_err(|failure| match failure {
                Failure::Score(ScoreFailure::TimedOut { .. }) => {
                    ScoreFailure::TimedOut { deadline: self.limits.deadline }
                }
                other => other.into_score_failure(),
            })?;
        let Written { payload, attributes } = match (output, &self.signature) {
            (Output::Payload(payload), _) => Written { payload, attributes: Vec::new() },
            (Output::Tensors(tensors), Signature::Tensor(signature)) => {
                tensor_body::write(&reply, &self.model, in_order(&signature.outputs, tensors)?)
            }
            (Output::Tensors(_), Signature::Payload(_)) => {
                return Err(ScoreFailure::HostFault("tensors from a payload scorer".to_owned()));
            }
        };
        Ok(Scored { payload, attributes, run_time })
    }

    /// Runs a call on an instance of its own for as long as it takes.
    async fn call(
        self: &Arc<Self>,
        invocation: Invocation,
        input: Input,
        deadline: Instant,
        admission: &Arc<Admission>,
    ) -> Result<(Output, Duration), Failure> {
        let mut instance = match self.pool.take() {
            Some(instance) => instance,
            None => self.fresh(deadline, Arc::clone(admission)).await?,
        };
        let started = Instant::now();
        let outcome = instance.run(invocation, input, deadline).await;
        let run_time = started.elapsed();
        // An instance that trapped, timed out or ran out of memory is in no state to be used again.
        if instance.is_reusable() {
            self.pool.put_back(instance);
        }
        outcome.map(|output| (output, run_time))
    }

    /// A new instance. `init` has time of its own, longer than a call's: a call that cannot wait for it leaves it to the
    /// next one. The call's place stays taken until then, so that no more are made than may run.
    async fn fresh(self: &Arc<Self>, deadline: Instant, admission: Arc<Admission>) -> Result<Instance, Failure> {
        let shared = Arc::clone(self);
        let (hand_over, made) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let instance = shared.linked.instance(Instant::now() + shared.limits.init_deadline).await;
            if let Err(Ok(instance)) = hand_over.send(instance) {
                shared.pool.put_back(instance);
            }
            drop(admission);
        });
        match tokio::time::timeout_at(deadline.into(), made).await {
            Ok(Ok(made)) => made,
            Ok(Err(_)) => Err(Failure::Score(ScoreFailure::HostFault("making an instance ended".to_owned()))),
            Err(_) => Err(Failure::Score(ScoreFailure::TimedOut { deadline: self.limits.deadline })),
        }
    }
}

/// The scorer's tensors in the order of its ports, each checked.
fn in_order(ports: &[signature::Port], mut tensors: Vec<tensor::Tensor>) -> Result<Vec<tensor::Tensor>, ScoreFailure> {
    let mut ordered = Vec::with_capacity(ports.len());
    for port in ports {
        let index = tensors
            .iter()
            .position(|tensor| tensor.name == port.name)
            .ok_or_else(|| ScoreFailure::InvalidOutput(format!("there is no `{}`", port.name)))?;
        let tensor = tensors.swap_remove(index);
        tensor.fits(port).map_err(ScoreFailure::InvalidOutput)?;
        ordered.push(tensor);
    }
    match tensors.first() {
        None => Ok(ordered),
        Some(extra) => Err(ScoreFailure::InvalidOutput(format!("`{}` is no port, or given twice", extra.name))),
    }
}
