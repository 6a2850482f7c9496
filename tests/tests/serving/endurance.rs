//! Many requests in each isolation mode, with traps, panics and endless loops among them.
//!
//! Owns what must be true afterwards: every good answer was right, no instance is lost, and memory
//! has not grown. Must not know how instances are replaced.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Client;
use scorebox_tests::app::App;
use scorebox_tests::extent;
use scorebox_tests::host::Host;
use scorebox_tests::http;
use scorebox_tests::programs;
use serde_json::Value;

/// Number of requests of the short form of the test. They are enough to show a leak of one page of
/// memory in each tenth call.
const CALLS: u64 = 30_000;
/// Number of requests of the whole test.
const CALLS_IN_ALL: u64 = 100_000;
/// Number of callers at a time. There are more than instances, so that some wait.
const CALLERS: u64 = 8;
/// Interval of bad requests: in this many requests of a caller, one traps and one panics.
const BAD_EVERY: u64 = 97;
/// Number of requests that never end by themselves. They are sent one after another, at the same
/// time as the other requests.
const LOOPS: u64 = 10;
/// Number of requests before memory is first measured. Until then slots and buffers are used for
/// the first time.
const WARM_UP: u64 = 10_000;

/// Returns the resident memory (RSS) of a host, in KiB.
///
/// The PSS cannot be used. A host is charged half of its program's pages while another host runs,
/// and all of them when that host ends. So its PSS jumps with the state of its neighbours.
fn rss_kib(host: &Host) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", host.pid())).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .expect("the kernel tells the RSS");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

async fn post(client: &Client, url: &str, body: &'static str) -> (u16, Value) {
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .body(body);
    let answer = request.send().await.expect("the host answers");
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.expect("the answer is whole")).expect("JSON"),
    )
}

/// Sends requests from several callers at a time. `right` checks each good answer.
async fn call_many(url: &str, calls: u64, right: fn(&Value) -> bool) -> u64 {
    let good = AtomicU64::new(0);
    let caller = async || {
        let client = http::client();
        for index in 1..=calls / CALLERS {
            let deed = match index % BAD_EVERY {
                0 => r#"{"do": "trap"}"#,
                1 => r#"{"do": "panic"}"#,
                _ => r#"{"do": "count"}"#,
            };
            let (status, answer) = post(&client, url, deed).await;
            if index % BAD_EVERY < 2 {
                assert_eq!(
                    (status, answer["code"].as_str()),
                    (500, Some("trapped")),
                    "{answer}"
                );
            } else {
                assert!(status == 200 && right(&answer), "{status} {answer}");
                good.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    tokio::join!(
        caller(),
        caller(),
        caller(),
        caller(),
        caller(),
        caller(),
        caller(),
        caller()
    );
    good.into_inner()
}

#[track_caller]
fn endures(isolation: &str, right: fn(&Value) -> bool) {
    let app = App::with(
        programs::WAYWARD,
        &format!(
            "[limits]\ninstances = 4\ndeadline = \"1s\"\n[instances]\nisolation = \"{isolation}\"\n"
        ),
    );
    // Two thousand backtraces would not help anyone here, so they are not logged.
    let host = Host::start_with(
        &app,
        &[("SCOREBOX_LOG", "info,scorebox_host=off,scorer=off")],
    );
    let url = host.url("/score");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let calls = extent::of(CALLS, CALLS_IN_ALL);
    let (before, good) = runtime.block_on(async {
        let loops = async |count: u64| {
            let client = http::client();
            for _ in 0..count {
                let (status, answer) = post(&client, &url, r#"{"do": "loop"}"#).await;
                assert_eq!(
                    (status, answer["code"].as_str()),
                    (504, Some("timed-out")),
                    "{answer}"
                );
            }
        };
        let (good, ()) = tokio::join!(call_many(&url, WARM_UP, right), loops(3));
        let before = rss_kib(&host);
        let (more, ()) = tokio::join!(call_many(&url, calls - WARM_UP, right), loops(LOOPS));
        (before, good + more)
    });
    let after = rss_kib(&host);
    eprintln!(
        "{isolation}: {good} good calls, RSS {before} KiB after {WARM_UP} calls, {after} KiB after {calls}"
    );
    assert!(good > calls * 95 / 100, "{good}");
    assert!(
        after <= before + before / 8,
        "RSS grew from {before} KiB to {after} KiB"
    );
}

#[test]
fn warm_instances_endure() {
    endures("warm", |answer| {
        answer["count"].as_u64().is_some_and(|count| count > 0)
    });
}

#[test]
fn instances_of_one_call_endure() {
    endures("call", |answer| answer["count"] == 1);
}
