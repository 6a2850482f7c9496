//! Taking of a state image: the memory of an interpreter after the script's `init` and one call.
//!
//! Owns the order of the steps in which an image is taken. Must not know the format of an image,
//! nor where it is kept.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::Store;

use super::still;
use crate::door::Ending;
use crate::mailbox::{Job, Mailbox};
use crate::outside::{Current, Outside};
use crate::sandbox::{FolderError, Folders, Interpreter, Limit, Sandbox, settled_linker};
use crate::script::{Request, Script};
use crate::state::{self, StateRecord};
use crate::{door, turns};

/// Reason why a state image cannot be taken. The script can run without one.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A folder of the script cannot be opened.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The script raised an exception when it was imported or in its `init`.
    #[error("the script did not start: {text}")]
    Raised {
        /// Traceback of Python.
        text: String,
    },
    /// The memory of the interpreter cannot be stored, e.g. because the script keeps a file open.
    #[error("the memory of the script cannot be stored: {text}")]
    Refused {
        /// Traceback of Python.
        text: String,
    },
    /// The script did not start and answer before the deadline.
    #[error("the script did not start and answer before the deadline")]
    TimedOut,
    /// The interpreter trapped or exited.
    #[error("the interpreter ended while the script started or answered: {0}")]
    Ended(String),
    /// The image cannot be written.
    #[error("the state image cannot be written: {0}")]
    Image(#[from] io::Error),
}

/// Starts a script in the sandbox, runs it once for the request `warm` if there is one, and returns
/// the content of its state image. `inputs_sha256` stands for everything that the image is made
/// from. The same inputs make the same image, because clocks, random numbers and the facts of files
/// are fixed.
///
/// # Errors
/// Fails if the script does not start, keeps a file open or does not end before the deadline. An
/// exception in the call for `warm` is not a failure.
pub async fn take(
    script: &Script,
    inputs_sha256: String,
    warm: Option<Request<'_>>,
    outside: Arc<dyn Outside>,
    deadline: Instant,
) -> Result<Vec<u8>, TakeError> {
    let folders = Folders {
        pack: script.pack.folder(),
        code: &script.code,
        packages: script.packages.as_deref(),
        model: script.model.as_deref(),
    };
    let mut wasi = folders.wasi()?;
    still::fix(&mut wasi);
    let mailbox = Mailbox::default();
    let current = Current::default();
    current.set(Some(Arc::clone(&outside)));
    let store = Sandbox::store(
        script.pack.engine(),
        wasi,
        current.clone(),
        mailbox.clone(),
        Limit::new(script.memory_bytes, script.shared_memory.as_ref()),
        deadline,
    );
    if let Some(message) = warm.and_then(|warm| door::request(warm.attributes, warm.body)) {
        mailbox.put(Job {
            message,
            deadline,
            outside,
        });
    }
    // The loop takes the request that is in the mailbox, and ends.
    mailbox.close();
    let taking = Taking {
        store,
        mailbox,
        current,
    };
    let taken = taking.run(script, inputs_sha256);
    let taken = tokio::time::timeout_at(deadline.into(), taken).await;
    taken.unwrap_or(Err(TakeError::TimedOut))
}

/// Interpreter whose state image is being taken.
struct Taking {
    store: Store<Sandbox>,
    mailbox: Mailbox,
    current: Current,
}

impl Taking {
    async fn run(mut self, script: &Script, inputs_sha256: String) -> Result<Vec<u8>, TakeError> {
        let ended = |error: wasmtime::Error| TakeError::Ended(format!("{error:#}"));
        let module = script.pack.module().module();
        let module = settled_linker(script.pack.engine())
            .and_then(|linker| linker.instantiate_pre(module))
            .map_err(ended)?;
        let interpreter = Interpreter::new(&mut self.store, &module);
        let interpreter = interpreter.await.map_err(ended)?;
        let before = interpreter.memory.data(&self.store).to_vec();
        let outside = self.current.get();
        let start = turns::start(&script.entry, &script.environment, &script.accelerated);
        self.turn(&interpreter, &start).await?;
        // Only the start ends so. The end of the call is taken, and does not count.
        if let Some(Ending::Raised { text, .. }) = self.mailbox.take_ending() {
            return Err(TakeError::Raised { text });
        }
        self.turn(&interpreter, turns::LOOP).await?;
        self.mailbox.take_ending();
        // The loop leaves the interpreter without a host.
        self.current.set(outside);
        self.turn(&interpreter, &turns::taken()).await?;
        if let Some(Ending::Raised { text, .. }) = self.mailbox.take_ending() {
            return Err(TakeError::Refused { text });
        }
        let memory_bytes = interpreter.memory.data_size(&self.store);
        self.store.data_mut().forbid_growth();
        self.turn(&interpreter, turns::CLEAR).await?;
        let now = interpreter.memory.data(&self.store);
        let record = StateRecord {
            format: state::FORMAT,
            stock_sha256: script.pack.record().stock_sha256.clone(),
            inputs_sha256,
            contract: self
                .mailbox
                .take_contract()
                .unwrap_or_else(|| "{}".to_owned()),
            memory_bytes: memory_bytes as u64,
            runs: state::difference(&before, now),
        };
        Ok(record.image(now)?)
    }

    /// Runs Python code to its end. Fails if the code raises an exception, or if the interpreter
    /// traps or exits.
    async fn turn(&mut self, interpreter: &Interpreter, code: &str) -> Result<(), TakeError> {
        match interpreter.turn(&mut self.store, code).await {
            Ok(0) => Ok(()),
            Ok(_) => Err(TakeError::Refused {
                text: self.store.data().take_errors(),
            }),
            Err(error) => Err(TakeError::Ended(format!("{error:#}"))),
        }
    }
}
