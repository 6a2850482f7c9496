//! Rules for the readers of bytes that come from outside: callers, servers, and files that other
//! programs wrote.
//!
//! Owns the list of the targets. Each target is a module with a function `check`, which calls a
//! reader and panics if the reader breaks a rule. A program in `src/bin` gives it to libFuzzer, and
//! the tests here call it with the corpus and with random changes of it. Must not know how a reader
//! reads.

pub mod azure_ml;
pub mod challenge;
pub mod envelope;
mod errors;
pub mod function_json;
pub mod manifest;
pub mod numpy;
pub mod open_inference;
mod readers;
pub mod redis_replies;
pub mod safetensors;
mod tensors;

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod tests;
