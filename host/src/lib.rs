//! The Scorebox host.

pub mod manifest;
