//! The SDK for scorers: a scorer is a WebAssembly component with `init` and `run`, as an Azure ML
//! scoring script has.
//!
//! Owns what a scorer's author sees: two traits, typed payloads and tensors, errors that determine
//! whether a call is retried, and wrappers over everything that the host provides. Must not know
//! the host: the only contract between a scorer and the host is the WIT in `wit/`.
//!
//! # A scorer of payloads
//!
//! A scorer of payloads takes one request and returns one answer, of any media type. [`Json`] gives
//! the request and the answer a Rust type.
//!
//! ```
//! use scorebox_guest::{Error, Invocation, Json, Result, Scorer, Signature, export_scorer, model};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Request {
//!     features: Vec<f32>,
//! }
//!
//! #[derive(Serialize)]
//! struct Answer {
//!     score: f32,
//! }
//!
//! struct Linear {
//!     weights: Vec<f32>,
//! }
//!
//! impl Scorer for Linear {
//!     type Input = Json<Request>;
//!     type Output = Json<Answer>;
//!
//!     fn describe() -> Signature {
//!         Signature::json().input_example("one", r#"{"features": [1, 2]}"#).deterministic()
//!     }
//!
//!     fn init() -> Result<Self> {
//!         Ok(Self { weights: model::Tensor::open("weights")?.floats()? })
//!     }
//!
//!     fn run(
//!         &mut self,
//!         _call: &Invocation,
//!         Json(request): Json<Request>,
//!     ) -> Result<Json<Answer>> {
//!         if request.features.len() != self.weights.len() {
//!             let message = format!("send {} features", self.weights.len());
//!             return Err(Error::rejected("missing-feature", message));
//!         }
//!         let score = request.features.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
//!         Ok(Json(Answer { score }))
//!     }
//! }
//!
//! export_scorer!(Linear);
//! ```
//!
//! # A scorer of tensors
//!
//! A scorer of tensors takes and returns named tensors, which suits most models. The host parses
//! and renders the callers' JSON at native speed. It checks the tensors against the ports, so `run`
//! never gets tensors that do not fit.
//!
//! ```
//! use scorebox_guest::{
//!     Dtype, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
//!     export_tensor_scorer,
//! };
//!
//! struct Sum;
//!
//! impl TensorScorer for Sum {
//!     fn describe() -> TensorSignature {
//!         TensorSignature::new(
//!             [Port::new("x", Dtype::F32, [None, Some(2)])],
//!             [Port::new("sum", Dtype::F32, [None])],
//!         )
//!         .batchable()
//!         .deterministic()
//!         .example("two-rows", r#"{"x": [[1, 2], [3, 4]]}"#)
//!     }
//!
//!     fn init() -> Result<Self> {
//!         Ok(Self)
//!     }
//!
//!     fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
//!         let x = inputs.tensor("x")?.values::<f32>()?;
//!         let sums: Vec<f32> = x.chunks_exact(2).map(|row| row.iter().sum()).collect();
//!         Ok(vec![NamedTensor::new("sum", [sums.len()], &sums)])
//!     }
//! }
//!
//! export_tensor_scorer!(Sum);
//! ```
//!
//! An [`InputPort`] also states whether an input takes missing values, and which names its columns
//! have.
//!
//! # The HTTP answer
//!
//! A scorer of payloads that returns an [`Answer`] chooses the status and headers of the HTTP
//! answer. `call.http` has the method, the path and the query of the request, and
//! [`Invocation::parameter`] reads the query.
//!
//! ```
//! use scorebox_guest::{Answer, Invocation, Json, Payload, Result};
//!
//! fn run(call: &Invocation, _input: Payload) -> Result<Answer> {
//!     match call.parameter("model").as_deref() {
//!         None | Some("7") => Ok(Answer::of(Json(0.5))?.header("x-model", "7")),
//!         Some(_) => Ok(Answer::of(Json("no such model"))?.status(404)),
//!     }
//! }
//! ```
//!
//! # Errors
//!
//! The variant of an [`Error`] decides what the platform does next with the caller's request or
//! message:
//!
//! | case | means | HTTP | a message is |
//! |---|---|---|---|
//! | [`Error::Rejected`] | this input can never be scored | 422 | parked |
//! | [`Error::Unavailable`] | a later call may succeed | 503 with `Retry-After` | redelivered |
//! | [`Error::Failed`] | the scorer is at fault | 500 | redelivered |
//!
//! To park a message is to complete it and to send a record of it to the place that the setting
//! `park` of its trigger names. A message is parked only if its trigger has this setting. With the
//! setting, a message whose last delivery fails is parked, whatever the case, and so is one that
//! fails with the code `store-command` or `store-denied`. Without it, every failed message is
//! redelivered until the platform gives up and sets the message aside, for example in a dead-letter
//! queue.
//!
//! The caller sees the code and the message. The detail goes only to the log. The operator `?`
//! converts these errors:
//!
//! - Errors of [`model`], [`graphs`] and [`nn`] become [`Error::Failed`].
//! - Errors of [`cache`], [`redis`] and [`config`] become [`Error::Unavailable`] if a later call
//!   may succeed: the store does not answer, is full or cannot write now, or the settings cannot be
//!   read. Any other error of a store becomes [`Error::Failed`]: for example, the store is not
//!   configured, a command is denied or refused, or a key, a value or a reply is too large.
//! - Errors of JSON become [`Error::Failed`]. A caller's invalid JSON is rejected with the code
//!   `invalid-json` before `run` is called.
//!
//! [`OrProblem`] turns any `Option` or `Result` into one of the three errors. A panic is a trap:
//! the host answers 500, logs the message and the location, and retires the instance.
//!
//! # Build and run
//!
//! A scorer is a package with `crate-type = ["cdylib"]`, and next to it a `scorebox.toml`:
//!
//! ```toml
//! [scorer]
//! name = "linear"
//! component = { cargo = "." }
//! model = "model"
//! ```
//!
//! ```sh
//! cargo build --release --target wasm32-wasip2        # the component alone
//! cargo xtask build --manifest scorebox.toml          # an app folder: component, model, manifest
//! scorebox invoke --app DIR --input request.json              # one call, on this machine
//! cargo xtask package --manifest scorebox.toml        # the container image
//! ```

#![deny(missing_docs)]

mod answer;
#[doc(hidden)]
pub mod bindings;
pub mod cache;
pub mod config;
mod error;
#[doc(hidden)]
pub mod export;
pub mod graphs;
mod imports;
mod invocation;
pub mod log;
pub mod metrics;
pub mod model;
pub mod nn;
mod panic;
mod payload;
pub mod redis;
mod signature;
mod tensor;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use self::answer::IntoAnswer;
pub use self::bindings::capabilities::scorebox::scoring::model::{Dtype, Port};
pub use self::bindings::capabilities::scorebox::scoring::types::{
    Answer, AttributeValue, Example, HttpRequest, Invocation, Payload, Problem,
    ScoreError as Error, Shape, Signature, Source,
};
pub use self::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer::{
    InputPort, NamedTensor, TensorSignature,
};
pub use self::error::{OrProblem, Result};
pub use self::export::{Scorer, TensorScorer};
pub use self::payload::{FromPayload, IntoPayload, Json};
pub use self::tensor::{Element, Inputs};
