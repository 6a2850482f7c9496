//! A scorer whose `describe` reads clocks, random numbers and the environment, as an interpreter does
//! when it starts.
//!
//! Owns a signature that shows what `describe` read, and an answer that shows what `run` reads.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use scorebox_guest::{
    Error, IntoPayload, Invocation, Json, Payload, Result, Scorer, Signature, export_scorer,
};
use serde_json::{Value, json};

struct Timekeeper;

impl Scorer for Timekeeper {
    type Input = Payload;
    type Output = Payload;

    fn describe() -> Signature {
        Signature::json().input_schema(json!({ "title": read().to_string() }).to_string())
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, _input: Payload) -> Result<Payload> {
        Json(read())
            .into_payload()
            .map_err(|error| Error::failed("no-json", error.to_string()))
    }
}

export_scorer!(Timekeeper);

/// Returns what a guest can see of the time, of random numbers and of its surroundings.
fn read() -> Value {
    let started = Instant::now();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    // The order of a map of the standard library depends on random numbers.
    let order: Vec<u8> = HashMap::<u8, ()>::from_iter((0..32).map(|key| (key, ())))
        .into_keys()
        .collect();
    json!({
        "seconds": since_1970.map(|time| time.as_secs()).unwrap_or_default(),
        "elapsed_ns": u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        "order": order,
        "variables": std::env::vars().count(),
    })
}
