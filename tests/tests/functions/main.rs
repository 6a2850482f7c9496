//! Tests of the area `functions`: the triggers of Azure Functions, with a double of the Functions
//! host.
//!
//! Owns the list of its modules: requests, routes, blobs and messages in envelopes, storage queues,
//! the life of the handler, and the settlement of failures.

mod container;
mod http;
mod invoke;
mod lifecycle;
mod mixed;
mod queues;
mod random;
mod routes;
mod settlement;
mod values;
