//! The scorer: a component, script or graph that is ready to answer calls, with its model and
//! settings.
//!
//! The entry points of scoring are [`Scorer::load`], [`Scorer::warm_up`] and [`Scorer::run`]. Owns
//! the steps of a call from its payload to its outcome, for every source of calls. Must not know
//! how a call arrives, the Functions envelope or Redis.

mod batcher;
mod cached;
mod callers;
mod component_runner;
mod conversion;
mod exports;
mod graph_runner;
mod instance;
mod kind;
mod large;
mod linking;
mod output;
mod pipeline;
mod pool;
mod prediction_cache;
mod previous;
#[cfg(feature = "python")]
mod script;
pub mod signature;
#[cfg(feature = "compiler")]
pub(crate) mod snapshot;
mod store;
mod turns;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use wasmtime::Engine;

pub(crate) use self::linking::judging::judge;
pub use self::linking::world::{Target, Version, World};

use self::batcher::Batcher;
use self::cached::Cached;
use self::component_runner::ComponentRunner;
use self::exports::Run;
use self::graph_runner::GraphRunner;
#[cfg(feature = "graphs")]
pub(crate) use self::graph_runner::answer_of;
use self::kind::{Kind, PayloadRunner, PayloadScorer, TensorComponent};
use self::large::Large;
use self::linking::Linked;
#[cfg(any(feature = "compiler", feature = "graphs"))]
pub(crate) use self::linking::imports::calls_graphs;
pub use self::output::Output;
use self::pipeline::Pipeline;
use self::pool::Pool;
pub use self::prediction_cache::entry;
use self::signature::{Described, Signature, check_payloads};
use self::turns::Turns;
use crate::call::{Invocation, Payload, Scored};
use crate::capability::Capabilities;
use crate::codec::open_inference::ModelName;
use crate::component::{self, Compiled};
use crate::error::{ScoreFailure, StartupError};
use crate::manifest::{Instances, Isolation, Manifest};
use crate::offload;
use crate::sizing;

/// A loaded scorer: a linked component or a script with its contract and instances, or a graph that
/// is served without a component.
pub struct Scorer {
    pipeline: Arc<Pipeline>,
    instances: Instances,
    /// Version of the contract that the component was built against. The current version for a
    /// script and for a graph.
    version: Version,
    /// Maximum number of calls that the scorer may execute at a time.
    max_concurrency: usize,
    runtime: tokio::runtime::Handle,
}

impl Scorer {
    /// Checks a component against the contract, links the component and calls its `describe` to get
    /// the signature of the scorer.
    ///
    /// `runtime` is the async runtime of the scoring threads, which run `init` and calls that take
    /// long (`offload.rs`).
    ///
    /// # Errors
    /// Fails if this host cannot run the component, e.g. because of its world or an import that is
    /// not granted. Also fails if `describe` fails or takes too long, or if the manifest does not
    /// fit the signature that `describe` returns.
    pub async fn load(
        engine: &Engine,
        compiled: &Compiled,
        manifest: &Manifest,
        capabilities: Arc<Capabilities>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let linked = Linked::new(engine, compiled, manifest, Arc::clone(&capabilities))?;
        let target = linked.target();
        let cached = Cached::of_component(manifest, compiled, target, &capabilities);
        let deadline = Instant::now() + manifest.limits.init_deadline;
        let described = runtime.spawn(async move {
            let described = linked.describe(deadline).await?;
            Ok::<_, StartupError>((linked, described))
        });
        let described = described
            .await
            .map_err(|error| StartupError::Host(format!("describe: {error}")))?;
        let (linked, described) = described?;
        let max_concurrency = sizing::most_instances(&manifest.limits);
        let turns = Turns::new(max_concurrency, manifest.limits.queue);
        let kind = match described {
            Described::Payload(signature) => Kind::Payloads(PayloadScorer {
                runner: PayloadRunner::Component(runner(linked, manifest, max_concurrency, &turns)),
                signature,
                allows_cookies: manifest.answers.cookies,
            }),
            Described::Tensor(signature) => Kind::Tensors(TensorComponent {
                runner: runner(linked, manifest, max_concurrency, &turns),
                signature,
                batcher: manifest
                    .batching
                    .map(|batching| Arc::new(Batcher::new(batching))),
            }),
        };
        let scorer = Self::new(kind, turns, max_concurrency, cached, manifest, runtime)?;
        Ok(Self {
            version: target.version,
            ..scorer
        })
    }

