//! WebAssembly engine of Python: its settings and its clock.
//!
//! Owns the one place where the engine of a pack is set up, for the host and for the packager. Must
//! not know packs, scripts or calls.

use wasmtime::{Collector, Config, ModuleVersionStrategy, WasmFeatures};

/// Name and settings of the engine, as a pack records them.
///
/// The version of Wasmtime is the one in `Cargo.lock`. The last number must be increased with every
/// change to [`config`] that changes compiled code.
pub const ENGINE: &str = "wasmtime 48.0.8, scorebox python 1";

/// Size of the interpreter's stack, in bytes. scikit-learn calls through CPython to great depth.
const STACK_BYTES: usize = 8 << 20;

/// Returns the settings of the engine. [`ENGINE`] names these settings.
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
        .concurrency_support(false)
        .gc_support(true)
        // The collector is part of compiled code, and its default depends on the features of the
        // build. The null collector would never free what C++ exceptions take.
        .collector(Collector::DeferredReferenceCounting)
        .wasm_features(
            WasmFeatures::THREADS
                | WasmFeatures::SHARED_EVERYTHING_THREADS
                | WasmFeatures::STACK_SWITCHING,
            false,
        )
        .wasm_exceptions(true)
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
