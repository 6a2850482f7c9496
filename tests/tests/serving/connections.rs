//! Connections that send nothing, too little or too late: their cost for other connections, and
//! their end.
//!
//! Owns the limits of silence and of the number of connections. Must not know how the host stops:
//! that is in `stops.rs`.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::connection::{Connection, allow_many, scoring};
use scorebox_tests::host::{Host, scorebox};
use scorebox_tests::programs;
use scorebox_tests::wait;
use serde_json::{Value, json};

/// Timeout that is shorter than the time after which any silent connection ends by itself, and
/// longer than anything else takes.
const SOON: Duration = Duration::from_secs(4);

fn count() -> Value {
    json!({"do": "count"})
}

fn host(limits: &str) -> Host {
    Host::start(&App::with(
        programs::WAYWARD,
        &format!("[limits]\n{limits}"),
    ))
}

/// Asserts that a caller on a new connection gets an answer soon.
#[track_caller]
fn answers_soon(host: &Host) {
    for path in ["/", "/readyz"] {
        let mut probe = Connection::open(&host.address).expect("it listens");
        probe.patience(SOON);
        assert_eq!(
            probe
                .get(path)
                .unwrap_or_else(|error| panic!("{path}: {error}"))
                .status,
            200
        );
    }
    let mut caller = Connection::open(&host.address).expect("it listens");
    caller.patience(SOON);
    caller
        .score(&count())
        .unwrap_or_else(|error| panic!("no answer: {error}"))
        .expect(200);
}

#[test]
fn silent_connections_keep_nobody_out() {
    allow_many();
    let host = host("");
    let mut proven = Connection::open(&host.address).unwrap();
    proven.score(&count()).unwrap().expect(200);
    let silent: Vec<_> = (0..1_100)
        .map(|_| Connection::open(&host.address).unwrap())
        .collect();
    for _ in 0..20 {
        answers_soon(&host);
    }
    // Connections that sent half a head or half a body must not block others either.
    let half = (0..1_100).map(|number| {
        let mut half = Connection::open(&host.address).unwrap();
        let request = scoring(&count());
        // The write fails if the host has already closed the connection.
        drop(half.write(
            &request[..if number % 2 == 0 {
                30
            } else {
                request.len() - 1
            }],
        ));
        half
    });
    let half: Vec<_> = half.collect();
    for _ in 0..20 {
        answers_soon(&host);
    }
    // The host logs this once for many connections.
    host.log.wait_for_message(
        "there is no room for more connections: those that were silent longest were closed",
    );
    drop((silent, half));
    answers_soon(&host);
}

