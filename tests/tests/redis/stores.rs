//! Stores: one list of cases, in memory and on real servers, in this process and through a scorer.
//!
//! Owns the backends for the list, and the behaviour that only several stores or a broken server
//! show. Must not know the cases: the list is in the harness.

use std::sync::Arc;
use std::time::Duration;

use scorebox_host::redis::{Condition, Memory, Store, StoreError};
use scorebox_tests::app::App;
use scorebox_tests::host::{Host, scorebox};
use scorebox_tests::http::{block_on, install_crypto};
use scorebox_tests::redis::{Kind, PASSWORD, Redis, USER};
use scorebox_tests::store_cases::check_all;
use scorebox_tests::store_ops::{perform_all, server};
use scorebox_tests::{programs, require, run, wait};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(5);

const STORES: &str = "[stores.default]\ntimeout = \"5s\"\n[stores.short]\nprefix = \"short\"\ndefault_ttl = \"50ms\"\n\
                      [stores.other]\nprefix = \"other\"\n[limits]\ndeadline = \"30s\"\n";

#[test]
fn in_process_in_memory() {
    in_process("memory", || {
        Store::new(Arc::new(Memory::default()), "p", None)
    });
}

#[test]
fn in_process_on_a_plain_server() {
    require!("redis-server");
    on_server(&Redis::start(Kind::Plain).url());
}

#[test]
fn in_process_with_password_and_database() {
    require!("redis-server");
    on_server(&Redis::start(Kind::Password).url());
}

#[test]
fn in_process_over_tls_as_an_acl_user() {
    require!("redis-server", "openssl");
    let redis = Redis::start(Kind::Tls);
    on_server(&format!(
        "{}?ca={}",
        redis.url(),
        redis.authority().display()
    ));
}

#[track_caller]
fn on_server(url: &str) {
    install_crypto();
    let mut number = 0;
    in_process(url.split(':').next().unwrap_or_default(), || {
        number += 1;
        Store::new(Arc::new(server(url, TIMEOUT)), &format!("p{number}"), None)
    });
}

#[track_caller]
fn in_process(backend: &str, mut store: impl FnMut() -> Store) {
    check_all(backend, |ops| {
        let store = store();
        block_on(async { perform_all(&store, ops).await })
    });
}

#[test]
fn through_a_scorer_in_memory() {
    through_a_scorer("memory", &[]);
}

#[test]
fn through_a_scorer_on_servers() {
    require!("redis-server", "openssl");
    for kind in [Kind::Plain, Kind::Password, Kind::Tls] {
        let redis = Redis::start(kind);
        through_a_scorer(&format!("{kind:?}"), &redis.variables());
    }
}

fn through_a_scorer(backend: &str, variables: &[(String, String)]) {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let host = Host::start_with(&App::with(programs::KEYS, STORES), &variables);
    let ops = |store: &str, ops: Value| {
        host.score(&json!({"store": store, "ops": ops}))
            .expect(200)
            .json()
    };
    check_all(backend, |steps| {
        // Each case starts with an empty store.
        let keys = ops("default", json!([{"op": "all-keys"}]));
        ops(
            "default",
            json!([{"op": "delete-many", "keys": keys[0]["ok"]}]),
        );
        serde_json::from_value(ops("default", json!(steps))).expect("a list")
    });
}

#[test]
fn stores_keep_apart_in_memory() {
    keep_apart("memory", &[]);
}

#[test]
fn stores_keep_apart_on_a_server() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    keep_apart("a server", &redis.variables());
    let all: Vec<String> = redis.command(&["KEYS", "*"]);
    assert!(
        all.iter().all(|key| ["keys:", "other:", "short:"]
            .iter()
            .any(|prefix| key.starts_with(prefix))),
        "{all:?}"
    );
}

