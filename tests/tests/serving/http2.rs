//! HTTP/2 with prior knowledge: the same answers as over HTTP/1.1, the same limits of silence, and
//! floods that end.
//!
//! Owns connections that begin with the preface of HTTP/2. Must not know how the host stops under load:
//! that is in `stops.rs`.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::connection::Connection;
use scorebox_tests::digits::{self, sample};
use scorebox_tests::host::Host;
use scorebox_tests::http2::{
    END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Http2, PREFACE, frame, kind, request, scoring,
};
use scorebox_tests::shared::Shared;
use scorebox_tests::{place, programs, require, run};
use serde_json::{Value, json};

static HOST: Shared<Host> = Shared::new();

const COUNT: &str = r#"{"do": "count"}"#;
/// Setting that keeps the peer from sending any byte of a body: a window of 0.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

fn start() -> Host {
    Host::start(&App::of(programs::WAYWARD))
}

fn open(host: &Host) -> Http2 {
    Http2::open(&host.address, &[]).unwrap()
}

/// Asserts that the host answers a caller over each protocol.
#[track_caller]
fn is_well(host: &Host) {
    let mut connection = Connection::open(&host.address).unwrap();
    connection
        .score(&json!({"do": "count"}))
        .unwrap()
        .expect(200);
    let mut connection = open(host);
    connection.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(connection.status(1), 200);
}

#[test]
fn curl_gets_the_same_answer_over_each_protocol() {
    require!("curl");
    let host = Host::start(&place::example("digits"));
    let digits = &sample()[..150];
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, digits::request(digits).to_string()).unwrap();
    let curl = |arguments: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--write-out", "\n%{http_version} %{http_code}"])
            .args(arguments)
            .arg(host.url(path));
        let text = run::finish(&mut curl, b"").stdout;
        let (text, end) = text.rsplit_once('\n').unwrap();
        (text.to_owned(), end.to_owned())
    };
    let data = format!("@{}", body.display());
    let json = "content-type: application/json";
    for (protocol, version) in [
        ("--http2-prior-knowledge", "2"),
        ("--http2", "1.1"),
        ("--http1.1", "1.1"),
    ] {
        let (answer, end) = curl(&[protocol, "-H", json, "--data-binary", &data], "/score");
        assert_eq!(end, format!("{version} 200"), "{protocol}");
        digits::check(digits, &serde_json::from_str::<Value>(&answer).unwrap());
        // A body that nobody reads.
        let (answer, end) = curl(&[protocol, "--data-binary", &data], "/nothing");
        assert_eq!(end, format!("{version} 404"), "{protocol}");
        assert!(answer.contains("not-found"), "{answer}");
    }
}

#[test]
fn requests_of_one_connection_are_answered_at_the_same_time() {
    let host = HOST.get(start);
    let mut connection = open(&host);
    connection
        .write(&scoring(1, r#"{"do": "sleep", "ms": 700, "idle": true}"#))
        .unwrap();
    connection.write(&scoring(3, COUNT)).unwrap();
    // The header of the later request arrives first.
    assert_eq!(connection.expect(kind::HEADERS).stream, 3);
    assert_eq!(connection.status(1), 200);
    connection
        .write(&request(5, "GET", "/nothing", false))
        .unwrap();
    assert_eq!(connection.status(5), 404);
    connection
        .write(&request(7, "GET", "/readyz", false))
        .unwrap();
    assert_eq!(connection.status(7), 200);
}

#[test]
fn the_preface_is_known_however_it_is_cut() {
    let host = HOST.get(start);
    for cut in [1, 3, 23] {
        let mut connection = Http2::silent(&host.address).unwrap();
        for piece in PREFACE.chunks(cut) {
            connection.write(piece).unwrap();
            // The pieces must arrive one by one.
            thread::sleep(Duration::from_millis(5));
        }
        connection.write(&frame(kind::SETTINGS, 0, 0, &[])).unwrap();
        connection
            .write(&request(1, "GET", "/readyz", false))
            .unwrap();
        assert_eq!(connection.status(1), 200, "{cut}");
    }
    // Other methods begin with the same letters.
    let mut connection = Connection::open(&host.address).unwrap();
    connection.write(b"PR").unwrap();
    thread::sleep(Duration::from_millis(50));
    connection
        .write(b"OPFIND / HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    connection.answer().unwrap().expect(405);
}

#[test]
fn silence_ends_as_over_http_1() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\nkeep_alive = \"1s\"\n",
    ));
    let within = |connection: &mut Http2, least: Duration, most: Duration| {
        let start = Instant::now();
        connection.patience(most);
        let code = connection.end();
        assert!(start.elapsed() >= least, "{:?}", start.elapsed());
        code
    };
    let second = Duration::from_secs(1);
    // A connection between two requests learns of its end.
    let mut idle = open(&host);
    idle.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(idle.status(1), 200);
    assert_eq!(within(&mut idle, second / 2, 4 * second), Some(0));
    // Pings do not keep it.
    let mut pings = open(&host);
    pings.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(pings.status(1), 200);
    let start = Instant::now();
    while pings.write(&frame(kind::PING, 0, 0, &[0; 8])).is_ok() {
        assert!(start.elapsed() < 5 * second);
        thread::sleep(Duration::from_millis(100));
    }
    // A header that does not end, and a preface without a frame, have ten seconds.
    let mut header = open(&host);
    header
        .write(&frame(kind::HEADERS, END_STREAM, 1, &[0x82, 0x86]))
        .unwrap();
    let mut preface = Http2::silent(&host.address).unwrap();
    preface.write(PREFACE).unwrap();
    within(&mut header, 5 * second, 14 * second);
    within(&mut preface, Duration::ZERO, 5 * second);
    is_well(&host);
}

