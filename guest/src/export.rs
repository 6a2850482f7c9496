//! The traits of a scorer, [`Scorer`] and [`TensorScorer`], and the macros that export a scorer as
//! a component.
//!
//! Owns the exported functions, which call the code of the scorer's author, and the slot that keeps
//! the scorer between calls. Must not interpret payloads or tensors.

use std::cell::RefCell;

use crate::{
    Answer, Error, FromPayload, Inputs, IntoAnswer, Invocation, NamedTensor, OrProblem, Payload,
    Problem, Result, Signature, TensorSignature, panic,
};

pub use crate::bindings::scoring::exports::scorebox::scoring::scorer::Guest as ScorerExport;
pub use crate::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer::Guest as TensorScorerExport;
#[cfg(target_arch = "wasm32")]
pub use crate::bindings::{scoring::export_scoring, tensor_scoring::export_tensor_scoring};

/// A scorer of payloads: it takes one request and returns one answer. Export it with
/// [`export_scorer!`](crate::export_scorer).
///
/// A value of the implementing type is one instance of the scorer, and serves one call at a time.
/// By default, the value keeps its state between calls until the host drops the instance. Do not
/// rely on this state, because the next call may get another instance. Keep shared state in a
/// [`Bucket`](crate::cache::Bucket).
///
/// ```
/// use scorebox_guest::{Invocation, Json, Result, Scorer, Signature};
///
/// struct Twice;
///
/// impl Scorer for Twice {
///     type Input = Json<f64>;
///     type Output = Json<f64>;
///
///     fn describe() -> Signature {
///         Signature::json().input_example("one", "1")
///     }
///
///     fn init() -> Result<Self> {
///         Ok(Self)
///     }
///
///     fn run(&mut self, _call: &Invocation, Json(x): Json<f64>) -> Result<Json<f64>> {
///         Ok(Json(2.0 * x))
///     }
/// }
///
/// scorebox_guest::export_scorer!(Twice);
/// ```
pub trait Scorer: Sized + 'static {
    /// Type of the input of [`run`](Scorer::run): [`Json`](crate::Json) of a type, [`Payload`]
    /// itself, or another type that implements [`FromPayload`].
    type Input: FromPayload;
    /// Type of the answer of [`run`](Scorer::run): [`Json`](crate::Json) of a type, [`Payload`]
    /// itself, or [`Answer`] if the scorer chooses the status or headers of the HTTP answer.
    type Output: IntoAnswer;

    /// Returns the signature of the scorer: its media types, schemas and examples.
    ///
    /// This function runs when the container image is built and when the host starts. It has no
    /// access to the host's capabilities: a call of a capability traps.
    fn describe() -> Signature;

    /// Creates an instance of the scorer: for example, reads weights and builds tables.
    ///
    /// By default, this function runs once, when the app is built. Every instance then starts from
    /// a snapshot of the memory that it left. In this mode, it may only read the model and write to
    /// the log. Without a snapshot, e.g. with `snapshot = false` under `[scorer]` in the
    /// `scorebox.toml`, it runs for every new instance and may use every capability.
    ///
    /// # Errors
    /// Fails if the instance cannot be created. The variant of [`Error`] makes no difference. If a
    /// snapshot is taken, the error ends the build. Otherwise, the host logs the error and does not
    /// become ready. If a later instance fails after the first one succeeded, only the call that
    /// needed it fails, with the code `init-failed`.
    fn init() -> Result<Self>;

    /// Scores one payload. `call` describes the call, e.g. its deadline and attributes.
    ///
    /// # Errors
    /// Fails if the scorer has no answer. The variant of [`Error`] determines how the host reports
    /// the failure, and whether the call is retried.
    fn run(&mut self, call: &Invocation, input: Self::Input) -> Result<Self::Output>;
}

