//! One running interpreter with the author's script in it.
//!
//! Owns the start of an instance, its calls and their limits. Must not know pools, HTTP or how the
//! host serves the script.
//!
//! A *turn* is one run of Python code in an interpreter. An instance has one turn, which takes a
//! request, answers it, and waits for the next request, without end. The turn is a future that the
//! instance owns. A call polls it on the thread of its caller until the interpreter waits again. A
//! turn for each call would take 140 us more, since each turn has a new stack.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::door::{self, Ending};
use crate::mailbox::{Job, Mailbox};
use crate::outside::{Current, Outside};
use crate::sandbox::{Folders, Interpreter, Limit, Refusal, Sandbox};
use crate::script::{Answer, CallError, Request, Script, StartError};
use crate::state::StateImage;
use crate::turns;

/// Time after its deadline at which a script is ended even if it waits for the host. A script that
/// runs is interrupted at the first tick of the epoch after the deadline, but a tick does not
/// interrupt one that waits.
const GRACE: Duration = Duration::from_millis(50);

/// Running interpreter with a script in it. It answers one call at a time.
///
/// Dropping an instance ends it, in the middle of a call, too.
pub struct Instance {
    /// Future that runs the interpreter until it ends. `None` if the interpreter has ended.
    turn: Option<Turn>,
    mailbox: Mailbox,
    contract: String,
}

/// Run of an interpreter that has not ended. Its output is the reason why the interpreter ended.
type Turn = Pin<Box<dyn Future<Output = End> + Send>>;

/// Reason why an interpreter ended.
#[derive(Debug)]
enum End {
    TimedOut,
    OutOfMemory(Refusal),
    Exited(i32),
    Trapped(String),
}

impl Instance {
    /// Starts an interpreter. Restores the script's state image, or imports the script and runs its
    /// `init`. The async runtime must have its timers enabled.
    ///
    /// # Errors
    /// Fails if the script raises an exception or reaches one of its limits, or if its folders or
    /// its state image cannot be used.
    pub async fn start(
        script: &Script,
        outside: Arc<dyn Outside>,
        deadline: Instant,
    ) -> Result<Self, StartError> {
        let image = script.state.as_ref();
        if let Some(image) = image {
            image.fits(&script.pack.record().stock_sha256)?;
        }
        let folders = Folders {
            pack: script.pack.folder(),
            code: &script.code,
            packages: script.packages.as_deref(),
            model: script.model.as_deref(),
        };
        let mailbox = Mailbox::default();
        let current = Current::default();
        current.set(Some(outside));
        let mut store = Sandbox::store(
            script.pack.engine(),
            folders.wasi()?,
            current,
            mailbox.clone(),
            Limit::new(script.memory_bytes, script.shared_memory.as_ref()),
            deadline,
        );
        let begun = begin(script, image, &mut store);
        let begun = tokio::time::timeout_at((deadline + GRACE).into(), begun).await;
        let begun = match begun {
            Ok(begun) => begun.map_err(|error| End::of(&error, store.data())),
            Err(_) => Err(End::TimedOut),
        };
        // A script that cannot be imported says so before anything else goes wrong.
        if let Some(Ending::Raised { text, .. }) = mailbox.take_ending() {
            return Err(StartError::Raised { text });
        }
        let interpreter = begun.map_err(|end| end.of_start(script))?;
        let mut instance = Self {
            contract: match image {
                Some(image) => image.record().contract.clone(),
                None => mailbox.take_contract().unwrap_or_else(|| "{}".to_owned()),
            },
            mailbox,
            turn: Some(Box::pin(async move {
                let result = interpreter.turn(&mut store, turns::LOOP).await;
                End::of_turn(result, store.data())
            })),
        };
        match instance.rest(deadline).await {
            Ok(()) => Ok(instance),
            Err(end) => Err(end.of_start(script)),
        }
    }

    /// Runs the script for one request. `outside` has the services of the host for this call.
    ///
    /// If the returned future is dropped before it ends, the instance is not alive afterwards.
    ///
    /// # Errors
    /// Fails if the script raises an exception, or reaches one of its limits. After a failure other
    /// than [`CallError::Raised`] the instance is usually not alive, which [`Instance::is_alive`]
    /// tells.
    pub async fn call(
        &mut self,
        request: Request<'_>,
        outside: Arc<dyn Outside>,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        if self.turn.is_none() {
            return Err(CallError::Lost);
        }
        let message = door::request(request.attributes, request.body);
        self.mailbox.put(Job {
            message: message.ok_or(CallError::OutOfMemory)?,
            deadline,
            outside,
        });
        let rested = self.rest(deadline).await;
        match (self.mailbox.take_ending(), rested) {
            // The interpreter may end after the answer, and the answer counts all the same.
            (Some(Ending::Answered(head, body)), _) => Ok(Answer {
                status: head.status,
                headers: head.headers,
                content_type: head.content_type,
                body,
            }),
            (Some(Ending::Raised { text, is_input }), _) => {
                Err(CallError::Raised { text, is_input })
            }
            (None, Err(end)) => Err(end.into()),
            (None, Ok(())) => {
                self.turn = None;
                let text = "the interpreter asked for the next request before it had answered";
                Err(CallError::Trapped(text.to_owned()))
            }
        }
    }

