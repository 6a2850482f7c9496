//! The functions that a scorer imports: those of the host on WebAssembly, and mocks on every other
//! target.
//!
//! Owns the choice between the functions of the host and the mocks. Both have the same names and
//! types, so the modules that wrap them must not know which ones they use.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::capabilities::{
    scorebox::scoring::{cache, graphs, metrics, model, redis},
    wasi::config::store as config,
    wasi::keyvalue::{atomics, batch, store as keyvalue},
    wasi::logging::logging,
};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::mocks::{
    atomics, batch, cache, config, graphs, keyvalue, logging, metrics, model, redis,
};
