//! The lifecycle of the host: while it loads, under load, and when it stops; and the lifecycle of
//! an instance.
//!
//! Owns readiness, saturation, draining, warm state and request ids. Must not know any model.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::programs;
use scorebox_tests::redis::free_port;
use scorebox_tests::wait;
use serde_json::{Value, json};

/// Starts a host that runs one request at a time, without a queue.
fn single() -> Host {
    Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\ninstances = 1\nqueue = 0\ndeadline = \"20s\"\nlame_duck = \"0\"\n",
    ))
}

/// Sends a request until there is a place for it.
#[track_caller]
fn score(host: &Host, deed: &Value) -> Answer {
    wait::until("a place", || {
        Some(host.score(deed)).filter(|answer| answer.status != 503)
    })
}

/// Sends a request of this length, and runs `other` as soon as it is computed. The host must not be
/// used by other threads.
fn during<T>(host: &Host, ms: u64, other: impl FnOnce() -> T) -> (Answer, T) {
    thread::scope(|scope| {
        // The probe below may take the only place just when the request arrives, so the request is
        // repeated.
        let call = scope.spawn(|| score(host, &json!({"do": "sleep", "ms": ms})));
        wait::until("the call to run", || {
            (host.score(&json!({"do": "config", "name": "x"})).status == 503).then_some(())
        });
        let other = other();
        (call.join().expect("the call returns"), other)
    })
}

#[test]
fn it_answers_while_the_scorer_loads() {
    let app = App::with(
        programs::WAYWARD,
        "[limits]\ninit_deadline = \"60s\"\n[config]\ninit = \"loop\"\n",
    );
    let host = Host::launch(&app, &["--port", "0"], &[]);
    for _ in 0..3 {
        let live = host.get("/").expect(200);
        assert_eq!(live.text(), "Healthy");
        assert_eq!(host.get("/readyz").status, 503);
    }
    // A stop at this time must not wait for `init`.
    let start = Instant::now();
    host.terminate();
    assert_eq!(host.wait_for_exit().code(), Some(0), "{}", host.log.text());
    assert!(
        start.elapsed() < Duration::from_secs(40),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn it_becomes_ready_and_early_calls_wait_for_that() {
    // The host listens before it reads the folder, so the folder must exist until it is ready.
    let app = App::of(programs::WAYWARD);
    let host = Host::launch(&app, &["--port", "0"], &[]);
    host.score(&json!({"do": "count"})).expect(200);
    wait::until("readiness", || {
        let status = host.get("/readyz").status;
        assert!(status == 200 || status == 503, "{status}");
        (status == 200).then_some(())
    });
    assert_eq!(host.send("HEAD", "/", &[], "").status, 200);
    assert_eq!(host.stderr.text(), "");
}

#[test]
fn a_stop_finishes_the_call_in_flight() {
    let host = single();
    let (answer, ()) = during(&host, 4000, || {
        host.terminate();
        wait::until("the listener to close", || {
            TcpStream::connect(&host.address).is_err().then_some(())
        });
    });
    assert_eq!(answer.expect(200).json(), json!({"ms": 4000}));
    assert_eq!(host.wait_for_exit().code(), Some(0), "{}", host.log.text());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let app = App::with(
        programs::WAYWARD,
        "[limits]\ndeadline = \"60s\"\ndrain = \"300ms\"\nlame_duck = \"0\"\n",
    );
    let host = Host::start(&app);
    let mut call = TcpStream::connect(&host.address).unwrap();
    let body = r#"{"do": "loop"}"#;
    let head = format!(
        "POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::io::Write::write_all(&mut call, head.as_bytes()).unwrap();
    // An idle connection must not delay the end either.
    let _idle = TcpStream::connect(&host.address).unwrap();
    host.get("/").expect(200);
    let start = Instant::now();
    host.terminate();
    assert_eq!(host.wait_for_exit().code(), Some(0), "{}", host.log.text());
    assert!(
        start.elapsed() < Duration::from_secs(40),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_functions_host_chooses_the_port() {
    let port = free_port().to_string();
    let app = App::of(programs::WAYWARD);
    let host = Host::launch(&app, &[], &[("FUNCTIONS_CUSTOMHANDLER_PORT", &port)]);
    assert_eq!(host.address, format!("127.0.0.1:{port}"));
    host.get("/").expect(200);
    drop(host);
    let host = Host::launch(
        &app,
        &["--port", "0"],
        &[("FUNCTIONS_CUSTOMHANDLER_PORT", &port)],
    );
    assert_ne!(
        host.address,
        format!("127.0.0.1:{port}"),
        "the command line wins"
    );
    let host = Host::launch(&app, &["--port", "0", "--address", "0.0.0.0"], &[]);
    assert!(host.address.starts_with("0.0.0.0:"), "{}", host.address);
}

#[test]
fn one_call_too_many_is_told_to_come_back() {
    let host = single();
    let (answer, refused) = during(&host, 4000, || host.score(&json!({"do": "count"})));
    // `during` saw a refusal before. This request shows its form, unless the first request has
    // ended by now.
    refused.expect_error(503, "saturated", &["busy"]);
    answer.expect(200);
    score(&host, &json!({"do": "count"})).expect(200);
}

#[test]
fn calls_that_may_wait_do_and_the_deadline_counts_that() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\ninstances = 1\nqueue = 2\ndeadline = \"4s\"\n",
    ));
    let sleep = json!({"do": "sleep", "ms": 3000});
    let mut statuses = thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| host.score(&sleep).status))
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().expect("the call returns"))
            .collect::<Vec<_>>()
    });
    statuses.sort_unstable();
    // One request runs, two wait and are not done in time, and one is refused.
    assert_eq!(statuses, [200, 503, 504, 504]);
    score(&host, &json!({"do": "count"})).expect(200);
}

