//! The native ceiling: the example `digits` as a good engineer would write it without a sandbox.
//!
//! Owns what Scorebox is measured against: the same HTTP stack, the same reading and writing of JSON and the same
//! arithmetic as the host with that example, and nothing between them. Must not know how anything is measured: that is
//! `cargo xtask bench`.

pub mod logreg;
pub mod scoring;
pub mod serving;
