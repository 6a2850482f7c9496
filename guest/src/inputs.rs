//! Facts about the inputs of a scorer of tensors: missing values, booleans as numbers, and names of
//! columns.
//!
//! **Unstable:** this module exists with the Cargo feature `unstable-inputs`. It uses a part of the
//! contract that is being tried out, and the next version may change it. The host refuses the
//! component unless the `scorebox.toml` allows the feature:
//!
//! ```toml
//! [contract]
//! unstable = ["inputs"]
//! ```
//!
//! Without the feature, state the facts in the sections `[inputs.<name>]` of the `scorebox.toml`.
//! Such a section wins over the scorer in the facts that it states.
//!
//! ```
//! use scorebox_guest::inputs::{DescribeInputs, InputFacts};
//! use scorebox_guest::{
//!     Dtype, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
//!     export_inputs, export_tensor_scorer,
//! };
//!
//! struct Incomes;
//!
//! impl TensorScorer for Incomes {
//!     fn describe() -> TensorSignature {
//!         TensorSignature::new(
//!             [Port::new("people", Dtype::F32, [None, Some(2)])],
//!             [Port::new("known", Dtype::I64, [None])],
//!         )
//!     }
//!
//!     fn init() -> Result<Self> {
//!         Ok(Self)
//!     }
//!
//!     fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
//!         let people = inputs.tensor("people")?.values::<f32>()?;
//!         let known = people.chunks_exact(2).map(|row| i64::from(!row[1].is_nan()));
//!         let known: Vec<i64> = known.collect();
//!         Ok(vec![NamedTensor::new("known", [known.len()], &known)])
//!     }
//! }
//!
//! impl DescribeInputs for Incomes {
//!     fn describe_inputs() -> Vec<InputFacts> {
//!         vec![InputFacts::new("people").missing().columns(["age", "income"])]
//!     }
//! }
//!
//! export_tensor_scorer!(Incomes);
//! export_inputs!(Incomes);
//! ```
//!
//! Owns the trait, the builder and the macro. Must not check the facts: the host does so, for
//! guests in any language.

use crate::TensorScorer;

pub use crate::bindings::inputs::exports::scorebox::scoring::inputs::InputFacts;

/// A scorer of tensors that states facts about its inputs. Export them with
/// [`export_inputs!`](crate::export_inputs), in addition to the scorer.
pub trait DescribeInputs: TensorScorer {
    /// Returns the facts about the inputs, with at most one entry for each input port.
    ///
    /// An input without an entry takes no missing values and no booleans as numbers, and its
    /// columns have no names. Like [`TensorScorer::describe`], this function has no access to the
    /// host's capabilities. The host refuses the component if a fact does not fit its port.
    fn describe_inputs() -> Vec<InputFacts>;
}

impl InputFacts {
    /// Returns facts about the input port `name`, to which the other methods add. At first, the
    /// input takes no missing values and no booleans as numbers, and its columns have no names.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            missing: false,
            boolean: false,
            columns: Vec::new(),
        }
    }

    /// Declares that elements of the input may be missing. A caller sends `null` in JSON for a
    /// missing element. The scorer gets NaN for it, so the port must have a floating-point type.
    #[must_use]
    pub fn missing(mut self) -> Self {
        self.missing = true;
        self
    }

    /// Declares that the input accepts `true` and `false` as 1 and 0. The port must have a type of
    /// numbers.
    #[must_use]
    pub fn boolean(mut self) -> Self {
        self.boolean = true;
        self
    }

    /// Sets the names of the columns of the input, in order. The port must have two dimensions, and
    /// the columns are its last one. Callers may then send rows by name, and the model's metadata
    /// contains the names.
    ///
    /// If the last dimension of the port is open, the host sets it to the number of names.
    /// Otherwise, the two must be equal.
    #[must_use]
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.columns = names.into_iter().map(Into::into).collect();
        self
    }
}

/// Exports the facts that a [`DescribeInputs`](crate::inputs::DescribeInputs) states about its
/// inputs. Call this macro once, next to [`export_tensor_scorer!`](crate::export_tensor_scorer).
#[macro_export]
macro_rules! export_inputs {
    ($scorer:ty) => {
        const _: () = {
            enum Component {}

            impl $crate::export::InputsExport for Component {
                fn describe_inputs() -> ::std::vec::Vec<$crate::inputs::InputFacts> {
                    $crate::export::describe(
                        <$scorer as $crate::inputs::DescribeInputs>::describe_inputs,
                    )
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::export::export_inputs_world! { Component with_types_in $crate::bindings::inputs }
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() -> ::std::vec::Vec<$crate::inputs::InputFacts> = {
                use $crate::export::InputsExport;
                Component::describe_inputs
            };
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_is_not_declared_is_false() {
        let plain = InputFacts::new("x");
        assert!(!plain.missing && !plain.boolean && plain.columns.is_empty());
        let all = InputFacts::new("x").missing().boolean().columns(["a", "b"]);
        assert!(all.missing && all.boolean);
        assert_eq!(all.columns, ["a", "b"]);
    }
}
