//! Linking of a component to the host: which world it targets, what it imports, and how instances
//! are created.
//!
//! Owns the checks of a component that the commands `package` and `check` and the start of the host
//! share, and the texts of the errors. Must not know calls, or where code comes from.

pub(super) mod imports;
pub(super) mod judging;
mod retired;
pub(super) mod world;

use std::sync::Arc;
use std::time::Instant;

use scorebox_sandbox::Sandbox;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, TypedFunc};
use wasmtime::{Engine, Store};

use self::judging::judge;
use self::world::{Target, Version, World};
use super::exports::{Init, PayloadRun, Run, TensorRun};
use super::instance::{Failure, Instance, Ready, bounded};
use super::signature::{Described, PayloadSignature, TensorSignature};
use super::{previous, store};
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;
use crate::capability::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer;
use crate::capability::refusal::{refuse, refused};
use crate::capability::{self, Capabilities, InstanceState};
use crate::component::{self, Compiled, Outline};
use crate::error::{ScoreFailure, StartupError};
use crate::graph::Graphs;
use crate::manifest::{Limits, Manifest};
use crate::panics::caught;
use crate::text::Problem;

/// Text in the guest's error that comes before the name of the import that ended `describe`.
const REFUSED: &str = "not in describe: `";

/// A component that was checked against the contract and linked, so that instances of it can be
/// created.
pub(super) struct Linked {
    engine: Engine,
    component: Component,
    path: std::path::PathBuf,
    scorer: String,
    target: Target,
    pre: InstancePre<Sandbox>,
    /// Index of the export `init` in the component. The index is looked up once for all instances.
    init: ComponentExportIndex,
    run: ComponentExportIndex,
    describe: ComponentExportIndex,
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
        let fail = |problem| component::unfit(&path, problem);
        let component = compiled.component.clone();
        let graphs = capabilities.graphs.iter();
        let has_graph = graphs.flat_map(Graphs::iter).next().is_some();
        let outline = Outline::of_compiled(engine, &component);
        let target = judge(&outline, manifest, has_graph).map_err(fail)?;
        let mut linker = Linker::new(engine);
        let imports = component.component_type();
        let imports: Vec<_> = imports.imports(engine).map(|(name, _)| name).collect();
        capability::link(&mut linker, &|interface| imports.contains(&interface))
            .map_err(|error| StartupError::Host(format!("linking failed: {error:#}")))?;
        let misfit = |error: wasmtime::Error| {
            let (world, version) = (target.world, target.version.number());
            fail(Problem::new(
                format!("does not fit the world {world} of scorebox:scoring@{version}: {error:#}"),
                "build it against the WIT of this host",
            ))
        };
        let pre = linker.instantiate_pre(&component).map_err(misfit)?;
        let export = |name: &str| {
            let scorer = component.get_export_index(None, target.export().as_str());
            let found = scorer.and_then(|scorer| component.get_export_index(Some(&scorer), name));
            found.ok_or_else(|| misfit(wasmtime::Error::msg(format!("no `{name}`"))))
        };
        // `describe` checks the types of these functions.
        let (init, run, describe) = (export("init")?, export("run")?, export("describe")?);
        Ok(Self {
            engine: engine.clone(),
            component,
            path: path.clone(),
            scorer: manifest.scorer.name.clone(),
            target,
            pre,
            init,
            run,
            describe,
            capabilities,
            memory_bytes: manifest.limits.memory_bytes,
            snapshot: compiled.snapshot,
        })
    }

    /// Returns the world that the component targets, with the version of the contract.
    pub(super) fn target(&self) -> Target {
        self.target
    }

    /// Returns true if the component is a snapshot: its instances start in the state after `init`,
    /// so creating an instance takes microseconds.
    pub(super) fn is_snapshot(&self) -> bool {
        self.snapshot
    }

    /// Creates an instance and runs its `init`. `init` is not run if the component is a snapshot,
    /// because it ran when the container image was built.
    ///
    /// # Errors
    /// Fails if the instance cannot be created, or if `init` traps, returns a problem, or does not
    /// end before the deadline.
    pub(super) async fn instance(&self, deadline: Instant) -> Result<Instance, Failure> {
        // A separate task may run this function. Its panic would not reach the call that waits for
        // the instance.
        let made = caught(self.made(deadline)).await;
        made.unwrap_or_else(|panic| Err(Failure::Score(ScoreFailure::HostFault(panic.to_string()))))
    }

    async fn made(&self, deadline: Instant) -> Result<Instance, Failure> {
        let mut store = self.store(deadline, "init");
        let made = bounded(deadline, async {
            let exports = self.pre.instantiate_async(&mut store).await?;
            let init: Option<Init> = match self.snapshot {
                true => None,
                false => Some(exports.get_typed_func(&mut store, self.init)?),
            };
            Ok((exports, init))
        });
        let Some(made) = made.await else {
            return Err(Failure::timed_out());
        };
        let (exports, init) =
            made.map_err(|error| Failure::of_guest(error, InstanceState::of(store.data())))?;
        let mut instance = Instance::new(store, exports);
        if let Some(init) = init {
            instance.init(init, deadline).await?;
        }
        Ok(instance)
    }

    /// Looks up the export `run` of an instance, and returns the instance ready for calls. `R` is
    /// the type of `run` in the world of this component.
    ///
    /// # Errors
    /// Fails if the component does not export `run` with the type `R`.
    pub(super) fn ready<R: Run>(&self, instance: Instance) -> Result<Ready<R>, Failure> {
        instance.ready(self.run, self.target.version)
    }

    /// Creates an instance without capabilities, checks the types of its exports, and calls its
    /// `describe` to get the signature of the component.
    ///
    /// The instance may use closed WASI (without files, network and environment), because the
    /// interpreters of some languages need WASI to start. Its clocks stand still and its random
    /// numbers are always the same, so that the signature cannot depend on them.
    ///
    /// # Errors
    /// Fails if an export has another type than in the contract, or if `describe` traps, calls a
    /// capability, does not end before the deadline, or returns an invalid signature.
    pub(super) async fn describe(&self, deadline: Instant) -> Result<Described, StartupError> {
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
            |_| None,
        )
        .map_err(internal)?;
        let pre = linker.instantiate_pre(&self.component).map_err(internal)?;
        let mut store = self.store(deadline, "describe");
        InstanceState::of_mut(store.data_mut()).fix_wasi();
        let called = async {
            let exports = pre.instantiate_async(&mut store).await?;
            let _: Init = exports.get_typed_func(&mut store, self.init)?;
            match self.target.world {
                World::Scoring => {
                    PayloadRun::look_up(exports, &mut store, self.run, self.target.version)?;
                    let describe: TypedFunc<(), (wit::Signature,)> =
                        exports.get_typed_func(&mut store, self.describe)?;
                    let (signature,) = describe.call_async(&mut store, ()).await?;
                    Ok(PayloadSignature::from_wit(signature).map(Described::Payload))
                }
                World::TensorScoring => {
                    TensorRun::look_up(exports, &mut store, self.run, self.target.version)?;
                    let signature = self.tensor_signature(exports, &mut store).await?;
                    let signature = TensorSignature::from_wit(signature);
                    Ok(signature.map(Described::Tensor))
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
        signature.map_err(|error| {
            fail(
                format!("describe states an invalid contract: {error}"),
                "correct the contract that the scorer states",
            )
        })
    }

    /// Calls `describe` of an instance of a tensor scorer, and returns the signature. A signature
    /// of the contract 0.1.0, which states no facts about the inputs, is converted to the current
    /// type.
    ///
    /// # Errors
    /// Fails if `describe` has another type than in the contract, or if it traps.
    async fn tensor_signature(
        &self,
        exports: wasmtime::component::Instance,
        store: &mut Store<Sandbox>,
    ) -> wasmtime::Result<tensor_scorer::TensorSignature> {
        match self.target.version {
            Version::Current => {
                let describe: TypedFunc<(), (tensor_scorer::TensorSignature,)> =
                    exports.get_typed_func(&mut *store, self.describe)?;
                Ok(describe.call_async(store, ()).await?.0)
            }
            Version::Previous => {
                let describe: TypedFunc<(), (previous::TensorSignature,)> =
                    exports.get_typed_func(&mut *store, self.describe)?;
                Ok(describe.call_async(store, ()).await?.0.into())
            }
        }
    }

    /// Converts the failure of an `init` to the error because of which the host does not start.
    pub(super) fn init_error(&self, failure: Failure, limits: &Limits) -> StartupError {
        let Problem { problem, fix } = match failure {
            Failure::Init(problem) => {
                let detail = problem
                    .detail
                    .map(|detail| format!(" ({detail})"))
                    .unwrap_or_default();
                Problem::new(
                    format!("{}: {}{detail}", problem.code, problem.message),
                    "fix the problem that init reports",
                )
            }
            Failure::Score(ScoreFailure::TimedOut { .. }) => Problem::new(
                format!("did not end within {} ms", limits.init_deadline.as_millis()),
                "do less in init, or raise limits.init_deadline",
            ),
            Failure::Score(ScoreFailure::OutOfMemory { .. }) => Problem::new(
                format!("needs more than {} bytes of memory", limits.memory_bytes),
                "read less of the model into the scorer, or raise limits.memory",
            ),
            Failure::Score(ScoreFailure::Saturated) => Problem::new(
                "needs more memory than limits.total_memory leaves for one instance",
                "give the container more memory, or set limits.total_memory, or lower limits.instances",
            ),
            Failure::Score(failure) => {
                let row = failure.disposition();
                Problem::new(
                    row.detail.unwrap_or(row.message),
                    "see the lines above that the scorer wrote",
                )
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
