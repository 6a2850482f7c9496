//! The unstable interface `inputs` of the contract, by which a component states facts about its
//! inputs.
//!
//! Owns the name of the interface, the check that the manifest allows it, and its call. Must not
//! know which fact fits which input. The function is looked up by its name, because generated
//! bindings of a second world would make the host larger.

use scorebox_sandbox::Sandbox;
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, Instance, Lift};
use wasmtime::{Engine, Store};

use super::world::{WIT_VERSION, World};
use crate::manifest::Manifest;
use crate::tensor::InputFacts;
use crate::text::{NAME_BYTES, Problem, quoted};

/// Name of the interface without its version.
const INTERFACE: &str = "scorebox:scoring/inputs";

/// Name of the only function of the interface `inputs`, which a component may export.
const FUNCTION: &str = "describe-inputs";

/// Facts about one input, as the contract passes them.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitFacts {
    name: String,
    missing: bool,
    boolean: bool,
    columns: Vec<String>,
}

/// Returns the index of `describe-inputs` in the component. Returns `None` if the component does
/// not export the interface `inputs`.
///
/// # Errors
/// Fails if the component exports the interface, and the manifest does not allow it, or the version
/// is not that of this host, or the component is not a scorer of tensors.
pub(super) fn export(
    engine: &Engine,
    component: &Component,
    world: World,
    manifest: &Manifest,
) -> Result<Option<ComponentExportIndex>, Problem> {
    let exports = component.component_type();
    let mut exports = exports.exports(engine).filter_map(|(name, _)| {
        let (interface, version) = name.split_once('@')?;
        (interface == INTERFACE).then_some((name, version))
    });
    let Some((name, version)) = exports.next() else {
        return Ok(None);
    };
    if version != WIT_VERSION || exports.next().is_some() {
        return Err(Problem::new(
            format!(
                "exports {}, which this host does not serve",
                quoted(name, NAME_BYTES)
            ),
            format!("build it against {INTERFACE}@{WIT_VERSION}, or without the interface"),
        ));
    }
    if world != World::TensorScoring {
        return Err(Problem::new(
            format!("exports {name}, and it takes payloads, which it reads itself"),
            format!(
                "remove the interface, or export {}",
                World::TensorScoring.export()
            ),
        ));
    }
    if !manifest.unstable.inputs {
        return Err(Problem::new(
            format!(
                "exports {name}, which is unstable, and the setting `contract.unstable` does not allow it"
            ),
            "add `[contract]` with `unstable = [\"inputs\"]` to scorebox.toml, or build the scorer \
             without the interface and state the facts under `[inputs.<name>]`",
        ));
    }
    let function = component
        .get_export_index(None, name)
        .and_then(|interface| component.get_export_index(Some(&interface), FUNCTION));
    function.map(Some).ok_or_else(|| {
        Problem::new(
            format!("exports {name} without `{FUNCTION}`"),
            "build it against the WIT of this host",
        )
    })
}

/// Calls `describe-inputs` of an instance. `function` is its index in the component. Returns the
/// name of each input about which the component states facts, with the facts. They are not checked.
///
/// # Errors
/// Fails if the function has another type than in the contract, or if the guest traps.
pub(super) async fn describe(
    instance: &Instance,
    store: &mut Store<Sandbox>,
    function: ComponentExportIndex,
) -> wasmtime::Result<Vec<(String, InputFacts)>> {
    let function = instance.get_typed_func::<(), (Vec<WitFacts>,)>(&mut *store, function)?;
    let (stated,) = function.call_async(&mut *store, ()).await?;
    let mut facts = Vec::with_capacity(stated.len());
    for WitFacts {
        name,
        missing,
        boolean,
        columns,
    } in stated
    {
        let stated = InputFacts {
            missing,
            boolean,
            columns,
        };
        facts.push((name, stated));
    }
    Ok(facts)
}
