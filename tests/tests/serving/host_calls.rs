//! Host functions that are called with millions of items or bytes: refused at once, with the limit,
//! at little cost.
//!
//! Owns the limits of a single host function. Must not know the limits of commands to a Redis
//! server: those are in the area `redis`, in `bounds.rs`.

use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::json;

static FLOODER: Shared<Host> = Shared::new();

/// Settings with enough memory for the data that the scorer builds itself.
const MANIFEST: &str = "[stores.default]\ncommands = [\"@all\"]\n[limits]\ndeadline = \"60s\"\nmemory = \"1GiB\"\n\
                        instances = 1\n";

fn flooder() -> Host {
    Host::start(&App::with(programs::FLOODER, MANIFEST))
}

/// Returns the error text of a deed, or an empty text.
#[track_caller]
fn told(deed: &str, count: usize) -> String {
    let host = FLOODER.get(flooder);
    let answer = host
        .score(&json!({"do": deed, "count": count}))
        .expect(200)
        .json();
    answer["error"].as_str().unwrap_or_default().to_owned()
}

/// Asserts that a deed ends the instance, and that the next request gets another instance.
#[track_caller]
fn traps(deed: &str, count: usize, part: &str) {
    let host = FLOODER.get(flooder);
    let answer = host
        .score(&json!({"do": deed, "count": count}))
        .expect_error(500, "trapped", &["id"]);
    host.log.wait_for_detail(&answer, part);
    assert_eq!(told("get-many", 1), "");
}

#[test]
fn a_batch_of_too_many_keys_is_refused_by_the_interface_s_own_error() {
    for deed in ["get-many", "set-many", "set-many-for", "delete-many"] {
        assert_eq!(told(deed, 4096), "", "{deed}");
        for count in [4097, 1_000_000] {
            let text = told(deed, count);
            assert!(
                text.contains("at most 4096 items") && text.contains(&count.to_string()),
                "{deed}: {text}"
            );
        }
    }
}

#[test]
fn five_million_keys_take_neither_the_host_s_memory_nor_its_time() {
    let host = flooder();
    let flood = || host.score(&json!({"do": "delete-many", "count": 5_000_000}));
    let text = flood().expect(200).text();
    assert!(text.contains("at most 4096 items"), "{text}");
    // The scorer's own list is in its memory by now, so any growth in the second request is the
    // host's.
    let before = peak_bytes(host.pid());
    let start = Instant::now();
    flood().expect(200);
    let grown = peak_bytes(host.pid()) - before;
    assert!(grown < 100 << 20, "{grown} bytes");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_long_key_is_refused_with_the_bound() {
    assert_eq!(told("key", 65_536), "");
    let text = told("key", 65_537);
    assert!(text.contains("a key has at most 65536 bytes"), "{text}");
}

#[test]
fn random_bytes_come_in_portions_that_hold_no_thread() {
    for deed in ["random", "insecure"] {
        assert_eq!(told(deed, 65_536), "", "{deed}");
        traps(deed, 65_537, "exceeds limit 65536");
        traps(deed, 64 << 20, "exceeds limit 65536");
    }
}

#[test]
fn a_poll_of_millions_of_handles_is_counted_before_one_is_looked_at() {
    assert_eq!(told("poll", 10_000), "");
    traps("poll", 10_001, "poll takes at most 10000 handles");
    traps("poll", 3_000_000, "poll takes at most 10000 handles");
}

#[test]
fn commands_and_arguments_are_counted_before_they_are_copied() {
    let text = told("pipeline", 1_000_000);
    assert!(text.contains("4096 commands at most"), "{text}");
    let text = told("arguments", 1_000_000);
    assert!(text.contains("131072 arguments at most"), "{text}");
}

#[test]
fn attributes_of_a_measurement_are_cut_and_the_call_goes_on() {
    assert_eq!(told("attributes", 1_000_000), "");
}

#[test]
fn arguments_of_more_than_128_mib_end_the_scorer_with_the_reason() {
    traps(
        "set-many",
        5_000_000,
        "134217728 bytes to one host function",
    );
}

/// Returns the peak memory of a process, in bytes.
fn peak_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the kernel says so");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        * 1024
}
