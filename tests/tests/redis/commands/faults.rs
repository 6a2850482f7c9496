//! Raw commands without a server: one that is gone, and a store in memory.
//!
//! Owns the errors that the scorer gets, and the lines in the log.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{programs, require, wait};
use serde_json::json;

use super::{ALL, ask, execute, host};

#[test]
fn a_server_that_is_gone_is_unavailable_and_in_the_log() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let host = host(&redis, ALL);
    assert_eq!(execute(&host, "INCR n"), json!({"ok": 1}));
    redis.stop();
    wait::until("the loss to be noticed", || {
        (execute(&host, "GET n") == json!({"error": "disconnected"})).then_some(())
    });
    let get = json!(["GET", "n"]);
    let answers = ask(
        &host,
        json!([{"pipeline": [get, get]}, {"transaction": [get]}]),
    );
    assert_eq!(
        answers[0]["ok"],
        json!([{"error": "disconnected"}, {"error": "disconnected"}])
    );
    assert_eq!(answers[1], json!({"error": "disconnected"}));
    let failed = host.score(&json!({"strict": true, "ask": [{"execute": get}]}));
    failed.expect_error(503, "store-unavailable", &["does not answer"]);
    let line = host.log.wait_for("the failure", |line| {
        line["level"] == "WARN"
            && line["message"]
                .as_str()
                .is_some_and(|text| text.contains("cannot be reached"))
    });
    assert!(!line.to_string().contains("127.0.0.1"), "{line}");
    redis.restart();
    wait::until("the store to be back", || {
        (execute(&host, "GET n") == json!({"ok": null})).then_some(())
    });
    // The server is alive, but does not respond.
    redis.pause(true);
    assert_eq!(execute(&host, "GET n"), json!({"error": "timeout"}));
    redis.pause(false);
    wait::until("the store to be back", || {
        (execute(&host, "GET n") == json!({"ok": null})).then_some(())
    });
}

#[test]
fn a_store_in_memory_has_no_raw_commands_and_says_which_variable_is_missing() {
    let host = Host::start(&App::with(programs::COMMANDS, ALL));
    assert_eq!(ask(&host, json!(["open"])), json!([{"ok": null}]));
    assert_eq!(execute(&host, "GET n"), json!({"error": "disconnected"}));
    assert_eq!(
        ask(&host, json!([{"transaction": [["GET", "n"]]}])),
        json!([{"error": "disconnected"}])
    );
    host.log.wait_for("the variable", |line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("SCOREBOX_REDIS_URL is not set"))
    });
    // A command that is never allowed is denied first, because that holds for every store.
    assert!(execute(&host, "KEYS *")["error"]["denied"].is_string());
}
