//! The scorer: one component or graph that is ready to answer calls, with its model and settings.
//!
//! The entry points of scoring are [`Scorer::load`], [`Scorer::warm_up`] and [`Scorer::run`]. Owns
//! the steps of a call from its payload to its outcome, for every source of calls. Must not know
//! HTTP, the Functions envelope or Redis.

mod batcher;
pub(crate) mod bindings;
mod cached;
mod callers;
mod graph_runner;
mod instance;
pub(crate) mod lane;
mod large;
mod linking;
mod pipeline;
mod pool;
mod prediction_cache;
pub mod signature;
#[cfg(feature = "compiler")]
pub(crate) mod snapshot;
mod store;
pub mod tensor_body;
mod turns;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wasmtime::Engine;

#[cfg(feature = "compiler")]
pub(crate) use self::linking::world_at as world_of;
pub use self::linking::{WIT_VERSION, World};

use self::batcher::{Answer, Batcher, Runner};
use self::cached::Cached;
use self::graph_runner::GraphRunner;
use self::instance::{Failure, Instance};
pub use self::instance::{Input, Output};
use self::large::Large;
use self::linking::Linked;
use self::pool::Pool;
use self::prediction_cache::PredictionCache;
pub use self::prediction_cache::{CacheStatus, entry};
use self::signature::Signature;
use self::tensor_body::open_inference::ModelName;
use self::turns::{Place, Turn, Turns};
#[cfg(feature = "graphs")]
pub(crate) use self::{graph_runner::answer_of, linking::calls_graphs};
use crate::capability::Capabilities;
pub use crate::capability::{LOGS_BYTES, Lines};
use crate::component::{self, Compiled};
use crate::deployment;
use crate::error::{ScoreFailure, StartupError};
use crate::manifest::{Instances, Limits, Manifest};
pub use crate::tensor;

/// Bytes with a media type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// Media type of the body; empty if the sender gave none.
    pub content_type: String,
    /// Bytes of the payload.
    pub body: Bytes,
}

/// Source of a call: the kind of event that made the host call the scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A blob that was created or changed.
    Blob,
    /// A direct call by a developer or a test.
    Direct,
    /// An HTTP request.
    Http,
    /// A Service Bus message.
    ServiceBus,
}

/// One call of the scorer, with the facts that the scorer may ask for.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id of the delivery; no other delivery has it.
    pub id: String,
    /// Kind of event that made the host call the scorer.
    pub source: Source,
    /// Number of the delivery attempt; 1 for the first delivery.
    pub attempt: u32,
    /// Attributes of the call, with lower-case names and without credentials.
    pub attributes: Vec<(String, String)>,
    /// Address that the call came from. It distinguishes callers, so that no single caller can
    /// occupy all instances.
    pub caller: Option<IpAddr>,
    /// Moment at which the client stops waiting for the answer, if it is known. `limits.deadline`
    /// applies in any case.
    pub latest: Option<Instant>,
    /// Collector of this call's log lines. `None` if they are wanted only in the log.
    pub lines: Option<Lines>,
}

impl Invocation {
    /// Returns a first delivery of which only the id and the source are known.
    #[must_use]
    pub fn new(id: impl Into<String>, source: Source) -> Self {
        Self {
            id: id.into(),
            source,
            attempt: 1,
            attributes: Vec::new(),
            caller: None,
            latest: None,
            lines: None,
        }
    }
}

