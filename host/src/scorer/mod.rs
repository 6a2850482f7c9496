//! A scorer, ready to run: component, model and settings.
//!
//! The front door of scoring: [`Scorer::load`], [`Scorer::warm_up`], [`Scorer::run`]. Owns the way of one call from a
//! payload to an outcome, whatever made it. Must not know HTTP, the Functions envelope or Redis.

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
    /// A media type; empty if the sender gave none.
    pub content_type: String,
    /// The bytes.
    pub body: Bytes,
}

/// What made the host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A blob that was created or changed.
    Blob,
    /// A developer's or a test's direct call.
    Direct,
    /// An HTTP request.
    Http,
    /// A Service Bus message.
    ServiceBus,
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
    /// Address that the call came from. Callers are told apart by it, so that none takes the instances of all.
    pub caller: Option<IpAddr>,
    /// When whoever waits for the answer gives up, if that is known; `limits.deadline` holds in any case.
    pub latest: Option<Instant>,
    /// Where the lines of this call are collected beside the log, if anybody wants them.
    pub lines: Option<Lines>,
}

impl Invocation {
    /// A first delivery with nothing known about it but its id.
    #[must_use]
    pub fn new(id: impl Into<String>, source: Source) -> Self {
        Self { id: id.into(), source, attempt: 1, attributes: Vec::new(), caller: None, latest: None, lines: None }
    }
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
    /// Where the answer came from, if there is a prediction cache.
    pub cache: Option<CacheStatus>,
}

/// A component, linked, with its contract and its instances; or a graph that is served itself.
pub struct Scorer {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
}

/// What computes.
enum Code {
    Component(Linked),
    Graph(GraphRunner),
}

struct Shared {
    code: Code,
    pool: Pool,
    turns: Turns,
    large: Large,
    /// Calls that may run at a time.
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
    /// `runtime` has the scoring threads: they run `init`, and calls that are long (`scorer/lane.rs`).
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
        let linked = Linked::new(engine, compiled, manifest, Arc::clone(&capabilities))?;
        let cached = Cached::of_component(manifest, compiled, linked.world(), &capabilities);
        let deadline = Instant::now() + manifest.limits.init_deadline;
        let described = runtime.spawn(async move {
            let signature = linked.describe(deadline).await?;
            Ok::<_, StartupError>((linked, signature))
        });
        let described = described.await.map_err(|error| StartupError::Host(format!("describe: {error}")))?;
        let (linked, signature) = described?;
        Self::new(Code::Component(linked), signature, cached, manifest, runtime)
    }

    /// Loads a graph to be served itself: `file` of the model, by the engine in `library`.
    ///
    /// # Errors
    /// There is no engine, or the file is no graph that callers can use.
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
        let cache = cached.map(|cached| cached.cache(manifest, &signature)).transpose()?;
        let (limits, instances) = (manifest.limits.clone(), manifest.instances.clone());
        let most = match code {
            Code::Component(_) => deployment::most_instances(&limits),
            Code::Graph(_) => deployment::most_sessions(&limits),
        };
        let pool = Pool::new(most, &instances);
        let turns = Turns::new(most, limits.queue);
        let large = Large::new(deployment::cores(), most);
        let model = ModelName { name: manifest.scorer.name.clone(), version: manifest.scorer.version.clone() };
        let shared = Shared { code, pool, turns, large, most, signature, model, limits, instances, batcher, cache };
        Ok(Self { shared: Arc::new(shared), runtime })
    }

    /// Makes the instances that are to be there at the start, so that no caller waits for their `init`.
    ///
    /// # Errors
    /// `init` fails, traps or takes too long.
    pub async fn warm_up(&self) -> Result<(), StartupError> {
        let shared = Arc::clone(&self.shared);
        let started = self.runtime.spawn(async move {
            // One proves that `init` works, even where no instance is kept.
            let count = if shared.pool.is_warm() { shared.instances.at_start.min(shared.most) } else { 1 };
            let linked = match &shared.code {
                Code::Component(linked) => linked,
                Code::Graph(graph) => return graph.prepare(count).await.map_err(StartupError::Host),
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
        started.await.map_err(|error| StartupError::Host(format!("init: {error}")))?
    }

    /// The world that the component exports; a graph answers as one of tensors does.
    #[must_use]
    pub fn world(&self) -> World {
        match &self.shared.code {
            Code::Component(linked) => linked.world(),
            Code::Graph(_) => World::TensorScoring,
        }
    }

    /// The classes that the columns of an output stand for, by the output's name, where a graph says them.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &[String])> {
        let graph = match &self.shared.code {
            Code::Component(_) => None,
            Code::Graph(graph) => Some(graph.classes()),
        };
        graph.into_iter().flatten()
    }

    /// The scorer's contract with its callers.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.shared.signature
    }

    /// Does some work on a scoring thread, so that it holds up no thread that serves sockets.
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

    /// False if a body of `bytes` bytes, read after `waiting_bytes` others, could not be answered before its deadline: it need
    /// not be read. Small bodies are always read.
    #[must_use]
    pub fn is_in_time(&self, bytes: u64, waiting_bytes: u64) -> bool {
        bytes <= lane::LONG_BYTES as u64
            || self.shared.large.is_in_time(bytes, waiting_bytes, self.shared.limits.deadline)
    }

    /// Scores one payload. The deadline counts from here, waiting for an instance included.
    ///
    /// # Errors
    /// There is no answer; the failure says why.
    pub async fn run(&self, invocation: Invocation, payload: Payload) -> Result<Scored, ScoreFailure> {
        let deadline = Instant::now() + self.shared.limits.deadline;
        let deadline = invocation.latest.map_or(deadline, |latest| deadline.min(latest));
        let shared = Arc::clone(&self.shared);
        let call = Box::pin(async move { shared.score(invocation, payload, deadline).await });
        lane::run(&self.runtime, call).await.unwrap_or_else(|problem| Err(ScoreFailure::HostFault(problem)))
    }
}

