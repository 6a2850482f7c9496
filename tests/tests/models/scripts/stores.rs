//! Stores of a script: redis-py in the sandbox gets the same replies from the host's store as
//! natively from the server.
//!
//! Owns the list of calls. `tests/data/scripts/stores.py` makes them.

use std::path::Path;
use std::sync::Arc;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::scripts::{LIBRARIES, built, native, start_with, text};
use scorebox_tests::shared::Shared;
use scorebox_tests::{libraries, pack, require, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::answer;

/// Settings of the script: its packages, its store, and no limits that matter.
const MANIFEST: &str = "requirements = \"requirements.txt\"\n[stores.default]\n\
                        url = \"env:SCOREBOX_REDIS_URL\"\n";

/// The project, and its app folder, which all tests here share.
struct Built {
    project: App,
    app: TempDir,
}

static BUILT: Shared<Built> = Shared::new();

fn shared(pack: &Path) -> Arc<Built> {
    BUILT.get(|| {
        let project = App::script("stores", &text("stores"), MANIFEST);
        project.write("requirements.txt", b"redis==8.1.0\n");
        let app = built(pack, project.path());
        Built { project, app }
    })
}

/// Serves the app with a Redis server.
#[track_caller]
fn serve(pack: &Path, built: &Built, redis: &Redis) -> Host {
    let url = redis.url();
    start_with(pack, built.app.path(), &[("SCOREBOX_REDIS_URL", &url)])
}

/// Requests whose answers do not depend on time or on other clients.
fn requests() -> Vec<Value> {
    let calls = json!([
        ["get", "missing"],
        ["set", "a", "hällo"],
        ["get", "a"],
        ["set", "a", "2", {"nx": true}],
        ["setex", "x", 60, "v"],
        ["incr", "n", 5],
        ["incrbyfloat", "n", 1.5],
        ["mset", {"m": 1}],
        ["mget", "a", "missing"],
        ["exists", "a", "missing"],
        ["hset", "h", "f", "1"],
        ["hgetall", "h"],
        ["hget", "h", "missing"],
        ["zadd", "z", {"m": 1.5, "k": 2}],
        ["zrange", "z", 0, -1, {"withscores": true}],
        ["zscore", "z", "m"],
        ["rpush", "l", 1, 2, 3],
        ["lrange", "l", 0, -1],
        ["sadd", "s", 1, 2],
        ["smembers", "s"],
        ["lpush", "n", 1],
        ["strlen", "a"],
        ["delete", "a", "missing"]
    ]);
    let pipeline = json!([
        ["set", "p", 1],
        ["incr", "p"],
        ["get", "p"],
        ["lpush", "p", 1],
        ["hgetall", "h"]
    ]);
    let mut requests = Vec::new();
    for options in [
        json!({}),
        json!({"decode_responses": true}),
        json!({"protocol": 2}),
        json!({"protocol": 3, "decode_responses": true}),
    ] {
        requests.push(json!({"calls": calls, "options": options}));
        for transaction in [true, false] {
            requests.push(json!({"calls": pipeline, "options": options, "pipeline": transaction}));
        }
        let clean = json!([["delete", "x", "n", "m", "h", "z", "l", "s", "p"]]);
        requests.push(json!({"calls": clean, "options": options}));
    }
    requests
}

#[test]
fn redis_py_gets_the_replies_of_the_server() {
    require!("redis-server");
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    let built = shared(pack);
    let (redis, other) = (Redis::start(Kind::Plain), Redis::start(Kind::Plain));
    let bodies: Vec<String> = requests().iter().map(Value::to_string).collect();
    let project = built.project.path();
    let expected = native(libraries, project, &bodies, Some(other.port()));
    let host = serve(pack, &built, &redis);
    for (body, expected) in bodies.iter().zip(expected) {
        let found = host.post("application/json", body.as_bytes()).expect(200);
        assert_eq!(found.json(), expected["answer"], "{body}");
    }
    // The address, the password and TLS of the code are ignored, and the log says so.
    host.log.wait_for("a line about the settings", |line| {
        line.to_string().contains("are ignored")
    });
}

#[test]
fn a_dead_store_is_an_exception_and_the_script_goes_on() {
    require!("redis-server");
    let pack = pack!();
    let (built, mut redis) = (shared(pack), Redis::start(Kind::Password));
    let host = serve(pack, &built, &redis);
    let get = json!({"calls": [["get", "missing"]]});
    assert_eq!(answer(&host, &get), json!([null]));
    redis.stop();
    assert_eq!(answer(&host, &get), json!([{"error": "ConnectionError"}]));
    redis.restart();
    wait::until("the store", || {
        (answer(&host, &get) == json!([null])).then_some(())
    });
}

#[test]
fn commands_that_a_store_does_not_allow_are_errors() {
    require!("redis-server");
    let pack = pack!();
    let (built, redis) = (shared(pack), Redis::start(Kind::Plain));
    let host = serve(pack, &built, &redis);
    let calls = json!([
        ["flushall"],
        ["config_get", "*"],
        ["shutdown"],
        ["keys", "*"],
        ["watch", "a"]
    ]);
    let found = answer(&host, &json!({ "calls": calls }));
    for (index, one) in found.as_array().expect("a list").iter().enumerate().take(3) {
        assert!(one["error"].is_string(), "{index}: {found}");
    }
    assert_eq!(
        answer(&host, &json!({"calls": [["get", "a"]]})),
        json!([null])
    );
}
