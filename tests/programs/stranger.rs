//! A component that is not a scorer.
//!
//! Owns an export that no host asks for.

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package stranger:elsewhere@0.1.0;

            interface greeting {
                greet: func(name: string) -> string;
            }

            world stranger {
                export greeting;
            }
        ",
    });

    #[cfg(target_arch = "wasm32")]
    use super::Stranger;
    #[cfg(target_arch = "wasm32")]
    export!(Stranger with_types_in self);
}

use bindings::exports::stranger::elsewhere::greeting::Guest;

struct Stranger;

impl Guest for Stranger {
    fn greet(name: String) -> String {
        format!("hello, {name}")
    }
}