/// Checks behaviour that needs several stores: prefixes, defaults, pages by hand, an undeclared
/// store.
fn keep_apart(backend: &str, variables: &[(String, String)]) {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let host = Host::start_with(&App::with(programs::KEYS, STORES), &variables);
    let ops = |store: &str, ops: Value| {
        host.score(&json!({"store": store, "ops": ops}))
            .expect(200)
            .json()
    };

    // Two stores on one server do not see each other.
    let listed = ops(
        "other",
        json!([{"op": "set", "key": "a", "value": "other's"}, {"op": "all-keys"}]),
    );
    assert_eq!(listed[1], json!({"ok": ["a"]}), "{backend}");
    let listed = ops(
        "default",
        json!([{"op": "get", "key": "a"}, {"op": "all-keys"}, {"op": "get", "key": "other:a"}]),
    );
    assert_eq!(
        listed,
        json!([{"ok": null}, {"ok": []}, {"ok": null}]),
        "{backend}"
    );

    // The default expiry applies to every write without an expiry.
    let written = json!([
        {"op": "set", "key": "a", "value": "1"}, {"op": "set-many", "entries": [["b", "1"]]},
        {"op": "increment", "key": "c", "delta": 1}, {"op": "swap", "key": "d", "value": "1"},
        {"op": "set-with", "key": "e", "value": "1", "ttl_ms": 60_000},
        {"op": "wait", "ms": 100}, {"op": "all-keys"}
    ]);
    assert_eq!(ops("short", written)[6], json!({"ok": ["e"]}), "{backend}");

    // These operations use the SDK's helpers.
    let sdk = json!([
        {"op": "set-json", "key": "j", "value": {"a": [1, 2]}, "ttl_ms": null}, {"op": "get-json", "key": "j"},
        {"op": "set", "key": "j", "value": "no json"}, {"op": "get-json", "key": "j"},
        {"op": "append", "key": "t", "text": "ab"}, {"op": "append", "key": "t", "text": "cd"},
        {"op": "get-json", "key": "none"}
    ]);
    let results = ops("other", sdk);
    assert_eq!(results[1], json!({"ok": {"a": [1, 2]}}), "{backend}");
    assert_eq!(results[3]["error"]["problem"], "stored-json", "{backend}");
    assert_eq!(
        (&results[5], &results[6]),
        (&json!({"ok": "abcd"}), &json!({"ok": null})),
        "{backend}"
    );

    // These operations list the keys in pages, and open an undeclared store.
    let entries: Vec<_> = (0..1001)
        .map(|number| json!([format!("{number}"), "x"]))
        .collect();
    ops("other", json!([{"op": "set-many", "entries": entries}]));
    let mut cursor = Value::Null;
    let mut keys = Vec::new();
    let mut pages = 0;
    loop {
        let page = ops("other", json!([{"op": "list-keys", "cursor": cursor}]))[0]["ok"].clone();
        keys.extend(
            page["keys"]
                .as_array()
                .expect("keys")
                .iter()
                .map(|key| key.as_str().expect("text").to_owned()),
        );
        cursor = page["cursor"].clone();
        pages += 1;
        if cursor.is_null() {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    assert!(
        keys.len() == 1001 + 3 && pages > 1,
        "{backend}: {} keys in {pages} pages",
        keys.len()
    );
    assert_eq!(
        ops("undeclared", json!([{"op": "open"}])),
        json!([{"error": "no-such-store"}]),
        "{backend}"
    );
}

#[test]
fn a_server_that_is_gone_is_an_error_and_its_return_is_noticed() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let url = redis.url();
    redis.stop();
    // The host starts without the server: a cache must not keep a scorer from starting.
    let host = Host::start_with(
        &App::with(programs::KEYS, "[stores.default]\n"),
        &[("SCOREBOX_REDIS_URL", &url)],
    );
    let set = || {
        host.score(&json!({"ops": [{"op": "set", "key": "a", "value": "1"}]}))
            .expect(200)
            .json()
    };
    for _ in 0..2 {
        let answer = set();
        let text = answer[0]["error"]["other"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned();
        assert!(
            text.contains("cannot be reached") && !text.contains("127.0.0.1"),
            "{text}"
        );
        redis.restart();
        wait::until("the store to be back", || {
            (set() == json!([{"ok": null}])).then_some(())
        });
        redis.stop();
    }
}

#[test]
fn a_log_filter_for_the_host_covers_the_lines_of_its_stores() {
    let app = App::with(programs::KEYS, "[stores.default]\n");
    // Nothing listens on this port. The line with the host's own port is written by the program.
    let url = ("SCOREBOX_REDIS_URL", "redis://127.0.0.1:1");
    let filter = "off,scorebox::=info,scorebox_host=warn";
    let host = Host::start_with(&app, &[url, ("SCOREBOX_LOG", filter)]);
    host.score(&json!({"ops": [{"op": "get", "key": "a"}]}))
        .expect(200);
    let line = host.log.wait_for("the outage of Redis", |line| {
        line["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("Redis cannot be reached"))
    });
    assert_eq!(line["target"], "scorebox_host::redis", "{line}");
}

#[test]
fn values_beyond_the_limit_are_refused() {
    let store = Store::new(Arc::new(Memory::default()), "p", None);
    let large = vec![0; scorebox_host::redis::VALUE_LIMIT_BYTES + 1];
    block_on(async {
        let refused = store.set("a", &large, None, Condition::Always).await;
        assert!(
            matches!(refused, Err(StoreError::Invalid(_))),
            "{refused:?}"
        );
        assert_eq!(
            store.set("a", &large[1..], None, Condition::Always).await,
            Ok(true)
        );
    });
}

#[test]
fn an_answer_that_is_too_large_is_not_read() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    // Another client wrote these values.
    redis.command::<i64>(&["SETRANGE", "p:huge", "100000000", "x"]);
    redis.command::<()>(&["SET", "p:small", "1"]);
    redis.command::<i64>(&["SETRANGE", "p:half", "40000000", "x"]);
    let store = Store::new(Arc::new(server(&redis.url(), TIMEOUT)), "p", None);
    let is_refused = |answer: Result<(), StoreError>| {
        assert!(
            matches!(&answer, Err(StoreError::Refused(why) | StoreError::Invalid(why)) if why.contains("67108864 bytes")),
            "{answer:?}"
        );
    };
    block_on(async {
        assert_eq!(store.get("small").await, Ok(Some(b"1".to_vec())));
        // Other requests at the same time get their answers, on the next connection if necessary.
        let (huge, small) = futures_util::join!(store.get("huge"), store.get("small"));
        is_refused(huge.map(drop));
        assert_eq!(small, Ok(Some(b"1".to_vec())));
        assert_eq!(
            store
                .get("half")
                .await
                .map(|value| value.map_or(0, |value| value.len())),
            Ok(40_000_001)
        );
        let twice = ["half".to_owned(), "half".to_owned()];
        is_refused(store.get_many(&twice).await.map(drop));
        assert_eq!(store.get("small").await, Ok(Some(b"1".to_vec())));
    });
}

#[test]
fn check_says_what_it_would_connect_to_and_tries_it_when_asked() {
    require!("redis-server", "openssl");
    let redis = Redis::start(Kind::Tls);
    let app = App::with(
        programs::KEYS,
        "[stores.default]\nprefix = \"p\"\ntimeout = \"400ms\"\n",
    );
    let url = format!("{}/2?ca={}", redis.url(), redis.authority().display());
    let check = |url: Option<&str>, arguments: &[&str], code: i32| {
        let mut check = scorebox("check", &app);
        check
            .args(arguments)
            .args(["--output", "json"])
            .envs(url.map(|url| ("SCOREBOX_REDIS_URL", url)));
        let checked = run::finish(&mut check, b"").ended(code);
        assert!(!format!("{checked:?}").contains(PASSWORD), "{checked:?}");
        checked.json()["stores"][0].clone()
    };
    let memory = check(None, &["--connect"], 0);
    assert!(
        memory["place"]
            .as_str()
            .unwrap_or_default()
            .contains("in memory"),
        "{memory}"
    );
    let told = check(Some(&url), &[], 0);
    let place = told["place"].as_str().unwrap_or_default();
    for words in [
        &redis.tls_port().to_string(),
        USER,
        "password in the URL",
        "ca.crt",
        "database 2",
    ] {
        assert!(place.contains(words), "{words}: {place}");
    }
    assert!(
        told["reached"].is_null() && told["problem"].is_null(),
        "{told}"
    );
    let tried = check(Some(&url), &["--connect"], 0);
    assert_eq!(
        (
            tried["reached"]["mode"].as_str(),
            tried["reached"]["masters"].as_u64()
        ),
        (Some("standalone"), Some(1))
    );
    let wrong = url.replace(PASSWORD, "another");
    let refused = check(Some(&wrong), &["--connect"], 10);
    assert!(
        refused["problem"]
            .as_str()
            .unwrap_or_default()
            .contains("credentials"),
        "{refused}"
    );
    let other = Redis::start(Kind::Tls);
    let untrusted = check(
        Some(&format!(
            "{}?ca={}",
            redis.url(),
            other.authority().display()
        )),
        &["--connect"],
        10,
    );
    assert!(
        untrusted["problem"]
            .as_str()
            .unwrap_or_default()
            .contains("certificate"),
        "{untrusted}"
    );
}
