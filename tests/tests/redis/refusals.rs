//! Operations that a store refuses: what never works fails at once, and what passes may be retried.
//!
//! Owns the causes, made on a real server, and the answers of a scorer that passes errors on. Must
//! not know how an error is read.

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{function_app, messages, park};
use scorebox_tests::functions::values::{base64, envelope, message_metadata};
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, PASSWORD, Redis};
use scorebox_tests::{programs, require};
use serde_json::{Value, json};

const MANIFEST: &str = "[stores.default]\nprefix = \"p\"\ncommands = [\"@all\"]\n";

/// Operations on the key `a`, as the test program `keys` takes them.
fn strict(op: &str) -> Value {
    let op = match op {
        "set" => json!({"op": "set", "key": "a", "value": "1"}),
        "increment" => json!({"op": "increment", "key": "a", "delta": 1}),
        _ => json!({"op": "get", "key": "a"}),
    };
    json!({"strict": true, "ops": [op]})
}

/// Asserts that a call fails for good: no client retries it.
#[track_caller]
fn fails(host: &Host, op: &str, code: &str, detail: &str) {
    let answer = host.score(&strict(op)).expect_error(500, code, &[]);
    assert_eq!(answer.header("retry-after"), None);
    host.log
        .wait_for(detail, |line| line.to_string().contains(detail));
}

/// Asserts that a call fails for now: a client may retry it.
#[track_caller]
fn waits(host: &Host, op: &str, code: &str, detail: &str) {
    let answer = host.score(&strict(op)).expect_error(503, code, &[]);
    assert!(answer.header("retry-after").is_some());
    host.log
        .wait_for(detail, |line| line.to_string().contains(detail));
}

#[test]
fn a_value_that_never_fits_fails_the_call() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let app = App::with(programs::KEYS, MANIFEST);
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    redis.command::<()>(&["LPUSH", "p:a", "1"]);
    fails(
        &host,
        "get",
        "store-command",
        "WRONGTYPE Operation against a key",
    );
    fails(
        &host,
        "increment",
        "store-command",
        "WRONGTYPE Operation against a key",
    );
    redis.command::<()>(&["DEL", "p:a"]);
    redis.command::<()>(&["SET", "p:a", "one"]);
    fails(
        &host,
        "increment",
        "store-command",
        "value is not an integer",
    );
    redis.command::<()>(&["SET", "p:a", "9223372036854775807"]);
    fails(&host, "increment", "store-command", "would overflow");
    // In memory the same holds.
    let host = Host::start(&app);
    host.score(&json!({"ops": [{"op": "set", "key": "a", "value": "one"}]}))
        .expect(200);
    fails(
        &host,
        "increment",
        "store-command",
        "value is not an integer",
    );
}

#[test]
fn a_command_that_the_access_list_forbids_fails_the_call_and_is_named() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let password = format!(">{PASSWORD}");
    redis.command::<()>(&[
        "ACL", "SETUSER", "ada", "on", &password, "~p:*", "+get", "+evalsha", "+eval",
    ]);
    let url = format!("redis://ada:{PASSWORD}@127.0.0.1:{}", redis.port());
    let app = App::with(programs::KEYS, MANIFEST);
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &url)]);
    host.score(&strict("get")).expect(200);
    fails(&host, "set", "store-denied", "may not run `set`");
    // The script of a counter runs several commands, and this server does not say which it refused.
    fails(&host, "increment", "store-denied", "INCRBY");
    redis.command::<()>(&[
        "ACL", "SETUSER", "ada", "+set", "+exists", "+incrby", "+pexpire",
    ]);
    host.score(&strict("set")).expect(200);
    host.score(&strict("increment")).expect(200);
    redis.command::<()>(&["ACL", "SETUSER", "ada", "resetkeys", "~q:*"]);
    fails(&host, "get", "store-denied", "may not use this key");
    let log = host.log.text();
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn raw_commands_have_the_same_codes() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let password = format!(">{PASSWORD}");
    redis.command::<()>(&[
        "ACL", "SETUSER", "ada", "on", &password, "~p:*", "+get", "+set",
    ]);
    redis.command::<()>(&["LPUSH", "p:list", "1"]);
    let url = format!("redis://ada:{PASSWORD}@127.0.0.1:{}", redis.port());
    let app = App::with(programs::COMMANDS, MANIFEST);
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &url)]);
    let send = |words: &[&str]| host.score(&json!({"strict": true, "ask": [{"execute": words}]}));
    send(&["GET", "list"]).expect_error(500, "store-command", &[]);
    send(&["INCR", "n"]).expect_error(500, "store-denied", &[]);
    host.log.wait_for("the command", |line| {
        line.to_string().contains("may not run `incr`")
    });
    redis.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = send(&["SET", "a", "b"]).expect_error(503, "store-full", &[]);
    assert!(full.header("retry-after").is_some());
}

#[test]
fn a_full_store_is_told_from_one_that_is_away() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let app = App::with(programs::KEYS, MANIFEST);
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    host.score(&strict("set")).expect(200);
    redis.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for op in ["set", "increment"] {
        waits(&host, op, "store-full", "the store is full: OOM");
    }
    host.score(&strict("get")).expect(200);
    redis.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    host.score(&strict("set")).expect(200);
    redis.command::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    waits(&host, "set", "store-unavailable", "NOREPLICAS");
    redis.command::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    host.score(&strict("set")).expect(200);
    redis.stop();
    waits(&host, "set", "store-unavailable", "cannot be reached now");
}

#[test]
fn a_message_that_the_store_refuses_for_good_is_parked_at_its_first_delivery() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    redis.command::<()>(&["LPUSH", "p:a", "1"]);
    let functions = [("one", messages("msg", "one", Some("binary"), &[park()]))];
    let app = function_app(programs::KEYS, MANIFEST, json!({}), &functions);
    let host = FunctionsHost::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    let send = |op: &str| {
        let body = base64(strict(op).to_string());
        host.invoke("one", &envelope("msg", body, message_metadata("m", 1)))
    };
    let bound = send("get").unwrap_or_else(|failed| panic!("{failed:?}"));
    let record = bound.json("park");
    assert_eq!(record["problem"]["code"], "store-command", "{record}");
    // A store that is full passes, so the message is delivered again.
    redis.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(send("set").is_err(), "the message is completed");
}