    /// Returns true if the instance can answer calls.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.turn.is_some()
    }

    /// Returns the contract of the script as a JSON object, or `{}` if it states none.
    #[must_use]
    pub fn contract(&self) -> &str {
        &self.contract
    }

    /// Runs the interpreter until it waits for a request.
    ///
    /// # Errors
    /// Fails if the interpreter ends, or does not wait before the deadline. After a failure the
    /// instance is not alive.
    async fn rest(&mut self, deadline: Instant) -> Result<(), End> {
        // The turn is put back only if it rests, so that a future that is dropped ends it.
        let mut turn = self.turn.take().ok_or_else(End::lost)?;
        let mailbox = &self.mailbox;
        let rested = std::future::poll_fn(|context| match turn.as_mut().poll(context) {
            Poll::Ready(end) => Poll::Ready(Err(end)),
            Poll::Pending if mailbox.is_resting() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        match tokio::time::timeout_at((deadline + GRACE).into(), rested).await {
            Ok(Ok(())) => {
                self.turn = Some(turn);
                Ok(())
            }
            Ok(Err(end)) => Err(end),
            Err(_) => Err(End::TimedOut),
        }
    }
}

/// Creates an interpreter, and restores the state image `image` in it. Without an image, imports
/// the script and runs its `init`.
async fn begin(
    script: &Script,
    image: Option<&StateImage>,
    store: &mut Store<Sandbox>,
) -> wasmtime::Result<Interpreter> {
    let interpreter = Interpreter::new(store, script.pack.module()).await?;
    let code = match image {
        Some(image) => {
            image.restore(store, &interpreter).await?;
            interpreter.turn(store, &turns::resumed()).await?
        }
        None => {
            let start = turns::start(&script.entry, &script.environment, &script.accelerated);
            interpreter.turn(store, &start).await?
        }
    };
    match code {
        0 => Ok(interpreter),
        code => Err(wasmtime::Error::msg(format!(
            "the first turn returned {code}"
        ))),
    }
}

impl End {
    /// Returns the reason why an interpreter ended its loop of calls, which should go on for as
    /// long as the instance lives. `result` is the result of the loop.
    fn of_turn(result: wasmtime::Result<i32>, sandbox: &Sandbox) -> Self {
        match (result, sandbox.refusal()) {
            // The loop of calls fails if the memory has no room for a request.
            (Ok(_), Some(refusal)) => Self::OutOfMemory(refusal),
            (Ok(code), None) => Self::Trapped(said(format!("the turn returned {code}"), sandbox)),
            (Err(error), _) => Self::of(&error, sandbox),
        }
    }

    /// Returns the reason why an interpreter ended with an error.
    fn of(error: &wasmtime::Error, sandbox: &Sandbox) -> Self {
        if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
            return Self::TimedOut;
        }
        if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            return Self::Exited(*code);
        }
        // CPython checks some of its allocations only by a trap. The limiter knows the reason.
        if let Some(refusal) = sandbox.refusal() {
            return Self::OutOfMemory(refusal);
        }
        Self::Trapped(said(format!("{error:#}"), sandbox))
    }

    fn lost() -> Self {
        Self::Trapped("the instance has ended".to_owned())
    }

    fn of_start(self, script: &Script) -> StartError {
        match self {
            Self::TimedOut => StartError::TimedOut,
            Self::OutOfMemory(Refusal::Own) => StartError::OutOfMemory {
                limit_bytes: script.memory_bytes,
            },
            Self::OutOfMemory(Refusal::Shared) => StartError::MemoryTaken,
            Self::Exited(code) => StartError::Exited(code),
            Self::Trapped(text) => StartError::Trapped(text),
        }
    }
}

impl From<End> for CallError {
    fn from(end: End) -> Self {
        match end {
            End::TimedOut => Self::TimedOut,
            End::OutOfMemory(Refusal::Own) => Self::OutOfMemory,
            End::OutOfMemory(Refusal::Shared) => Self::MemoryTaken,
            End::Exited(code) => Self::Exited(code),
            End::Trapped(text) => Self::Trapped(text),
        }
    }
}

/// Returns the reason `text` why an interpreter ended, with the last lines that native code wrote
/// to standard error.
fn said(text: String, sandbox: &Sandbox) -> String {
    let errors = sandbox.take_errors();
    let text = match errors.is_empty() {
        true => text,
        false => format!("{text}\n{errors}"),
    };
    scorebox_text::bounded(text, scorebox_text::REASON_BYTES)
}
