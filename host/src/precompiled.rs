//! Precompiled code: the machine code of a component, compiled by the packager and loaded by a
//! host.
//!
//! Owns the CPU levels, the compiling for one of them, and the checks before code is loaded.
//! Precompiled code is native code that no sandbox checks again. It is trusted for one reason only:
//! its digest is in the app's manifest. Must not know worlds or calls.

#![allow(
    unsafe_code,
    reason = "loading machine code; the proof is at the block"
)]

use std::fmt;
use std::str::FromStr;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::ENGINE;
use crate::error::StartupError;
use crate::manifest::Precompiled;
use crate::manifest::digest::digest;

/// Level of the x86-64 instruction set, as the psABI (the ABI specification for x86-64) defines the
/// levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cpu {
    /// Level x86-64, with the features that every x86-64 processor has.
    Baseline,
    /// Level x86-64-v2, with features up to SSE4.2 and POPCNT, in processors from 2009 on.
    V2,
    /// Level x86-64-v3, with features up to AVX2, BMI and FMA, in processors from 2013 on.
    V3,
    /// Level x86-64-v4, with features up to AVX-512.
    V4,
}

impl Cpu {
    /// All CPU levels, lowest first.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::V2, Self::V3, Self::V4];

    /// Returns the highest CPU level that this machine supports.
    #[must_use]
    pub fn native() -> Self {
        let has = |level: &Self| level.missing(detected).is_none();
        Self::ALL
            .into_iter()
            .take_while(has)
            .last()
            .unwrap_or(Self::Baseline)
    }

    /// Returns the CPU features that this level adds to the next lower level, and none for the
    /// lowest level. Each is a pair of the feature's name and the name of the compiler's flag for
    /// it.
    fn adds(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Baseline => &[],
            Self::V2 => &[
                ("sse3", "has_sse3"),
                ("ssse3", "has_ssse3"),
                ("sse4.1", "has_sse41"),
                ("sse4.2", "has_sse42"),
                ("popcnt", "has_popcnt"),
            ],
            Self::V3 => &[
                ("avx", "has_avx"),
                ("avx2", "has_avx2"),
                ("bmi1", "has_bmi1"),
                ("bmi2", "has_bmi2"),
                ("fma", "has_fma"),
                ("lzcnt", "has_lzcnt"),
            ],
            Self::V4 => &[
                ("avx512f", "has_avx512f"),
                ("avx512dq", "has_avx512dq"),
                ("avx512vl", "has_avx512vl"),
            ],
        }
    }

    /// Returns all CPU features of this level, including those of lower levels. Each is a pair of
    /// the feature's name and the name of the compiler's flag for it.
    fn features(self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        Self::ALL
            .into_iter()
            .filter(move |level| *level <= self)
            .flat_map(|level| level.adds())
    }

    /// Returns the name of the first CPU feature of this level that a machine does not have.
    /// Returns `None` if the machine has all of them. `detected` returns true for the name of each
    /// feature that the machine has.
    fn missing(self, detected: impl Fn(&str) -> bool) -> Option<&'static str> {
        self.features()
            .map(|(name, _)| *name)
            .find(|name| !detected(name))
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "x86-64",
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
            Self::V4 => "x86-64-v4",
        })
    }
}

/// Error for a text that is neither the name of a CPU level nor `native`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a CPU level; choose {} or native",
    Cpu::ALL.map(|cpu| cpu.to_string()).join(", ")
)]
pub struct UnknownCpu {
    text: String,
}

impl FromStr for Cpu {
    type Err = UnknownCpu;

    fn from_str(text: &str) -> Result<Self, UnknownCpu> {
        if text == "native" {
            return Ok(Self::native());
        }
        Self::ALL
            .into_iter()
            .find(|cpu| cpu.to_string() == text)
            .ok_or_else(|| UnknownCpu {
                text: text.to_owned(),
            })
    }
}