    /// Loads an ONNX graph that is served without a component.
    ///
    /// `file` is the graph's file in the model folder. `library` is the shared library of the
    /// engine that runs graphs.
    ///
    /// # Errors
    /// Fails if this host does not have an engine for graphs, if the file is not a graph that
    /// callers can use, if loading takes too long, or if the manifest does not fit the graph.
    pub async fn of_graph(
        file: &Path,
        library: &Path,
        manifest: &Manifest,
        capabilities: &Capabilities,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let max_concurrency = sizing::most_sessions(&manifest.limits);
        let turns = Turns::new(max_concurrency, manifest.limits.queue);
        let (on, limits) = (runtime.clone(), &manifest.limits);
        let graph = GraphRunner::load(file, library, turns.clone(), limits, on).await?;
        let cached = Cached::of_graph(manifest, capabilities);
        let kind = Kind::Graph(graph);
        Self::new(kind, turns, max_concurrency, cached, manifest, runtime)
    }

    /// Loads a script: starts its first instance, which runs `init`. `script` has the parts that
    /// all instances share.
    ///
    /// # Errors
    /// Fails if the script does not start, if its contract is invalid, or if the manifest does not
    /// fit the contract.
    #[cfg(feature = "python")]
    pub async fn of_script(
        script: scorebox_python::Script,
        manifest: &Manifest,
        capabilities: Arc<Capabilities>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        let max_concurrency = sizing::most_script_instances(&manifest.limits);
        let turns = Turns::new(max_concurrency, manifest.limits.queue);
        let cached = Cached::of_script(manifest, &script, &capabilities);
        let (on, own) = (runtime.clone(), turns.clone());
        let (runner, signature) =
            script::ScriptRunner::load(script, manifest, capabilities, own, on).await?;
        let kind = Kind::Payloads(PayloadScorer {
            runner: PayloadRunner::Script(runner),
            signature,
            allows_cookies: manifest.answers.cookies,
        });
        Self::new(kind, turns, max_concurrency, cached, manifest, runtime)
    }

    fn new(
        mut kind: Kind,
        turns: Turns,
        max_concurrency: usize,
        cached: Option<Cached>,
        manifest: &Manifest,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        if let Some(signature) = kind.tensor_signature_mut() {
            signature.add_facts(manifest)?;
        }
        check_payloads(manifest, kind.signature())?;
        check_batching(manifest, kind.signature())?;
        let cache = cached
            .map(|cached| cached.cache(manifest, kind.signature()))
            .transpose()?;
        let model = ModelName {
            name: manifest.scorer.name.clone(),
            version: manifest.scorer.version.clone(),
        };
        let pipeline = Pipeline {
            kind,
            turns,
            large: Large::new(sizing::cores(), max_concurrency),
            model,
            limits: manifest.limits.clone(),
            cache,
        };
        Ok(Self {
            pipeline: Arc::new(pipeline),
            instances: manifest.instances.clone(),
            version: Version::Current,
            max_concurrency,
            runtime,
        })
    }

