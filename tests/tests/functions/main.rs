//! Tests of the area `functions`: the triggers of Azure Functions, with a double of the Functions
//! host.
//!
//! Owns the list of its modules: requests, blobs and messages in envelopes, the life of the
//! handler, and the settlement of failures.

mod chosen_answers;
mod container;
mod http;
mod invoke;
mod lifecycle;
mod mixed;
mod random;
mod settlement;
mod values;
