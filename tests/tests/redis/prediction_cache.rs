//! The prediction cache: a repeated request costs one round trip and no scorer run, and a failing
//! store costs nothing.
//!
//! Owns what callers, other instances and the store see of the cache: the settings, and the checks
//! of an answer that its parts share. Must not know how an entry is built.

mod forgery;
mod keys;
mod memory;
mod sharing;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::programs;
use scorebox_tests::redis::Redis;
use scorebox_tests::wait;
use serde_json::json;

const STORE: &str = "[stores.default]\nprefix = \"p\"\n";

/// Settings without memory next to the store, so that each answer shows what the store holds.
///
/// The timeout is longer than the default, because a busy machine may be slow.
const FAR: &str = "[stores.default]\nprefix = \"p\"\n[prediction_cache]\nmemory = \"0\"\nttl = \"1h\"\ntimeout = \"5s\"\n";

fn app(manifest: &str) -> App {
    App::with(programs::REPEATER, manifest)
}

/// Returns how often the scorer has run.
fn runs(host: &Host) -> usize {
    host.log
        .text()
        .lines()
        .filter(|line| line.contains("ran for "))
        .count()
}

/// Waits until the scorer has run this often. The log is read a little after it is written.
#[track_caller]
fn have_run(hosts: &[&Host], times: usize) {
    let total = || hosts.iter().map(|host| runs(host)).sum::<usize>();
    let ran = wait::within(wait::LIMIT, || (total() >= times).then_some(()));
    assert!(
        ran.is_some() && total() == times,
        "{} runs instead of {times}",
        total()
    );
}

#[track_caller]
fn check(answer: &Answer, squared: i64, status: &str) {
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "squared": squared })),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("cache-status"), Some(status));
}

const HIT: &str = "scorebox; hit";
const MISS: &str = "scorebox; fwd=miss";

/// Waits for this number of entries and returns their keys. Entries are written after the caller
/// has its answer.
fn entries(redis: &Redis, count: usize) -> Vec<String> {
    wait::until("the entries to be written", || {
        let keys: Vec<String> = redis.command(&["KEYS", "p//predictions:*"]);
        (keys.len() == count).then_some(keys)
    })
}
