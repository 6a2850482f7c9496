//! The smallest scorer: it returns its input, of any media type.

use scorebox_guest::{Invocation, Payload, Result, Scorer, Signature, export_scorer};

struct Echo;

impl Scorer for Echo {
    type Input = Payload;
    type Output = Payload;

    fn describe() -> Signature {
        Signature::any().deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, input: Payload) -> Result<Payload> {
        Ok(input)
    }
}

export_scorer!(Echo);
