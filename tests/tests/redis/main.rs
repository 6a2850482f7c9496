//! Tests of the area `redis`: stores, raw commands and the prediction cache, on real Redis servers.
//!
//! Owns the list of its modules. A single server, a cluster and sentinels have modules of their
//! own.

mod bounds;
mod cluster;
mod cluster_commands;
mod command_table;
mod commands;
mod faults;
mod features;
mod identity;
mod idle;
mod outages;
mod prediction_cache;
mod refusals;
mod sentinel;
mod stores;
mod urls;
