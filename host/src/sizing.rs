//! How much may happen at a time: instances, runs of graphs, and the memory of each kind.
//!
//! Owns the values that the host derives from the cores and the memory of its container if the
//! manifest sets none. Must not know what uses them.

use crate::container;
use crate::manifest::Limits;

/// Returns the number of cores that this process may use: those of the container, not those of the
/// machine.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Instances per core, unless the manifest sets a number. With several, calls that wait for a store
/// or run long leave room for other calls.
const INSTANCES_PER_CORE: usize = 4;

/// Returns the most instances that may exist at a time.
#[must_use]
pub fn most_instances(limits: &Limits) -> usize {
    limits
        .instances
        .unwrap_or_else(|| cores().saturating_mul(INSTANCES_PER_CORE).min(1024))
}

/// Returns the most runs of a graph at a time. Each run has a core, and holds the whole model.
#[must_use]
pub fn most_sessions(limits: &Limits) -> usize {
    cores().min(most_instances(limits))
}

/// Divisor of the memory that all request bodies may take. All responses may take the same amount
/// again. The rest is for instances and the model.
const BODIES_PART: u64 = 8;

/// Most memory of all bodies unless the manifest sets it, in bytes: a hundred bodies of the default
/// largest size.
const BODIES_MOST_BYTES: u64 = 1 << 30;

/// Returns the memory of all bodies that are read or scored at a time, in bytes. One body of the
/// largest size always has room.
#[must_use]
pub fn bodies_bytes(limits: &Limits) -> u64 {
    let derived = || (container::available_bytes() / BODIES_PART).min(BODIES_MOST_BYTES);
    limits
        .bodies_bytes
        .unwrap_or_else(derived)
        .max(limits.body_bytes)
}

/// Divisor of the memory that all instances may take together. The rest is for bodies, responses,
/// the model's pages and the host.
const INSTANCES_PART: u64 = 2;

/// Returns the linear memory of all instances together, in bytes.
///
/// Half of it is divided into equal shares, and the other half is for instances that need more than
/// their share.
#[must_use]
pub fn instances_bytes(limits: &Limits) -> u64 {
    limits
        .instances_bytes
        .unwrap_or_else(|| container::available_bytes() / INSTANCES_PART)
}
