//! The two worlds of the contract, and which of them a component targets, in which version.
//!
//! Owns the versions of the contract, and the texts about a component without exactly one world.
//! Must not know imports or instances.

use std::fmt;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::capability::{CURRENT_VERSION, PREVIOUS_VERSION};
#[cfg(feature = "compiler")]
use crate::error::StartupError;
use crate::text::Problem;

/// Version of the contract `scorebox:scoring` that a component was built against. The host serves
/// the current version and the version before it at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Current version of the contract: the version in `wit/` of this repository.
    Current,
    /// Version of the contract before the current one.
    Previous,
}

impl Version {
    /// Returns the version as the names of interfaces state it, e.g. `0.1.0`.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Current => CURRENT_VERSION,
            Self::Previous => PREVIOUS_VERSION,
        }
    }
}

/// One of the two worlds that a scorer can target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// The world `scoring`, of scorers that take and return payloads.
    Scoring,
    /// The world `tensor-scoring`, of scorers that take and return tensors.
    TensorScoring,
}

/// World that a component targets, with the version of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// World that the component targets.
    pub world: World,
    /// Version of the contract that the component was built against.
    pub version: Version,
}

impl Target {
    /// Returns the name of the interface that a component with this target exports, e.g.
    /// `scorebox:scoring/scorer@0.1.0`.
    pub(in crate::scorer) fn export(self) -> String {
        let interface = match self.world {
            World::Scoring => "scorer",
            World::TensorScoring => "tensor-scorer",
        };
        format!("scorebox:scoring/{interface}@{}", self.version.number())
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

/// Returns the world that a component targets, with the version of the contract. `path` is the file
/// of the component, which the error names.
///
/// # Errors
/// Fails if the component does not target a world and a version that this host serves, or if it
/// targets several.
#[cfg(feature = "compiler")]
pub(crate) fn world_at(
    engine: &Engine,
    component: &Component,
    path: &std::path::Path,
) -> Result<Target, StartupError> {
    let fail = |Problem { problem, fix }| StartupError::Component {
        path: path.to_path_buf(),
        problem,
        fix,
    };
    world_of(engine, component).map_err(fail)
}

/// Returns the world that a component targets, with the version of the contract. Fails if the
/// component does not target a world and a version that this host serves, or if it targets several.
pub(super) fn world_of(engine: &Engine, component: &Component) -> Result<Target, Problem> {
    let exports: Vec<String> = component
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut found = None;
    for version in [Version::Current, Version::Previous] {
        for world in [World::Scoring, World::TensorScoring] {
            let target = Target { world, version };
            if exports.contains(&target.export()) && found.replace(target).is_some() {
                return Err(Problem::new(
                    "exports several worlds",
                    "export one world in one version: the host would not know which to call",
                ));
            }
        }
    }
    if let Some(target) = found {
        return Ok(target);
    }
    let ours: Vec<_> = exports
        .iter()
        .filter(|name| name.starts_with("scorebox:scoring/"))
        .map(String::as_str)
        .collect();
    let (current, previous) = (CURRENT_VERSION, PREVIOUS_VERSION);
    Err(match ours.as_slice() {
        [] => Problem::new(
            format!(
                "exports no scorer: it exports {}",
                if exports.is_empty() {
                    "nothing".into()
                } else {
                    exports.join(", ")
                }
            ),
            format!(
                "export scorebox:scoring/scorer@{current} or scorebox:scoring/tensor-scorer@{current}, e.g. with the \
                 crate scorebox-guest"
            ),
        ),
        ours => Problem::new(
            format!(
                "is a scorer of another version of the contract: it exports {}",
                ours.join(", ")
            ),
            format!(
                "build it against scorebox:scoring@{current}, or run it with the host of its version; this host also \
                 serves {previous}"
            ),
        ),
    })
}
