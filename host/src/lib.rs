//! The Scorebox host.

pub mod deployment;
pub mod engine;
pub mod error;
pub mod manifest;
pub mod model;
pub mod redis;
