//! One instance of a component: a store, its exports, and one call at a time.
//!
//! Owns the call of the guest, and what the end of the call means. Must not know pools, or what a
//! body means.

use std::time::{Duration, Instant};
use std::{fmt, slice};

use scorebox_sandbox::Sandbox;
use wasmtime::component::{self, ComponentExportIndex};
use wasmtime::{Store, Trap};

use super::conversion::{TEXT_BYTES, to_wit};
use super::exports::{Init, PayloadRun, Run, TensorRun};
use super::linking::world::Version;
use super::output::Answer;
use super::pool::Pooled;
use super::previous;
use super::store;
use crate::call::{Invocation, Payload};
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;
use crate::capability::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer::NamedTensor;
use crate::capability::bounds::LIFTED_BYTES;
use crate::capability::{InstanceState, Refusal};
use crate::error::{Problem, ScoreFailure};
use crate::tensor::Tensor;
use crate::text::displayed;
use crate::timer;

/// Time after the deadline of a call after which the call is ended, even if it waits for a host
/// function.
///
/// A guest that runs past its deadline is interrupted at the next tick of the epoch. This limit
/// applies to what no tick can interrupt, such as a wait for a store.
const GRACE: Duration = Duration::from_millis(50);

/// Reason why a call of a guest did not return an answer.
pub(super) enum Failure {
    /// The guest's `init` returned this problem.
    Init(Problem),
    /// The call failed otherwise than by a problem that `init` returned: by a timeout, a trap, an
    /// error that `run` returned, and so on.
    Score(ScoreFailure),
}

/// An instance of a component, with its Wasmtime store.
pub(super) struct Instance {
    store: Store<Sandbox>,
    exports: component::Instance,
    reusable: bool,
    invocations: u64,
    made: Instant,
}

/// An instance that is ready for calls, because its export `run` was looked up.
pub(super) struct Ready<R> {
    pub(super) instance: Instance,
    run: R,
}

impl Instance {
    pub(super) fn new(store: Store<Sandbox>, exports: component::Instance) -> Self {
        Self {
            store,
            exports,
            reusable: true,
            invocations: 0,
            made: Instant::now(),
        }
    }

    /// Calls the guest's `init`. This function must be called once, before the first call of `run`,
    /// unless the component is a snapshot.
    ///
    /// # Errors
    /// Fails if `init` traps, returns a problem, or does not end before the deadline.
    pub(super) async fn init(&mut self, init: Init, deadline: Instant) -> Result<(), Failure> {
        let called = bounded(deadline, init.call_async(&mut self.store, ())).await;
        self.finish(called)?
            .map_err(|problem| Failure::Init(problem.into()))
    }

    /// Looks up the export `run`, and returns the instance ready for calls. `index` is the index of
    /// `run` in the component, and `version` is the version of the contract that the component was
    /// built against.
    ///
    /// # Errors
    /// Fails if the component does not export `run` with the type `R`.
    pub(super) fn ready<R: Run>(
        mut self,
        index: ComponentExportIndex,
        version: Version,
    ) -> Result<Ready<R>, Failure> {
        match R::look_up(self.exports, &mut self.store, index, version) {
            Ok(run) => Ok(Ready {
                instance: self,
                run,
            }),
            Err(error) => Err(Failure::of_guest(
                error,
                InstanceState::of(self.store.data()),
            )),
        }
    }

    /// Prepares the instance for a call of the guest's `run`. `calls` has one invocation, or
    /// several invocations if several calls were joined into one call of `run`.
    fn begin(&mut self, calls: &[Invocation], deadline: Instant) {
        self.invocations += 1;
        let state = InstanceState::of_mut(self.store.data_mut());
        match calls {
            [call] => state.begin(&call.id, deadline, call.lines.clone()),
            calls => {
                let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
                // A log line of joined calls belongs to all of these calls, so it is not kept for
                // one of them.
                state.begin(&ids.join(","), deadline, None);
            }
        }
        store::rearm(&mut self.store);
    }

