//! HTTP/2 with prior knowledge: the same answers as over HTTP/1.1, and the same limits of silence.
//!
//! Owns connections that begin with the preface of HTTP/2. Must not know how the host stops under load:
//! that is in `stops.rs`.

mod floods;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::connection::Connection;
use scorebox_tests::digits::{self, sample};
use scorebox_tests::extent;
use scorebox_tests::host::Host;
use scorebox_tests::http2::{
    ACK, END_HEADERS, END_STREAM, Http2, PREFACE, frame, kind, request, scoring,
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
    // The peer does not confirm the end.
    let mut deaf = open(&host);
    deaf.leave_pings();
    deaf.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(deaf.status(1), 200);
    assert_eq!(within(&mut deaf, second / 2, 8 * second), Some(0));
    if extent::is_whole() {
        // A header that does not end, and a preface without a frame, have ten seconds.
        let mut preface = Http2::silent(&host.address).unwrap();
        preface.write(PREFACE).unwrap();
        within(&mut open_header(&host), 5 * second, 14 * second);
        within(&mut preface, Duration::ZERO, 5 * second);
    }
    is_well(&host);
}

/// Opens a connection, and sends a header that does not end.
fn open_header(host: &Host) -> Http2 {
    let mut header = open(host);
    header
        .write(&frame(kind::HEADERS, END_STREAM, 1, &[0x82, 0x86]))
        .unwrap();
    header
}

#[test]
fn under_pressure_a_connection_that_waits_for_its_peer_goes_first() {
    let host = Host::start(&App::example("echo", "[limits]\nconnections = 1\n"));
    let open_idle = || {
        let mut idle = open(&host);
        idle.write(&scoring(1, "\"a\"")).unwrap();
        assert_eq!(idle.status(1), 200);
        idle
    };
    let open_unread = || {
        let mut unread = Http2::open(&host.address, NO_WINDOW).unwrap();
        unread.write(&scoring(1, "\"never read\"")).unwrap();
        assert_eq!(unread.status(1), 200);
        unread
    };
    let open_preface = || {
        let mut preface = Http2::silent(&host.address).unwrap();
        preface.write(PREFACE).unwrap();
        preface
    };
    let ways: [(&str, &dyn Fn() -> Http2); 4] = [
        ("idle", &open_idle),
        ("unread", &open_unread),
        ("header", &|| open_header(&host)),
        ("preface", &open_preface),
    ];
    for (name, open) in ways {
        let mut waits = open();
        waits.leave_pings();
        waits.patience(Duration::from_secs(4));
        // After this time the host knows for what the connection waits.
        thread::sleep(Duration::from_millis(400));
        let mut other = Connection::open(&host.address).unwrap();
        other.score(&json!("a")).unwrap().expect(200);
        let code = waits.end();
        assert!(matches!(code, None | Some(0)), "{name}: {code:?}");
        drop(other);
        // The place of the other connection must be free.
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_request_that_crosses_the_end_of_its_connection_is_answered() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\nkeep_alive = \"1s\"\n",
    ));
    let mut crossing = open(&host);
    crossing.leave_pings();
    crossing.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(crossing.status(1), 200);
    // First the host takes any stream, until the client confirms that it knows of the end.
    let goodbye = crossing.expect(kind::GOAWAY);
    assert_eq!(goodbye.payload, [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    let ping = crossing.expect(kind::PING);
    crossing.write(&scoring(3, COUNT)).unwrap();
    assert_eq!(crossing.status(3), 200);
    crossing
        .write(&frame(kind::PING, ACK, 0, &ping.payload))
        .unwrap();
    let goodbye = crossing.expect(kind::GOAWAY);
    assert_eq!(goodbye.payload, [0, 0, 0, 3, 0, 0, 0, 0]);
    assert_eq!(crossing.end(), Some(0));
}

#[test]
fn a_stop_answers_what_arrived_and_says_goodbye() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\nlame_duck = \"4s\"\ndeadline = \"20s\"\n",
    ));
    let mut idle = open(&host);
    idle.write(&scoring(1, COUNT)).unwrap();
    assert_eq!(idle.status(1), 200);
    let mut busy = open(&host);
    busy.write(&scoring(1, r#"{"do": "sleep", "ms": 7000, "idle": true}"#))
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
    // The end of an idle connection does not lose a request that is on its way.
    assert_eq!(
        idle.expect(kind::GOAWAY).payload[..4],
        [0x7F, 0xFF, 0xFF, 0xFF]
    );
    idle.write(&scoring(3, COUNT)).unwrap();
    assert_eq!(idle.status(3), 200);
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
    // The host is not a proxy: a CONNECT finds nothing.
    let header = b"\x02\x07CONNECT\x01\x01x";
    connection
        .write(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 5, header))
        .unwrap();
    assert_ne!(connection.status(5), 200);
    is_well(&host);
}
