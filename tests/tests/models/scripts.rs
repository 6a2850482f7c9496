//! Scripts in Python: `score.py` and its pickle in the sandbox answer as natively, within limits.
//!
//! Owns what the tests of one script share. The parts compare models, integers and stores with
//! native Python, and try limits and ways out of the sandbox. The image of a script is tested in the
//! area `packager`.

mod agreement;
mod attempts;
mod integers;
mod limits;
mod pack;
mod stores;
mod world;

use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use serde_json::{Value, json};

/// Settings for apps that many calls try to hurt: a short deadline, a small memory, and one
/// instance, so that each call shows what the call before left.
const TIGHT: &str = "[limits]\ndeadline = \"2s\"\nmemory = \"192MiB\"\ninstances = 1\n";

/// Calls a script that does what the key `do` says.
#[track_caller]
fn ask(host: &Host, name: &str) -> Answer {
    host.score(&json!({ "do": name }))
}

/// Calls a script, and returns the answer, which must be a success.
#[track_caller]
fn answer(host: &Host, body: &Value) -> Value {
    host.score(body).expect(200).json()
}
