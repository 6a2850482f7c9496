//! A scorer of payloads that exports the unstable interface `inputs`, which is for scorers of
//! tensors.
//!
//! Owns the export, which is written without the SDK, as an author in another language has to.

use scorebox_guest::{Invocation, Payload, Result, Scorer, Signature, export_scorer};

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package elsewhere:counter@0.1.0;

            world counter {
                export scorebox:scoring/inputs@0.1.0;
            }
        ",
        world: "elsewhere:counter/counter",
        features: ["inputs"],
    });

    #[cfg(target_arch = "wasm32")]
    use super::Counter;
    #[cfg(target_arch = "wasm32")]
    export!(Counter with_types_in self);
}

use bindings::exports::scorebox::scoring::inputs::{Guest, InputFacts};

struct Counter;

impl Scorer for Counter {
    type Input = Payload;
    type Output = Payload;

    fn describe() -> Signature {
        Signature::any()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, input: Payload) -> Result<Payload> {
        Ok(input)
    }
}

impl Guest for Counter {
    fn describe_inputs() -> Vec<InputFacts> {
        Vec::new()
    }
}

export_scorer!(Counter);
