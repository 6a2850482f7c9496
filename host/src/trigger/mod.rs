//! Triggers: the ways in which a call is started.
//!
//! Each trigger has a file. It turns what arrived into an invocation and a payload, and the outcome
//! into a response. Must not know instances or guests.

pub mod http;
pub mod open_inference;