    /// Returns the value or the failure of a call of the guest that has ended. Also records whether
    /// the instance may be used again. `called` is `None` if the call was ended after its deadline.
    fn finish<T>(&mut self, called: Option<wasmtime::Result<(T,)>>) -> Result<T, Failure> {
        InstanceState::of_mut(self.store.data_mut()).end();
        let failure = match called {
            Some(Ok((value,))) => {
                // A guest that survived a refused growth of its memory may have lost what it was
                // about to build.
                self.reusable = InstanceState::of(self.store.data())
                    .memory_refusal()
                    .is_none();
                return Ok(value);
            }
            Some(Err(error)) => Failure::of_guest(error, InstanceState::of(self.store.data())),
            None => Failure::timed_out(),
        };
        self.reusable = false;
        Err(failure)
    }
}

impl<R> Pooled for Ready<R> {
    /// Returns true if the instance may serve another call. Returns false after a call of the guest
    /// trapped or timed out, or after the guest was refused memory.
    fn is_reusable(&self) -> bool {
        self.instance.reusable
    }

    /// Returns the number of calls that the instance has served. Calls that were joined into one
    /// call of the guest count as one.
    fn invocations(&self) -> u64 {
        self.instance.invocations
    }

    fn age(&self) -> Duration {
        self.instance.made.elapsed()
    }
}

impl Ready<PayloadRun> {
    /// Calls the guest's `run` with the payload of one call. Returns the answer. The guest is
    /// stopped at the deadline.
    ///
    /// # Errors
    /// Fails if the guest traps, returns an error, or does not answer before the deadline.
    pub(super) async fn run_payload(
        &mut self,
        call: Invocation,
        payload: Payload,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let Self { instance, run } = self;
        instance.begin(slice::from_ref(&call), deadline);
        let input = wit::Payload {
            content_type: payload.content_type,
            body: payload.body.into(),
        };
        let answered = match run {
            PayloadRun::Current(run) => {
                let call = run.call_async(&mut instance.store, (to_wit(call, deadline), input));
                let called = bounded(deadline, call).await;
                instance.finish(called)?
            }
            PayloadRun::Previous(run) => {
                let call = previous::invocation(call, deadline);
                let call = run.call_async(&mut instance.store, (call, input));
                let called = bounded(deadline, call).await;
                instance.finish(called)?.map(|payload| wit::Answer {
                    payload,
                    status: None,
                    headers: Vec::new(),
                })
            }
        };
        match answered {
            Ok(answer) => Ok(Answer {
                payload: Payload {
                    content_type: answer.payload.content_type,
                    body: answer.payload.body.into(),
                },
                status: answer.status,
                headers: answer.headers,
            }),
            Err(error) => Err(Failure::Score(error.into())),
        }
    }
}

impl Ready<TensorRun> {
    /// Calls the guest's `run` with the tensors of one call, or of several calls that were joined
    /// into one call. Returns the output tensors. The guest is stopped at the deadline.
    ///
    /// # Errors
    /// Fails if the guest traps, returns an error, or does not answer before the deadline.
    pub(super) async fn run_tensors(
        &mut self,
        calls: Vec<Invocation>,
        tensors: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<Vec<Tensor>, Failure> {
        let Self { instance, run } = self;
        instance.begin(&calls, deadline);
        let inputs = tensors.into_iter().map(NamedTensor::from).collect();
        let store = &mut instance.store;
        let called = match run {
            TensorRun::Current(run) => {
                let calls = calls.into_iter().map(|call| to_wit(call, deadline));
                let calls: Vec<_> = calls.collect();
                bounded(deadline, run.call_async(store, (calls, inputs))).await
            }
            TensorRun::Previous(run) => {
                let calls = calls.into_iter();
                let calls: Vec<_> = calls
                    .map(|call| previous::invocation(call, deadline))
                    .collect();
                bounded(deadline, run.call_async(store, (calls, inputs))).await
            }
        };
        match instance.finish(called)? {
            Ok(tensors) => Ok(tensors.into_iter().map(Tensor::from).collect()),
            Err(error) => Err(Failure::Score(error.into())),
        }
    }
}

impl Failure {
    /// Converts an error of a guest to a failure: a timeout, a refused memory growth, or a trap.
    /// `state` is the state of the guest's instance.
    pub(super) fn of_guest(error: wasmtime::Error, state: &InstanceState) -> Self {
        if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
            return Self::timed_out();
        }
        Self::Score(match state.memory_refusal() {
            // A refused growth of the memory ends most guests with a bare trap, but the limiter
            // knows the reason.
            Some(Refusal::Own) => ScoreFailure::OutOfMemory {
                limit_bytes: state.memory_limit_bytes(),
            },
            // Other instances have the memory, and will give it back.
            Some(Refusal::Shared) => ScoreFailure::Saturated,
            None if stack_overflowed(&error) => ScoreFailure::Trapped(format!(
                "it wrote below its memory, as a stack that overflows does: look for recursion and \
                 large local values (Rust's linker sets the stack's size with `-zstack-size`): {}",
                told(&error)
            )),
            None if lifted_too_much(&error) => ScoreFailure::Trapped(format!(
                "it passed more than {LIFTED_BYTES} bytes to one host function, counted as the host holds them: pass less at a \
                 time: {}",
                told(&error)
            )),
            None => ScoreFailure::Trapped(told(&error)),
        })
    }

