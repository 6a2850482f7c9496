//! Capabilities: what the host provides to a scorer.
//!
//! Owns [`link`], the function that adds the imported capabilities of a component to a linker, and
//! the conditions under which a scorer may import an interface. Must not know which world a
//! component targets, or HTTP. The file `state` has the state of one instance, and `contract` has
//! the versions of the contract. Most other files adapt one interface each and hold no state.

mod answers;
pub(crate) mod bindings;
pub(crate) mod bounds;
mod contract;
mod fixed_wasi;
#[cfg_attr(
    not(feature = "graphs"),
    allow(dead_code, reason = "the bindings name it, and nothing links it")
)]
mod graphs;
#[cfg_attr(
    not(feature = "graphs"),
    allow(dead_code, reason = "the bindings name it, and nothing links it")
)]
pub(crate) mod inference;
mod keyvalue;
mod lists;
mod memory;
mod model;
mod output;
mod redis;
pub(crate) mod refusal;
#[cfg(feature = "python")]
mod script;
mod settings;
mod state;
mod telemetry;

use scorebox_sandbox::Sandbox;
use wasmtime::component::{HasSelf, Linker};

pub use self::answers::Answers;
pub use self::bindings::{CasHandle, ContextHandle, ErrorHandle, GraphHandle, TensorHandle};
pub use self::contract::{CURRENT_VERSION, PREVIOUS_VERSION};
#[cfg(feature = "compiler")]
pub(crate) use self::fixed_wasi::standing_clock;
pub(crate) use self::memory::Refusal;
pub use self::memory::SharedMemory;
#[cfg(feature = "python")]
pub(crate) use self::script::{ScriptServices, shared_limit};
pub use self::state::{Capabilities, InstanceState};
pub use self::telemetry::{LOGS_BYTES, Lines};
pub use crate::redis::Store as BucketHandle;
pub use crate::redis::raw::Connection as ConnectionHandle;
pub use crate::tensor::Tensor as ValueHandle;

use crate::capability::bindings::capabilities::wasi;

/// Condition under which the host lets a scorer import an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The interface is granted to every scorer.
    Always,
    /// The interface is granted if the model holds a graph and this host has an engine for graphs.
    Graphs,
    /// The interface is granted if the manifest has at least one `[stores.<name>]`.
    Stores,
    /// The interface is granted if the manifest has at least one `[stores.<name>]` with `commands`.
    Commands,
}

/// Returns the condition under which a scorer may import an interface, e.g.
/// `wasi:logging/logging@0.1.0-draft`. Returns `None` if the host does not provide the interface.
#[must_use]
pub fn grant(interface: &str) -> Option<Grant> {
    let (name, version) = interface.split_once('@')?;
    match (name, version) {
        (
            "scorebox:scoring/types" | "scorebox:scoring/model" | "scorebox:scoring/metrics",
            CURRENT_VERSION | PREVIOUS_VERSION,
        )
        | ("wasi:logging/logging", "0.1.0-draft")
        | ("wasi:config/store", "0.2.0-draft") => Some(Grant::Always),
        ("scorebox:scoring/graphs", CURRENT_VERSION | PREVIOUS_VERSION)
        | (
            "wasi:nn/errors" | "wasi:nn/graph" | "wasi:nn/inference" | "wasi:nn/tensor",
            "0.2.0-rc-2024-10-28",
        ) => Some(Grant::Graphs),
        ("scorebox:scoring/cache", CURRENT_VERSION | PREVIOUS_VERSION)
        | (
            "wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch",
            "0.2.0-draft2",
        ) => Some(Grant::Stores),
        ("scorebox:scoring/redis", CURRENT_VERSION | PREVIOUS_VERSION) => Some(Grant::Commands),
        _ if is_closed_wasi(interface) => Some(Grant::Always),
        _ => None,
    }
}

