//! A scorer whose `describe` asks for its model, which the contract forbids.
//!
//! Owns that one mistake, which an author could make.

use scorebox_guest::{Invocation, Payload, Result, Scorer, Signature, export_scorer, model};

struct Impure;

impl Scorer for Impure {
    type Input = Payload;
    type Output = Payload;

    fn describe() -> Signature {
        let schema = format!(r#"{{"title": "Input of {}"}}"#, model::info().name);
        Signature::json().input_schema(schema)
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, input: Payload) -> Result<Payload> {
        Ok(input)
    }
}

export_scorer!(Impure);