#[test]
fn floods_end_with_a_request_to_calm_down() {
    let host = HOST.get(start);
    let many = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        frame(kind, flags, stream, payload).repeat(5000)
    };
    let settings: Vec<u8> = [0, 3, 0, 0, 0, 100].repeat(2700);
    let resets = (0..5000).flat_map(|number| {
        let stream = 2 * number + 1;
        let reset = frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        [request(stream, "POST", "/score", true), reset].concat()
    });
    let floods: [(&str, Vec<u8>); 7] = [
        ("settings", many(kind::SETTINGS, 0, 0, &[])),
        (
            "large settings",
            frame(kind::SETTINGS, 0, 0, &settings).repeat(50),
        ),
        ("pings", many(kind::PING, 0, 0, &[0; 8])),
        ("resets", resets.collect()),
        (
            "continuations",
            [
                frame(kind::HEADERS, END_STREAM, 1, &[0x82, 0x86, 0x84]),
                many(kind::CONTINUATION, 0, 1, b"\0\x01a\x01b"),
            ]
            .concat(),
        ),
        (
            "empty data",
            [
                request(1, "POST", "/score", true),
                many(kind::DATA, 0, 1, &[]),
            ]
            .concat(),
        ),
        (
            "window updates",
            many(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ),
    ];
    for (name, flood) in floods {
        let mut connection = open(&host);
        // The host may close the connection before it has everything.
        drop(connection.write(&flood));
        let code = connection.end();
        assert!(
            matches!(code, None | Some(ENHANCE_YOUR_CALM)),
            "{name}: {code:?}"
        );
    }
    // A client reads the reason if it does not send on.
    let mut connection = open(&host);
    connection
        .write(&frame(kind::PING, 0, 0, &[0; 8]).repeat(600))
        .unwrap();
    assert_eq!(connection.end(), Some(ENHANCE_YOUR_CALM));
    is_well(&host);
}

#[test]
fn a_client_may_cancel_and_open_too_many_streams() {
    let host = HOST.get(start);
    let mut connection = open(&host);
    for number in 0..50 {
        let stream = 2 * number + 1;
        connection.write(&scoring(stream, COUNT)).unwrap();
        connection
            .write(&frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]))
            .unwrap();
    }
    // Requests beyond the stated number are refused, and may be sent again.
    for number in 100..220 {
        connection
            .write(&request(2 * number + 1, "POST", "/score", true))
            .unwrap();
    }
    let refused = connection.expect(kind::RST_STREAM);
    assert_eq!(refused.payload, [0, 0, 0, 7]);
    is_well(&host);
}

#[test]
fn a_response_that_nobody_reads_ends_its_connection() {
    let host = Host::start(&App::example("echo", ""));
    let mut connection = Http2::open(&host.address, NO_WINDOW).unwrap();
    connection.write(&scoring(1, "never read")).unwrap();
    assert_eq!(connection.status(1), 200);
    let start = Instant::now();
    connection.patience(Duration::from_secs(40));
    connection.end();
    assert!(
        start.elapsed() > Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_stop_answers_what_arrived_and_says_goodbye() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\nlame_duck = \"1s\"\n",
    ));
    let mut idle = open(&host);
    idle.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(idle.status(1), 200);
    let mut busy = open(&host);
    busy.write(&scoring(1, r#"{"do": "sleep", "ms": 2500, "idle": true}"#))
        .unwrap();
    // The request must have arrived before the stop begins.
    thread::sleep(Duration::from_millis(300));
    host.terminate();
    host.log.wait_for_message("stopping");
    // In the lame-duck phase, a response comes with the end of its connection.
    let mut late = open(&host);
    late.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(late.status(1), 200);
    assert_eq!(late.end(), Some(0));
    assert_eq!(busy.status(1), 200);
    assert_eq!((idle.end(), busy.end()), (Some(0), Some(0)));
    assert!(host.wait_for_exit().success());
}

#[test]
fn broken_messages_are_refused_without_a_call() {
    let host = HOST.get(start);
    // A transfer coding is malformed in HTTP/2: the library ends the stream.
    let mut connection = open(&host);
    let header = [
        &[0x83, 0x86, 0x04, 0x06][..],
        b"/score\x01\x01x\x00\x11transfer-encoding\x07chunked",
    ]
    .concat();
    connection
        .write(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &header))
        .unwrap();
    assert_eq!(connection.expect(kind::RST_STREAM).stream, 1);
    // Two `host` headers are refused as over HTTP/1.1.
    let header = [
        &[0x82, 0x86, 0x84][..],
        b"\x00\x04host\x01a\x00\x04host\x01b",
    ]
    .concat();
    connection
        .write(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 3, &header))
        .unwrap();
    assert_eq!(connection.status(3), 400);
    is_well(&host);
}
