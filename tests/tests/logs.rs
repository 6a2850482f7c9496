//! The log as its readers get it: whole lines of bounded length, and no reader can stop the host.
//!
//! Owns the limits of one request's lines, the escaping, and the dropping of lines that are not
//! read. Must not know the texts of responses: those are in `echoes.rs`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{function_app, messages, park, requests};
use scorebox_tests::functions::values::{base64, envelope, request, wrapped};
use scorebox_tests::host::{invoke, scorebox};
use scorebox_tests::http::{self, Body};
use scorebox_tests::{run, wait};
use serde_json::{Value, json};

/// Largest size of the lines of one request, in bytes: the limit, and the lines that the host adds.
const CALL_BYTES: usize = (1 << 20) + (16 << 10);

/// Time for the end of a server without requests, on a busy machine.
const END: Duration = Duration::from_secs(20);

/// Characters that control a terminal, end a line, or hide other characters.
const EVIL: &str = "a\nWARN forged: b\r\u{1b}[2J\u{9b}31m\u{85}\u{2028}\u{202e}\u{feff}c";

/// Returns true for characters that must not reach a terminal.
fn is_evil(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{202e}' | '\u{feff}')
}

fn talk(way: &str, times: u32, text: &str, length: usize) -> Value {
    json!({"way": way, "times": times, "text": text, "length": length})
}

/// A host whose standard output is read only by the test.
struct Unread {
    child: Child,
    /// Standard output of the host. `None` after it was closed.
    stdout: Option<BufReader<ChildStdout>>,
    address: String,
}

