//! Stops of the host under load: which requests are answered, and when the process ends.
//!
//! Owns the lame-duck phase and the drain. Must not know requests that run for long: those are in
//! `lifecycle.rs`.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use scorebox_tests::app::App;
use scorebox_tests::connection::{Connection, scoring};
use scorebox_tests::extent;
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use scorebox_tests::{redis::free_port, wait};
use serde_json::json;

const CLIENTS: u64 = 50;
/// Number of stops in the short form of the test.
const STOPS: usize = 5;
/// Number of stops of the whole test.
const STOPS_IN_ALL: usize = 20;

/// Numbers of results for the requests of all clients.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    /// Number of answers that announced the end of the connection.
    last: AtomicU64,
    /// Number of requests without an answer on a connection that had been accepted.
    lost: AtomicU64,
}

/// Sends requests on one connection, and on a new one if the host closes it, until the host no
/// longer listens.
fn call_until_the_end(host: &Host, number: u64, tally: &Tally) {
    let request = scoring(&json!({"do": "count"}));
    let mut pause = number;
    while let Ok(mut connection) = Connection::open(&host.address) {
        loop {
            // Some clients send at once, others after a pause, so that a stop finds connections in
            // every state.
            pause = (pause * 31 + 7) % 61;
            thread::sleep(Duration::from_millis(pause / 2));
            let answer = connection
                .write(&request)
                .and_then(|()| connection.answer());
            match answer {
                Ok(answer) => {
                    let is_last = answer.header("connection") == Some("close");
                    answer.expect(200);
                    tally.answered.fetch_add(1, Ordering::Relaxed);
                    if is_last {
                        tally.last.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                }
                Err(_) => {
                    tally.lost.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
}

fn stop_under_load(manifest: &str, variables: &[(&str, &str)]) -> Tally {
    let app = App::with(programs::WAYWARD, manifest);
    let host = Host::start_with(&app, variables);
    let tally = Tally::default();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn({
                let (host, tally) = (&host, &tally);
                move || call_until_the_end(host, number, tally)
            });
        }
        wait::until("load", || {
            (tally.answered.load(Ordering::Relaxed) > 10 * CLIENTS).then_some(())
        });
        host.terminate();
        let code = host.wait_for_exit().code();
        let expected = if variables.is_empty() { 0 } else { 200 };
        assert_eq!(code, Some(expected), "{}", host.log.text());
    });
    assert!(!host.log.text().contains("cut off"), "{}", host.log.text());
    tally
}

#[test]
fn stops_lose_no_request_of_fifty_clients() {
    for _ in 0..extent::of(STOPS, STOPS_IN_ALL) {
        let tally = stop_under_load("[limits]\nlame_duck = \"300ms\"\n", &[]);
        assert_eq!(
            tally.lost.into_inner(),
            0,
            "of {} requests",
            tally.answered.into_inner()
        );
        assert!(
            tally.last.into_inner() >= CLIENTS,
            "every client was told that its connection ends"
        );
    }
}

#[test]
fn a_stop_under_the_functions_host_loses_no_request() {
    let port = free_port().to_string();
    let variables = [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port.as_str()),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", "w"),
    ];
    for _ in 0..3 {
        let start = Instant::now();
        let tally = stop_under_load("", &variables);
        assert_eq!(
            tally.lost.into_inner(),
            0,
            "of {} requests",
            tally.answered.into_inner()
        );
        assert!(start.elapsed() < wait::LIMIT / 2, "{:?}", start.elapsed());
    }
}

#[test]
fn load_balancers_are_told_first_and_calls_are_answered_meanwhile() {
    let app = App::with(programs::WAYWARD, "[limits]\nlame_duck = \"5s\"\n");
    let host = Host::start(&app);
    let mut kept = Connection::open(&host.address).unwrap();
    kept.score(&json!({"do": "count"})).unwrap().expect(200);
    // This connection sends nothing during the whole phase.
    let mut idle = Connection::open(&host.address).unwrap();
    idle.get("/").unwrap().expect(200);
    let start = Instant::now();
    host.terminate();
    wait::until("readiness to end", || {
        (host.get("/readyz").status == 503).then_some(())
    });
    assert_eq!(host.get("/v2/health/ready").status, 503);
    host.get("/").expect(200);
    let answer = kept.score(&json!({"do": "count"})).unwrap().expect(200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(kept.ends().expect("it ends in order"));
    let mut new = Connection::open(&host.address).expect("it still listens");
    new.score(&json!({"do": "count"})).unwrap().expect(200);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "all of this was meant to happen within the phase"
    );
    assert!(idle.ends().expect("it ends in order"));
    assert!(
        start.elapsed() >= Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(host.wait_for_exit().code(), Some(0), "{}", host.log.text());
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let app = App::with(
        programs::WAYWARD,
        "[limits]\nlame_duck = \"50s\"\ndrain = \"50s\"\ndeadline = \"55s\"\n",
    );
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::TERM, Signal::INT),
        (Signal::INT, Signal::TERM),
    ] {
        let host = Host::start(&app);
        let mut call = Connection::open(&host.address).unwrap();
        call.write(&scoring(
            &json!({"do": "sleep", "ms": 50_000, "idle": true}),
        ))
        .unwrap();
        let pid = Pid::from_raw(host.pid()).expect("a process id");
        kill_process(pid, first).expect("the host runs");
        host.log.wait_for_message("stopping");
        let start = Instant::now();
        kill_process(pid, second).expect("the host runs");
        assert_eq!(host.wait_for_exit().code(), Some(0), "{}", host.log.text());
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
        let lost = call.answer().expect_err("the call was cut off");
        assert!(
            matches!(
                lost.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
            ),
            "{lost}"
        );
    }
}
