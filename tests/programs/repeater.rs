//! A deterministic scorer that logs each run: `{"number": 3, "ms": 50}` gives `{"squared": 9}`.
//!
//! Owns the log line by which a test counts runs, and the time that each run takes.

use std::thread;
use std::time::Duration;

use scorebox_guest::{Error, Invocation, Json, Result, Scorer, Signature, export_scorer, log};
use serde::Deserialize;
use serde_json::{Value, json};

struct Repeater;

#[derive(Deserialize)]
struct Request {
    number: i64,
    #[serde(default)]
    ms: u64,
}

impl Scorer for Repeater {
    type Input = Json<Request>;
    type Output = Json<Value>;

    fn describe() -> Signature {
        Signature::json().deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(Request { number, ms }): Json<Request>,
    ) -> Result<Json<Value>> {
        log::info!("ran for {number}");
        thread::sleep(Duration::from_millis(ms));
        if number < 0 {
            return Err(Error::rejected("negative", "the number is negative"));
        }
        Ok(Json(json!({ "squared": number * number })))
    }
}

export_scorer!(Repeater);