/// A scorer of tensors: it takes and returns named tensors. Export it with
/// [`export_tensor_scorer!`](crate::export_tensor_scorer).
///
/// A value of the implementing type is one instance of the scorer. By default, it keeps its state
/// between calls until the host drops the instance. Do not rely on this state, because the next
/// call may get another instance.
///
/// ```
/// use scorebox_guest::{
///     Dtype, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
/// };
///
/// struct Same;
///
/// impl TensorScorer for Same {
///     fn describe() -> TensorSignature {
///         let port = Port::new("x", Dtype::F32, [None]);
///         TensorSignature::new([port.clone()], [port])
///     }
///
///     fn init() -> Result<Self> {
///         Ok(Self)
///     }
///
///     fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
///         Ok(inputs.0)
///     }
/// }
///
/// scorebox_guest::export_tensor_scorer!(Same);
/// ```
pub trait TensorScorer: Sized + 'static {
    /// Returns the signature of the scorer: its input and output ports, and examples.
    ///
    /// Like [`Scorer::describe`], this function runs when the container image is built and when the
    /// host starts. A call of one of the host's capabilities traps.
    fn describe() -> TensorSignature;

    /// Creates an instance of the scorer: for example, reads weights and builds tables.
    ///
    /// By default, this function runs once, when the app is built. Every instance then starts from
    /// a snapshot of the memory that it left. In this mode, it may only read the model and write to
    /// the log. Without a snapshot, e.g. with `snapshot = false` under `[scorer]` in the
    /// `scorebox.toml`, it runs for every new instance and may use every capability.
    ///
    /// # Errors
    /// Fails if the instance cannot be created. The variant of [`Error`] makes no difference. If a
    /// snapshot is taken, the error ends the build. Otherwise, the host logs the error and does not
    /// become ready. If a later instance fails after the first one succeeded, only the call that
    /// needed it fails, with the code `init-failed`.
    fn init() -> Result<Self>;

    /// Scores the tensors of one call, or the joined rows of several calls. `inputs` has one tensor
    /// for each input port, in the order of the signature. The result has one for each output port,
    /// in any order.
    ///
    /// If the signature is batchable, the host may join the rows of several calls along axis 0. In
    /// this case, `calls` has one entry for each joined call.
    ///
    /// # Errors
    /// Fails if the scorer has no answer. The variant of [`Error`] determines how the host reports
    /// the failure, and whether the call is retried.
    fn run(&mut self, calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>>;
}

/// Exports a [`Scorer`] as a component. Call this macro once, in a crate of type `cdylib`.
///
/// ```
/// # use scorebox_guest::{Invocation, Json, Result, Scorer, Signature};
/// # struct Twice;
/// # impl Scorer for Twice {
/// #     type Input = Json<f64>;
/// #     type Output = Json<f64>;
/// #     fn describe() -> Signature { Signature::json().input_example("one", "1") }
/// #     fn init() -> Result<Self> { Ok(Self) }
/// #     fn run(&mut self, _: &Invocation, Json(x): Json<f64>) -> Result<Json<f64>> { Ok(Json(2.0 * x)) }
/// # }
/// scorebox_guest::export_scorer!(Twice);
/// ```
#[macro_export]
macro_rules! export_scorer {
    ($scorer:ty) => {
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::export::Slot<$scorer> = const { $crate::export::Slot::empty() };
            }

            enum Component {}

            impl $crate::export::ScorerExport for Component {
                fn describe() -> $crate::Signature {
                    $crate::export::describe(<$scorer as $crate::Scorer>::describe)
                }

                fn init() -> ::core::result::Result<(), $crate::Problem> {
                    SLOT.with(|slot| slot.fill(<$scorer as $crate::Scorer>::init))
                }

                fn run(call: $crate::Invocation, input: $crate::Payload) -> $crate::Result<$crate::Answer> {
                    SLOT.with(|slot| slot.run(|scorer| $crate::export::score(scorer, &call, input)))
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::export::export_scoring! { Component with_types_in $crate::bindings::scoring }
            // Other targets do not have a host to export to, and linkers do not accept the names.
            // This constant makes the code count as used.
            #[cfg(not(target_arch = "wasm32"))]
            const _: $crate::export::Exports<$crate::Signature, $crate::export::Run> = {
                use $crate::export::ScorerExport;
                (Component::describe, Component::init, Component::run)
            };
        };
    };
}

