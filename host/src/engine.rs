//! The WebAssembly engine: its settings, its clock, and where instances get their memory.
//!
//! Owns `engine_config`, the one place where the engine is set up for host and packager alike, and the epoch ticker that
//! lets the host interrupt a guest. Must not know components, worlds, capabilities or calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, ModuleVersionStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::error::StartupError;

/// Names the engine and its settings in precompiled code. The number goes up with every change to `engine_config` that
/// changes compiled code; the version is the one in `Cargo.lock`.
pub const ENGINE: &str = "wasmtime 48.0.8, scorebox 1";

/// How often a running guest is stopped for a look at the clock, and how long one may keep a thread from other work. A
/// stop costs the guest some 0.3 us; but the ticker itself takes a processor from whoever serves, which at 1 ms cost short
/// calls one or two hundredths of their time (measured), and at 2 ms nothing that could be seen.
pub const TICK: Duration = Duration::from_millis(2);

/// The same while nothing runs: an idle host should let the machine sleep.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// Ticks without a guest after which the host counts as idle.
const TICKS_UNTIL_IDLE: u32 = 100;

/// Stack of a guest. wasmtime's default of 512 KiB is small for a recursive-descent parser over deep JSON.
const STACK_BYTES: usize = 1 << 20;

/// Most elements of a table. Rust's and C's function tables have thousands; 20,000 is what interpreters need.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// What a slot of the pool keeps when its instance is dropped, cleared by copying instead of by unmapping, which halves
/// the cost of a fresh instance (measured). More than a Rust guest's heap of some 1.1 MiB; only pages that a guest wrote
/// count.
const KEPT_MEMORY_BYTES: usize = 2 << 20;
const KEPT_TABLE_BYTES: usize = 64 << 10;

/// What one component's instance may consist of. A Rust scorer has four core instances, an interpreter's some twenty.
const CORE_INSTANCES: u32 = 32;
const MEMORIES: u32 = 2;
const TABLES: u32 = 8;

/// Slots for instances that no call is in: `describe`, and one that is being retired.
const SPARE_INSTANCES: u32 = 4;

/// True if a guest has run since the ticker looked last.
static GUESTS_RAN: AtomicBool = AtomicBool::new(false);

/// Where instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From the system, one by one: for a tool that makes a few.
    OnDemand,
    /// From slots that are reserved at start and used again: for a server.
    Pool {
        /// Instances that may exist at a time.
        instances: usize,
    },
}

/// An engine whose epoch advances every [`TICK`] for as long as it lives.
///
/// # Errors
/// The machine cannot run WebAssembly (no memory to reserve, or no thread for the ticker).
pub fn engine(allocation: Allocation) -> Result<Engine, StartupError> {
    let mut config = engine_config();
    if let Allocation::Pool { instances } = allocation {
        config.allocation_strategy(pool(instances));
    }
    let engine = Engine::new(&config).map_err(|error| {
        StartupError::Host(format!(
            "the WebAssembly engine does not start: {error:#}; it reserves 4 GiB of addresses, not of memory, for each of \
             limits.instances: see that no limit on address space (ulimit -v) stands against it"
        ))
    })?;
    start_ticker(&engine)?;
    Ok(engine)
}

/// The engine's settings. Whatever would change compiled code is written out, so that it cannot drift with a default or
/// with a feature that Cargo turns on for somebody else; see [`ENGINE`].
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    config
        // The only way to stop an endless loop; costs about a fifth on JSON, measured.
        .epoch_interruption(true)
        .consume_fuel(false)
        // One call at a time in an instance: concurrency comes from instances.
        .concurrency_support(false)
        // No guest toolchain that we know needs these, and they cost every instance memory.
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
    // It fails only for a text of more than 255 bytes.
    let _ = config.module_version(ModuleVersionStrategy::Custom(ENGINE.to_owned()));
    config
}

fn pool(instances: usize) -> PoolingAllocationConfig {
    let instances = u32::try_from(instances).unwrap_or(u32::MAX).saturating_add(SPARE_INSTANCES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        // All that 32 bits address: what an instance may have of it is `limits.memory`, which the store's limiter keeps.
        .max_memory_size(1 << 32)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Tells the ticker that guests run.
pub(crate) fn guest_runs() {
    // Read first: a line of memory that all threads only read is in all their caches.
    if !GUESTS_RAN.load(Ordering::Relaxed) {
        GUESTS_RAN.store(true, Ordering::Relaxed);
    }
}

fn start_ticker(engine: &Engine) -> Result<(), StartupError> {
    let weak = engine.weak();
    let tick = move || {
        let mut idle_ticks = 0;
        // The thread ends with the engine: nobody has to stop it.
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            idle_ticks = if GUESTS_RAN.swap(false, Ordering::Relaxed) { 0 } else { idle_ticks + 1 };
            idle_ticks = idle_ticks.min(TICKS_UNTIL_IDLE);
            std::thread::sleep(if idle_ticks < TICKS_UNTIL_IDLE { TICK } else { IDLE_TICK });
        }
    };
    let started = std::thread::Builder::new().name("epoch".to_owned()).spawn(tick);
    started.map(drop).map_err(|error| StartupError::Host(format!("no thread for the epoch ticker: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_holds_the_version_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        let version = ENGINE.strip_prefix("wasmtime ").and_then(|rest| rest.split(',').next()).unwrap();
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{version}\"\n")), "{version}");
    }
}
