//! The Scorebox host: runs a scorer, a WebAssembly component with its model, for whoever calls.
//!
//! Owns this map. Must not know OCI, registries or how an image is made: the host reads a folder.
//!
//! # Map
//!
//! | module | owns |
//! |---|---|
//! | [`manifest`] | `scorebox.toml`: every setting, its default and its check |
//! | [`deployment`] | the environment |
//! | [`error`] | why a call or a start fails, and the one table of what follows |
//! | [`engine`] | the WebAssembly engine and its clock |
//! | [`model`] | tensors and files, mapped once per process |
//! | [`redis`] | key-value stores: a server, or memory |
//! | [`capability`] | what a scorer may import |
//! | [`scorer`] | a component and its instances; one call from payload to outcome |
//! | [`trigger`] | what starts a call: HTTP |
//! | [`server`] | sockets, routes, limits, the end of the process |
//! | [`app`] | the order in which an app folder is loaded |
//! | [`telemetry`] | the log |
//!
//! # Invariants
//!
//! - Dependencies point one way: `main → server → trigger → scorer → capability → {model, redis}`; `error` and
//!   `manifest` are below all.
//! - A guest's code runs on threads that serve no socket; a guest's fault ends no process.
//! - No address, credential or variable of the environment reaches a guest, a log or an error.
//! - `unsafe` stands in one file: `model/mapping.rs`.

pub mod app;
pub mod capability;
pub mod deployment;
pub mod engine;
pub mod error;
pub mod manifest;
pub mod model;
pub mod redis;
pub mod scorer;
pub mod server;
pub mod telemetry;
pub mod trigger;

pub use crate::app::{App, CheckReport, check};
pub use crate::error::StartupError;
