//! Triggers: the ways in which a call is started.
//!
//! `http` turns an HTTP request into an invocation and a payload, and the outcome into a response.
//! The triggers of Azure Functions are in the module `functions`. Must not know instances or
//! guests.

pub mod http;
