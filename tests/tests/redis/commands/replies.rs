//! The replies to raw commands: one at a time, in pipelines and in transactions.
//!
//! Owns the form of each kind of data, and the limit on a reply.

use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::require;
use serde_json::{Value, json};

use super::{ALL, ask, execute, host, words};

#[test]
fn every_kind_of_data_goes_there_and_back() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    let host = host(&redis, ALL);
    let check = |words: &str, expected: Value| {
        assert_eq!(execute(&host, words), json!({ "ok": expected }), "{words}")
    };
    check("SET s v", json!({"text": "OK"}));
    check("GET s", json!("v"));
    check("GET none", Value::Null);
    check("ping", json!({"text": "PONG"}));
    check("HSET h a 1 b 2", json!(2));
    check("HGETALL h", json!({"map": [["a", "1"], ["b", "2"]]}));
    check("HINCRBYFLOAT h a 0.5", json!("1.5"));
    check("HSCAN h 0", json!(["0", ["a", "1.5", "b", "2"]]));
    check("ZADD z 1.5 x 2 y", json!(2));
    check("ZSCORE z x", json!({"double": 1.5}));
    check(
        "ZRANGE z 0 -1 WITHSCORES",
        json!([["x", {"double": 1.5}], ["y", {"double": 2.0}]]),
    );
    check("ZUNIONSTORE zz 2 z none WEIGHTS 2 1", json!(2));
    check(
        "ZMPOP 2 none zz MAX",
        json!(["zz", [["y", {"double": 4.0}]]]),
    );
    check("RPUSH l 1 2 3", json!(3));
    check("LMPOP 2 none l LEFT COUNT 2", json!(["l", ["1", "2"]]));
    check("SADD t m", json!(1));
    check("SMEMBERS t", json!(["m"]));
    check("SINTERCARD 2 t t", json!(1));
    check("SETBIT bits 7 1", json!(0));
    check("BITOP NOT bits2 bits", json!(1));
    check("PFADD hll a b", json!(1));
    check("PFCOUNT hll none", json!(2));
    check("GEOADD g 13.4 52.5 berlin", json!(1));
    check(
        "GEOSEARCH g FROMLONLAT 13.4 52.5 BYRADIUS 1 km",
        json!(["berlin"]),
    );
    check("OBJECT ENCODING s", json!("embstr"));
    check("TYPE z", json!({"text": "zset"}));
    check("COPY s s2 REPLACE", json!(1));
    check("EXPIRE s2 100", json!(1));
    check("XADD x 1-1 f v", json!("1-1"));
    check(
        "XREAD COUNT 1 STREAMS x none 0 0",
        json!({"map": [["x", [["1-1", ["f", "v"]]]]]}),
    );
    check("XGROUP CREATE x g 0", json!({"text": "OK"}));
    check(
        "XREADGROUP GROUP g c STREAMS x >",
        json!({"map": [["x", [["1-1", ["f", "v"]]]]]}),
    );
    check("XACK x g 1-1", json!(1));
    // These are bytes that are not text, and an argument with special characters.
    let bytes = json!({"bytes": [0, 255, 13, 10]});
    let answers = ask(
        &host,
        json!([{"execute": ["SET", "p:{b} *", bytes]}, {"execute": ["GET", "p:{b} *"]}]),
    );
    assert_eq!(answers[1], json!({"ok": bytes}));
    // The SDK converts replies to JSON.
    let answers = ask(
        &host,
        json!([{"json": ["HGETALL", "h"]}, {"json": ["GET", "none"]}, {"json": ["LRANGE", "l", "0", "-1"]}]),
    );
    assert_eq!(
        answers,
        json!([{"ok": {"a": "1.5", "b": "2"}}, {"ok": null}, {"ok": ["3"]}])
    );
    let keys: Vec<String> = redis.command(&["KEYS", "*"]);
    assert!(
        keys.len() > 10 && keys.iter().all(|key| key.starts_with("p:")),
        "{keys:?}"
    );
}

