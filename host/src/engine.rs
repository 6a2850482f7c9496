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

/// Expands to the text of [`ENGINE`], because `concat!` takes only literals.
macro_rules! engine {
    () => {
        "wasmtime 48.0.8, scorebox 1"
    };
}

/// Name and settings of the WebAssembly engine, as recorded in precompiled code.
///
/// The version of Wasmtime is the one in `Cargo.lock`. The last number must be increased with every
/// change to `engine_config` that changes compiled code.
pub const ENGINE: &str = engine!();

/// Version and engine of this host, as `scorebox --version` prints them after the name.
///
/// The tool that packages scorers has the same text, and looks for it in every host that it is
/// given. A host with another text may refuse the machine code that the tool compiles.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (engine ", engine!(), ")");

/// Interval at which the epoch of the WebAssembly engine advances. Each advance interrupts running
/// guests, so that the host can check their deadlines. The interval is also the longest time for
/// which a guest may keep a thread from other work.
///
/// One interruption costs a guest about 0.3 us. The thread that advances the epoch takes CPU time
/// from other threads: at an interval of 1 ms, short calls took 1 to 2 % longer (measured). At 2 ms
/// no cost was visible.
pub const TICK: Duration = Duration::from_millis(2);

/// Interval at which the epoch of the WebAssembly engine advances while no guest runs. The interval
/// is longer than [`TICK`], because an idle host should let the machine sleep.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// Number of ticks of the epoch without a running guest after which the host counts as idle.
const TICKS_UNTIL_IDLE: u32 = 100;

/// Size of a guest's stack, in bytes. Wasmtime's default of 512 KiB is small for a
/// recursive-descent parser of deeply nested JSON.
const STACK_BYTES: usize = 1 << 20;

/// Maximum number of elements of a WebAssembly table. Function tables of Rust and C have thousands
/// of elements, and interpreters need 20,000.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// Number of bytes of linear memory that a slot of the instance pool keeps when its instance is
/// dropped.
///
/// The kept memory is cleared by copying instead of by unmapping, which halves the cost of creating
/// an instance (measured). The number is larger than the heap of a Rust guest, which has about 1.1
/// MiB. Only pages that a guest wrote count.
const KEPT_MEMORY_BYTES: usize = 2 << 20;
/// Size of the part of a WebAssembly table that a slot of the instance pool keeps when its instance
/// is dropped, in bytes.
const KEPT_TABLE_BYTES: usize = 64 << 10;

/// Number of core instances for which the instance pool has room, for each instance of a component.
/// A Rust scorer has four, and an interpreter about twenty.
const CORE_INSTANCES: u32 = 32;
/// Number of linear memories for which the instance pool has room, for each instance of a
/// component.
const MEMORIES: u32 = 2;
/// Number of WebAssembly tables for which the instance pool has room, for each instance of a
/// component.
const TABLES: u32 = 8;

/// Number of additional slots in the instance pool, for instances that run no call, such as one in
/// `describe` and one that is being retired.
const SPARE_INSTANCES: u32 = 4;

/// True if a guest has run since the thread that advances the epoch last read this flag.
static GUESTS_RAN: AtomicBool = AtomicBool::new(false);

/// Source from which the WebAssembly engine gets the memory of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// The engine requests memory from the operating system separately for each instance. The
    /// packager uses this variant to take a snapshot, because it creates few instances.
    OnDemand,
    /// The engine takes memory from slots that are reserved at the start and reused. Every command
    /// that loads an app with a component uses this variant.
    Pool {
        /// Maximum number of instances that exist at a time.
        instances: usize,
    },
}

/// Creates a WebAssembly engine. The epoch of the engine advances every [`TICK`] for as long as the
/// engine lives, and more slowly while no guest runs.
///
/// # Errors
/// Fails if the engine cannot reserve the address space for its instances, or if the thread that
/// advances the epoch cannot be started.
pub fn engine(allocation: Allocation) -> Result<Engine, StartupError> {
    let mut config = engine_config();
    if let Allocation::Pool { instances } = allocation {
        config.allocation_strategy(pool(instances));
    }
    started(&config)
}

/// Creates a WebAssembly engine that compiles quickly, for code that runs once. Compiling takes
/// about half as long as with [`engine()`], and the code is slower.
///
/// # Errors
/// Fails if the engine cannot be created, or if the thread that advances the epoch cannot be
/// started.
#[cfg(feature = "compiler")]
pub(crate) fn quick_engine() -> Result<Engine, StartupError> {
    let mut config = engine_config();
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    started(&config)
}

/// Creates the engine of a configuration, and starts the thread that advances its epoch. Fails if
/// either is not possible.
fn started(config: &Config) -> Result<Engine, StartupError> {
    let engine = Engine::new(config).map_err(|error| {
        StartupError::Host(format!(
            "the WebAssembly engine does not start: {error:#}; it reserves 4 GiB of addresses, not \
             of memory, for each of limits.instances: remove the limit on address space (ulimit \
             -v), or lower limits.instances"
        ))
    })?;
    start_ticker(&engine)?;
    Ok(engine)
}

/// Returns the settings of the WebAssembly engine, for the host and the packager. [`ENGINE`] names
/// these settings.
///
/// Every setting that would change compiled code is set explicitly. So compiled code does not
/// change with a default of Wasmtime, or with a feature that Cargo enables because of another
/// package.
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    config
        // The host needs epochs to stop an endless loop. They make code that parses JSON about a
        // fifth slower (measured).
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
        // 4 GiB is all that 32 bits can address. The store's limiter enforces `limits.memory` for
        // each instance.
        .max_memory_size(1 << 32)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Records that a guest runs, so that the thread that advances the epoch keeps its short interval.
pub(crate) fn guest_runs() {
    // The flag is read first, because a write would remove it from the caches of the other cores.
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
