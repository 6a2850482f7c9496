//! Snapshots: components in the state after `init`, made once when the image is built.
//!
//! Owns what `init` may do when the image is built, and the texts for what it may not do. A
//! snapshot is the guest's memory and nothing else, and every instance starts from the same
//! snapshot. So no handle, secret, time or randomness may be in it. For this reason `init` has only
//! the model and the log. Every other import ends `init` with an error that names the import. Must
//! not know instances, pools or calls.

use std::sync::Arc;
use std::time::Instant;

use scorebox_sandbox::Sandbox;
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Trap};
use wasmtime_wizer::Wizer;

use super::instance::bounded;
use super::{linking::world::Target, store};
use crate::capability::refusal::{refuse, refused};
use crate::capability::{self, Capabilities, InstanceState};
use crate::engine::{self, Allocation};
use crate::error::StartupError;
use crate::manifest::Manifest;
use crate::panics::caught;
use crate::text::Problem;

/// Advice on how to disable snapshots, which is appended to the fix of an error.
const OPT_OUT: &str = "or write `snapshot = false` under [scorer], which runs init at each start";

/// Runs `init` of a component and returns a snapshot: a component whose instances start in the
/// state after `init`. `component` holds the bytes of the component, and `target` is the world that
/// it targets, with the version of the contract.
///
/// # Errors
/// Fails if `init` fails or takes too long, if `init` does something that a snapshot cannot keep,
/// or if a snapshot of such a component is not supported.
pub(crate) async fn take(
    manifest: &Manifest,
    capabilities: Arc<Capabilities>,
    target: Target,
    component: &[u8],
) -> Result<Vec<u8>, StartupError> {
    let fail = |Problem { problem, fix }| StartupError::Init {
        scorer: manifest.scorer.name.clone(),
        problem: format!("{problem} (scorer.snapshot)"),
        fix,
    };
    let engine = engine::engine(Allocation::OnDemand)?;
    let deadline = Instant::now() + manifest.limits.init_deadline;
    let mut store = store::new(
        &engine,
        capabilities,
        manifest.limits.memory_bytes,
        deadline,
        "init",
    );
    let mut wizer = Wizer::new();
    // The export must stay, because the world requires it. The host does not call it again.
    wizer.init_func(init_call(target)).keep_init_func(true);
    let snapshot = wizer.run_component(&mut store, component, async |store, component| {
        linker(&engine, component)?
            .instantiate_async(store, component)
            .await
    });
    // Wizer may panic on a component whose structure it has never processed before.
    let Some(snapshot) = bounded(deadline, caught(snapshot)).await else {
        let problem = format!(
            "did not end within {} ms",
            manifest.limits.init_deadline.as_millis()
        );
        return Err(fail(Problem::new(
            problem,
            "do less in init, or raise limits.init_deadline",
        )));
    };
    InstanceState::of_mut(store.data_mut()).end();
    let snapshot = snapshot.unwrap_or_else(|panic| Err(panic.into()));
    let (bytes, results) =
        snapshot.map_err(|error| fail(explain(&error, InstanceState::of(store.data()))))?;
    if let [Val::Result(Err(problem))] = results.as_slice() {
        return Err(fail(Problem::new(
            problem_text(problem.as_deref()),
            "fix the problem that init reports",
        )));
    }
    let handles = InstanceState::of_mut(store.data_mut()).open_handles();
    if !handles.is_empty() {
        return Err(fail(Problem::new(
            format!(
                "init left open: {}; a handle means nothing in another instance",
                handles.join(", ")
            ),
            format!(
                "read what is needed and drop the handle; a store is opened in run (`Bucket::lazy`), output of print! is \
                     a log line by `log::info!`; {OPT_OUT}"
            ),
        )));
    }
    Ok(bytes)
}

/// Returns the call of `init` in WAVE, the text notation for WIT values. `target` is the world that
/// the component targets, with the version of the contract.
fn init_call(target: Target) -> String {
    let export = target.export();
    match export.split_once('@') {
        Some((interface, version)) => format!("{interface}.init@{version}()"),
        None => format!("{export}.init()"),
    }
}

/// Text in the guest's error that comes before the name of the import that ended `init`.
const REFUSED: &str = "not where an image is built: `";

fn linker(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    capability::link_for_snapshot(&mut linker)?;
    refuse(&mut linker, component, capability::lends_at_build, REFUSED)?;
    Ok(linker)
}

/// Returns the problem and the fix that explain to a scorer's author why `init` was aborted.
/// `state` is the state of the instance.
fn explain(error: &wasmtime::Error, state: &InstanceState) -> Problem {
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
        return Problem::new(
            format!("init {what}: {import}"),
            format!("{instead}; {OPT_OUT}"),
        );
    }
    if error.downcast_ref::<Trap>().is_some()
        || text.contains("initialization function trapped")
        || state.memory_refused()
    {
        let failure = match state.memory_refused() {
            true => format!(
                "init needs more than {} bytes of memory",
                state.memory_limit_bytes()
            ),
            false => format!("init trapped: {text}"),
        };
        return Problem::new(failure, "see the lines above that the scorer wrote");
    }
    Problem::new(
        format!("the component cannot be stored: {text}"),
        OPT_OUT.trim_start_matches("or "),
    )
}

/// Returns the text of the error that `init` returned, which has the WIT type `problem`. Returns a
/// fixed text if the value does not have this type.
fn problem_text(problem: Option<&Val>) -> String {
    let Some(Val::Record(fields)) = problem else {
        return "init failed".to_owned();
    };
    let field = |name: &str| {
        let value = fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value);
        match value {
            Some(Val::String(text)) => text.clone(),
            Some(Val::Option(Some(inner))) => match inner.as_ref() {
                Val::String(text) => format!(" ({text})"),
                _ => String::new(),
            },
            _ => String::new(),
        }
    };
    format!("{}: {}{}", field("code"), field("message"), field("detail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_is_named_as_wave_wants_it() {
        use crate::scorer::linking::world::{Version, World};

        let call = |world: World, version: Version| init_call(Target { world, version });
        assert_eq!(
            call(World::Scoring, Version::Current),
            "scorebox:scoring/scorer.init@0.2.0()"
        );
        assert_eq!(
            call(World::TensorScoring, Version::Previous),
            "scorebox:scoring/tensor-scorer.init@0.1.0()"
        );
    }
}