#[test]
fn a_trap_does_not_hurt_the_call_beside_it() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\ninstances = 2\ndeadline = \"20s\"\n",
    ));
    let traps = || {
        (0..20)
            .map(|_| host.score(&json!({"do": "trap"})).status)
            .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let call = scope.spawn(|| host.score(&json!({"do": "sleep", "ms": 1000})));
        assert_eq!(traps(), [500; 20]);
        call.join().expect("the call returns").expect(200);
    });
}

#[test]
fn state_survives_on_a_warm_instance_and_ends_with_it() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[limits]\ninstances = 1\ndeadline = \"4s\"\nmemory = \"32MiB\"\n",
    ));
    let count = || {
        host.score(&json!({"do": "count"})).expect(200).json()["count"]
            .as_u64()
            .expect("a number")
    };
    let first = count();
    assert_eq!(first, 1);
    assert_eq!(count(), 2);
    // Any orderly answer keeps the instance alive, errors included.
    let reject = json!({"do": "reject", "code": "no", "message": "no"});
    host.score(&reject).expect(422);
    host.post("application/json", "no deed").expect(422);
    assert!(count() > 3);
    for (deed, status) in [
        ("trap", 500),
        ("panic", 500),
        ("loop", 504),
        ("grow", 500),
        ("overflow", 500),
    ] {
        host.score(&json!({ "do": deed })).expect(status);
        assert_eq!(count(), 1, "after {deed}");
        assert_eq!(count(), 2, "after {deed}");
    }
}

#[test]
fn ids_are_handed_back_as_azure_ml_did() {
    let host = Host::start(&App::of(programs::WAYWARD));
    let ids = |sent: &[(&str, &str)]| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(sent);
        let attributes = r#"{"do": "attributes"}"#;
        let answer = host
            .send("POST", "/score", &headers, attributes)
            .expect(200);
        let back = |name: &str| answer.header(name).map(str::to_owned);
        let request = back("x-request-id").expect("always there");
        assert_eq!(
            answer.json()["id"],
            request.as_str(),
            "the scorer sees the same id"
        );
        (
            request,
            back("x-ms-request-id"),
            back("x-ms-client-request-id"),
        )
    };
    let text = |text: &str| Some(text.to_owned());
    let (new, alias, client) = ids(&[]);
    assert_eq!((new.len(), alias, client), (36, Some(new.clone()), None));
    assert_eq!(
        ids(&[("x-request-id", "r")]),
        ("r".to_owned(), text("r"), None)
    );
    let (new, alias, client) = ids(&[("x-ms-request-id", "m")]);
    assert_eq!((new.len(), alias, client), (36, text("m"), text("m")));
    let (new, alias, client) = ids(&[("x-ms-client-request-id", "c")]);
    assert_eq!((new.len(), alias, client), (36, text("c"), text("c")));
    let (new, alias, client) = ids(&[("x-ms-request-id", "m"), ("x-ms-client-request-id", "c")]);
    assert_eq!((new.len(), alias, client), (36, text("m"), text("c")));
    assert_ne!(ids(&[]).0, ids(&[]).0);

    for name in ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"] {
        let headers = [
            ("content-type", "application/json"),
            (name, &"i".repeat(101)),
        ];
        let answer = host.send("POST", "/score", &headers, "{}").expect(431);
        assert!(
            answer.json()["message"]
                .as_str()
                .is_some_and(|message| message.contains("100")),
            "{}",
            answer.text()
        );
        assert_eq!(
            ids(&[(name, &"i".repeat(100))]).1,
            Some("i".repeat(100)),
            "{name}"
        );
    }
}
