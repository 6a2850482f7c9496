//! Linking of a component to the host: which world it exports, what it imports, and how instances
//! are created.
//!
//! Owns the checks that `package`, `check` and the start of the host share, and their texts. Must
//! not know calls, or where code comes from.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use scorebox_sandbox::Sandbox;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, Store};

use super::bindings::scoring::ScoringPre;
use super::bindings::tensor_scoring::TensorScoringPre;
use super::instance::{Failure, Init, Instance, Run, bounded};
use super::signature::Signature;
use super::store;
use crate::capability::refusal::{refuse, refused};
use crate::capability::{self, Capabilities, Grant, InstanceState, grant};
use crate::component::{self, Compiled};
use crate::error::{ScoreFailure, StartupError};
use crate::graph::NO_ENGINE;
use crate::manifest::{Limits, Manifest};
use crate::panics::caught;

/// Version of the contract that this host serves.
pub const WIT_VERSION: &str = "0.1.0";

/// Mark before the name of the import that ended `describe`, in the text of the guest's error.
const REFUSED: &str = "not in describe: `";

/// One of the two worlds that a scorer can export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// The world of scorers that take and return payloads.
    Scoring,
    /// The world of scorers that take and return tensors.
    TensorScoring,
}

impl World {
    pub(super) fn export(self) -> String {
        match self {
            Self::Scoring => format!("scorebox:scoring/scorer@{WIT_VERSION}"),
            Self::TensorScoring => format!("scorebox:scoring/tensor-scorer@{WIT_VERSION}"),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scoring => "scoring",
            Self::TensorScoring => "tensor-scoring",
        })
    }
}

/// A component that was checked and linked.
pub(super) struct Linked {
    engine: Engine,
    component: Component,
    path: std::path::PathBuf,
    scorer: String,
    world: World,
    pre: InstancePre<Sandbox>,
    /// Index of the export `init`. Like that of `run`, it is looked up once for all instances.
    init: ComponentExportIndex,
    run: ComponentExportIndex,
    capabilities: Arc<Capabilities>,
    memory_bytes: u64,
    snapshot: bool,
}

impl Linked {
    pub(super) fn new(
        engine: &Engine,
        compiled: &Compiled,
        manifest: &Manifest,
        capabilities: Arc<Capabilities>,
    ) -> Result<Self, StartupError> {
        let path = component::file(manifest)?;
        let fail = |(problem, fix): (String, String)| StartupError::Component {
            path: path.clone(),
            problem,
            fix,
        };
        let component = compiled.component.clone();
        let world = world_of(engine, &component).map_err(fail)?;
        check_imports(engine, &component, manifest, &capabilities).map_err(fail)?;
        let mut linker = Linker::new(engine);
        capability::link(&mut linker)
            .map_err(|error| StartupError::Host(format!("linking failed: {error:#}")))?;
        let misfit = |error: wasmtime::Error| {
            fail((
                format!(
                    "does not fit the world {world} of scorebox:scoring@{WIT_VERSION}: {error:#}"
                ),
                "build it against the WIT of this host".to_owned(),
            ))
        };
        let pre = linker.instantiate_pre(&component).map_err(misfit)?;
        // The generated bindings check that every export is present.
        match world {
            World::Scoring => drop(ScoringPre::new(pre.clone()).map_err(misfit)?),
            World::TensorScoring => drop(TensorScoringPre::new(pre.clone()).map_err(misfit)?),
        }
        let export = |name: &str| {
            let scorer = component.get_export_index(None, world.export().as_str());
            let found = scorer.and_then(|scorer| component.get_export_index(Some(&scorer), name));
            found.ok_or_else(|| misfit(wasmtime::Error::msg(format!("no `{name}`"))))
        };
        let (init, run) = (export("init")?, export("run")?);
        Ok(Self {
            engine: engine.clone(),
            component,
            path: path.clone(),
            scorer: manifest.scorer.name.clone(),
            world,
            pre,
            init,
            run,
            capabilities,
            memory_bytes: manifest.limits.memory_bytes,
            snapshot: compiled.snapshot,
        })
    }

    pub(super) fn world(&self) -> World {
        self.world
    }

    /// True if instances start from the state after `init`, so that creating one takes
    /// microseconds.
    pub(super) fn is_snapshot(&self) -> bool {
        self.snapshot
    }

    /// Creates an instance and runs its `init`, unless `init` ran when the image was built.
    pub(super) async fn instance(&self, deadline: Instant) -> Result<Instance, Failure> {
        // A separate task may run this, and there a panic would not reach the call that waits.
        let made = caught(self.made(deadline)).await;
        made.unwrap_or_else(|panic| Err(Failure::Score(ScoreFailure::HostFault(panic))))
    }

