//! Tests of the area `serving`: the host as a server.
//!
//! Owns the list of its modules: HTTP, instances, limits, overload, the log, the sandbox, the start
//! and the stop.

mod bad_input;
mod bare_machine;
mod batching;
mod check_json;
mod chosen_answers;
mod connections;
mod echoes;
mod encodings;
mod endurance;
mod host_calls;
mod http2;
mod keys;
mod lifecycle;
mod logs;
mod messages;
mod misbehaviour;
mod open_handles;
mod open_inference;
mod openapi;
mod overload;
mod packaged_files;
mod sandbox;
mod startup;
mod stops;
mod texts;
mod toolchains;
mod versions;
mod wasi_imports;
