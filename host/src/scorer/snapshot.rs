//! Snapshots: components in the state after `init`, made once when the container image is built.
//!
//! Owns what `init` may do when the container image is built, and the texts for what it may not do.
//! A snapshot is the guest's memory and nothing else, and every instance starts from the same
//! snapshot. So no handle, secret, time or randomness may be in it. For this reason `init` has only
//! the model, the log, and those parts of WASI that do not depend on the time or place of the
//! build. Every other import ends `init` with an error that names the import. The event loop of an
//! interpreter reads the monotonic clock in every call, so this clock stands still for
//! interpreters. Must not know pools or calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scorebox_sandbox::Sandbox;
use wasmtime::component::{Component, Instance, Linker};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wizer::{ComponentContext, WasmtimeWizerComponent, Wizer};

use super::exports::Init;
use super::instance::bounded;
use super::linking::world::{Target, world_of};
use super::store;
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;
use crate::capability::refusal::{Exception, refuse, refused};
use crate::capability::{self, Capabilities, InstanceState};
use crate::component::Outline;
use crate::engine::{self, Allocation};
use crate::error::StartupError;
use crate::manifest::Manifest;
use crate::panics::{attempt, caught};
use crate::text::{Problem, REASON_BYTES, displayed};

/// Maximum size of a component that is compiled with optimizations to run its `init`, in bytes.
/// Larger components usually hold an interpreter. Compiling one with optimizations takes 14 s of
/// CPU time, and its `init` takes milliseconds.
const LARGE_BYTES: usize = 4 << 20;

/// Time within which the memory of an instance is copied into the snapshot. The copy runs in the
/// guest, so it needs a deadline. A gigabyte takes a few seconds.
const COPYING: Duration = Duration::from_secs(600);

/// Advice on how to disable snapshots, which is appended to the fix of an error.
const OPT_OUT: &str = "or write `snapshot = false` under [scorer], which runs init at each start";

/// Result of an attempt to take a snapshot of a component.
pub(crate) enum Snapshot {
    /// The snapshot: a component whose instances start in the state after `init`.
    Taken(Vec<u8>),
    /// The attempt failed for a reason that may not be the fault of the scorer's author: the
    /// structure of the component, or its interpreter. The text is the reason.
    Unsupported(String),
}

/// Runs `init` of a component and takes a snapshot: a component whose instances start in the state
/// after `init`. `component` holds the bytes of the component, and `outline` its imports and
/// exports.
///
/// What `init` of an interpreter does may not be the author's fault. For example, CPython of
/// componentize-py seeds its random numbers in the first call. So a refused import or an open
/// handle makes the snapshot of an interpreter unsupported, and is an error otherwise.
///
/// # Errors
/// Fails if `init` fails or takes too long, or if `init` does something that a snapshot cannot
/// keep.
pub(crate) async fn take(
    manifest: &Manifest,
    capabilities: Arc<Capabilities>,
    outline: &Outline,
    component: &[u8],
) -> Result<Snapshot, StartupError> {
    let fail = |Problem { problem, fix }| StartupError::Init {
        scorer: manifest.scorer.name.clone(),
        problem: format!("{problem} (scorer.snapshot)"),
        fix,
    };
    let abandoned = |problem: Problem| match outline.is_interpreter {
        true => Ok(Snapshot::Unsupported(problem.problem)),
        false => Err(fail(problem)),
    };
    let target = world_of(outline).map_err(fail)?;
    let engine = match component.len() > LARGE_BYTES {
        true => engine::quick_engine()?,
        false => engine::engine(Allocation::OnDemand)?,
    };
    let mut wizer = Wizer::new();
    // The export `init` must stay, because the world requires it. The host does not call it again.
    wizer.keep_init_func(true);
    // Wizer may panic on a component whose structure it has never processed before.
    let instrumented = attempt(|| instrument(&wizer, &engine, component));
    let (context, instrumented) = match instrumented {
        Ok(Ok(instrumented)) => instrumented,
        Ok(Err(error)) => return Ok(unsupported(&error)),
        Err(panic) => return Ok(unsupported(&panic.into())),
    };
    // The deadline is that of `init`, so it starts when the component is compiled.
    let limit = manifest.limits.init_deadline;
    let deadline = Instant::now() + limit;
    let memory_bytes = manifest.limits.memory_bytes;
    let mut store = store::new(&engine, capabilities, memory_bytes, deadline, "init");
    let exception: Exception = match outline.is_interpreter {
        true => capability::standing_clock,
        false => |_| None,
    };
    let started = start(&mut store, &instrumented, target, exception);
    let started = bounded(deadline, caught(started)).await;
    InstanceState::of_mut(store.data_mut()).end();
    let started = started.map(|started| started.unwrap_or_else(|panic| Err(panic.into())));
    let is_late = match &started {
        Some(Err(error)) => error.downcast_ref() == Some(&Trap::Interrupt),
        Some(Ok(_)) => false,
        None => true,
    };
    let instance = match started {
        Some(Ok((instance, Ok(())))) => instance,
        Some(Ok((_, Err(problem)))) => {
            let detail = problem.detail.map(|detail| format!(" ({detail})"));
            return Err(fail(Problem::new(
                format!(
                    "{}: {}{}",
                    problem.code,
                    problem.message,
                    detail.unwrap_or_default()
                ),
                "fix the problem that init reports",
            )));
        }
        Some(Err(error)) if !is_late => {
            return match explain(&error, InstanceState::of(store.data())) {
                Explained::Refused(problem) => abandoned(problem),
                Explained::Ended(problem) => Err(fail(problem)),
            };
        }
        _ => {
            return Err(fail(Problem::new(
                format!("did not end within {} ms", limit.as_millis()),
                "do less in init, or raise limits.init_deadline",
            )));
        }
    };
    let handles = InstanceState::of_mut(store.data_mut()).open_handles();
    if !handles.is_empty() {
        return abandoned(Problem::new(
            format!(
                "init left open: {}; a handle means nothing in another instance",
                handles.join(", ")
            ),
            format!(
                "read what is needed and drop the handle; a store is opened in run (`Bucket::lazy`), output of print! is \
                     a log line by `log::info!`; {OPT_OUT}"
            ),
        ));
    }
    InstanceState::of_mut(store.data_mut()).begin("init", Instant::now() + COPYING, None);
    store::rearm(&mut store);
    let mut instance = WasmtimeWizerComponent {
        store: &mut store,
        instance,
    };
    let taken = caught(wizer.snapshot_component(&context, &mut instance)).await;
    Ok(match taken {
        Ok(Ok(bytes)) => Snapshot::Taken(bytes),
        Ok(Err(error)) => unsupported(&error),
        Err(panic) => unsupported(&panic.into()),
    })
}

