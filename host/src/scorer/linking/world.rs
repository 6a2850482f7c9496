//! The two worlds that the host distinguishes, and which of them a component targets, in which
//! version of the contract.
//!
//! Owns the versions of the contract, and the texts about a component without exactly one world.
//! Must not know imports or instances.

use std::fmt;

use crate::capability::{CURRENT_VERSION, PREVIOUS_VERSION};
use crate::component::Outline;
use crate::text::{NAME_BYTES, Problem, quoted};

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

/// World that a scorer targets. The host distinguishes worlds only by the interface that they
/// export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// The world `scoring`, or its smaller form `scorer-bytes`, of scorers that take and return
    /// payloads.
    Scoring,
    /// The world `tensor-scoring`, or its smaller form `scorer-tensors`, of scorers that take and
    /// return tensors.
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

/// Maximum number of exports that an error names. A component may have thousands.
const NAMED: usize = 12;

/// Returns the world that a component targets, with the version of the contract. Fails if the
/// component does not target a world and a version that this host serves, or if it targets several.
pub(in crate::scorer) fn world_of(outline: &Outline) -> Result<Target, Problem> {
    let exports = &outline.exports;
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
    let listed = |start: &str| {
        let ours = exports.iter().filter(|name| name.starts_with(start));
        let ours: Vec<_> = ours
            .take(NAMED)
            .map(|name| quoted(name, NAME_BYTES))
            .collect();
        ours.join(", ")
    };
    let (current, previous) = (CURRENT_VERSION, PREVIOUS_VERSION);
    let ours = listed("scorebox:scoring/");
    if ours.is_empty() {
        let all = listed("");
        let all = if all.is_empty() { "nothing" } else { &all };
        return Err(Problem::new(
            format!("exports no scorer: it exports {all}"),
            format!(
                "export scorebox:scoring/scorer@{current} or scorebox:scoring/tensor-scorer@{current}, e.g. with the \
                 crate scorebox-guest"
            ),
        ));
    }
    Err(Problem::new(
        format!("is a scorer of another version of the contract: it exports {ours}"),
        format!(
            "build it against scorebox:scoring@{current}, or run it with the host of its version; this host also \
             serves {previous}"
        ),
    ))
}
