//! The sandbox in which the libraries of a pack are imported.
//!
//! Owns the run of `preload.py` and the snapshot after it. Must not know how modules are compiled.

use std::path::Path;

use wasmtime::{Engine, Instance, Linker, Module, ResourceLimiter, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};
use wasmtime_wizer::{ModuleContext, WasmtimeWizer, Wizer};

use super::error::MakeError;
use super::still;
use crate::facts::DOOR;
use crate::preopens::{self, LIBRARY};
use crate::turns::CLEAR;

/// Python program that imports the libraries of a pack.
pub(super) const PRELOAD: &str = include_str!("preload.py");

/// Maximum size of what `preload.py` may write to standard error, in bytes.
const OUTPUT_BYTES: usize = 1 << 20;

/// Result of `host.call`, the function by which Python sends a message to the host. While a pack is
/// made, no host answers.
const NO_HOST: i32 = -1;

/// Runs `preload.py`, which imports the libraries, in an instance of `module`. This module must be
/// the instrumented form of the one in `context`. Returns the stock, which is the module with the
/// libraries imported. `library` is the folder of the archive that Python imports from, and `empty`
/// is an empty folder.
pub(super) async fn preloaded(
    engine: &Engine,
    module: &Module,
    wizer: &Wizer,
    context: &ModuleContext<'_>,
    library: &Path,
    empty: &Path,
) -> Result<Vec<u8>, MakeError> {
    let errors = MemoryOutputPipe::new(OUTPUT_BYTES);
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&["python"]).stderr(errors.clone());
    still::fix(&mut wasi);
    for path in preopens::ALL {
        let folder = if path == LIBRARY { library } else { empty };
        wasi.preopened_dir(folder, path, FsPerms::ReadOnly)
            .map_err(MakeError::engine("given its folders"))?;
    }
    let system = System {
        wasi: wasi.build_p1(),
        is_full: false,
    };
    let mut store = Store::new(engine, system);
    store.limiter(|system| system);
    // Nothing interrupts the preload: it is code of this repository.
    store.set_epoch_deadline(1 << 40);
    let run = async {
        let instance = linker(engine)?
            .instantiate_async(&mut store, module)
            .await?;
        let mut code = turn(&mut store, &instance, PRELOAD).await?;
        if code == 0 {
            store.data_mut().is_full = true;
            code = turn(&mut store, &instance, CLEAR).await?;
        }
        Ok::<_, wasmtime::Error>((instance, code))
    };
    let failed = |reason: String| {
        let written = String::from_utf8_lossy(&errors.contents()).into_owned();
        MakeError::Preload {
            output: [written, reason].concat(),
        }
    };
    let instance = match run.await {
        Ok((instance, 0)) => instance,
        Ok((_, code)) => return Err(failed(format!("(the interpreter returned {code})"))),
        Err(error) => return Err(failed(format!("{error:#}"))),
    };
    let mut state = WasmtimeWizer {
        store: &mut store,
        instance,
    };
    let snapshot = wizer.snapshot(context, &mut state).await;
    snapshot.map_err(MakeError::engine("stored with its libraries"))
}

/// Data of the host about the interpreter: its WASI context, and a limit on its memory.
struct System {
    wasi: WasiP1Ctx,
    /// True if the interpreter gets no more memory.
    is_full: bool,
}

impl ResourceLimiter for System {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(!self.is_full)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(!self.is_full)
    }
}

/// Runs Python code in an instance of CPython. Returns 0 if the code raised no exception.
async fn turn(store: &mut Store<System>, instance: &Instance, code: &str) -> wasmtime::Result<i32> {
    let length = i32::try_from(code.len())?;
    let alloc = instance.get_typed_func::<i32, i32>(&mut *store, "host_alloc")?;
    let turn = instance.get_typed_func::<(i32, i32), i32>(&mut *store, "turn")?;
    let memory = instance.get_memory(&mut *store, "memory");
    let memory = memory.ok_or_else(|| wasmtime::Error::msg("the module has no memory"))?;
    let at = alloc.call_async(&mut *store, length).await?;
    memory.write(&mut *store, at.cast_unsigned() as usize, code.as_bytes())?;
    turn.call_async(store, (at, length)).await
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<System>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |system: &mut System| &mut system.wasi)?;
    let (module, name) = DOOR;
    linker.func_wrap(module, name, |_: i32, _: i32, _: i32, _: i32| NO_HOST)?;
    Ok(linker)
}
