//! Loading of a pack's machine code.
//!
//! Owns the one place where this crate trusts a file as code. Must not know why it is trusted: the
//! parent module checks that.

#![allow(
    unsafe_code,
    reason = "loading machine code; the proof is at the block"
)]

use std::path::Path;

use wasmtime::{Engine, Module};

/// Maps a file of machine code into memory. Only the parts that run are read from the disk, and all
/// processes of a machine share them.
pub(super) fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
    // SAFETY: the file was compiled by `make` for an engine with the settings of this one, since
    // the record of the pack names both. This process cannot write the file, and the file has the
    // size or the digest that was recorded. Anyone who could change the record and the file
    // together could change the program of the host, too, which has the same protection.
    unsafe { Module::deserialize_file(engine, path) }
}