#[test]
fn a_connection_without_a_first_byte_ends_before_one_that_waits_for_its_next_request() {
    let host = host("");
    let mut waits = Connection::open(&host.address).unwrap();
    waits.score(&count()).unwrap().expect(200);
    let start = Instant::now();
    let mut silent = Connection::open(&host.address).unwrap();
    silent.patience(Duration::from_secs(9));
    assert!(silent.ends().expect("it ends in time"));
    assert!(
        start.elapsed() > Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    waits.score(&count()).unwrap().expect(200);
}

#[test]
fn requests_are_answered_on_connections_that_waited_for_longer_than_ten_seconds() {
    let host = host("");
    let start = Instant::now();
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let mut connection = Connection::open(&host.address).unwrap();
            connection.score(&count()).unwrap().expect(200);
            connection
        })
        .collect();
    // The requests are sent around the ten seconds that were once the limit, and beyond them.
    let lost: Vec<_> = thread::scope(|scope| {
        let asking = waiting
            .into_iter()
            .enumerate()
            .map(|(number, mut connection)| {
                scope.spawn(move || {
                    let at = Duration::from_millis(9_900 + 70 * number as u64);
                    // The subject is the time for which a connection waits.
                    thread::sleep(at.saturating_sub(start.elapsed()));
                    connection.score(&count()).map(|answer| answer.status)
                })
            });
        let asking: Vec<_> = asking.collect();
        let answers = asking
            .into_iter()
            .map(|asks| asks.join().expect("it returns"));
        answers
            .filter(|answer| !matches!(answer, Ok(200)))
            .collect()
    });
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn the_time_between_two_requests_is_not_the_time_of_a_head() {
    let host = host("keep_alive = \"1s\"\n");
    let mut connection = Connection::open(&host.address).unwrap();
    connection.score(&count()).unwrap().expect(200);
    let request = scoring(&count());
    let (start, rest) = request.split_at(20);
    // The head begins in time, but takes longer than `keep_alive`. The subject is these two times.
    thread::sleep(Duration::from_millis(500));
    connection.write(start).unwrap();
    thread::sleep(Duration::from_millis(1_500));
    connection.write(rest).unwrap();
    connection.answer().unwrap().expect(200);
    let start = Instant::now();
    assert!(connection.ends().expect("it ends in order"));
    let waited = start.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(8)).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn a_head_that_does_not_end_ends_its_connection() {
    let host = host("");
    let mut connection = Connection::open(&host.address).unwrap();
    connection.score(&count()).unwrap().expect(200);
    let start = Instant::now();
    connection.patience(Duration::from_millis(400));
    // A byte now and then does not count as progress.
    let ended = wait::within(Duration::from_secs(20), || {
        let ended = connection.write(b"a").is_err()
            || !matches!(&connection.ends(), Err(error) if error.kind() == ErrorKind::WouldBlock);
        ended.then_some(())
    });
    assert!(ended.is_some(), "it is still open");
    assert!(
        start.elapsed() > Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn under_pressure_the_connection_that_waits_longest_goes_first_and_a_call_never() {
    let host = host("connections = 4\ninstances = 2\ndeadline = \"20s\"\n");
    let mut call = Connection::open(&host.address).unwrap();
    call.write(&scoring(&json!({"do": "sleep", "ms": 3_000, "idle": true})))
        .unwrap();
    let mut body = Connection::open(&host.address).unwrap();
    let request = scoring(&count());
    let (start, rest) = request.split_at(request.len() - 1);
    body.write(start).unwrap();
    let mut idle: Vec<_> = (0..2)
        .map(|_| {
            let mut idle = Connection::open(&host.address).unwrap();
            idle.score(&count()).unwrap().expect(200);
            // A caller reads the answer before the host knows that the connection is idle. After
            // this time it knows, and the two connections were not silent for the same time.
            thread::sleep(Duration::from_millis(200));
            idle
        })
        .collect();
    // A connection that was silent for less than this time counts as a request in progress.
    thread::sleep(Duration::from_millis(400));
    let mut kept = Vec::new();
    for victim in &mut idle {
        let mut new = Connection::open(&host.address).unwrap();
        new.score(&count()).unwrap().expect(200);
        victim.patience(SOON);
        assert!(victim.ends().expect("it is closed in order"));
        kept.push(new);
    }
    body.write(rest).unwrap();
    body.answer().unwrap().expect(200);
    call.answer().unwrap().expect(200);
}

#[test]
fn probes_are_answered_while_every_place_is_in_a_call() {
    let host = host("connections = 4\ninstances = 1\ndeadline = \"20s\"\n");
    let mut calls: Vec<_> = (0..4)
        .map(|_| {
            let mut call = Connection::open(&host.address).unwrap();
            call.write(&scoring(&json!({"do": "sleep", "ms": 1_000})))
                .unwrap();
            call
        })
        .collect();
    // A probe on another connection is answered with `connection: close`, because there is no place
    // for it.
    wait::until("every place to be in a call", || {
        let answer = Connection::open(&host.address)
            .unwrap()
            .get("/readyz")
            .expect("a probe is answered");
        (answer.header("connection") == Some("close")).then_some(())
    });
    let start = Instant::now();
    let refused = Connection::open(&host.address)
        .unwrap()
        .score(&count())
        .expect("it is refused");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(refused.header("connection"), Some("close"));
    refused.expect_error(503, "saturated", &["Try again later"]);
    for _ in 0..200 {
        for path in ["/", "/readyz", "/v2/health/ready"] {
            let mut probe = Connection::open(&host.address).unwrap();
            probe.patience(SOON);
            probe.get(path).expect("a probe is answered").expect(200);
        }
    }
    for call in &mut calls {
        call.answer().unwrap().expect(200);
    }
}

#[test]
fn unread_answers_keep_nobody_out_and_hold_little() {
    let host = host("connections = 8\nmemory = \"256MiB\"\n");
    let body = "x".repeat(7 << 20);
    let unread: Vec<_> = (0..16)
        .map(|_| {
            let mut connection = Connection::open(&host.address).unwrap();
            connection
                .write(&scoring(
                    &json!({"do": "wrong-type", "content_type": "text/plain", "body": body}),
                ))
                .unwrap();
            // Until then the request is computed, and connections in that state must not be closed.
            connection.answer_begins().unwrap();
            answers_soon(&host);
            connection
        })
        .collect();
    // Each answer has 7 MB. The host keeps the part that the sockets do not take, for at most eight
    // connections.
    assert!(
        host.resident_bytes() < 256 << 20,
        "{} MiB",
        host.resident_bytes() >> 20
    );
    drop(unread);
}

#[test]
fn a_peer_with_too_many_connections_loses_its_own() {
    let host = host("connections_per_peer = 2\n");
    let open = |peer: [u8; 4]| {
        let mut connection = Connection::open_from(IpAddr::from(peer), &host.address).unwrap();
        connection.score(&count()).unwrap().expect(200);
        connection.patience(SOON);
        connection
    };
    let mut other = open([127, 0, 0, 2]);
    let (mut first, mut second, mut third) = (
        open([127, 0, 0, 3]),
        open([127, 0, 0, 3]),
        open([127, 0, 0, 3]),
    );
    assert!(first.ends().expect("it is closed in order"));
    for connection in [&mut other, &mut second, &mut third] {
        connection.score(&count()).unwrap().expect(200);
    }
}

#[test]
fn a_host_with_few_file_descriptors_goes_on_accepting() {
    let app = App::of(programs::WAYWARD);
    let mut serve = scorebox("serve", &app);
    serve.args(["--port", "0"]);
    // The soft and the hard limit are set, so that the host cannot raise them.
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .env_clear()
        .args(["-c", "ulimit -n 250 && exec \"$@\"", "sh"])
        .arg(serve.get_program())
        .args(serve.get_args());
    let host = Host::spawn(shell);
    host.log.wait_for_message("ready");
    let silent: Vec<_> = (0..400)
        .map(|_| Connection::open(&host.address).unwrap())
        .collect();
    for _ in 0..10 {
        answers_soon(&host);
    }
    drop(silent);
}

#[test]
fn an_answer_that_comes_before_the_end_of_its_body_is_read() {
    let host = host("body = \"1KiB\"\n");
    for _ in 0..10 {
        let mut connection = Connection::open(&host.address).unwrap();
        // There is no such route, so the host does not read the body.
        let length = 4 << 20;
        connection
            .write(
                format!("POST /none HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")
                    .as_bytes(),
            )
            .unwrap();
        connection
            .write(&vec![b'x'; length])
            .expect("all of it is taken");
        connection.answer().expect("the answer arrives").expect(404);
    }
}