    /// Creates the instances or graph sessions that must exist when the host starts, so that the
    /// first calls do not wait for them. If every call has an instance of its own, creates one, to
    /// check that `init` works.
    ///
    /// # Errors
    /// Fails if `init` fails, traps or takes too long, or if a session of the graph cannot be
    /// created.
    ///
    /// The returned future is boxed, so that its code is compiled once. The code of a future that
    /// is not boxed is compiled again in each crate that awaits it.
    pub fn warm_up(&self) -> BoxFuture<'_, Result<(), StartupError>> {
        Box::pin(async move {
            // One instance proves that `init` works, even if no instance is kept.
            let count = match self.instances.isolation {
                Isolation::Warm => self.instances.at_start.min(self.max_concurrency),
                Isolation::Call => 1,
            };
            let pipeline = Arc::clone(&self.pipeline);
            let started = self
                .runtime
                .spawn(async move { pipeline.kind.warm_up(count).await });
            started
                .await
                .map_err(|error| StartupError::Host(format!("init: {error}")))?
        })
    }

    /// Returns true if the scorer is a graph that has not answered any input yet, in this process
    /// or elsewhere.
    #[cfg(feature = "graphs")]
    pub(crate) fn has_open_graph(&self) -> bool {
        matches!(&self.pipeline.kind, Kind::Graph(graph) if !graph.has_answered())
    }

    /// Runs the graph of this scorer on an example of a request. If `example` is `None`, only
    /// records that the graph has answered a request elsewhere. After the graph's first answer, an
    /// input that the graph refuses counts as the caller's error. Does nothing for a component or a
    /// script.
    ///
    /// # Errors
    /// Fails if the example does not fit the inputs of the graph, or if the graph refuses the
    /// example, fails, or takes longer than `limits.init_deadline`.
    #[cfg(feature = "graphs")]
    pub(crate) async fn answer_example(
        &self,
        example: Option<&Payload>,
    ) -> Result<(), ScoreFailure> {
        match &self.pipeline.kind {
            Kind::Graph(graph) => graph.answer_example(example).await,
            Kind::Payloads(_) | Kind::Tensors(_) => Ok(()),
        }
    }

    /// Returns the world of the scorer: the world that the component targets, `scoring` for a
    /// script, or `tensor-scoring` for a graph.
    #[must_use]
    pub fn world(&self) -> World {
        self.pipeline.kind.world()
    }

    /// Returns the version of the contract that the component was built against, or the current one
    /// for a script or a graph.
    #[must_use]
    pub fn wit_version(&self) -> &'static str {
        self.version.number()
    }

    /// Returns the name of each output that has class names, with the class names of its columns.
    /// Only outputs of graphs have class names.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &[String])> {
        let graph = match &self.pipeline.kind {
            Kind::Payloads(_) | Kind::Tensors(_) => None,
            Kind::Graph(graph) => Some(graph.classes()),
        };
        graph.into_iter().flatten()
    }

    /// Returns the contract of this scorer with its callers.
    #[must_use]
    pub fn signature(&self) -> Signature<'_> {
        self.pipeline.kind.signature()
    }

    /// Runs `work` on a scoring thread, so that it does not block a thread that serves sockets.
    ///
    /// # Errors
    /// Fails if `work` panics.
    pub async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ScoreFailure> {
        let done = self.runtime.spawn(async move { work() }).await;
        done.map_err(|error| ScoreFailure::HostFault(error.to_string()))
    }

    /// Returns true if a call with a body of `bytes` bytes is expected to be answered before its
    /// deadline. If false, there is no point in reading the body.
    ///
    /// `waiting_bytes` is the total size of the bodies that are answered first. Always returns true
    /// for a body of at most 64 KiB, while no large call is in progress, and while no rate of large
    /// calls was measured.
    #[must_use]
    pub fn is_in_time(&self, bytes: u64, waiting_bytes: u64) -> bool {
        bytes <= offload::LONG_BYTES as u64
            || self
                .pipeline
                .large
                .is_in_time(bytes, waiting_bytes, self.pipeline.limits.deadline)
    }

    /// Scores one payload. The time limit `limits.deadline` starts when this function is called, so
    /// it includes the wait for an instance. If `invocation.latest` is earlier, it is the deadline.
    ///
    /// # Errors
    /// Fails if the payload does not fit the scorer's contract, if too many calls wait, or if the
    /// scorer does not answer before the deadline or answers with an error. The failure says why.
    pub async fn run(
        &self,
        invocation: Invocation,
        payload: Payload,
    ) -> Result<Scored, ScoreFailure> {
        let deadline = Instant::now() + self.pipeline.limits.deadline;
        let deadline = invocation
            .latest
            .map_or(deadline, |latest| deadline.min(latest));
        let pipeline = Arc::clone(&self.pipeline);
        let call = Box::pin(async move { pipeline.handle(invocation, payload, deadline).await });
        offload::run(&self.runtime, call)
            .await
            .unwrap_or_else(|lost| Err(ScoreFailure::HostFault(lost.to_string())))
    }
}

/// Creates the runner of a component's calls, with the limits on calls and the instance pool that
/// the manifest asks for. At most `max_concurrency` calls execute at a time.
fn runner<R: Run>(
    linked: Linked,
    manifest: &Manifest,
    max_concurrency: usize,
    turns: &Turns,
) -> Arc<ComponentRunner<R>> {
    let pool = Pool::new(max_concurrency, &manifest.instances);
    let limits = manifest.limits.clone();
    Arc::new(ComponentRunner::new(linked, pool, turns.clone(), limits))
}

/// Fails if the manifest asks for batching, but the scorer's signature does not state that the
/// scorer is batchable.
fn check_batching(manifest: &Manifest, signature: Signature<'_>) -> Result<(), StartupError> {
    if manifest.batching.is_none() {
        return Ok(());
    }
    match signature {
        Signature::Tensor(signature) if signature.batchable => Ok(()),
        _ if manifest.scorer.serves_graph() => Err(StartupError::Model {
            path: manifest.scorer.model.clone().unwrap_or_default(),
            problem: "cannot be batched: the file of a graph does not say whether its rows are \
                      independent".to_owned(),
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
