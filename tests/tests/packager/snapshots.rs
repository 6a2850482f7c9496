//! Snapshots: `init` at build time, its restrictions, and the isolation of instances from each
//! other.
//!
//! Owns the rules and their texts, seen through `cargo xtask build`, and isolation. Must not know
//! how a snapshot is made.

use std::path::Path;
use std::thread;
use std::time::Duration;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::packaging::build;
use scorebox_tests::programs;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Returns a project of the program `keeper`, whose `init` does `deed`. Lines before the first
/// table in `manifest` belong to `[scorer]`.
fn project(deed: &str, manifest: &str) -> App {
    let app = App::with(
        programs::KEEPER,
        &format!("model = \"model\"\n{manifest}\n[stores.default]\n"),
    );
    app.write_digits_model();
    app.write("model/keep", deed.as_bytes());
    app
}

/// Builds a project, which must succeed. The app is in the folder `app`.
#[track_caller]
fn built(project: &Path) -> TempDir {
    let output = tempfile::tempdir().unwrap();
    build(project, &output.path().join("app")).ended(0);
    output
}

#[track_caller]
fn score(host: &Host) -> Value {
    host.score(&json!({})).expect(200).json()
}

#[test]
fn what_init_built_is_there_without_init() {
    let app = built(&project("table", "labels = { a = \"b\" }"));
    let host = Host::start(&app.path().join("app"));
    let answer = score(&host);
    assert!(
        answer["kept"]["sum"].as_f64().is_some_and(|sum| sum != 0.0),
        "{answer}"
    );
    // `init` ran during the build, and not in this host.
    assert!(
        !host.log.text().contains("init reads the model"),
        "{}",
        host.log.text()
    );
    // Without a snapshot `init` runs in the host.
    let app = built(&project("table", "snapshot = false"));
    let host = Host::start(&app.path().join("app"));
    assert_eq!(score(&host), answer);
    assert!(
        host.log.text().contains("init reads the model"),
        "{}",
        host.log.text()
    );
}

#[test]
fn what_a_snapshot_cannot_keep_is_refused_by_name() {
    #[track_caller]
    fn check(deed: &str, parts: &[&str]) {
        let output = tempfile::tempdir().unwrap();
        let project = project(deed, "");
        let place = output.path().join("app");
        let refused = build(&project, &place)
            .ended(3)
            .said(parts)
            .said(&["scorer.snapshot", "fix: "]);
        assert!(!place.exists(), "{}", refused.stderr);
        // An `init` that runs at each start may do the same.
        let project = self::project(deed, "snapshot = false");
        build(&project, &place).ended(0);
        let host = Host::start(&place);
        assert_eq!(score(&host)["calls"], 1, "{deed}");
    }
    check(
        "hash-map",
        &[
            "drew randomness",
            "wasi:random/",
            "BTreeMap",
            "snapshot = false",
        ],
    );
    check(
        "clock",
        &["read a clock", "wasi:clocks/", "snapshot = false"],
    );
    check(
        "bucket",
        &[
            "used a store",
            "wasi:keyvalue/store",
            "Bucket::lazy",
            "snapshot = false",
        ],
    );
    check(
        "setting",
        &["read the settings", "wasi:config/store", "snapshot = false"],
    );
    check("metric", &["scorebox:scoring/metrics", "snapshot = false"]);
    check(
        "tensor",
        &["left open", "a tensor of the model", "snapshot = false"],
    );
    check(
        "print",
        &["left open", "a stream", "log::info!", "snapshot = false"],
    );
}

#[test]
fn an_init_that_fails_fails_the_build() {
    #[track_caller]
    fn check(deed: &str, parts: &[&str]) {
        let output = tempfile::tempdir().unwrap();
        let limits = "[limits]\nmemory = \"16MiB\"\ninit_deadline = \"2s\"";
        build(&project(deed, limits), &output.path().join("app"))
            .ended(3)
            .said(parts);
    }
    check(
        "fail",
        &["told-to-fail: init fails as told (the file says so)"],
    );
    check("panic", &["init panics as told"]);
    check("grow", &["16777216 bytes of memory"]);
    check(
        "loop",
        &["did not end within 2000 ms", "limits.init_deadline"],
    );
}

#[test]
fn a_store_named_in_init_is_opened_by_the_first_call() {
    let app = built(&project("lazy-bucket", ""));
    let host = Host::start(&app.path().join("app"));
    assert_eq!(
        (score(&host)["kept"].as_u64(), score(&host)["kept"].as_u64()),
        (Some(1), Some(2))
    );
}

#[test]
fn globals_are_seen_by_the_next_call_under_warm_and_never_under_call() {
    for snapshot in ["snapshot = true", "snapshot = false"] {
        let calls = |isolation: &str| {
            let limits = format!(
                "{snapshot}\n[limits]\ninstances = 1\n[instances]\nisolation = \"{isolation}\""
            );
            let app = built(&project("table", &limits));
            let host = Host::start(&app.path().join("app"));
            (0..4)
                .map(|_| score(&host)["calls"].as_u64().expect("a number"))
                .collect::<Vec<_>>()
        };
        assert_eq!(calls("warm"), [1, 2, 3, 4], "{snapshot}");
        assert_eq!(calls("call"), [1, 1, 1, 1], "{snapshot}");
    }
}

#[test]
fn an_instance_is_retired_by_its_calls_and_by_its_age() {
    let calls = |setting: &str, pause: Duration| {
        let manifest = format!("[limits]\ninstances = 1\n[instances]\n{setting}\n");
        let host = Host::start(&App::with(programs::WAYWARD, &manifest));
        let count = || {
            // An age is a time, so it has to pass.
            thread::sleep(pause);
            host.score(&json!({"do": "count"})).expect(200).json()["count"]
                .as_u64()
                .expect("a number")
        };
        (0..5).map(|_| count()).collect::<Vec<_>>()
    };
    assert_eq!(
        calls("max_invocations = 2", Duration::ZERO),
        [1, 2, 1, 2, 1]
    );
    assert_eq!(
        calls("max_age = \"50ms\"", Duration::from_millis(60)),
        [1, 1, 1, 1, 1]
    );
    assert_eq!(
        calls("max_age = \"1h\"\nmax_invocations = 100", Duration::ZERO),
        [1, 2, 3, 4, 5]
    );
}