/// Loads the precompiled machine code of a component, after checking that this host can run it.
///
/// # Errors
/// Fails if the file of the code is missing or was changed, or if the code was compiled for another
/// engine or for a CPU level that this machine does not support. Each of these problems has its own
/// text. The host does not compile the component instead, because only packaged code may run.
pub fn load(engine: &Engine, precompiled: &Precompiled) -> Result<Component, StartupError> {
    let fail = |problem: String, fix: &str| StartupError::Component {
        path: precompiled.file.clone(),
        problem,
        fix: fix.to_owned(),
    };
    let again = "build the app again with the tool `scorebox` of this host's release";
    if precompiled.engine != ENGINE {
        let problem = format!(
            "was compiled for another engine: `{}`, and this host has `{ENGINE}`",
            precompiled.engine
        );
        return Err(fail(problem, again));
    }
    let cpu = precompiled
        .cpu
        .parse::<Cpu>()
        .map_err(|unknown| fail(unknown.to_string(), again))?;
    if let Some(feature) = cpu.missing(detected) {
        return Err(fail(
            format!("was compiled for another CPU: for {cpu}, and this machine lacks {feature}"),
            "build the app with `--cpu x86-64`, which every machine runs, or run it on a newer machine",
        ));
    }
    let bytes = std::fs::read(&precompiled.file).map_err(|error| {
        fail(
            format!("cannot be read: {error}"),
            "build the app again: [precompiled] in its manifest names this file",
        )
    })?;
    let found = digest(&bytes);
    if found != precompiled.digest {
        return Err(fail(
            format!(
                "was changed: its digest is {found}, and the manifest names {}",
                precompiled.digest
            ),
            "do not run this app; take the image or the folder again from where it was built",
        ));
    }
    // SAFETY: the bytes must be the unchanged result of `Engine::precompile_component`. The
    // packager wrote these bytes, because their SHA-256 is the one that it put into the manifest.
    // The digest was computed over this same buffer, and no other code can write to the buffer.
    // Wasmtime copies the buffer, and checks the version, the settings and the CPU features once
    // more.
    let loaded = unsafe { Component::deserialize(engine, &bytes) };
    loaded.map_err(|error| {
        fail(
            format!("was compiled for another engine configuration: {error:#}"),
            again,
        )
    })
}

/// Compiles a component to machine code for machines of a CPU level.
///
/// # Errors
/// Fails if the compiler refuses the component.
#[cfg(feature = "compiler")]
pub(crate) fn compile(component: &[u8], cpu: Cpu) -> wasmtime::Result<Vec<u8>> {
    let mut config = crate::engine::engine_config();
    // An explicit target keeps the compiler from looking at the machine that it runs on.
    config.target("x86_64-unknown-linux-gnu")?;
    for (_, flag) in cpu.features() {
        // SAFETY: with a flag that a machine does not support, the code could not run there. `load`
        // refuses this code.
        unsafe { config.cranelift_flag_enable(flag) };
    }
    Engine::new(&config)?.precompile_component(component)
}

#[cfg(target_arch = "x86_64")]
fn detected(feature: &str) -> bool {
    use std::arch::is_x86_feature_detected as has;
    match feature {
        "sse3" => has!("sse3"),
        "ssse3" => has!("ssse3"),
        "sse4.1" => has!("sse4.1"),
        "sse4.2" => has!("sse4.2"),
        "popcnt" => has!("popcnt"),
        "avx" => has!("avx"),
        "avx2" => has!("avx2"),
        "bmi1" => has!("bmi1"),
        "bmi2" => has!("bmi2"),
        "fma" => has!("fma"),
        "lzcnt" => has!("lzcnt"),
        "avx512f" => has!("avx512f"),
        "avx512dq" => has!("avx512dq"),
        "avx512vl" => has!("avx512vl"),
        _ => false,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected(_: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_needs_all_below_it() {
        let nehalem =
            |feature: &str| ["sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"].contains(&feature);
        assert_eq!(Cpu::Baseline.missing(|_| false), None);
        assert_eq!(Cpu::V2.missing(nehalem), None);
        assert_eq!(Cpu::V3.missing(nehalem), Some("avx"));
        assert_eq!(
            Cpu::V4.missing(|feature| feature != "popcnt"),
            Some("popcnt")
        );
    }

    #[test]
    fn names_are_read_back() {
        for cpu in Cpu::ALL {
            assert_eq!(cpu.to_string().parse(), Ok(cpu));
            assert!(cpu.features().all(|(name, _)| !name.is_empty()));
        }
        assert_eq!("native".parse(), Ok(Cpu::native()));
        assert!(
            "x86-64-v5"
                .parse::<Cpu>()
                .unwrap_err()
                .to_string()
                .contains("x86-64-v3")
        );
    }
}