    async fn made(&self, deadline: Instant) -> Result<Instance, Failure> {
        let mut store = self.store(deadline, "init");
        let made = bounded(deadline, async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let run = match self.world {
                World::Scoring => Run::Scoring(instance.get_typed_func(&mut store, self.run)?),
                World::TensorScoring => {
                    Run::TensorScoring(instance.get_typed_func(&mut store, self.run)?)
                }
            };
            let init: Option<Init> = match self.snapshot {
                true => None,
                false => Some(instance.get_typed_func(&mut store, self.init)?),
            };
            Ok((run, init))
        });
        let Some(made) = made.await else {
            return Err(Failure::timed_out());
        };
        let (run, init) =
            made.map_err(|error| Failure::of_guest(error, InstanceState::of(store.data())))?;
        let mut instance = Instance::new(store, run);
        if let Some(init) = init {
            instance.init(init, deadline).await?;
        }
        Ok(instance)
    }

    /// Creates an instance and asks it for its signature.
    ///
    /// The instance has closed WASI, which the interpreters of some languages need to start. It has
    /// no other capability.
    pub(super) async fn describe(&self, deadline: Instant) -> Result<Signature, StartupError> {
        let fail = |problem: String, fix: &str| StartupError::Component {
            path: self.path.clone(),
            problem,
            fix: fix.to_owned(),
        };
        let internal = |error: wasmtime::Error| {
            StartupError::Host(format!("linking for describe failed: {error:#}"))
        };
        let mut linker = Linker::new(&self.engine);
        capability::link_closed_wasi(&mut linker).map_err(internal)?;
        refuse(
            &mut linker,
            &self.component,
            capability::is_closed_wasi,
            REFUSED,
        )
        .map_err(internal)?;
        let pre = linker.instantiate_pre(&self.component).map_err(internal)?;
        let mut store = self.store(deadline, "describe");
        let called = async {
            match self.world {
                World::Scoring => {
                    let exports = ScoringPre::new(pre)?.instantiate_async(&mut store).await?;
                    let signature = exports
                        .scorebox_scoring_scorer()
                        .call_describe(&mut store)
                        .await?;
                    Ok(Signature::from_payload(signature))
                }
                World::TensorScoring => {
                    let exports = TensorScoringPre::new(pre)?
                        .instantiate_async(&mut store)
                        .await?;
                    let signature = exports
                        .scorebox_scoring_tensor_scorer()
                        .call_describe(&mut store)
                        .await?;
                    Ok(Signature::from_tensor(signature))
                }
            }
        };
        // The epoch stops a guest that computes. This bound stops a guest that sleeps.
        let called: wasmtime::Result<_> = bounded(deadline, called)
            .await
            .unwrap_or_else(|| Err(wasmtime::Error::msg("it took too long")));
        InstanceState::of_mut(store.data_mut()).end();
        let signature = called.map_err(|error| {
            let text = format!("{error:#}");
            if let Some(import) = refused(&text, REFUSED) {
                return fail(
                    format!("describe called a capability: {import}"),
                    "make describe pure: state the contract, and read model, stores and settings in init",
                );
            }
            let problem = match Failure::of_guest(error, InstanceState::of(store.data())) {
                Failure::Score(failure) => {
                    failure.disposition().detail.unwrap_or_else(|| "it took too long".to_owned())
                }
                Failure::Init(problem) => problem.message,
            };
            fail(format!("describe failed: {problem}"), "make describe return the signature and nothing else")
        })?;
        signature.map_err(|problem| {
            fail(
                format!("describe states a contract that cannot be: {problem}"),
                "mend describe",
            )
        })
    }

    /// Returns the start-up error for an `init` that did not succeed.
    pub(super) fn init_error(&self, failure: Failure, limits: &Limits) -> StartupError {
        let (problem, fix) = match failure {
            Failure::Init(problem) => {
                let detail = problem.detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
                (format!("{}: {}{detail}", problem.code, problem.message), "see what init says".to_owned())
            }
            Failure::Score(ScoreFailure::TimedOut { .. }) => (
                format!("no end after {} ms", limits.init_deadline.as_millis()),
                "do less in init, or raise limits.init_deadline".to_owned(),
            ),
            Failure::Score(ScoreFailure::OutOfMemory { .. }) => (
                format!("needs more than {} bytes of memory", limits.memory_bytes),
                "read less of the model into the scorer, or raise limits.memory".to_owned(),
            ),
            Failure::Score(ScoreFailure::Saturated) => (
                "needs more memory than limits.total_memory leaves for one instance".to_owned(),
                "give the container more memory, or set limits.total_memory, or lower limits.instances".to_owned(),
            ),
            Failure::Score(failure) => {
                let row = failure.disposition();
                (row.detail.unwrap_or(row.message), "see the lines above that the scorer wrote".to_owned())
            }
        };
        StartupError::Init {
            scorer: self.scorer.clone(),
            problem,
            fix,
        }
    }

    fn store(&self, deadline: Instant, phase: &str) -> Store<Sandbox> {
        store::new(
            &self.engine,
            Arc::clone(&self.capabilities),
            self.memory_bytes,
            deadline,
            phase,
        )
    }
}

