//! A Redis master that sentinels name: found, followed when it changes, and never confused with
//! another server.
//!
//! Owns the behaviour that only sentinels show. Must not know the list of a store's cases: that is
//! in the harness.

use std::time::Duration;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::redis::PASSWORD;
use scorebox_tests::redis_sentinel::Watched;
use scorebox_tests::store_cases::check_all;
use scorebox_tests::{programs, require, wait};
use serde_json::{Value, json};

const MANIFEST: &str =
    "[stores.default]\nprefix = \"p\"\ntimeout = \"2s\"\n[limits]\ndeadline = \"30s\"\n";

fn ops(host: &Host, ops: &Value) -> Value {
    host.score(&json!({ "ops": ops })).expect(200).json()
}

#[test]
fn the_master_is_found_and_followed() {
    require!("redis-server");
    let mut watched = Watched::start();
    let url = watched.url();
    let host = Host::start_with(
        &App::with(programs::KEYS, MANIFEST),
        &[
            ("SCOREBOX_REDIS_URL", url.as_str()),
            ("SCOREBOX_LOG", "trace"),
        ],
    );
    check_all("sentinels", |steps| {
        let keys = ops(&host, &json!([{"op": "all-keys"}]));
        ops(
            &host,
            &json!([{"op": "delete-many", "keys": keys[0]["ok"]}]),
        );
        serde_json::from_value(ops(&host, &json!(steps))).expect("a list")
    });
    let set = |value: &str| {
        ops(
            &host,
            &json!([{"op": "set", "key": "kept", "value": value}]),
        )[0]["ok"]
            == Value::Null
    };
    assert!(set("first"));
    watched.wait_until_in_step();
    watched.kill_master();
    // Until a replica is promoted, no server can answer, and the scorer gets an error.
    let away = ops(&host, &json!([{"op": "get", "key": "kept"}]));
    assert!(
        away[0]["error"]["other"]
            .as_str()
            .unwrap_or_default()
            .contains("cannot be reached"),
        "{away}"
    );
    let back = wait::within(Duration::from_secs(30), || {
        (ops(&host, &json!([{"op": "get", "key": "kept"}])) == json!([{"ok": "first"}]))
            .then_some(())
    });
    assert!(back.is_some(), "{}", host.log.text());
    assert!(set("second"));
    assert_eq!(watched.command::<String>(1, &["GET", "p:kept"]), "second");
    assert!(!host.log.text().contains(PASSWORD));
}

#[test]
fn an_orderly_change_loses_no_write() {
    require!("redis-server");
    let watched = Watched::start();
    let url = watched.url();
    let host = Host::start_with(
        &App::with(programs::KEYS, MANIFEST),
        &[("SCOREBOX_REDIS_URL", url.as_str())],
    );
    let count =
        || ops(&host, &json!([{"op": "increment", "key": "n", "delta": 1}]))[0]["ok"].as_i64();
    assert_eq!(count(), Some(1));
    watched.wait_until_in_step();
    watched.fail_over();
    // Redis itself may lose writes to the old master just before it becomes a replica. Writes to
    // the new master must be kept.
    wait::until("the new master", || {
        (watched.command::<Vec<redis::Value>>(1, &["ROLE"]).len() == 3
            && count().is_some()
            && watched
                .command::<String>(1, &["GET", "p:n"])
                .parse::<i64>()
                .ok()
                == count_of(&host))
        .then_some(())
    });
    let before = count_of(&host).expect("a count");
    for number in 1..=20 {
        assert_eq!(count(), Some(before + number));
    }
    assert_eq!(
        watched
            .command::<String>(1, &["GET", "p:n"])
            .parse::<i64>()
            .ok(),
        Some(before + 20)
    );
}

fn count_of(host: &Host) -> Option<i64> {
    ops(host, &json!([{"op": "get", "key": "n"}]))[0]["ok"]
        .as_str()
        .and_then(|text| text.parse().ok())
}
