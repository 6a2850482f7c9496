//! Components that import WASI 0.2, as the standard libraries of Rust, C, Go, JavaScript and Python
//! do.
//!
//! Owns which interfaces are imported, and what each does in `describe`, `init` and `run`. Must not
//! know how they are closed.

use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::packaging::build;
use scorebox_tests::place;
use scorebox_tests::programs;
use serde_json::{Value, json};
use tempfile::TempDir;

/// All interfaces of WASI 0.2 except `wasi:http`, which needs a network.
const INTERFACES: [&str; 26] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Builds the program `tourist` with the default snapshot. The app is in the folder `app`.
#[track_caller]
fn built(manifest: &str) -> TempDir {
    let output = tempfile::tempdir().unwrap();
    build(
        &App::with(programs::TOURIST, manifest),
        &output.path().join("app"),
    )
    .ended(0)
    .said(&["init done"]);
    output
}

#[test]
fn a_snapshot_may_import_every_interface_of_wasi() {
    let component = std::fs::read(place::program(programs::TOURIST)).unwrap();
    let component = String::from_utf8_lossy(&component);
    for interface in INTERFACES {
        assert!(
            component.contains(&format!("{interface}@0.2.")),
            "{interface} is not tried"
        );
    }
    let app = built("");
    let host = Host::start(&app.path().join("app"));
    #[track_caller]
    fn check(host: &Host, deed: &str, expected: impl Fn(&Value) -> bool) {
        let answer = host
            .score(&json!({ "do": deed, "ms": 20 }))
            .expect(200)
            .json();
        assert!(expected(&answer), "{deed}: {answer}");
    }
    let is_closed = |answer: &Value| answer["Err"].is_string();
    check(&host, "sleep", |ms| ms.as_u64() >= Some(20));
    check(&host, "poll", |answer| {
        answer["ready"] == json!([1]) && answer["ms"].as_u64() >= Some(20)
    });
    for deed in ["instant", "time", "wall-clock", "insecure-seed"] {
        check(&host, deed, |answer| *answer == true);
    }
    check(&host, "hash-map", |answer| *answer == 2);
    for deed in ["random", "insecure"] {
        check(&host, deed, |answer| *answer == 9);
    }
    // The scorer sees nothing of the machine.
    check(&host, "arguments", |answer| *answer == json!([]));
    check(&host, "environment", |answer| *answer == json!({}));
    check(&host, "stdin", |answer| *answer == json!({"Ok": 0}));
    check(&host, "terminal", |answer| *answer == false);
    check(&host, "stderr", |answer| *answer == json!({"Ok": null}));
    for deed in ["file", "folder", "write", "tcp", "udp", "resolve"] {
        check(&host, deed, is_closed);
    }
    assert_eq!(
        host.score(&json!({ "do": "exit" })).expect(500).json()["code"],
        "trapped"
    );
    check(&host, "nothing", Value::is_null);
}

#[test]
fn a_sleep_in_run_lasts_as_long_as_it_says_and_ends_with_the_deadline() {
    let app = built("[limits]\ndeadline = \"2s\"\n");
    let host = Host::start(&app.path().join("app"));
    let sleep = |deed: &str, ms: u64| {
        let started = Instant::now();
        let answer = host.score(&json!({ "do": deed, "ms": ms }));
        (answer, started.elapsed())
    };
    let (answer, took) = sleep("sleep", 300);
    assert!(
        answer.expect(200).json().as_u64() >= Some(300) && took >= Duration::from_millis(300),
        "{took:?}"
    );
    for deed in ["sleep", "poll"] {
        let (answer, took) = sleep(deed, 3_600_000);
        assert_eq!(answer.expect(504).json()["code"], "timed-out", "{deed}");
        // This is far less than the requested sleep.
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_secs(60),
            "{deed}: {took:?}"
        );
    }
    // The next request gets a new instance.
    assert!(sleep("sleep", 1).0.expect(200).json().as_u64().is_some());
}

#[test]
fn an_interface_that_init_uses_is_closed_or_named() {
    let project = |deed: &str, snapshot: bool| {
        let app = App::with(
            programs::TOURIST,
            &format!("model = \"model\"\nsnapshot = {snapshot}\n"),
        );
        app.write("model/deed", deed.as_bytes());
        app
    };
    #[track_caller]
    fn refused(project: &App, deed: &str, parts: &[&str]) {
        let output = tempfile::tempdir().unwrap();
        let refused = build(project, &output.path().join("app"))
            .ended(3)
            .said(parts);
        assert!(
            refused.stderr.contains("scorer.snapshot"),
            "{deed}: {}",
            refused.stderr
        );
    }
    for (deed, parts) in [
        (
            "sleep-alone",
            [
                "waited for a clock",
                "wasi:clocks/monotonic-clock@0.2",
                "sleep in run",
            ],
        ),
        (
            "poll",
            [
                "read a clock",
                "wasi:clocks/monotonic-clock@0.2",
                "read it in run",
            ],
        ),
        (
            "instant",
            [
                "read a clock",
                "wasi:clocks/monotonic-clock@0.2",
                "read it in run",
            ],
        ),
        (
            "time",
            [
                "read a clock",
                "wasi:clocks/wall-clock@0.2",
                "read it in run",
            ],
        ),
        ("hash-map", ["drew randomness", "wasi:random/", "BTreeMap"]),
        (
            "random",
            [
                "drew randomness",
                "wasi:random/random@0.2",
                "seed on the first run",
            ],
        ),
        (
            "insecure",
            [
                "drew randomness",
                "wasi:random/insecure@0.2",
                "seed on the first run",
            ],
        ),
        // The C library keeps its network handle for the next look-up.
        ("resolve", ["left open", "a stream", "drop the handle"]),
        (
            "insecure-seed",
            [
                "drew randomness",
                "wasi:random/insecure-seed@0.2",
                "seed on the first run",
            ],
        ),
    ] {
        refused(&project(deed, true), deed, &parts);
    }
    let output = tempfile::tempdir().unwrap();
    for deed in [
        "arguments",
        "environment",
        "terminal",
        "file",
        "folder",
        "write",
        "tcp",
        "udp",
    ] {
        build(&project(deed, true), &output.path().join(deed))
            .ended(0)
            .said(&["init done"]);
    }
    // If `init` runs at each start, it may use all of them.
    let output = tempfile::tempdir().unwrap();
    for deed in ["sleep", "hash-map", "time"] {
        let app = output.path().join(deed);
        build(&project(deed, false), &app).ended(0);
        assert!(
            Host::start(&app)
                .score(&json!({ "do": "nothing" }))
                .expect(200)
                .json()
                .is_null()
        );
    }
}

#[test]
fn programs_of_the_standard_library_alone_are_built_with_a_snapshot() {
    // Both programs sleep in `run`, and the second also has stores.
    let output = tempfile::tempdir().unwrap();
    build(
        &App::of(programs::REPEATER),
        &output.path().join("repeater"),
    )
    .ended(0)
    .said(&["init done"]);
    build(
        &App::with(programs::KEYS, "[stores.default]\n"),
        &output.path().join("keys"),
    )
    .ended(0)
    .said(&["init done"]);
}
