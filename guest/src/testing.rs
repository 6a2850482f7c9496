//! Tests of a scorer without a host: [`Host`] stands in for the host's model, stores, graphs,
//! settings, log and measurements.
//!
//! Owns the mocks and the calls of a scorer in a test. Must not know any scorer, and is not part of
//! a component: the module exists on every target but WebAssembly.
//!
//! `cargo test` compiles a scorer for the developer's machine. There, everything that a scorer asks
//! of its host is answered by the [`Host`] that is installed for the test's thread. If none is
//! installed, the answers are those of an empty host: the model has no tensors, and no store
//! exists.
//!
//! ```
//! use scorebox_guest::testing::{self, Host};
//! use scorebox_guest::{Error, Invocation, Json, OrProblem, Result, Scorer, Signature, model};
//!
//! struct Sum {
//!     weights: Vec<f32>,
//! }
//!
//! impl Scorer for Sum {
//!     type Input = Json<Vec<f32>>;
//!     type Output = Json<f32>;
//!
//!     fn describe() -> Signature {
//!         Signature::json().input_example("two", "[1, 2]")
//!     }
//!
//!     fn init() -> Result<Self> {
//!         Ok(Self { weights: model::Tensor::open("weights")?.floats()? })
//!     }
//!
//!     fn run(&mut self, _call: &Invocation, Json(values): Json<Vec<f32>>) -> Result<Json<f32>> {
//!         let fits = (values.len() == self.weights.len()).then_some(());
//!         fits.or_reject("wrong-length", "send as many values as there are weights")?;
//!         Ok(Json(values.iter().zip(&self.weights).map(|(x, w)| x * w).sum()))
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let host = Host::new().tensor("weights", [2], &[0.5_f32, 2.0]).install();
//! let mut sum: Sum = host.start()?;
//! // Calls `run` with the types of the scorer:
//! let Json(answer) = sum.run(&testing::call(), Json(vec![1.0, 2.0]))?;
//! assert_eq!(answer, 4.5);
//! // Sends a body in JSON, as a caller does:
//! assert_eq!(testing::post(&mut sum, "[1, 2]")?, "4.5");
//! let refused = testing::post(&mut sum, "[1]").unwrap_err();
//! assert!(matches!(refused, Error::Rejected(problem) if problem.code == "wrong-length"));
//! testing::score_examples(&mut sum)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Differences from a real host
//!
//! - Schemas are not checked. The real host refuses a body that does not conform to the schema
//!   before `run` is called.
//! - Limits on time and memory do not exist, and a panic fails the test.
//! - [`nn`](crate::nn) has no mock, and its functions panic. Use [`graphs`](crate::graphs), or test
//!   with the real host: `scorebox invoke`.
//! - A real Redis is not needed, and the commands of [`redis`](crate::redis) are answered by a
//!   function of the test.

mod calls;
mod host;
mod installed;
pub(crate) mod mocks;
mod model_folder;
mod redis_value;
mod state;

pub use self::calls::{call, post, request, score, score_examples, score_tensors};
pub use self::host::Host;
pub use self::installed::Installed;
pub use self::redis_value::Value;
pub use self::state::{LogLine, Measurement};

#[cfg(test)]
mod tests;