/// Exports a [`TensorScorer`] as a component. Call this macro once, in a crate of type `cdylib`.
///
/// ```
/// # use scorebox_guest::{
/// #     Dtype, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
/// # };
/// #
/// # struct Same;
/// #
/// # impl TensorScorer for Same {
/// #     fn describe() -> TensorSignature {
/// #         let port = Port::new("x", Dtype::F32, [None]);
/// #         TensorSignature::new([port.clone()], [port])
/// #     }
/// #
/// #     fn init() -> Result<Self> {
/// #         Ok(Self)
/// #     }
/// #
/// #     fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
/// #         Ok(inputs.0)
/// #     }
/// # }
/// #
/// scorebox_guest::export_tensor_scorer!(Same);
/// ```
#[macro_export]
macro_rules! export_tensor_scorer {
    ($scorer:ty) => {
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::export::Slot<$scorer> = const { $crate::export::Slot::empty() };
            }

            enum Component {}

            impl $crate::export::TensorScorerExport for Component {
                fn describe() -> $crate::TensorSignature {
                    $crate::export::describe(<$scorer as $crate::TensorScorer>::describe)
                }

                fn init() -> ::core::result::Result<(), $crate::Problem> {
                    SLOT.with(|slot| slot.fill(<$scorer as $crate::TensorScorer>::init))
                }

                fn run(
                    calls: ::std::vec::Vec<$crate::Invocation>,
                    inputs: ::std::vec::Vec<$crate::NamedTensor>,
                ) -> $crate::Result<::std::vec::Vec<$crate::NamedTensor>> {
                    SLOT.with(|slot| {
                        slot.run(|scorer| $crate::TensorScorer::run(scorer, &calls, $crate::Inputs(inputs)))
                    })
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::export::export_tensor_scoring! { Component with_types_in $crate::bindings::tensor_scoring }
            #[cfg(not(target_arch = "wasm32"))]
            const _: $crate::export::Exports<$crate::TensorSignature, $crate::export::TensorRun> = {
                use $crate::export::TensorScorerExport;
                (Component::describe, Component::init, Component::run)
            };
        };
    };
}

/// Types of the functions that a component exports: `describe`, `init` and `run`. `S` is the type
/// of the signature, and `R` is the type of `run`.
pub type Exports<S, R> = (fn() -> S, fn() -> Result<(), Problem>, R);
/// Type of the exported function `run` of a scorer of payloads.
pub type Run = fn(Invocation, Payload) -> Result<Answer>;
/// Type of the exported function `run` of a scorer of tensors.
pub type TensorRun = fn(Vec<Invocation>, Vec<NamedTensor>) -> Result<Vec<NamedTensor>>;

/// A slot that holds the scorer of an instance of the component. It is empty until `init` succeeds.
#[derive(Debug)]
pub struct Slot<S>(RefCell<Option<S>>);

impl<S> Slot<S> {
    /// Returns an empty slot, which does not hold a scorer yet.
    #[must_use]
    pub const fn empty() -> Self {
        Self(RefCell::new(None))
    }

    /// Runs `init`, a function of the scorer's author, and puts the scorer that it returns into the
    /// slot.
    ///
    /// # Errors
    /// Fails if `init` fails.
    pub fn fill(&self, init: fn() -> Result<S>) -> Result<(), Problem> {
        panic::install(true);
        *self.0.borrow_mut() = Some(init()?);
        Ok(())
    }

    /// Runs `call` on the scorer in the slot, and returns the result of `call`.
    ///
    /// # Errors
    /// Fails if `call` fails, or if the slot is empty.
    pub fn run<T>(&self, call: impl FnOnce(&mut S) -> Result<T>) -> Result<T> {
        panic::install(true);
        let mut slot = self.0.borrow_mut();
        let scorer = slot.as_mut().or_problem(|| {
            Error::failed(
                "not-initialised",
                "the scorer was called before its `init` succeeded",
            )
        })?;
        call(scorer)
    }
}

/// Runs `describe`, a function of the scorer's author, and returns its result. `describe` cannot
/// call the host, so the panic hook does not write to the log while `describe` runs.
pub fn describe<T>(describe: fn() -> T) -> T {
    panic::install(false);
    describe()
}

/// Converts a payload to the input of a scorer, calls the scorer's `run`, and converts the output
/// to an answer.
///
/// # Errors
/// Fails if the payload does not hold an input of the scorer, if `run` fails, or if the body of the
/// answer cannot be written.
pub fn score<S: Scorer>(scorer: &mut S, call: &Invocation, input: Payload) -> Result<Answer> {
    scorer
        .run(call, S::Input::from_payload(input)?)?
        .into_answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_slot_is_the_scorers_fault() {
        let slot = Slot::<u8>::empty();
        assert_eq!(
            slot.run(|_| Ok(())).unwrap_err().problem().code,
            "not-initialised"
        );
        let refused = slot.fill(|| Err(Error::rejected("no-weights", "bring weights")));
        assert_eq!(refused.unwrap_err().code, "no-weights");
        slot.fill(|| Ok(1)).unwrap();
        let next = || slot.run(|count| Ok(std::mem::replace(count, *count + 1)));
        assert_eq!((next().unwrap(), next().unwrap()), (1, 2));
    }
}
