//! The lifecycle of the handler under the Functions host: start, waiting, deadlines, kills, ends,
//! and large bodies.
//!
//! Owns the duties of the host and its handler apart from invocations. Must not know the forms of
//! values.

use std::thread;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::functions::app::{blobs, function_app, messages, requests};
use scorebox_tests::functions::outputs::Failed;
use scorebox_tests::functions::values::{base64, blob, envelope, message_metadata};
use scorebox_tests::functions::{AfterExit, FunctionsHost, documented_environment, wire};
use scorebox_tests::host::scorebox_alone;
use scorebox_tests::programs;
use scorebox_tests::redis::free_port;
use scorebox_tests::run;
use scorebox_tests::wait;
use serde_json::{Value, json};

fn message(deed: &Value) -> Vec<u8> {
    envelope("msg", base64(deed.to_string()), message_metadata("m-1", 1))
}

fn app(manifest: &str, host: Value) -> App {
    function_app(
        programs::WAYWARD,
        manifest,
        host,
        &[("one", messages("msg", "one", Some("binary"), &[]))],
    )
}

#[test]
fn it_answers_before_the_scorer_is_ready_and_gives_up_in_time() {
    // In this app `init` never ends.
    let app = app(
        "[limits]\ninit_deadline = \"2s\"\n[config]\ninit = \"loop\"\n",
        json!({}),
    );
    let host = FunctionsHost::start(&app);
    for _ in 0..20 {
        assert_eq!(wire::ping(host.port()).expect("it answers").status, 200);
    }
    // A waiting invocation gets no answer, or an error. The process ends with a code for which the
    // host starts another.
    let waiting = host.invoke("one", &message(&json!({"do": "count"})));
    assert!(
        matches!(waiting, Err(Failed::NoAnswer(_) | Failed::Status(503, _))),
        "{waiting:?}"
    );
    let code = host.wait_for_exit();
    assert_eq!(code, Some(6), "{}", host.log());
    assert_eq!(AfterExit::of(code), AfterExit::Restart { counted: true });
}

#[test]
fn invocations_that_come_early_wait() {
    // The component takes a while to compile, but the host sends invocations as soon as its ping is
    // answered.
    let app = app("", json!({}));
    let host = FunctionsHost::start(&app);
    let answered = thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| host.invoke("one", &message(&json!({"do": "count"})))))
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().expect("it returns"))
            .filter(Result::is_ok)
            .count()
    });
    assert_eq!(answered, 8, "{}", host.log());
}

#[test]
fn a_killed_handler_is_replaced_on_its_port() {
    let app = app("", json!({}));
    let host = FunctionsHost::start(&app);
    let deed = json!({"do": "sleep", "ms": 20_000, "idle": true, "print": "now asleep"});
    for _ in 0..2 {
        host.invoke("one", &message(&json!({"do": "count"})))
            .expect("it is answered");
        // The handler is killed during an invocation, without a warning, so it cannot flush
        // anything.
        thread::scope(|scope| {
            let call = scope.spawn(|| host.invoke("one", &message(&deed)));
            host.wait_for_log("now asleep");
            host.kill_and_restart();
            assert!(matches!(
                call.join().expect("it returns"),
                Err(Failed::NoAnswer(_))
            ));
        });
    }
    host.invoke("one", &message(&json!({"do": "count"})))
        .expect("it is answered");
}

#[test]
fn a_handler_that_is_told_to_stop_asks_for_another() {
    let app = app("", json!({}));
    let host = FunctionsHost::start(&app);
    host.invoke("one", &message(&json!({"do": "count"})))
        .expect("it is answered");
    host.terminate();
    assert_eq!(
        AfterExit::of(host.wait_for_exit()),
        AfterExit::Restart { counted: false },
        "{}",
        host.log()
    );
}

#[test]
fn calls_end_before_the_host_loses_patience() {
    // The host's timeout is shorter than the deadline.
    let app = app(
        "[limits]\ndeadline = \"40s\"\n",
        json!({"functionTimeout": "00:00:10"}),
    );
    let host = FunctionsHost::start(&app);
    host.invoke("one", &message(&json!({"do": "count"})))
        .expect("it is answered");
    thread::scope(|scope| {
        let calls = [
            json!({"do": "loop"}),
            json!({"do": "sleep", "ms": 30_000, "idle": true}),
        ];
        let start = Instant::now();
        let calls = calls.map(|deed| {
            scope.spawn({
                let host = &host;
                move || host.invoke("one", &message(&deed))
            })
        });
        for call in calls {
            match call.join().expect("it returns") {
                Err(Failed::Status(504, _)) => {}
                other => panic!("{other:?}"),
            }
        }
        // After this time the host would have killed the handler, and all other invocations with
        // it.
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
    });
}