/// An answer of the scorer, with the time that it took and where it came from.
#[derive(Debug)]
pub struct Scored {
    /// Payload that the scorer answered with.
    pub payload: Payload,
    /// Attributes of the answer that accompany the body in some forms; names are lower-case.
    pub attributes: Vec<(&'static str, String)>,
    /// Time that the component or graph computed, without the wait for an instance.
    pub run_time: Duration,
    /// Origin of the answer. `None` if there is no prediction cache.
    pub cache: Option<CacheStatus>,
}

/// A loaded scorer: a linked component with its contract and instances, or a graph that is served
/// without a component.
pub struct Scorer {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
}

/// The executable part of a scorer: a linked component or an ONNX graph.
enum Code {
    Component(Linked),
    Graph(GraphRunner),
}

struct Shared {
    code: Code,
    pool: Pool,
    turns: Turns,
    large: Large,
    /// Most calls that may run at a time.
    most: usize,
    signature: Signature,
    model: ModelName,
    limits: Limits,
    instances: Instances,
    batcher: Option<Arc<Batcher>>,
    cache: Option<PredictionCache>,
}

impl Scorer {
    /// Checks a component against the contract, links it and asks it for its signature.
    ///
    /// `runtime` has the scoring threads. They run `init`, and calls that take long
    /// (`scorer/lane.rs`).
    ///
    /// # Errors
    /// The component is not a scorer of a known world, it imports an interface that is not granted,
    /// or `describe` fails.
    pub async fn load(
        engine: &Engine,
        compiled: &Compiled,
        manifest: &Manifest,
        capabilities: Arc<Capabilities>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let linked = Linked::new(engine, compiled, manifest, Arc::clone(&capabilities))?;
        let cached = Cached::of_component(manifest, compiled, linked.world(), &capabilities);
        let deadline = Instant::now() + manifest.limits.init_deadline;
        let described = runtime.spawn(async move {
            let signature = linked.describe(deadline).await?;
            Ok::<_, StartupError>((linked, signature))
        });
        let described = described
            .await
            .map_err(|error| StartupError::Host(format!("describe: {error}")))?;
        let (linked, signature) = described?;
        Self::new(
            Code::Component(linked),
            signature,
            cached,
            manifest,
            runtime,
        )
    }

    /// Loads a graph that is served without a component.
    ///
    /// `file` is the graph's file in the model, and `library` is the engine that runs it.
    ///
    /// # Errors
    /// There is no engine, or the file is not a graph that callers can use.
    pub async fn of_graph(
        file: &Path,
        library: &Path,
        manifest: &Manifest,
        capabilities: &Capabilities,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let graph = GraphRunner::load(file, library, &manifest.limits, runtime.clone()).await?;
        let signature = graph.signature().map_err(|problem| StartupError::Model {
            path: file.to_path_buf(),
            problem: format!("has ports that callers cannot use: {problem}"),
            fix: "export it with other inputs or outputs, or call it from a component".to_owned(),
        })?;
        let cached = Cached::of_graph(manifest, capabilities);
        Self::new(Code::Graph(graph), signature, cached, manifest, runtime)
    }

    fn new(
        code: Code,
        signature: Signature,
        cached: Option<Cached>,
        manifest: &Manifest,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let batcher = batcher(manifest, &signature)?;
        let cache = cached
            .map(|cached| cached.cache(manifest, &signature))
            .transpose()?;
        let (limits, instances) = (manifest.limits.clone(), manifest.instances.clone());
        let most = match code {
            Code::Component(_) => deployment::most_instances(&limits),
            Code::Graph(_) => deployment::most_sessions(&limits),
        };
        let pool = Pool::new(most, &instances);
        let turns = Turns::new(most, limits.queue);
        let large = Large::new(deployment::cores(), most);
        let model = ModelName {
            name: manifest.scorer.name.clone(),
            version: manifest.scorer.version.clone(),
        };
        let shared = Shared {
            code,
            pool,
            turns,
            large,
            most,
            signature,
            model,
            limits,
            instances,
            batcher,
            cache,
        };
        Ok(Self {
            shared: Arc::new(shared),
            runtime,
        })
    }

    /// Creates the instances that must exist at the start, so that no caller waits for their
    /// `init`.
    ///
    /// # Errors
    /// `init` fails, traps or takes too long.
    pub async fn warm_up(&self) -> Result<(), StartupError> {
        let shared = Arc::clone(&self.shared);
        let started = self.runtime.spawn(async move {
            // One instance proves that `init` works, even if no instance is kept.
            let count = if shared.pool.is_warm() {
                shared.instances.at_start.min(shared.most)
            } else {
                1
            };
            let linked = match &shared.code {
                Code::Component(linked) => linked,
                Code::Graph(graph) => {
                    return graph.prepare(count).await.map_err(StartupError::Host);
                }
            };
            for _ in 0..count {
                let deadline = Instant::now() + shared.limits.init_deadline;
                match linked.instance(deadline).await {
                    Ok(instance) => shared.pool.put_back(instance),
                    Err(failure) => return Err(linked.init_error(failure, &shared.limits)),
                }
            }
            Ok(())
        });
        started
            .await
            .map_err(|error| StartupError::Host(format!("init: {error}")))?
    }

