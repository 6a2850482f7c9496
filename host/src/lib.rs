//! The Scorebox host: runs a scorer, which is a WebAssembly component or a Python script with its
//! model, or an ONNX graph, for any caller.
//!
//! Owns this map. Must not know OCI, registries or how an image is made: the host reads a folder.
//!
//! # Map
//!
//! | module | owns |
//! |---|---|
//! | [`manifest`] | `scorebox.toml`: every setting, its default and its check (`host/manifest`) |
//! | [`deployment`] | the environment of the process |
//! | [`access`] | the keys of the server, and which requests carry one |
//! | [`error`] | why a call or a start fails, and the one table of the consequences |
//! | [`engine`] | the WebAssembly engine, its clock and its pool of memory |
//! | [`component`] | from an app's files to code: precompiled, or compiled at start |
//! | [`precompiled`] | machine code: for which CPU, and the checks before it is loaded |
//! | `compiled_cache` | the user's cache of compiled components |
//! | `container` | how much memory this process may use |
//! | [`sizing`] | how many instances, and how much memory of each kind, if the manifest sets none |
//! | `packaged` | whether component and model are those that were packaged |
//! | [`model`] | tensors and files, mapped once per process |
//! | [`graph`] | models that contain their own computation, and the engine that runs them |
//! | [`redis`] | stores: keys, values and Redis commands (`host/store`) |
//! | [`capability`] | what a scorer may import |
//! | [`call`] | the types of one call: payload, source, invocation, answer |
//! | [`codec`] | wire formats: bodies as tensors, and tensors as bodies |
//! | `offload` | the thread of a call: where it arrived, or a scoring thread |
//! | [`scorer`] | a component and its instances; one call from payload to outcome |
//! | [`trigger`] | HTTP requests as calls |
//! | [`functions`] | the protocol of Azure Functions: function.json, envelopes, answers |
//! | [`server`] | sockets, routes, limits, the end of the process |
//! | [`app`] | the order in which an app folder is loaded |
//! | [`stores`] | the stores that a manifest names, opened as the environment sets them |
//! | [`packaging`] | for the packager: `init` and compiling while a container image is built |
//! | [`sample`] | an input with its answer, to check a model before it is packaged |
//! | [`tensor`] | tensors by value, and the ports that they fit |
//! | [`machine`] | what the machine must have, checked before a server listens |
//! | [`panics`] | the text of a panic, for the log line of the affected request |
//! | [`telemetry`] | the log |
//! | `timer` | timeouts of futures |
//! | [`text`] | text from outside, bounded and printable (`host/text`) |
//!
//! [`manifest`], [`redis`] and [`text`] are crates of their own, which know nothing of this one.
//!
//! # Invariants
//!
//! - Dependencies point one way: `main → server → scorer → codec → capability → {model, graph,
//!   redis}`. `cargo xtask tidy` compares all dependencies with the table in
//!   `xtask/src/tidy/arrows.rs`.
//! - A guest holds a thread that serves sockets for at most one tick (`offload.rs`). A fault of
//!   a guest does not end the process.
//! - No address or credential from the environment reaches a guest, a log or an error of a server.
//!   There is one exception: if a Redis cluster announces a node that cannot be reached, the log
//!   has the address of this node, because no setting has it.
//! - `unsafe` is used in three files of this library only: `compiled_cache.rs`, `model/mapping.rs`
//!   and `precompiled.rs`. The program has one more, `command/priority.rs`.

pub mod access;
pub mod app;
pub mod call;
pub mod capability;
pub mod codec;
#[cfg(feature = "compiler")]
mod compiled_cache;
pub mod component;
mod container;
pub mod deployment;
pub mod engine;
pub mod error;
pub mod functions;
pub mod graph;
pub mod machine;
pub mod model;
mod offload;
mod packaged;
#[cfg(feature = "compiler")]
pub mod packaging;
pub mod panics;
pub mod precompiled;
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
pub mod sample;
pub mod scorer;
pub mod server;
pub mod sizing;
pub mod stores;
pub mod telemetry;
pub mod tensor;
mod timer;
pub mod trigger;

pub use scorebox_manifest as manifest;
pub use scorebox_store as redis;
pub use scorebox_text as text;

#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
pub use crate::app::check_by;
pub use crate::app::{App, CheckReport, check};
pub use crate::error::StartupError;
