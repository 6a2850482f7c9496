//! Scripts in Python: their engine pack, their packages, their app folder, and native answers.
//!
//! Owns the list of its modules. Must not know images.

mod conda;
pub(crate) mod packages;
pub(crate) mod pickle;
mod requirements;
mod wheel;
