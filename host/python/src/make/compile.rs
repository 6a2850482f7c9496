//! Compilation of the module of CPython to machine code: once quickly, to import the libraries, and
//! once for the pack.
//!
//! Owns the settings that differ between the two compilations. Must not know what the module does.

#![allow(
    unsafe_code,
    reason = "choosing the instructions of machine code; the proof is at the block"
)]

use wasmparser::{Parser, Payload};
use wasmtime::{Engine, OptLevel};

use super::error::MakeError;
use super::recipe::Cpu;
use crate::engine;
use crate::facts::FactError;

/// Flags of the compiler for the instructions of x86-64-v2.
const V2: [&str; 6] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_cmpxchg16b",
];
/// Flags of the compiler for the instructions that x86-64-v3 has and x86-64-v2 does not.
const V3: [&str; 6] = [
    "has_avx",
    "has_avx2",
    "has_bmi1",
    "has_bmi2",
    "has_fma",
    "has_lzcnt",
];

/// Returns a WebAssembly engine that compiles quickly, for a module that runs once on this machine.
pub(super) fn quick_engine() -> Result<Engine, MakeError> {
    let mut config = engine::config();
    config.cranelift_opt_level(OptLevel::None);
    Engine::new(&config).map_err(MakeError::engine("compiled"))
}

/// Compiles a module to machine code for machines of a CPU level.
pub(super) fn compile(module: &[u8], cpu: Cpu) -> Result<Vec<u8>, MakeError> {
    let compile = || {
        let mut config = engine::config();
        // An explicit target keeps the compiler from looking at the machine that it runs on.
        config.target("x86_64-unknown-linux-gnu")?;
        let more: &[&str] = match cpu {
            Cpu::V2 => &[],
            Cpu::V3 => &V3,
        };
        for flag in V2.iter().chain(more) {
            // SAFETY: with a flag that a machine does not support, the code could not run there.
            // The record of the pack names the CPU level, and a machine without it refuses the
            // pack.
            unsafe { config.cranelift_flag_enable(flag) };
        }
        Engine::new(&config)?.precompile_module(module)
    };
    compile().map_err(MakeError::engine("compiled"))
}

/// Returns a module without its custom sections, which hold names for debuggers.
pub(super) fn without_custom_sections(module: &[u8]) -> Result<Vec<u8>, FactError> {
    let mut kept = module.get(..8).unwrap_or_default().to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if matches!(payload, Payload::CustomSection(_)) {
            continue;
        }
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let content = module.get(range).unwrap_or_default();
        kept.push(id);
        push_leb128(&mut kept, content.len());
        kept.extend_from_slice(content);
    }
    Ok(kept)
}

/// Appends a number to `bytes` in LEB128, in which WebAssembly encodes sizes.
fn push_leb128(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = number;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{CustomSection, MemorySection, MemoryType, Module};

    use super::*;

    #[test]
    fn only_custom_sections_are_left_out() {
        let module = |name: Option<&[u8]>| {
            let mut module = Module::new();
            let mut memories = MemorySection::new();
            for _ in 0..100 {
                memories.memory(MemoryType {
                    minimum: 1,
                    maximum: None,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
            }
            module.section(&memories);
            if let Some(data) = name {
                module.section(&CustomSection {
                    name: "name".into(),
                    data: data.into(),
                });
            }
            module.finish()
        };
        let stripped = without_custom_sections(&module(Some(b"names"))).unwrap();
        assert_eq!(stripped, module(None));
        assert!(without_custom_sections(b"no module").is_err());
    }
}
