//! The native reference program: the example `digits` as a good engineer would write it without a
//! sandbox.
//!
//! Owns what Scorebox is measured against: the same HTTP stack, the same reading and writing of
//! JSON and the same arithmetic as the host with that example, and nothing between them. On request
//! it also keeps answers in Redis, which is what the prediction cache is measured against. Must not
//! know how anything is measured: that is `cargo xtask bench`.

#[cfg(feature = "graphs")]
pub mod graph;
pub mod keeping;
pub mod logreg;
pub mod scoring;
pub mod serving;
