//! Raw commands through a scorer, on one real server: the replies, the refusals, and the data that
//! is out of reach.
//!
//! Owns the behaviour that a scorer sees, and the calls that the parts share. Must not know the
//! positions of keys, which the table has, nor clusters, which have a file of their own.

mod denials;
mod faults;
mod isolation;
mod replies;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use scorebox_tests::redis::Redis;
use serde_json::{Value, json};

const ALL: &str =
    "[stores.default]\nprefix = \"p\"\ncommands = [\"@all\"]\n[limits]\ndeadline = \"30s\"\n";

fn host(redis: &Redis, manifest: &str) -> Host {
    Host::start_with(
        &App::with(programs::COMMANDS, manifest),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    )
}

#[track_caller]
fn ask(host: &Host, ask: Value) -> Value {
    host.score(&json!({ "ask": ask })).expect(200).json()
}

/// Executes one command, given as words.
#[track_caller]
fn execute(host: &Host, words: &str) -> Value {
    let words: Vec<&str> = words.split(' ').collect();
    ask(host, json!([{ "execute": words }]))[0].clone()
}

fn words(lines: &[&str]) -> Value {
    lines
        .iter()
        .map(|line| json!(line.split(' ').collect::<Vec<_>>()))
        .collect()
}