/// Returns true if an interface belongs to closed WASI: the interfaces that the standard libraries
/// of toolchains import on their own. The host provides all of them, in every patch version of WASI
/// 0.2, but without files, network or environment.
#[must_use]
pub(crate) fn is_closed_wasi(interface: &str) -> bool {
    let Some((name, version)) = interface.split_once('@') else {
        return false;
    };
    // A release candidate, such as 0.2.0-rc-2023-11-10, has other functions than the release.
    let is_patch = |patch: &str| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit());
    version.strip_prefix("0.2.").is_some_and(is_patch) && is_wasi(name)
}

/// Returns true if an interface belongs to the packages of closed WASI, in whatever version.
#[must_use]
pub(crate) fn is_wasi(interface: &str) -> bool {
    [
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:filesystem/",
        "wasi:io/",
        "wasi:random/",
        "wasi:sockets/",
    ]
    .iter()
    .any(|package| interface.starts_with(package))
}

/// Returns true if an interface that is granted has a function in this host, e.g. `poll` in
/// `wasi:io/poll@0.2.6`.
///
/// An interface of a later patch version may have functions that this host does not know.
#[cfg(feature = "compiler")]
#[must_use]
pub(crate) fn has_function(interface: &str, function: &str) -> bool {
    let name = interface
        .split_once('@')
        .map_or(interface, |(name, _)| name);
    bounds::BOUNDS.iter().any(|row| {
        let of_interface = row.function.strip_prefix(name);
        let row = of_interface.and_then(|rest| rest.strip_prefix('#'));
        row.is_some_and(|row| row == function || row == "*")
    })
}

/// Adds the host functions that a component may call to a linker. All functions of closed WASI are
/// added. A function of another capability is added only if the component imports its interface.
/// `is_imported` returns true for the name of an imported interface, which contains the version.
/// Functions that need graphs are added only if this host is built to run graphs.
///
/// # Errors
/// Fails if two host functions have the same name, which would be a mistake in this file.
pub fn link(
    linker: &mut Linker<Sandbox>,
    is_imported: &dyn Fn(&str) -> bool,
) -> wasmtime::Result<()> {
    link_closed_wasi(linker)?;
    contract::link(linker, is_imported)?;
    for (interface, link) in WASI {
        if is_imported(interface) {
            link(linker)?;
        }
    }
    Ok(())
}

/// Function that adds the functions of one interface to a linker.
type Link = fn(&mut Linker<Sandbox>) -> wasmtime::Result<()>;

/// Interfaces of WASI that are not in closed WASI, and how each is linked.
const WASI: &[(&str, Link)] = {
    type State = HasSelf<InstanceState>;
    &[
        ("wasi:keyvalue/store@0.2.0-draft2", |linker| {
            wasi::keyvalue::store::add_to_linker::<_, State>(linker, InstanceState::of_mut)
        }),
        ("wasi:keyvalue/atomics@0.2.0-draft2", |linker| {
            wasi::keyvalue::atomics::add_to_linker::<_, State>(linker, InstanceState::of_mut)
        }),
        ("wasi:keyvalue/batch@0.2.0-draft2", lists::link_batch),
        ("wasi:logging/logging@0.1.0-draft", |linker| {
            wasi::logging::logging::add_to_linker::<_, State>(linker, InstanceState::of_mut)
        }),
        ("wasi:config/store@0.2.0-draft", |linker| {
            wasi::config::store::add_to_linker::<_, State>(linker, InstanceState::of_mut)
        }),
        #[cfg(feature = "graphs")]
        ("wasi:nn/tensor@0.2.0-rc-2024-10-28", |linker| {
            wasi::nn::tensor::add_to_linker::<_, State>(linker, InstanceState::of_mut)
        }),
        #[cfg(feature = "graphs")]
        ("wasi:nn/errors@0.2.0-rc-2024-10-28", |linker| {
            wasi::nn::errors::add_to_linker::<_, State>(linker, InstanceState::of_mut)
        }),
        #[cfg(feature = "graphs")]
        ("wasi:nn/graph@0.2.0-rc-2024-10-28", |linker| {
            wasi::nn::graph::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
            lists::link_graph(linker)
        }),
        #[cfg(feature = "graphs")]
        ("wasi:nn/inference@0.2.0-rc-2024-10-28", |linker| {
            wasi::nn::inference::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
            lists::link_inference(linker)
        }),
    ]
};

