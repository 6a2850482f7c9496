//! WebAssembly engine: its settings, its clock, and the memory of instances.
//!
//! Owns `engine_config`, the one place where the engine is set up for host and packager alike, and
//! the epoch ticker, which lets the host interrupt a guest. Must not know components, worlds,
//! capabilities or calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, ModuleVersionStrategy, PoolingAllocationConfig, WasmFeatures,
};

use crate::error::StartupError;

/// Name of the engine and its settings in precompiled code.
///
/// The last number goes up with every change to `engine_config` that changes compiled code. The
/// version is the one in `Cargo.lock`.
pub const ENGINE: &str = "wasmtime 48.0.8, scorebox 1";

/// Interval at which a running guest is stopped for a look at the clock. It is also the longest
/// time for which a guest may keep a thread from other work.
///
/// A stop costs the guest some 0.3 us. But the ticker itself takes a processor from other threads:
/// at 1 ms this cost short calls one or two hundredths of their time (measured), and at 2 ms no
/// cost was visible.
pub const TICK: Duration = Duration::from_millis(2);

/// Interval of the ticker while no guest runs, because an idle host should let the machine sleep.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// Number of ticks without a guest after which the host counts as idle.
const TICKS_UNTIL_IDLE: u32 = 100;

/// Stack size of a guest, in bytes. wasmtime's default of 512 KiB is small for a recursive-descent
/// parser over deep JSON.
const STACK_BYTES: usize = 1 << 20;

/// Most elements of a table. Function tables of Rust and C have thousands, and interpreters need
/// 20,000.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// Memory that a slot of the pool keeps when its instance is dropped, in bytes.
///
/// It is cleared by copying instead of by unmapping, which halves the cost of a fresh instance
/// (measured). The size is more than a Rust guest's heap of some 1.1 MiB. Only pages that a guest
/// wrote to count.
const KEPT_MEMORY_BYTES: usize = 2 << 20;
/// Part of a table that a slot of the pool keeps when its instance is dropped, in bytes.
const KEPT_TABLE_BYTES: usize = 64 << 10;

/// Most core instances of one component's instance. A Rust scorer has four, and an interpreter some
/// twenty.
const CORE_INSTANCES: u32 = 32;
/// Most linear memories of one component's instance.
const MEMORIES: u32 = 2;
/// Most tables of one component's instance.
const TABLES: u32 = 8;

/// Number of slots for instances without a call: one in `describe`, and one that is being retired.
const SPARE_INSTANCES: u32 = 4;

/// True if a guest has run since the ticker last looked.
static GUESTS_RAN: AtomicBool = AtomicBool::new(false);

/// Source of the memory of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Memory from the system, separately for each instance. A tool that creates few instances uses
    /// this.
    OnDemand,
    /// Memory from slots that are reserved at the start and reused. A server uses this.
    Pool {
        /// Most instances that may exist at a time.
        instances: usize,
    },
}

/// Creates an engine whose epoch advances every [`TICK`] for as long as the engine lives.
///
/// # Errors
/// Fails if the machine cannot run WebAssembly: there is no memory to reserve, or no thread for the
/// ticker.
pub fn engine(allocation: Allocation) -> Result<Engine, StartupError> {
    let mut config = engine_config();
    if let Allocation::Pool { instances } = allocation {
        config.allocation_strategy(pool(instances));
    }
    let engine = Engine::new(&config).map_err(|error| {
        StartupError::Host(format!(
            "the WebAssembly engine does not start: {error:#}; it reserves 4 GiB of addresses, not \
             of memory, for each of limits.instances: remove the limit on address space (ulimit \
             -v), or lower limits.instances"
        ))
    })?;
    start_ticker(&engine)?;
    Ok(engine)
}

/// Returns the engine's settings. See [`ENGINE`] for their name.
///
/// Every setting that would change compiled code is written out. So it cannot change with a
/// default, or with a feature that Cargo enables because of another package.
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    config
        // This is the only way to stop an endless loop. It costs about a fifth on JSON (measured).
        .epoch_interruption(true)
        .consume_fuel(false)
        // An instance runs one call at a time. Several instances run calls concurrently.
        .concurrency_support(false)
        // No known guest toolchain needs these features, and they cost memory in every instance.
        .gc_support(false)
        .wasm_features(
            WasmFeatures::THREADS
                | WasmFeatures::SHARED_EVERYTHING_THREADS
                | WasmFeatures::EXCEPTIONS
                | WasmFeatures::LEGACY_EXCEPTIONS
                | WasmFeatures::GC
                | WasmFeatures::FUNCTION_REFERENCES
                | WasmFeatures::STACK_SWITCHING,
            false,
        )
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES);
    // This fails only for a text of more than 255 bytes.
    let _ = config.module_version(ModuleVersionStrategy::Custom(ENGINE.to_owned()));
    config
}

fn pool(instances: usize) -> PoolingAllocationConfig {
    let instances = u32::try_from(instances)
        .unwrap_or(u32::MAX)
        .saturating_add(SPARE_INSTANCES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        // This is all that 32 bits can address. The store's limiter enforces `limits.memory` for
        // each instance.
        .max_memory_size(1 << 32)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Reports to the ticker that a guest runs.
pub(crate) fn guest_runs() {
    // The flag is read first, because memory that all threads only read is in all their caches.
    if !GUESTS_RAN.load(Ordering::Relaxed) {
        GUESTS_RAN.store(true, Ordering::Relaxed);
    }
}

fn start_ticker(engine: &Engine) -> Result<(), StartupError> {
    let weak = engine.weak();
    let tick = move || {
        let mut idle_ticks = 0;
        // The thread ends with the engine, so it needs no request to stop.
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            idle_ticks = if GUESTS_RAN.swap(false, Ordering::Relaxed) {
                0
            } else {
                idle_ticks + 1
            };
            idle_ticks = idle_ticks.min(TICKS_UNTIL_IDLE);
            std::thread::sleep(if idle_ticks < TICKS_UNTIL_IDLE {
                TICK
            } else {
                IDLE_TICK
            });
        }
    };
    let started = std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(tick);
    started
        .map(drop)
        .map_err(|error| StartupError::Host(format!("no thread for the epoch ticker: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_holds_the_version_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        let version = ENGINE
            .strip_prefix("wasmtime ")
            .and_then(|rest| rest.split(',').next())
            .unwrap();
        assert!(
            lock.contains(&format!("name = \"wasmtime\"\nversion = \"{version}\"\n")),
            "{version}"
        );
    }
}