    /// Returns the failure of a call that timed out. Its deadline is zero, which is a placeholder:
    /// `component_runner` replaces it with `limits.deadline`.
    pub(super) fn timed_out() -> Self {
        Self::Score(ScoreFailure::TimedOut {
            deadline: Duration::ZERO,
        })
    }

    pub(super) fn into_score_failure(self) -> ScoreFailure {
        match self {
            Self::Score(failure) => failure,
            // The first instance passed `init`, so this one met something that has changed since,
            // such as a store.
            Self::Init(problem) => ScoreFailure::Unavailable(Problem {
                code: "init-failed".to_owned(),
                message: "The scorer is not ready. Try again later.".to_owned(),
                detail: Some(format!("{}: {}", problem.code, problem.message)),
            }),
        }
    }
}

/// Returns the text of a trap with the guest's frames, cut to `TEXT_BYTES` bytes. The text is cut
/// because the frames hold names of the component's functions, which may have any length.
///
/// The `Debug` text of the error would also have the frames of the host if `RUST_BACKTRACE` is set.
fn told(error: &wasmtime::Error) -> String {
    displayed(&Causes(error), TEXT_BYTES)
}

/// Text of an error with all its causes. Each cause begins on a line of its own.
struct Causes<'a>(&'a wasmtime::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cause) in self.0.chain().enumerate() {
            match index {
                0 => {}
                1 => f.write_str("\n\nCaused by:\n    ")?,
                _ => f.write_str("\n    ")?,
            }
            write!(f, "{cause}")?;
        }
        Ok(())
    }
}

/// Returns true if a trap shows that a guest overflowed the lower end of its stack.
///
/// Toolchains put the lower end of the stack at address 0, so an access below it has one of the
/// highest addresses. Wasmtime states the address only in the text of its error.
fn stack_overflowed(error: &wasmtime::Error) -> bool {
    let address = |text: &str| {
        let (digits, _) = text
            .strip_prefix("memory fault at wasm address 0x")?
            .split_once(' ')?;
        u64::from_str_radix(digits, 16).ok()
    };
    let below_zero = |address: u64| (0xff00_0000..=0xffff_ffff).contains(&address);
    error.downcast_ref::<Trap>() == Some(&Trap::MemoryOutOfBounds)
        && error
            .chain()
            .any(|cause| address(&cause.to_string()).is_some_and(below_zero))
}

/// Returns true if a trap shows that the arguments of one host call would have taken more than
/// [`LIFTED_BYTES`] of the host's memory. Wasmtime states the reason only in the text of its error.
fn lifted_too_much(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

pub(super) async fn bounded<T>(deadline: Instant, call: impl Future<Output = T>) -> Option<T> {
    timer::until(deadline + GRACE, call).await
}
