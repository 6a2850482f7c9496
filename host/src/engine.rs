//! The WebAssembly engine: its settings, its clock, and the step from bytes to a compiled component.
//!
//! Owns `engine_config`, the one place where the engine is set up, and the epoch ticker that lets the host interrupt a
//! guest. Must not know worlds, capabilities or calls.

use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

use crate::error::StartupError;

/// How often a running guest is stopped for a look at the clock. A deadline is kept to about this; a shorter tick costs
/// every guest more, for precision that nobody asks of a deadline in seconds.
pub const TICK: Duration = Duration::from_millis(10);

/// Stack of a guest. wasmtime's default of 512 KiB is small for a recursive-descent parser over deep JSON.
const STACK_BYTES: usize = 1 << 20;

/// An engine whose epoch advances every [`TICK`] for as long as it lives.
///
/// # Errors
/// The machine cannot run WebAssembly (no memory to reserve, or no thread for the ticker).
pub fn engine() -> Result<Engine, StartupError> {
    let engine = Engine::new(&engine_config())
        .map_err(|error| StartupError::Host(format!("the WebAssembly engine does not start: {error:#}")))?;
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            // The thread ends with the engine: nobody has to stop it.
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map_err(|error| StartupError::Host(format!("no thread for the epoch ticker: {error}")))?;
    Ok(engine)
}

/// The engine's settings. Whatever would change compiled code is written out, so that it cannot drift with a default.
fn engine_config() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    config
        // The only way to stop an endless loop; costs about a fifth on JSON, measured.
        .epoch_interruption(true)
        // One call at a time in an instance: concurrency comes from instances.
        .concurrency_support(false)
        // No guest toolchain that we know needs it, and it costs every instance memory.
        .gc_support(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES);
    config
}

/// A component's file, compiled.
#[derive(Clone)]
pub struct Compiled {
    /// Ready to be linked.
    pub component: Component,
    /// `sha256:` and 64 hex digits, of the file's bytes.
    pub digest: String,
}

/// Reads and compiles a component.
///
/// # Errors
/// The file cannot be read, or is not a component.
pub fn compile(engine: &Engine, path: &Path) -> Result<Compiled, StartupError> {
    let fail =
        |problem: String, fix: &str| StartupError::Component { path: path.to_path_buf(), problem, fix: fix.to_owned() };
    let bytes = std::fs::read(path).map_err(|error| {
        fail(format!("cannot be read: {error}"), "build it and stage an app with `cargo xtask build --manifest FILE`")
    })?;
    // A core module and a component differ in the second half of the version field (component-model binary format).
    match bytes.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => {}
        Some(b"\0asm\x01\0\0\0") => {
            return Err(fail(
                "is a core module, not a component".to_owned(),
                "compile with `--target wasm32-wasip2`, or wrap it with `wasm-tools component new`",
            ));
        }
        _ => return Err(fail("is not WebAssembly".to_owned(), "compile a scorer with `--target wasm32-wasip2`")),
    }
    let component = Component::from_binary(engine, &bytes).map_err(|error| {
        fail(
            format!("is not a valid component: {error:#}"),
            "compile it again; a component that needs threads, exceptions or garbage collection is not taken",
        )
    })?;
    Ok(Compiled { component, digest: format!("sha256:{}", hex::encode(Sha256::digest(&bytes))) })
}
