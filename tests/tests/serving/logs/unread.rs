//! Logs that nobody reads: the host continues, and drops the lines that are not read.
//!
//! Owns a host whose standard output only the test reads.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::host::scorebox;
use scorebox_tests::http::{self, Body};
use scorebox_tests::programs;
use scorebox_tests::wait;
use serde_json::{Value, json};

use super::talk;

/// Time for the end of a server without requests, on a busy machine.
const END: Duration = Duration::from_secs(20);

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
    let mut host = Unread::start(&App::of(programs::WAYWARD), "debug");
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
    let mut host = Unread::start(&App::of(programs::TALKER), "info");
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
    let mut host = Unread::start(&App::of(programs::WAYWARD), "debug");
    // Every write fails from here on.
    host.stdout = None;
    for _ in 0..100 {
        host.score(&json!({"do": "count"}));
    }
    assert_eq!(host.stop(), Some(0));
}
