//! Limits on what happens at a time: the number of instances and of runs of graphs, and the memory
//! for bodies and for instances.
//!
//! Owns the values that the host derives from the cores and the memory of its container if the
//! manifest sets none. Must not know what uses them.

use std::num::NonZero;
use std::sync::OnceLock;

use crate::container;
use crate::manifest::Limits;

/// Returns the number of CPU cores that this process may use: those of the container, not those of
/// the machine.
#[must_use]
pub fn cores() -> usize {
    // Each look at the limits of the container takes a hundredth of a cold start.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Number of instances per CPU core, if the manifest does not set `limits.instances`. With several
/// instances per core, calls that wait for a store or run long leave room for other calls.
const INSTANCES_PER_CORE: usize = 4;

/// Returns the maximum number of instances of the scorer that may exist at a time: the setting
/// `limits.instances`, or else a number that is derived from the number of CPU cores.
#[must_use]
pub fn most_instances(limits: &Limits) -> usize {
    limits
        .instances
        .unwrap_or_else(|| cores().saturating_mul(INSTANCES_PER_CORE).min(1024))
}

/// Returns the maximum number of instances of a script that may exist at a time. Each may take
/// `limits.memory`, and all together take at most `limits.total_memory`, unless the manifest sets
/// `limits.instances` alone.
#[cfg(feature = "python")]
#[must_use]
pub fn most_script_instances(limits: &Limits) -> usize {
    let most = most_instances(limits);
    if limits.instances.is_some() && limits.instances_bytes.is_none() {
        return most;
    }
    let fitting = instances_bytes(limits) / limits.memory_bytes.max(1);
    most.min(usize::try_from(fitting).unwrap_or(most)).max(1)
}

/// Returns the maximum number of runs of ONNX graphs at a time. The number is limited because each
/// run occupies a CPU core and holds the whole model in memory.
#[must_use]
pub fn most_sessions(limits: &Limits) -> usize {
    cores().min(most_instances(limits))
}

/// Divisor by which the memory that this process may use is divided to get the memory for all
/// request bodies. The same amount is for all responses. The rest is for instances and the model.
const BODIES_PART: u64 = 8;

/// Maximum size of the memory for all request bodies, if the manifest does not set `limits.bodies`,
/// in bytes. This memory has room for a hundred bodies of the default maximum size.
const BODIES_MOST_BYTES: u64 = 1 << 30;

/// Returns the maximum size of the memory for all request bodies that are read or scored at a time,
/// in bytes. One body of the maximum size always has room.
#[must_use]
pub fn bodies_bytes(limits: &Limits) -> u64 {
    bodies_bytes_within(limits, container::available_bytes())
}

/// Returns the maximum size of the memory for all request bodies, in bytes, as [`bodies_bytes`]
/// does, but for a container that may use `available_bytes` bytes of memory.
#[must_use]
pub fn bodies_bytes_within(limits: &Limits, available_bytes: u64) -> u64 {
    limits
        .bodies_bytes
        .unwrap_or((available_bytes / BODIES_PART).min(BODIES_MOST_BYTES))
        .max(limits.body_bytes)
}

/// Divisor by which the memory that this process may use is divided to get the memory for all
/// instances together. The rest is for bodies, responses, the model's pages and the host.
const INSTANCES_PART: u64 = 2;

/// Returns the maximum size of the linear memory of all instances together, in bytes: the setting
/// `limits.total_memory`, or else half of the memory that this process may use.
///
/// Half of the result is divided into equal shares. The other half is for instances that need more
/// than their share.
#[must_use]
pub fn instances_bytes(limits: &Limits) -> u64 {
    instances_bytes_within(limits, container::available_bytes())
}

/// Returns the maximum size of the linear memory of all instances together, in bytes, as
/// [`instances_bytes`] does, but for a container that may use `available_bytes` bytes of memory.
#[must_use]
pub fn instances_bytes_within(limits: &Limits, available_bytes: u64) -> u64 {
    limits
        .instances_bytes
        .unwrap_or(available_bytes / INSTANCES_PART)
}