    /// Returns the world that the component exports. A graph counts as a scorer of tensors.
    #[must_use]
    pub fn world(&self) -> World {
        match &self.shared.code {
            Code::Component(linked) => linked.world(),
            Code::Graph(_) => World::TensorScoring,
        }
    }

    /// Returns the class names of an output's columns, by the output's name. Only graphs can state
    /// them, and only outputs with class names are listed.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &[String])> {
        let graph = match &self.shared.code {
            Code::Component(_) => None,
            Code::Graph(graph) => Some(graph.classes()),
        };
        graph.into_iter().flatten()
    }

    /// Returns the scorer's contract with its callers.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.shared.signature
    }

    /// Does some work on a scoring thread, so that it does not block a thread that serves sockets.
    ///
    /// # Errors
    /// The work panicked.
    pub async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ScoreFailure> {
        let done = self.runtime.spawn(async move { work() }).await;
        done.map_err(|error| ScoreFailure::HostFault(error.to_string()))
    }

    /// True if a body can be answered before its deadline. If not, it need not be read.
    ///
    /// `bytes` is the size of the body, and `waiting_bytes` is the size of the bodies that are
    /// answered before it. Small bodies are always read.
    #[must_use]
    pub fn is_in_time(&self, bytes: u64, waiting_bytes: u64) -> bool {
        bytes <= lane::LONG_BYTES as u64
            || self
                .shared
                .large
                .is_in_time(bytes, waiting_bytes, self.shared.limits.deadline)
    }

    /// Scores one payload. The deadline counts from the start of this function, so it includes the
    /// wait for an instance.
    ///
    /// # Errors
    /// The scorer gave no answer; the failure says why.
    pub async fn run(
        &self,
        invocation: Invocation,
        payload: Payload,
    ) -> Result<Scored, ScoreFailure> {
        let deadline = Instant::now() + self.shared.limits.deadline;
        let deadline = invocation
            .latest
            .map_or(deadline, |latest| deadline.min(latest));
        let shared = Arc::clone(&self.shared);
        let call = Box::pin(async move { shared.score(invocation, payload, deadline).await });
        lane::run(&self.runtime, call)
            .await
            .unwrap_or_else(|problem| Err(ScoreFailure::HostFault(problem)))
    }
}

impl Shared {
    fn enter(&self, invocation: &Invocation) -> Result<Place, ScoreFailure> {
        self.turns
            .enter(invocation.caller)
            .ok_or(ScoreFailure::Saturated)
    }

    /// Scores an input, alone or in a batch, and checks the output against the signature.
    async fn compute(
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

    /// Waits for a turn, then calls the component or graph once, for one call or for several joined
    /// calls.
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
            lane::go_long().await;
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

    /// Calls an instance, which serves no other call meanwhile.
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

    /// Returns a new instance whose `init` has a deadline of its own, which is longer than a
    /// call's.
    ///
    /// If the call cannot wait for it, the instance is left to the next call. The call's turn lasts
    /// until `init` has ended, so that no more instances are created than may run.
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
        inputs: Vec<tensor::Tensor>,
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

/// Returns the batcher that joins calls, if the manifest asks for it and the scorer is batchable.
fn batcher(
    manifest: &Manifest,
    signature: &Signature,
) -> Result<Option<Arc<Batcher>>, StartupError> {
    let Some(batching) = manifest.batching else {
        return Ok(None);
    };
    match signature {
        Signature::Tensor(signature) if signature.batchable => Ok(Some(Arc::new(Batcher::new(batching)))),
        _ if manifest.scorer.component.is_none() => Err(StartupError::Model {
            path: manifest.scorer.model.clone().unwrap_or_default(),
            problem: "cannot be batched: whether the rows of a graph are independent, its file does not say".to_owned(),
            fix: "remove [batching]; callers may send many rows in one call".to_owned(),
        }),
        _ => Err(StartupError::Component {
            path: component::file(manifest)?,
            problem: "cannot be batched: describe does not state tensors whose axis 0 is a batch of independent rows"
                .to_owned(),
            fix: "remove [batching], or state `batchable` if each row's answer depends on that row alone".to_owned(),
        }),
    }
}
