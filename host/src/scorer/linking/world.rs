//! The two worlds of the contract, and which of them a component exports.
//!
//! Owns the version of the contract, and the texts about a component without exactly one world.
//! Must not know imports or instances.

use std::fmt;

use wasmtime::Engine;
use wasmtime::component::Component;

#[cfg(feature = "compiler")]
use crate::error::StartupError;
use crate::text::Problem;

/// Version of the WIT contract `scorebox:scoring` that this host serves.
pub const WIT_VERSION: &str = "0.1.0";

/// One of the two worlds that a scorer can export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// The world `scoring`, of scorers that take and return payloads.
    Scoring,
    /// The world `tensor-scoring`, of scorers that take and return tensors.
    TensorScoring,
}

impl World {
    pub(in crate::scorer) fn export(self) -> String {
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

/// Returns the world that a component exports. `path` is the file of the component, which the error
/// names.
///
/// # Errors
/// Fails if the component exports no world that this host serves, or if it exports both.
#[cfg(feature = "compiler")]
pub(crate) fn world_at(
    engine: &Engine,
    component: &Component,
    path: &std::path::Path,
) -> Result<World, StartupError> {
    let fail = |Problem { problem, fix }| StartupError::Component {
        path: path.to_path_buf(),
        problem,
        fix,
    };
    world_of(engine, component).map_err(fail)
}

/// Returns the world that a component exports. Fails if the component exports no world that this
/// host serves, or if it exports both.
pub(super) fn world_of(engine: &Engine, component: &Component) -> Result<World, Problem> {
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
        (0, []) => Problem::new(
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
        (0, ours) => Problem::new(
            format!(
                "is a scorer of another version of the contract: it exports {}",
                ours.join(", ")
            ),
            format!(
                "build it against scorebox:scoring@{WIT_VERSION}, or run it with the host of its version"
            ),
        ),
        _ => Problem::new(
            "exports both worlds",
            "export one of them: the host would not know which to call",
        ),
    })
}
