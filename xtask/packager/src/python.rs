//! Scripts in Python: their engine pack, their packages, their app folder, and native answers.
//!
//! Owns the list of its modules. Must not know images.

mod conda;
pub mod engine;
pub(crate) mod native;
pub mod pack;
pub mod packages;
pub(crate) mod pickle;
mod requirements;
pub(crate) mod sources;
pub(crate) mod state;
mod wheel;
