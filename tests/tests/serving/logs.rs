//! The log as its readers get it: whole lines of bounded length, and no reader can stop the host.
//!
//! Owns the limits of one request's lines. Must not know the texts of responses: those are in
//! `echoes.rs`.

mod forgery;
mod unread;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use scorebox_tests::app::App;
use scorebox_tests::extent;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{function_app, messages, park, requests};
use scorebox_tests::functions::values::{base64, envelope, request, wrapped};
use scorebox_tests::host::scorebox;
use scorebox_tests::http::{self, Body};
use scorebox_tests::programs;
use serde_json::{Value, json};

/// Largest size of the lines of one request, in bytes: the limit, and the lines that the host adds.
const CALL_BYTES: usize = (1 << 20) + (16 << 10);

fn talk(way: &str, times: u32, text: &str, length: usize) -> Value {
    json!({"way": way, "times": times, "text": text, "length": length})
}

/// Returns the log of a host after these requests, in this format. Each request is waited for.
fn logged(format: &str, calls: &[Value]) -> String {
    let app = App::with(programs::TALKER, "[limits]\nlame_duck = \"0\"\n");
    let mut command = scorebox("serve", &app);
    command
        .args(["--port", "0"])
        .env("SCOREBOX_LOG_FORMAT", format);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut address = String::new();
    loop {
        let mut line = String::new();
        assert!(
            stdout.read_line(&mut line).expect("lines are text") > 0,
            "it ended"
        );
        if let Some((_, rest)) = line.split_once("127.0.0.1:") {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            address = format!("http://127.0.0.1:{port}/score");
        }
        if line.contains("ready") {
            break;
        }
    }
    let reading = std::thread::spawn(move || {
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).expect("a pipe can be read");
        String::from_utf8(rest).expect("the log is UTF-8")
    });
    for call in calls {
        let sent = http::try_send(
            "POST",
            &address,
            &[("content-type", "application/json")],
            Body::Sized(call.to_string().into()),
        );
        let status = sent.expect("it answers").status;
        assert!(matches!(status, 200 | 422), "{status}");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the host runs");
    let log = reading.join().expect("reading does not panic");
    child.wait().expect("a child can be waited for");
    log
}

#[test]
fn what_one_call_writes_is_bounded_however_it_is_written_and_escaped() {
    for (number, format) in ["json", "text"].into_iter().enumerate() {
        let ways = [
            ("log", 3000, "x"),
            ("log", 1000, "\u{1}"),
            ("log", 1000, "\u{e0001}\""),
            ("context", 3000, "\u{1b}"),
            ("metrics", 1000, "\u{1b}"),
            ("metric-names", 1000, "\\"),
            ("print", 1000, "\u{7}"),
            ("print-on", 500, "\u{202e}"),
            ("all", 500, "\u{0}"),
        ];
        // In the short form, each way is tried in one of the formats.
        let tried = ways.into_iter().skip(extent::of(number, 0));
        for (way, times, text) in tried.step_by(extent::of(2, 1)) {
            let log = logged(format, &[talk(way, times, text, 16 << 10)]);
            assert!(
                log.len() < CALL_BYTES,
                "{format} {way} {text:?}: {}",
                log.len()
            );
            assert!(
                log.contains("the rest of this call is dropped"),
                "{format} {way} {text:?}: {}",
                log.len()
            );
            let longest = log.lines().map(str::len).max().unwrap_or_default();
            assert!(longest < 40 << 10, "{format} {way} {text:?}: {longest}");
        }
        // Errors have a second limit of the same size.
        let log = logged(format, &[talk("errors", 3000, "\u{1}", 16 << 10)]);
        assert!(log.len() < 2 * CALL_BYTES, "{format}: {}", log.len());
    }
}

#[test]
fn the_error_that_ends_a_flood_of_lines_is_kept() {
    let mut call = talk("log", 5000, "x", 10);
    call["ends"] = true.into();
    let log = logged("json", &[call]);
    assert!(
        log.lines().any(|line| line.contains("this was the end")),
        "{}",
        log.len()
    );
}

#[test]
fn the_lines_that_an_invocation_brings_back_are_bounded_and_each_is_one_line() {
    let functions = [
        ("request", requests("res", &[])),
        ("many", messages("msgs", "many", Some("binary"), &[park()])),
    ];
    let app = function_app(programs::TALKER, "", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    let one = |call: &Value| {
        let body = call.to_string();
        let body = request(
            &[("content-type", "application/json")],
            Some(body.as_bytes()),
        );
        host.invoke("request", &envelope("req", body, json!({})))
            .expect("it is taken")
            .logs
    };
    assert_eq!(
        one(&talk("log", 1, "a\nb\u{1b}[2J", 0)),
        ["INFO talk: a\\nb\\u{1b}[2J"]
    );
    let mut flood = talk("log", 1000, "\u{1}", 16 << 10);
    flood["rejects"] = true.into();
    let logs = one(&flood);
    assert!(
        json!(logs).to_string().len() < CALL_BYTES,
        "{}",
        json!(logs).to_string().len()
    );
    assert_eq!(
        logs.last().map(String::as_str),
        Some("too-much it was too much")
    );
    // A batch counts as one invocation.
    let bodies = vec![base64(flood.to_string()); 20];
    let batch = host
        .invoke("many", &envelope("msgs", wrapped(bodies), json!({})))
        .expect("it is taken");
    let bytes = json!(batch.logs).to_string().len();
    assert!(bytes < CALL_BYTES, "{bytes}");
    let failures = batch
        .logs
        .iter()
        .filter(|line| line.ends_with("too-much it was too much"))
        .count();
    assert_eq!((failures, batch.of("park").len()), (20, 20));
}
