//! The sandbox of one interpreter: what its WebAssembly store holds, what it imports, and how it is
//! interrupted.
//!
//! Owns the folders that a script sees, the limit of its memory and the calls of the functions that
//! the module of CPython exports. Must not know scripts, calls or states.

mod imports;
mod memory;
#[cfg(feature = "compiler")]
mod settled;
mod waiting;

use std::path::{Path, PathBuf};
use std::time::Instant;

use wasmtime::{Engine, InstancePre, Memory, Store, StoreContextMut, TypedFunc, UpdateDeadline};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, WasiView as _};

use crate::engine;
use crate::mailbox::Mailbox;
use crate::outside::{Current, Level};
use crate::preopens;
use crate::streams::Lines;

pub(crate) use self::imports::linker;
pub use self::memory::SharedLimit;
pub(crate) use self::memory::{Limit, Refusal};
#[cfg(feature = "compiler")]
pub(crate) use self::settled::settled_linker;

/// Maximum number of files and folders that a script may have open. Each of them takes a file
/// descriptor of the host, which needs its descriptors for connections. A script that opens more
/// traps.
const OPEN_FILES: usize = 128;

/// Data of the host about one interpreter, in the WebAssembly store of the interpreter.
pub(crate) struct Sandbox {
    wasi: WasiP1Ctx,
    /// Services of the host for the start or the call that runs at the moment.
    pub(crate) outside: Current,
    /// Mailbox from which the interpreter takes requests, and to which it returns the end of each
    /// call.
    pub(crate) mailbox: Mailbox,
    limit: Limit,
    deadline: Instant,
    errors: Lines,
}

/// Folders of the machine that a script can read.
pub(crate) struct Folders<'a> {
    /// Folder of the engine pack, with the libraries.
    pub(crate) pack: &'a Path,
    /// Folder of the script.
    pub(crate) code: &'a Path,
    /// Folder of the unpacked packages.
    pub(crate) packages: Option<&'a Path>,
    /// Folder of the model.
    pub(crate) model: Option<&'a Path>,
}

/// Reason why a folder that a script should see cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} cannot be opened: {reason}; see that it exists and can be read", path.display())]
pub struct FolderError {
    path: PathBuf,
    reason: String,
}

impl Folders<'_> {
    /// Returns the WASI settings of an interpreter, which can read its folders but cannot write to
    /// them.
    ///
    /// # Errors
    /// Fails if a folder cannot be opened.
    pub(crate) fn wasi(&self) -> Result<WasiCtxBuilder, FolderError> {
        let empty = self.pack.join(preopens::EMPTY_FOLDER);
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&["python"])
            // Without a thread for each read: files of an app are small or in the page cache.
            .allow_blocking_current_thread(true);
        for name in preopens::ALL {
            let path = match name {
                preopens::LIBRARY => self.pack,
                preopens::CODE => self.code,
                preopens::PACKAGES => self.packages.unwrap_or(&empty),
                _ => self.model.unwrap_or(&empty),
            };
            wasi.preopened_dir(path, name, FsPerms::ReadOnly)
                .map_err(|error| FolderError {
                    path: path.to_owned(),
                    reason: format!("{error:#}"),
                })?;
        }
        Ok(wasi)
    }
}