fn unsupported(error: &wasmtime::Error) -> Snapshot {
    Snapshot::Unsupported(displayed(&format_args!("{error:#}"), REASON_BYTES))
}

/// Adds exports to a component through which its state can be read, and compiles it.
///
/// # Errors
/// Fails if Wizer does not support the structure of the component, or if it cannot be compiled.
fn instrument<'a>(
    wizer: &Wizer,
    engine: &Engine,
    component: &'a [u8],
) -> wasmtime::Result<(ComponentContext<'a>, Component)> {
    let (context, instrumented) = wizer.instrument_component(component)?;
    Ok((context, Component::from_binary(engine, &instrumented)?))
}

/// Creates an instance of a component, and calls its `init`. Returns the instance, with the result
/// of `init`. `exception` answers some of the calls that are refused while a container image is
/// built.
///
/// # Errors
/// Fails if the component cannot be instantiated or exports no `init`, if the guest traps, or if it
/// calls a function that is refused.
async fn start(
    store: &mut Store<Sandbox>,
    component: &Component,
    target: Target,
    exception: Exception,
) -> wasmtime::Result<(Instance, Result<(), wit::Problem>)> {
    let linker = linker(component.engine(), component, exception)?;
    let instance = linker.instantiate_async(&mut *store, component).await?;
    let scorer = component.get_export_index(None, target.export().as_str());
    let init = scorer.and_then(|scorer| component.get_export_index(Some(&scorer), "init"));
    let init = init.ok_or_else(|| wasmtime::Error::msg("it exports no `init`"))?;
    let init: Init = instance.get_typed_func(&mut *store, init)?;
    let (result,) = init.call_async(&mut *store, ()).await?;
    Ok((instance, result))
}

/// Text in the guest's error that comes before the name of the import that ended `init`.
const REFUSED: &str = "not where an image is built: `";

fn linker(
    engine: &Engine,
    component: &Component,
    exception: Exception,
) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    capability::link_for_snapshot(&mut linker)?;
    refuse(
        &mut linker,
        component,
        capability::lends_at_build,
        REFUSED,
        exception,
    )?;
    Ok(linker)
}

/// Reason why `init` was aborted, for the scorer's author.
enum Explained {
    /// `init` called a function that is refused while a container image is built.
    Refused(Problem),
    /// `init` ended by itself, e.g. with a trap.
    Ended(Problem),
}

/// Returns the reason why `init` was aborted by `error`. `state` is the state of the instance.
fn explain(error: &wasmtime::Error, state: &InstanceState) -> Explained {
    let text = format!("{error:#}");
    if let Some(import) = refused(&text, REFUSED) {
        let (what, instead) = if import.contains("wasi:random/") {
            (
                "drew randomness, which every instance would share",
                "seed on the first run; a `HashMap` draws a seed too: fill a `BTreeMap` in init, or the `HashMap` on the \
                 first run",
            )
        } else if import.contains("#subscribe-") {
            (
                "waited for a clock, and a snapshot gains nothing from the wait",
                "sleep in run, where it counts",
            )
        } else if import.contains("wasi:clocks/") {
            ("read a clock, which would stand still", "read it in run")
        } else if import.contains("keyvalue") || import.contains("/cache@") {
            (
                "used a store, which belongs to the deployment",
                "use it in run; `Bucket::lazy` names it in init",
            )
        } else if import.contains("wasi:nn/") || import.contains("/graphs@") {
            (
                "used a graph, and no engine runs one where an image is built",
                "open and run it in run; `Graph::lazy` names it in init",
            )
        } else if import.contains("wasi:config") {
            (
                "read the settings, which belong to the deployment",
                "read them on the first run",
            )
        } else {
            (
                "used something that does not exist when an image is built",
                "use it in run",
            )
        };
        return Explained::Refused(Problem::new(
            format!("init {what}: {import}"),
            format!("{instead}; {OPT_OUT}"),
        ));
    }
    let failure = match state.memory_refused() {
        true => format!(
            "init needs more than {} bytes of memory",
            state.memory_limit_bytes()
        ),
        false => displayed(&format_args!("init trapped: {text}"), REASON_BYTES),
    };
    Explained::Ended(Problem::new(
        failure,
        "see the lines above that the scorer wrote",
    ))
}
