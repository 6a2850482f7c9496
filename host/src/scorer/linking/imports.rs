//! The imports of a component: which it may have, and what the app must grant for them.
//!
//! Owns the texts about imports that are unknown or not granted. Must not know exports or
//! instances.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::capability::{Capabilities, Grant, grant};
use crate::graph::NO_ENGINE;
use crate::manifest::Manifest;
use crate::text::Problem;

/// Returns true if a component imports functions that run graphs, so that the graphs of its model
/// must be loaded.
#[cfg(feature = "graphs")]
pub(crate) fn calls_graphs(engine: &Engine, component: &Component) -> bool {
    let imports = component.component_type();
    let mut imports = imports.imports(engine);
    imports.any(|(name, item)| grant(name) == Some(Grant::Graphs) && lends(engine, &item.ty))
}

/// Checks that the host provides every import of a component, and that the manifest and the model
/// meet the condition under which each import is granted.
pub(super) fn check_imports(
    engine: &Engine,
    component: &Component,
    manifest: &Manifest,
    capabilities: &Capabilities,
) -> Result<(), Problem> {
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
                missing = Some(Problem::new(
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
                missing = Some(Problem::new(
                    format!("imports {name}, and the model holds no graph"),
                    "put an .onnx file into the folder that scorer.model names",
                ));
            }
            Some(Grant::Stores) if manifest.stores.is_empty() => {
                missing = Some(Problem::new(
                    format!("imports {name}, and the manifest grants no store"),
                    "add `[stores.default]` to scorebox.toml; without a Redis URL it is kept in memory",
                ));
            }
            Some(Grant::Commands) if !has_commands => {
                missing = Some(Problem::new(
                    format!("imports {name}, and the manifest grants no commands"),
                    "write `commands` under a `[stores.<name>]` of scorebox.toml, with the \
                     commands that the scorer sends, e.g. `commands = [\"@hash\"]`",
                ));
            }
            Some(Grant::Commands | Grant::Graphs | Grant::Stores) => {}
            None if lends => strange.push(name.to_owned()),
            None => {}
        }
    }
    if !strange.is_empty() {
        let problem = format!(
            "imports what no world of the contract provides: {}",
            strange.join(", ")
        );
        // The tools for JavaScript import these interfaces by default.
        if strange.iter().all(|name| name.starts_with("wasi:http/")) {
            let fix = "build the scorer without HTTP (componentize-js: `-d http -d fetch-event`); it has no network";
            return Err(Problem::new(problem, fix));
        }
        return Err(Problem::new(
            problem,
            "remove the dependency that needs it; a scorer has model, graphs, cache, redis, metrics, wasi:nn, wasi:keyvalue, \
             wasi:logging and wasi:config, and no network, files or host of its own",
        ));
    }
    missing.map_or(Ok(()), Err)
}

/// Returns true if the host has to provide an imported item, because it is more than a collection
/// of types.
fn lends(engine: &Engine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .any(|(_, item)| !matches!(item.ty, ComponentItem::Type(_))),
        _ => true,
    }
}