impl Sandbox {
    /// Creates a WebAssembly store for an interpreter. `limit` bounds the memory of the
    /// interpreter. `deadline` ends its start, and each call sets another deadline.
    pub(crate) fn store(
        engine: &Engine,
        mut wasi: WasiCtxBuilder,
        outside: Current,
        mailbox: Mailbox,
        limit: Limit,
        deadline: Instant,
    ) -> Store<Self> {
        let errors = Lines::new(outside.clone(), Level::Warning);
        wasi.stdout(Lines::new(outside.clone(), Level::Info))
            .stderr(errors.clone());
        let most_bytes = limit.most_bytes();
        let mut wasi = wasi.build_p1();
        wasi.ctx().table.set_max_capacity(OPEN_FILES);
        let sandbox = Self {
            wasi,
            outside,
            mailbox,
            limit,
            deadline,
            errors,
        };
        let mut store = Store::new(engine, sandbox);
        // A script reads its model's file at once. What one call of the host copies has no more
        // room in the script's memory.
        store.set_hostcall_fuel(most_bytes);
        store.limiter(|sandbox| &mut sandbox.limit);
        store.epoch_deadline_callback(|context| {
            engine::guest_runs();
            let sandbox: &Self = context.data();
            // The clock is checked at every tick, because a count of ticks would drift on a busy
            // machine.
            if Instant::now() >= sandbox.deadline {
                return Ok(UpdateDeadline::Interrupt);
            }
            if let Some(outside) = sandbox.outside.get() {
                outside.tick();
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store.set_epoch_deadline(engine::FIRST_TICKS);
        store
    }

    /// Prepares the store of an interpreter for a call until `deadline`.
    pub(crate) fn begin(mut store: StoreContextMut<'_, Self>, deadline: Instant) {
        engine::guest_runs();
        store.set_epoch_deadline(engine::FIRST_TICKS);
        let sandbox = store.data_mut();
        sandbox.deadline = deadline;
        sandbox.limit.forget_refusal();
    }

    /// Limits the memory of the interpreter to what it has already.
    #[cfg(feature = "compiler")]
    pub(crate) fn forbid_growth(&mut self) {
        self.limit.forbid_growth();
    }

    /// Returns the limit because of which the interpreter was last refused memory in the current
    /// call, or `None` if it was not refused any.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.limit.refusal()
    }

    /// Returns a line for a traceback if the interpreter was refused memory in the current call,
    /// and an empty text otherwise.
    pub(crate) fn memory_note(&self) -> String {
        match self.limit.refusal() {
            None => String::new(),
            Some(Refusal::Own) => format!(
                "\nThe script needs more memory than the {} bytes that an instance may have.",
                self.limit.most_bytes()
            ),
            Some(Refusal::Shared) => {
                "\nThe instances of the script together need more memory than they may have."
                    .to_owned()
            }
        }
    }

    /// Returns the end of what native code wrote to standard error, and forgets it.
    pub(crate) fn take_errors(&self) -> String {
        self.errors.take_tail()
    }
}

/// Interpreter in a WebAssembly store: its memory, and the functions that the module of CPython
/// exports.
pub(crate) struct Interpreter {
    pub(crate) memory: Memory,
    alloc: TypedFunc<u32, u32>,
    turn: TypedFunc<(u32, u32), i32>,
}

impl Interpreter {
    /// Creates an interpreter in a store. `module` is the compiled module of CPython.
    ///
    /// # Errors
    /// Fails if the module does not have the exports of an interpreter, or needs more memory than
    /// the store allows.
    pub(crate) async fn new(
        store: &mut Store<Sandbox>,
        module: &InstancePre<Sandbox>,
    ) -> wasmtime::Result<Self> {
        let instance = module.instantiate_async(&mut *store).await?;
        if let Some(initialise) = instance.get_func(&mut *store, "_initialize") {
            let initialise = initialise.typed::<(), ()>(&*store)?;
            initialise.call_async(&mut *store, ()).await?;
        }
        let memory = instance
            .get_memory(&mut *store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("the module exports no memory"))?;
        Ok(Self {
            memory,
            alloc: instance.get_typed_func(&mut *store, "host_alloc")?,
            turn: instance.get_typed_func(&mut *store, "turn")?,
        })
    }

    /// Runs Python code to its end. Returns 0, or another number if it raised an exception.
    ///
    /// # Errors
    /// Fails if the interpreter traps, exits, or has no memory for the code. After a trap or an
    /// exit the interpreter must not be used again.
    pub(crate) async fn turn(
        &self,
        store: &mut Store<Sandbox>,
        code: &str,
    ) -> wasmtime::Result<i32> {
        let size = u32::try_from(code.len())?;
        let place = self.alloc.call_async(&mut *store, size).await?;
        if place == 0 {
            return Err(wasmtime::Error::msg("no memory for the code of a turn"));
        }
        self.memory
            .write(&mut *store, place as usize, code.as_bytes())?;
        self.turn.call_async(&mut *store, (place, size)).await
    }
}
