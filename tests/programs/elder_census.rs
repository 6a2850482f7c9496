//! A scorer that exports the interface `inputs`, which was tried out in the contract 0.1.0.
//!
//! Owns the export, from a copy of the interface. The host does not serve it any more.

use scorebox_guest::{Invocation, Payload, Result, Scorer, Signature, export_scorer};

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package scorebox:scoring@0.1.0;

            interface inputs {
                record input-facts {
                    name: string,
                    missing: bool,
                    boolean: bool,
                    columns: list<string>,
                }
                describe-inputs: func() -> list<input-facts>;
            }

            world census {
                export inputs;
            }
        ",
    });

    #[cfg(target_arch = "wasm32")]
    use super::Census;
    #[cfg(target_arch = "wasm32")]
    export!(Census with_types_in self);
}

use bindings::exports::scorebox::scoring::inputs::{Guest, InputFacts};

struct Census;

impl Scorer for Census {
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

impl Guest for Census {
    fn describe_inputs() -> Vec<InputFacts> {
        Vec::new()
    }
}

export_scorer!(Census);
