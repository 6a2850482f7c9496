//! Triggers: the ways in which a call is started.
//!
//! Each trigger has a file, which turns a request into an invocation and a payload, and the outcome
//! into a response. Must not know instances or guests.

pub mod http;
