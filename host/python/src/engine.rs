//! WebAssembly engine in which CPython runs: its settings, and the thread that advances its epoch.
//!
//! Owns the one place where this engine is set up, for the host and for the packager. Must not know
//! packs, scripts or calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Collector, Config, Engine, ModuleVersionStrategy, WasmFeatures};

/// Name and settings of the WebAssembly engine, as the record of an engine pack has them.
///
/// The version of Wasmtime is the one in `Cargo.lock`. The last number must be increased with every
/// change to [`config`] that changes compiled code.
pub const ENGINE: &str = "wasmtime 48.0.8, scorebox python 1";

/// Interval at which the epoch of the WebAssembly engine advances. Each advance interrupts running
/// scripts, so that the host can check their deadlines. The engine that runs components has the
/// same interval.
pub const TICK: Duration = Duration::from_millis(2);

/// Interval at which the epoch of the WebAssembly engine advances while no script runs. It is
/// longer than [`TICK`], so that the machine can sleep.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// Number of advances of the epoch without a running script after which the longer interval
/// [`IDLE_TICK`] is used.
const TICKS_UNTIL_IDLE: u32 = 100;

/// Number of advances of the epoch until a script is first interrupted in a call. The next advance
/// may come at any moment, so only the second one ends a whole interval.
pub(crate) const FIRST_TICKS: u64 = 2;

/// Maximum size of the stack on which CPython runs, in bytes. scikit-learn nests its calls deeply.
const STACK_BYTES: usize = 8 << 20;

/// True if a script has run since the thread that advances the epoch last read this flag.
static SCRIPTS_RAN: AtomicBool = AtomicBool::new(false);

/// Reason why the WebAssembly engine in which CPython runs does not start.
#[derive(Debug, thiserror::Error)]
#[error("the engine of Python does not start: {0}")]
pub struct EngineError(String);

/// Returns the settings of the WebAssembly engine. [`ENGINE`] names these settings.
///
/// Every setting that would change compiled code is set explicitly, so that compiled code does not
/// change with a default of Wasmtime or with a feature that Cargo enables for another package.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    config
        .epoch_interruption(true)
        .consume_fuel(false)
        // An instance runs one call at a time. Several instances run calls concurrently.
        .concurrency_support(false)
        // C++ libraries throw exceptions, which are kept in a garbage-collected heap. The collector
        // is part of compiled code, and its default depends on the features of the build. The null
        // collector would never free what exceptions take.
        .gc_support(true)
        .collector(Collector::DeferredReferenceCounting)
        .wasm_exceptions(true)
        .wasm_features(
            WasmFeatures::THREADS
                | WasmFeatures::SHARED_EVERYTHING_THREADS
                | WasmFeatures::STACK_SWITCHING,
            false,
        )
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES + (1 << 20))
        // Names and addresses would add a fifth to the machine code. Tracebacks are Python's.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None);
    // This fails only for a text of more than 255 bytes.
    let _ = config.module_version(ModuleVersionStrategy::Custom(ENGINE.to_owned()));
    config
}

/// Creates a WebAssembly engine. Its epoch advances every [`TICK`] for as long as the engine lives,
/// and more slowly while no script runs.
///
/// # Errors
/// Fails if the system does not have what the engine needs, or if the thread that advances the
/// epoch cannot be started.
pub(crate) fn start(config: &Config) -> Result<Engine, EngineError> {
    let engine = Engine::new(config).map_err(|error| EngineError(format!("{error:#}")))?;
    let weak = engine.weak();
    let tick = move || {
        let mut idle_ticks = 0;
        // The thread ends with the engine, so it needs no request to stop.
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            idle_ticks = match SCRIPTS_RAN.swap(false, Ordering::Relaxed) {
                true => 0,
                false => TICKS_UNTIL_IDLE.min(idle_ticks + 1),
            };
            std::thread::sleep(match idle_ticks < TICKS_UNTIL_IDLE {
                true => TICK,
                false => IDLE_TICK,
            });
        }
    };
    std::thread::Builder::new()
        .name("python-epoch".to_owned())
        .spawn(tick)
        .map_err(|error| EngineError(format!("no thread for its epoch: {error}")))?;
    Ok(engine)
}

/// Records that a script runs, so that the thread that advances the epoch keeps its short interval.
pub(crate) fn guest_runs() {
    // The flag is read first, because a write would remove it from the caches of the other cores.
    if !SCRIPTS_RAN.load(Ordering::Relaxed) {
        SCRIPTS_RAN.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_holds_the_version_that_is_built() {
        let lock = include_str!("../../../Cargo.lock");
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