#[test]
fn an_app_that_cannot_run_ends_with_a_code_and_a_reason() {
    #[track_caller]
    fn refuses(name: &str, text: &str, parts: &[&str]) {
        let app = app("", json!({}));
        app.write(name, text.as_bytes());
        let mut serve = scorebox_alone("serve");
        serve.envs(documented_environment(app.path(), free_port()));
        let ended = run::finish_within(wait::LIMIT, &mut serve, b"")
            .ended(9)
            .said(parts)
            .said(&["fix:"]);
        assert_eq!(
            AfterExit::of(ended.status.code()),
            AfterExit::Restart { counted: true }
        );
    }
    let bindings = |text: &str| format!("{{\"bindings\": [{text}]}}");
    refuses("host.json", "{", &["host.json", "EOF"]);
    refuses("one/function.json", "[]", &["one/function.json"]);
    refuses("one/function.json", "{}", &["missing field `bindings`"]);
    refuses(
        "one/function.json",
        &bindings(""),
        &["not have exactly one trigger"],
    );
    refuses(
        "one/function.json",
        &bindings(r#"{"type": "timerTrigger", "name": "t"}"#),
        &["timerTrigger", "blobTrigger"],
    );
    refuses(
        "one/function.json",
        &bindings(r#"{"type": "blobTrigger"}"#),
        &["has no name"],
    );
    refuses(
        "one/function.json",
        &bindings(r#"{"type": "httpTrigger", "name": "req"}"#),
        &["an HTTP trigger without an HTTP output cannot answer"],
    );
    let output = r#"{"type": "blobTrigger", "name": "a"}, {"type": "blob", "direction": "out", "name": "b", "dataType": "binary"}"#;
    refuses(
        "one/function.json",
        &bindings(output),
        &["output b", "dataType"],
    );
    let two =
        bindings(r#"{"type": "blobTrigger", "name": "a"}, {"type": "blobTrigger", "name": "b"}"#);
    refuses("one/function.json", &two, &["not have exactly one trigger"]);
}

#[test]
fn the_environment_of_the_host_stays_out_of_scorers_and_logs() {
    let app = app("", json!({}));
    let host = FunctionsHost::start(&app);
    let seen = host
        .invoke("one", &message(&json!({"do": "environment"})))
        .expect("it is answered")
        .json("output");
    assert_eq!(
        (&seen["variables"], &seen["arguments"]),
        (&json!([]), &json!([])),
        "{seen}"
    );
    assert!(!host.log().contains("c3RvcmFnZS1rZXk"), "{}", host.log());
    host.check_levels();
}

/// Returns the peak memory of a process, in bytes.
fn peak_bytes(pid: u32) -> u64 {
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

#[test]
fn a_large_blob_is_not_held_twice() {
    const BODY_BYTES: usize = 75 << 20;
    let manifest = "[limits]\nbody = \"80MiB\"\nmemory = \"512MiB\"\ndeadline = \"30s\"\n";
    let app = function_app(
        programs::WAYWARD,
        manifest,
        json!({}),
        &[("blob", blobs(None, &[]))],
    );
    let host = FunctionsHost::start(&app);
    let metadata = json!({"blobname": "\"a\"", "Properties": {"ContentType": "application/json"}});
    host.invoke(
        "blob",
        &blob("blob", br#"{"do": "count"}"#, metadata.clone()),
    )
    .expect("it is answered");
    let before = peak_bytes(host.pid());
    // The scorer looks only at the first byte, and does not copy the rest.
    let envelope = blob("blob", &vec![b'!'; BODY_BYTES], metadata);
    assert!(
        envelope.len() >= 100 << 20,
        "as large as the host lets a request be"
    );
    match host.invoke("blob", &envelope) {
        Err(Failed::Status(422, _)) => {}
        other => panic!("{other:?}"),
    }
    let held = peak_bytes(host.pid()) - before;
    // Memory is needed for the envelope, in whose buffer its content is decoded, and for the
    // scorer's own copy.
    let most = (envelope.len() + BODY_BYTES + (24 << 20)) as u64;
    assert!(held < most, "{} MiB, {} allowed", held >> 20, most >> 20);
}

#[test]
fn bodies_over_the_limit_are_settled_not_lost() {
    let functions = [
        ("blob", blobs(None, &[])),
        ("request", requests("res", &[])),
    ];
    let app = function_app(
        programs::WAYWARD,
        "[limits]\nbody = \"1KiB\"\n",
        json!({}),
        &functions,
    );
    let host = FunctionsHost::start(&app);
    // One body is over the limit of a payload, the other over the limit of an envelope.
    for bytes in [2 << 10, 4 << 20] {
        match host.invoke("blob", &blob("blob", &vec![b'x'; bytes], json!({}))) {
            Err(Failed::Status(413, _)) => {}
            other => panic!("{bytes}: {other:?}"),
        }
        let request = scorebox_tests::functions::values::request(&[], Some(&vec![b'x'; bytes]));
        let bound = host
            .invoke("request", &envelope("req", request, json!({})))
            .expect("it is answered");
        assert_eq!(
            bound.response.expect("it is an HTTP function").status,
            413,
            "{bytes}"
        );
    }
}
