//! A scorer that also imports an interface that no host provides.
//!
//! Owns that import. It is written without the SDK, because the SDK's worlds do not have this
//! import.

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package intruder:host@0.1.0;

            interface secrets {
                read: func(name: string) -> string;
            }

            world intruder {
                import secrets;
                export scorebox:scoring/scorer@0.2.0;
            }
        ",
        world: "intruder:host/intruder",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    use super::Importer;
    #[cfg(target_arch = "wasm32")]
    export!(Importer with_types_in self);
}

use bindings::exports::scorebox::scoring::scorer::{
    Answer, Guest, Invocation, Payload, Problem, ScoreError, Signature,
};
use bindings::scorebox::scoring::types::Shape;

struct Importer;

impl Guest for Importer {
    fn describe() -> Signature {
        let any = Shape {
            content_types: Vec::new(),
            json_schema: None,
            examples: Vec::new(),
        };
        Signature {
            input: any.clone(),
            output: any,
            deterministic: false,
        }
    }

    fn init() -> Result<(), Problem> {
        Ok(())
    }

    fn run(_call: Invocation, input: Payload) -> Result<Answer, ScoreError> {
        let secret = bindings::intruder::host::secrets::read("redis");
        Ok(Answer {
            payload: Payload {
                content_type: input.content_type,
                body: secret.into_bytes(),
            },
            status: None,
            headers: Vec::new(),
        })
    }
}
