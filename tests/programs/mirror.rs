//! A scorer that answers with its own input: the payload, byte by byte, and the invocation, with
//! every attribute as a text.
//!
//! Owns nothing. Must not understand any payload, so that a test sees the bytes and not their
//! meaning.

use scorebox_guest::{Invocation, Json, Payload, Result, Scorer, Signature, export_scorer};
use serde_json::{Value, json};

struct Mirror;

impl Scorer for Mirror {
    type Input = Payload;
    type Output = Json<Value>;

    fn describe() -> Signature {
        Signature::any()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, call: &Invocation, input: Payload) -> Result<Json<Value>> {
        let attributes = call.attributes.iter();
        let texts = attributes.filter_map(|(name, value)| Some((name, value.to_text()?)));
        Ok(Json(json!({
            "body": input.body.as_slice(),
            "content_type": input.content_type,
            "source": call.source.to_string(),
            "attempt": call.attempt,
            "attributes": texts.collect::<Vec<_>>(),
        })))
    }
}

export_scorer!(Mirror);