/// Returns the world that a component exports.
///
/// # Errors
/// The component exports no world that this host serves, or it exports both.
#[cfg(feature = "compiler")]
pub(crate) fn world_at(
    engine: &Engine,
    component: &Component,
    path: &std::path::Path,
) -> Result<World, StartupError> {
    let fail = |(problem, fix)| StartupError::Component {
        path: path.to_path_buf(),
        problem,
        fix,
    };
    world_of(engine, component).map_err(fail)
}

/// A problem of a component and its fix, as texts.
type Misfit = (String, String);

fn world_of(engine: &Engine, component: &Component) -> Result<World, Misfit> {
    let exports: Vec<String> = component
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let worlds = [World::Scoring, World::TensorScoring];
    let found: Vec<World> = worlds
        .into_iter()
        .filter(|world| exports.contains(&world.export()))
        .collect();
    if let [world] = found.as_slice() {
        return Ok(*world);
    }
    let ours: Vec<_> = exports
        .iter()
        .filter(|name| name.starts_with("scorebox:scoring/"))
        .map(String::as_str)
        .collect();
    Err(match (found.len(), ours.as_slice()) {
        (0, []) => (
            format!(
                "exports no scorer: it exports {}",
                if exports.is_empty() {
                    "nothing".into()
                } else {
                    exports.join(", ")
                }
            ),
            format!(
                "export {} or {}, e.g. with the crate scorebox-guest",
                worlds[0].export(),
                worlds[1].export()
            ),
        ),
        (0, ours) => (
            format!(
                "is a scorer of another version of the contract: it exports {}",
                ours.join(", ")
            ),
            format!(
                "build it against scorebox:scoring@{WIT_VERSION}, or run it with the host of its version"
            ),
        ),
        _ => (
            "exports both worlds".to_owned(),
            "export one of them: the host would not know which to call".to_owned(),
        ),
    })
}

/// True if a component calls graphs, and so needs the graphs of its model.
#[cfg(feature = "graphs")]
pub(crate) fn calls_graphs(engine: &Engine, component: &Component) -> bool {
    let imports = component.component_type();
    let mut imports = imports.imports(engine);
    imports.any(|(name, item)| grant(name) == Some(Grant::Graphs) && lends(engine, &item.ty))
}

/// True if an imported item is more than a collection of types, so that the host has to provide it.
fn lends(engine: &Engine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .any(|(_, item)| !matches!(item.ty, ComponentItem::Type(_))),
        _ => true,
    }
}

fn check_imports(
    engine: &Engine,
    component: &Component,
    manifest: &Manifest,
    capabilities: &Capabilities,
) -> Result<(), Misfit> {
    let mut strange = Vec::new();
    let mut missing = None;
    let has_commands = manifest
        .stores
        .values()
        .any(|store| !store.commands.is_empty());
    for (name, item) in component.component_type().imports(engine) {
        let lends = lends(engine, &item.ty);
        match grant(name) {
            Some(Grant::Always) => {}
            Some(Grant::Graphs) if !lends => {}
            Some(Grant::Graphs) if cfg!(not(feature = "graphs")) => {
                missing = Some((
                    format!("imports {name}, and this program has no engine for graphs"),
                    NO_ENGINE,
                ));
            }
            Some(Grant::Graphs)
                if capabilities
                    .graphs
                    .iter()
                    .all(|graphs| graphs.iter().next().is_none()) =>
            {
                missing = Some((
                    format!("imports {name}, and the model holds no graph"),
                    "put an .onnx file into the folder that scorer.model names",
                ));
            }
            Some(Grant::Stores) if manifest.stores.is_empty() => {
                missing = Some((
                    format!("imports {name}, and the manifest grants no store"),
                    "add `[stores.default]` to scorebox.toml; without a Redis URL it is kept in memory",
                ));
            }
            Some(Grant::Commands) if !has_commands => {
                missing = Some((
                    format!("imports {name}, and the manifest grants no commands"),
                    "write `commands` under a `[stores.<name>]` of scorebox.toml, e.g. `commands = [\"@hash\"]`: what the \
                     scorer sends",
                ));
            }
            Some(Grant::Commands | Grant::Graphs | Grant::Stores) => {}
            None if lends => strange.push(name.to_owned()),
            None => {}
        }
    }
    if !strange.is_empty() {
        let problem = format!(
            "imports what no world of the contract lends: {}",
            strange.join(", ")
        );
        // The tools for JavaScript import these interfaces by default.
        if strange.iter().all(|name| name.starts_with("wasi:http/")) {
            let fix = "build the scorer without HTTP (componentize-js: `-d http -d fetch-event`); it has no network";
            return Err((problem, fix.to_owned()));
        }
        return Err((
            problem,
            "remove the dependency that needs it; a scorer has model, graphs, cache, redis, metrics, wasi:nn, wasi:keyvalue, \
             wasi:logging and wasi:config, and no network, files or host of its own"
                .to_owned(),
        ));
    }
    missing.map_or(Ok(()), |(problem, fix)| Err((problem, fix.to_owned())))
}