/// Adds to a linker the host functions that `init` may use while a container image is built: those
/// of the model, the log, and closed WASI. The caller must then redefine the interfaces of closed
/// WASI for which [`lends_at_build`] returns false.
///
/// # Errors
/// Fails if two host functions have the same name, which would be a mistake in this file.
#[cfg(feature = "compiler")]
pub(crate) fn link_for_snapshot(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    type State = HasSelf<InstanceState>;
    link_closed_wasi(linker)?;
    contract::link_model(linker)?;
    wasi::logging::logging::add_to_linker::<_, State>(linker, InstanceState::of_mut)
}

/// Returns true if `init` may use an interface while a container image is built. This is the case
/// if nothing in the interface depends on the time or place of the build.
#[cfg(feature = "compiler")]
pub(crate) fn lends_at_build(interface: &str) -> bool {
    let name = interface
        .split_once('@')
        .map_or(interface, |(name, _)| name);
    match name {
        "scorebox:scoring/types" | "scorebox:scoring/model" | "wasi:logging/logging" => true,
        _ => ["wasi:cli/", "wasi:filesystem/", "wasi:io/", "wasi:sockets/"]
            .iter()
            .any(|package| name.starts_with(package)),
    }
}

/// Adds to a linker only the host functions of closed WASI (without files, network and
/// environment), because a standard library needs them to start. `describe` runs with such a
/// linker.
///
/// # Errors
/// Fails if two host functions have the same name, which would be a mistake in this file.
pub fn link_closed_wasi(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    scorebox_sandbox::link(linker, const { bounds::of("wasi:io/poll#poll") }.items)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wit_parser::{Resolve, WorldItem};

    use super::*;

    #[test]
    fn every_app_grants_what_the_small_worlds_import() {
        let mut resolve = Resolve::default();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (package, _) = resolve.push_dir(&folder).unwrap();
        for (name, export) in [
            ("scorer-bytes", "scorer"),
            ("scorer-tensors", "tensor-scorer"),
        ] {
            let world = &resolve.worlds[resolve.packages[package].worlds[name]];
            for item in world.imports.values() {
                let WorldItem::Interface { id, .. } = item else {
                    continue;
                };
                let interface = resolve.id_of(*id).unwrap();
                assert_eq!(
                    grant(&interface),
                    Some(Grant::Always),
                    "{name}: {interface}"
                );
            }
            let exports: Vec<_> = world
                .exports
                .keys()
                .map(|key| resolve.name_world_key(key))
                .collect();
            let export = format!("scorebox:scoring/{export}@{CURRENT_VERSION}");
            assert_eq!(exports, [export], "{name}");
        }
    }

    #[test]
    fn only_the_contract_and_closed_wasi_are_granted() {
        #[track_caller]
        fn check(interface: &str, expected: Option<Grant>) {
            assert_eq!(grant(interface), expected, "{interface}");
        }
        check("scorebox:scoring/model@0.1.0", Some(Grant::Always));
        check("scorebox:scoring/model@0.2.0", Some(Grant::Always));
        check("scorebox:scoring/model@0.3.0", None);
        check("scorebox:scoring/inputs@0.1.0", None);
        check("wasi:keyvalue/store@0.2.0-draft2", Some(Grant::Stores));
        check("wasi:keyvalue/store@0.2.0-draft", None);
        check("scorebox:scoring/redis@0.1.0", Some(Grant::Commands));
        check("scorebox:scoring/graphs@0.1.0", Some(Grant::Graphs));
        check("wasi:nn/inference@0.2.0-rc-2024-10-28", Some(Grant::Graphs));
        check("wasi:nn/inference@0.2.0-rc-2024-06-25", None);
        check("wasi:cli/environment@0.2.6", Some(Grant::Always));
        check("wasi:cli/environment@0.2.99", Some(Grant::Always));
        check("wasi:cli/environment@0.2.0-rc-2023-11-10", None);
        check("wasi:cli/environment@0.3.0", None);
        check("wasi:http/outgoing-handler@0.2.0", None);
        check("intruder:host/secrets@0.1.0", None);
    }
}