#[test]
fn pipelines_and_transactions() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = host(&redis, ALL);
    let one = |how: &str, lines: &[&str]| ask(&host, json!([{ how: words(lines) }]))[0].clone();
    // The commands of a pipeline fail or succeed separately.
    let answers = one(
        "pipeline",
        &["SET s v", "HGET s f", "KEYS *", "GET s", "INCR n", "INCR n"],
    );
    let answers = answers["ok"].as_array().expect("a list").clone();
    assert_eq!(answers[0], json!({"ok": {"text": "OK"}}));
    let text = answers[1]["error"]["server"].as_str().expect("an error");
    assert!(
        text.starts_with("WRONGTYPE Operation against a key"),
        "{text}"
    );
    let text = answers[2]["error"]["denied"].as_str().expect("an error");
    assert!(
        text.contains("keys of others") && text.contains("list-keys"),
        "{text}"
    );
    assert_eq!(
        answers[3..],
        [json!({"ok": "v"}), json!({"ok": 1}), json!({"ok": 2})]
    );
    assert_eq!(one("pipeline", &[]), json!({"ok": []}));
    let many: Vec<String> = (0..1000)
        .map(|number| format!("RPUSH many {number}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answers = one("pipeline", &many);
    assert_eq!(
        answers["ok"].as_array().expect("a list").last(),
        Some(&json!({"ok": 1000}))
    );
    let order: Vec<String> = redis.command(&["LRANGE", "p:many", "0", "-1"]);
    assert!(
        order
            .iter()
            .enumerate()
            .all(|(index, value)| *value == index.to_string())
    );

    // In this transaction all commands are executed, and one of them fails.
    let answers = one(
        "transaction",
        &["INCR n", "HGET s f", "LMPOP 1 many LEFT", "GET n"],
    );
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(
        answers,
        json!({"ok": [3, {"fault": wrong}, ["many", ["0"]], "3"]})
    );
    // In these transactions no command is executed: one command is invalid, or is refused before it
    // is sent.
    let answers = one("transaction", &["INCR n", "HSET h f"]);
    let text = answers["error"]["server"].as_str().expect("an error");
    assert!(text.contains("wrong number of arguments"), "{text}");
    let answers = one("transaction", &["INCR n", "EVAL x 0"]);
    assert!(
        answers["error"]["denied"]
            .as_str()
            .expect("an error")
            .contains("script"),
        "{answers}"
    );
    assert_eq!(execute(&host, "GET n"), json!({"ok": "3"}));
    assert_eq!(one("transaction", &[]), json!({"ok": []}));
    assert_eq!(
        one("transaction", &["PING"]),
        json!({"ok": [{"text": "PONG"}]})
    );
}

#[test]
fn what_is_too_large_is_refused() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = host(&redis, ALL);
    let limit = scorebox_host::redis::raw::REPLY_BYTES;
    redis.command::<()>(&["SETRANGE", "p:large", &limit.to_string(), "x"]);
    redis.command::<()>(&["SETRANGE", "p:half", &(limit / 2).to_string(), "x"]);
    let weigh = |lines: &[&str]| ask(&host, json!([{"weigh": words(lines)}]))[0]["ok"].clone();
    let (fits, too_large) = (json!({"ok": null}), json!({"error": {"too-large": limit}}));
    assert_eq!(execute(&host, "GET large"), too_large);
    assert_eq!(weigh(&["GET half"]), json!([fits]));
    assert_eq!(weigh(&["MGET half half"]), json!([too_large]));
    // The limit applies to the replies together, and the connection works as before.
    assert_eq!(
        weigh(&["GET half", "GET half", "STRLEN half"]),
        json!([fits, too_large, fits])
    );
    assert_eq!(
        ask(
            &host,
            json!([{"transaction": words(&["GET half", "GET half"])}])
        ),
        json!([too_large])
    );
    let denied = |ask_for: Value| {
        let answer = ask(&host, json!([ask_for]))[0].clone();
        answer["error"]["denied"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    };
    let text = denied(
        json!({"execute": ["SET", "a", {"zeros": scorebox_host::redis::VALUE_LIMIT_BYTES + 1}]}),
    );
    assert!(text.contains("bytes at most"), "{text}");
    let text = denied(
        json!({"pipeline": vec![["PING"]; scorebox_host::redis::raw::COMMANDS_AT_ONCE + 1]}),
    );
    assert!(text.contains("commands at most"), "{text}");
}
