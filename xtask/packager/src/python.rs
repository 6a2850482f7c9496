//! Scripts in Python: their engine pack, their packages, their app folder, and native answers.
//!
//! Owns the list of its modules. Must not know images.

pub(crate) mod accelerated;
mod conda;
pub mod engine;
pub(crate) mod native;
pub mod pack;
pub mod packages;
pub(crate) mod pickle;
mod requirement_line;
mod requirements;
mod resolution;
mod secret;
pub(crate) mod sources;
pub(crate) mod state;
mod wheel;
