//! The modules that `cargo xtask` shares with the programs that it builds and starts.
//!
//! Owns the list of its modules. Must not know wasmtime, a registry, or anything that takes long to
//! compile: `cargo xtask tidy` is built from this crate too.

// The macros of this module replace those of the standard library in all other modules.
#[macro_use]
pub mod output;

pub mod commands;
pub mod digest;
pub mod failure;
pub mod installation;
pub mod toolchain;
pub mod tools;
pub mod workspace;
