//! What starts a call.
//!
//! One file for each trigger: it makes an invocation and a payload of what arrived, and an answer of the outcome. Must
//! not know instances or guests.

pub mod http;
pub mod open_inference;
