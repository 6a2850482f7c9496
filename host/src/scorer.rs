//! The scorer: one component or graph that is ready to answer calls, with its model and settings.
//!
//! The entry points of scoring are [`Scorer::load`], [`Scorer::warm_up`] and [`Scorer::run`]. Owns
//! the steps of a call from its payload to its outcome, for every source of calls. Must not know
//! HTTP, the Functions envelope or Redis.

mod batcher;
mod cached;
mod callers;
mod execution;
mod graph_runner;
mod instance;
mod large;
mod linking;
mod pipeline;
mod pool;
mod prediction_cache;
pub mod signature;
#[cfg(feature = "compiler")]
pub(crate) mod snapshot;
mod store;
mod turns;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::Engine;

#[cfg(feature = "compiler")]
pub(crate) use self::linking::world::world_at as world_of;
pub use self::linking::world::{WIT_VERSION, World};

use self::batcher::Batcher;
use self::cached::Cached;
use self::graph_runner::GraphRunner;
pub use self::instance::{Input, Output};
use self::large::Large;
use self::linking::Linked;
use self::pool::Pool;
use self::prediction_cache::PredictionCache;
pub use self::prediction_cache::entry;
use self::signature::Signature;
use self::turns::Turns;
#[cfg(feature = "graphs")]
pub(crate) use self::{graph_runner::answer_of, linking::imports::calls_graphs};
use crate::call::{Invocation, Payload, Scored};
use crate::capability::Capabilities;
use crate::codec::open_inference::ModelName;
use crate::component::{self, Compiled};
use crate::error::{ScoreFailure, StartupError};
use crate::manifest::{Instances, Limits, Manifest};
use crate::offload;
use crate::sizing;

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
    /// Maximum number of calls that may execute at a time.
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
    /// `runtime` has the scoring threads, which run `init` and calls that take long (`offload.rs`).
    ///
    /// # Errors
    /// Fails if the component is not a scorer of a known world, if it imports an interface that is
    /// not granted, or if `describe` fails.
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

    /// Loads an ONNX graph that is served without a component.
    ///
    /// `file` is the graph's file in the model folder. `library` is the shared library of the
    /// engine that runs graphs.
    ///
    /// # Errors
    /// Fails if there is no engine, or if the file is not a graph that callers can use.
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
            Code::Component(_) => sizing::most_instances(&limits),
            Code::Graph(_) => sizing::most_sessions(&limits),
        };
        let pool = Pool::new(most, &instances);
        let turns = Turns::new(most, limits.queue);
        let large = Large::new(sizing::cores(), most);
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

    /// Creates the instances that must exist when the host starts, so that no caller waits for
    /// `init`.
    ///
    /// # Errors
    /// Fails if `init` fails, traps or takes too long.
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

    /// Returns each output that has class names, as the output's name and the class names of its
    /// columns. Only graphs have class names.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &[String])> {
        let graph = match &self.shared.code {
            Code::Component(_) => None,
            Code::Graph(graph) => Some(graph.classes()),
        };
        graph.into_iter().flatten()
    }

    /// Returns the contract of this scorer with its callers.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.shared.signature
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

    /// Returns true if a body can be answered before its deadline. If false, reading the body is
    /// useless.
    ///
    /// `bytes` is the size of the body, and `waiting_bytes` is the total size of the bodies that
    /// are answered first. For a body of at most 64 KiB the function always returns true.
    #[must_use]
    pub fn is_in_time(&self, bytes: u64, waiting_bytes: u64) -> bool {
        bytes <= offload::LONG_BYTES as u64
            || self
                .shared
                .large
                .is_in_time(bytes, waiting_bytes, self.shared.limits.deadline)
    }

    /// Scores one payload. The deadline counts from the start of this function, so it includes the
    /// wait for an instance.
    ///
    /// # Errors
    /// Fails if the scorer gives no answer. The failure says why.
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
        offload::run(&self.runtime, call)
            .await
            .unwrap_or_else(|problem| Err(ScoreFailure::HostFault(problem)))
    }
}

/// Returns the batcher that joins concurrent calls, if the manifest asks for batching. Fails if it
/// does and the scorer is not batchable.
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