impl Shared {
    fn enter(&self, invocation: &Invocation) -> Result<Place, ScoreFailure> {
        self.turns.enter(invocation.caller).ok_or(ScoreFailure::Saturated)
    }

    /// Has an input scored, and checks what comes of it.
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

    /// Makes a call, of one caller or of several joined.
    async fn call(
        self: &Arc<Self>,
        calls: Vec<Invocation>,
        input: Input,
        deadline: Instant,
    ) -> Result<(Output, Duration), ScoreFailure> {
        let late = || ScoreFailure::TimedOut { deadline: self.limits.deadline };
        let caller = calls.first().and_then(|call| call.caller);
        let turn = self.turns.turn(caller, deadline).await.ok_or_else(late)?;
        if turn.is_apart() {
            lane::go_long().await;
        }
        match (&self.code, input) {
            (Code::Component(linked), input) => self.call_instance(linked, turn, calls, input, deadline).await,
            (Code::Graph(graph), Input::Tensors(inputs)) => {
                let (outputs, run_time) = graph.run(inputs, turn, deadline).await?;
                Ok((Output::Tensors(outputs), run_time))
            }
            (Code::Graph(_), Input::Payload(_)) => Err(ScoreFailure::HostFault("a payload for a graph".to_owned())),
        }
    }

    /// The call on an instance of its own for as long as it takes.
    async fn call_instance(
        self: &Arc<Self>,
        linked: &Linked,
        turn: Turn,
        calls: Vec<Invocation>,
        input: Input,
        deadline: Instant,
    ) -> Result<(Output, Duration), ScoreFailure> {
        let late = || ScoreFailure::TimedOut { deadline: self.limits.deadline };
        let made = match self.pool.take() {
            Some(instance) => Ok((instance, turn)),
            // From a snapshot, or for this call alone: there is nothing to save for others.
            None if linked.is_snapshot() || !self.pool.is_warm() => {
                linked.instance(deadline).await.map(|instance| (instance, turn))
            }
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

    /// A new instance whose `init` has time of its own, longer than a call's: a call that cannot wait for it leaves it to
    /// the next one. The call's turn lasts until then, so that no more are made than may run.
    async fn initialised(self: &Arc<Self>, deadline: Instant, turn: Turn) -> Result<(Instance, Turn), Failure> {
        let shared = Arc::clone(self);
        let (hand_over, made) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let Code::Component(linked) = &shared.code else { return };
            let instance = linked.instance(Instant::now() + shared.limits.init_deadline).await;
            if let Err((Ok(instance), _turn)) = hand_over.send((instance, turn)) {
                shared.pool.put_back(instance);
            }
        });
        match tokio::time::timeout_at(deadline.into(), made).await {
            Ok(Ok((instance, turn))) => Ok((instance?, turn)),
            Ok(Err(_)) => Err(Failure::Score(ScoreFailure::HostFault("making an instance ended".to_owned()))),
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
            (Output::Payload(_), _) => Err(ScoreFailure::HostFault("a payload from a tensor scorer".to_owned())),
        }
    }
}

/// What joins calls, if the manifest asks for it and the scorer can.
fn batcher(manifest: &Manifest, signature: &Signature) -> Result<Option<Arc<Batcher>>, StartupError> {
    let Some(batching) = manifest.batching else { return Ok(None) };
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