impl Unread {
    /// Starts a host and reads its log until it is ready, and no further.
    fn start(app: &App, level: &str) -> Self {
        let mut command = scorebox("serve", app);
        command.args(["--port", "0"]).env("SCOREBOX_LOG", level);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let stdout = BufReader::with_capacity(256, child.stdout.take().expect("it is piped"));
        let mut host = Self {
            child,
            stdout: Some(stdout),
            address: String::new(),
        };
        loop {
            let line: Value = serde_json::from_str(&host.line()).expect("a line is JSON");
            match line["message"].as_str() {
                Some("listening") => {
                    host.address = line["address"].as_str().expect("an address").to_owned()
                }
                Some("ready") => return host,
                _ => {}
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .as_mut()
            .expect("it is open")
            .read_line(&mut line)
            .expect("lines are text");
        line
    }

    fn score(&self, input: &Value) {
        let (url, headers) = (
            format!("http://{}/score", self.address),
            [("content-type", "application/json")],
        );
        let answer = http::try_send(
            "POST",
            &url,
            &headers,
            Body::Sized(input.to_string().into_bytes()),
        );
        answer.expect("it answers").expect(200);
    }

    /// Sends SIGTERM to the host, and returns its exit code.
    fn stop(&mut self) -> Option<i32> {
        let asked = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the host runs");
        let ended = wait::within(END, || {
            self.child.try_wait().expect("a child can be waited for")
        });
        ended
            .unwrap_or_else(|| panic!("no end after {:?}", asked.elapsed()))
            .code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_host_whose_log_nobody_reads_answers_every_call_and_ends_when_told() {
    let mut host = Unread::start(&App::of("wayward"), "debug");
    // This is ten times as many lines as a pipe holds.
    for _ in 0..3000 {
        host.score(&json!({"do": "count"}));
    }
    assert_eq!(host.stop(), Some(0));
    // The lines that were in the pipe are whole.
    let mut rest = String::new();
    host.stdout
        .as_mut()
        .expect("it is open")
        .read_to_string(&mut rest)
        .expect("lines are text");
    assert!(
        rest.ends_with('\n')
            && rest
                .lines()
                .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
}

#[test]
fn lines_that_nobody_takes_are_dropped_and_counted_and_the_count_is_said() {
    let mut host = Unread::start(&App::of("talker"), "info");
    let (calls, lines) = (12, 900);
    for _ in 0..calls {
        host.score(&talk("log", lines, "x", 800));
    }
    // A late reader finds whole lines, the count of the lines that it missed, and the lines that
    // are logged from then on.
    let (mut found, mut dropped) = (0, 0);
    while found + dropped < u64::from(calls * lines) {
        let line = host.line();
        let line: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:.300}"));
        let message = line["message"].as_str().expect("a message");
        match message
            .split_once(" log lines were dropped because the reader of standard output is slow")
        {
            Some((count, "")) => {
                assert_eq!(line["level"], "WARN", "{line}");
                dropped += count.parse::<u64>().expect("a number");
            }
            _ => found += 1,
        }
    }
    assert!(found > 1000 && dropped > 1000, "{found} {dropped}");
    host.score(&talk("log", 1, "again", 0));
    let again: Value = serde_json::from_str(&host.line()).expect("a line is JSON");
    assert_eq!(again["message"], "again");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_reader_of_the_log_that_goes_away_ends_nothing() {
    let mut host = Unread::start(&App::of("wayward"), "debug");
    // Every write fails from here on.
    host.stdout = None;
    for _ in 0..100 {
        host.score(&json!({"do": "count"}));
    }
    assert_eq!(host.stop(), Some(0));
}

/// Returns the log of a host after these requests, in this format. Each request is waited for.
fn logged(format: &str, calls: &[Value]) -> String {
    let app = App::of("talker");
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
    for format in ["json", "text"] {
        for (way, times, text) in [
            ("log", 3000, "x"),
            ("log", 1000, "\u{1}"),
            ("log", 1000, "\u{e0001}\""),
            ("context", 3000, "\u{1b}"),
            ("metrics", 1000, "\u{1b}"),
            ("metric-names", 1000, "\\"),
            ("print", 1000, "\u{7}"),
            ("print-on", 500, "\u{202e}"),
            ("all", 500, "\u{0}"),
        ] {
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
fn a_text_of_a_scorer_forges_no_line_and_moves_no_cursor() {
    for format in ["json", "text"] {
        for way in ["log", "errors", "context", "metrics", "metric-names"] {
            let log = logged(format, &[talk(way, 1, EVIL, 0)]);
            let lines: Vec<&str> = log.split_terminator('\n').collect();
            // One line is from the request, and the other says that the host stops.
            assert_eq!(lines.len(), 2, "{format} {way}: {log:?}");
            assert!(
                !lines.iter().any(|line| line.chars().any(is_evil)),
                "{format} {way}: {log:?}"
            );
            if format == "json" && way == "log" {
                let line: Value = serde_json::from_str(lines[0]).expect("a line is JSON");
                assert_eq!(line["message"], EVIL, "nothing is lost");
            }
        }
    }
}

#[test]
fn what_the_host_prints_to_people_holds_no_control_characters() {
    let app = App::of("wayward");
    let deed = json!({"do": "reject", "code": "no", "message": EVIL, "detail": EVIL});
    let refused = invoke(&app, "application/json", deed.to_string().as_bytes()).ended(20);
    is_plain(&refused.stderr);
    // The scorer's own log line is on standard error.
    let deed = json!({"do": "log", "level": "warn", "context": EVIL, "message": EVIL});
    let said = invoke(&app, "application/json", deed.to_string().as_bytes()).ended(0);
    is_plain(&said.stderr);
    // This manifest comes from an attacker.
    let key = App::of("wayward");
    key.write(
        "scorebox.toml",
        b"[scorer]\nname = \"a\"\n\"a\\n  fix: run this\\u001b[2J\" = 1\n",
    );
    let refused = run::finish(&mut scorebox("check", &key), b"").ended(3);
    is_plain(&refused.stderr);
    assert_eq!(
        refused.stderr.matches("\n  fix: ").count(),
        1,
        "{}",
        refused.stderr
    );
    // A version is one line.
    let version = App::with("wayward", "version = \"1\\u001b[2J\\nscorer ok\\u202e\"\n");
    is_plain(
        &run::finish(&mut scorebox("check", &version), b"")
            .ended(3)
            .stderr,
    );
    // A scorer's configuration may be any text.
    let version = App::with(
        "wayward",
        "[config]\nevil = \"1\\u001b[2J\\nscorer ok\\u202e\"\n",
    );
    for output in ["text", "json"] {
        let checked = run::finish(
            scorebox("check", &version).args(["--explain", "--output", output]),
            b"",
        )
        .ended(0);
        is_plain(&checked.stdout);
    }
}

#[track_caller]
fn is_plain(text: &str) {
    assert!(!text.is_empty());
    assert!(
        !text
            .chars()
            .any(|character| is_evil(character) && character != '\n'),
        "{text:?}"
    );
    assert!(!text.contains("\nWARN forged"), "{text:?}");
}

#[test]
fn the_lines_that_an_invocation_brings_back_are_bounded_and_each_is_one_line() {
    let functions = [
        ("request", requests("res", &[])),
        ("many", messages("msgs", "many", Some("binary"), &[park()])),
    ];
    let app = function_app("talker", "", json!({}), &functions);
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
