//! Tests of the area `functions`: the triggers of Azure Functions, with a double of the Functions
//! host.
//!
//! Owns the list of its modules: requests, routes, blobs and messages in envelopes, storage queues,
//! the life of the handler, its log, the settlement of failures, and the recordings of a real
//! Functions host.

mod chosen_answers;
mod container;
mod http;
mod invoke;
mod lifecycle;
mod log_levels;
mod mixed;
mod queues;
mod random;
mod recorded_answers;
mod recorded_requests;
mod recorded_wire;
mod routes;
mod settlement;
mod values;
