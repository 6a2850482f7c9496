//! Tests of the area `meta`: the benchmarks, the soak test, and processes that wait for another
//! one.
//!
//! Owns the list of its modules, and the turns of the tests that load the whole machine.

mod bench;
mod orphans;
mod programs;
mod soak;

use std::sync::RwLock;

/// Turns of the tests that load the whole machine.
///
/// A benchmark holds the lock for reading, because its test accepts any figure. The soak test holds
/// it for writing: it must reach every path within seconds, so nothing else may use the machine.
static TURN: RwLock<()> = RwLock::new(());
