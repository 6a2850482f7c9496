//! Raw commands through a scorer, on one real server: the replies, the refusals, and the data that
//! is out of reach.
//!
//! Owns the behaviour that a scorer sees. Must not know the positions of keys, which the table has,
//! nor clusters, which have a file of their own.

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, refused};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{require, wait};
use serde_json::{Value, json};

/// Exit code for a component that requests a capability that it must not have.
const COMPONENT: i32 = 4;

const ALL: &str =
    "[stores.default]\nprefix = \"p\"\ncommands = [\"@all\"]\n[limits]\ndeadline = \"30s\"\n";

fn host(redis: &Redis, manifest: &str) -> Host {
    Host::start_with(
        &App::with("commands", manifest),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    )
}

#[track_caller]
fn ask(host: &Host, ask: Value) -> Value {
    host.score(&json!({ "ask": ask })).expect(200).json()
}

/// Executes one command, given as words.
#[track_caller]
fn execute(host: &Host, words: &str) -> Value {
    let words: Vec<&str> = words.split(' ').collect();
    ask(host, json!([{ "execute": words }]))[0].clone()
}

fn words(lines: &[&str]) -> Value {
    lines
        .iter()
        .map(|line| json!(line.split(' ').collect::<Vec<_>>()))
        .collect()
}

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
fn what_the_manifest_or_the_host_does_not_allow_is_denied_and_not_sent() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let manifest = "[stores.default]\nprefix = \"p\"\ncommands = [\"@hash\", \"xread\"]\n[stores.plain]\n\
                    [stores.all]\ncommands = [\"@all\"]\n";
    let host = host(&redis, manifest);
    let answer = |store: &str, words: &str| {
        let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        host.score(&json!({"store": store, "ask": [{ "execute": words }]}))
            .expect(200)
            .json()[0]
            .clone()
    };
    redis.command::<()>(&["CONFIG", "RESETSTAT"]);
    let check = |store: &str, words: &str, parts: &[&str]| {
        let found = answer(store, words);
        let text = found["error"]["denied"]
            .as_str()
            .unwrap_or_else(|| panic!("{words}: {found}"))
            .to_owned();
        assert!(
            parts.iter().all(|part| text.contains(part)),
            "{words}: {text}"
        );
    };
    check(
        "default",
        "ZADD z 1 m",
        &["ZADD is not in stores.default.commands"],
    );
    check("default", "FLUSHALL", &["FLUSHALL is never allowed"]);
    check("default", "", &["empty"]);
    check("plain", "HGET h f", &["set stores.plain.commands"]);
    check("all", "hgte h f", &["`hgte` is no command"]);
    check("all", "XREAD BLOCK 0 STREAMS x 0", &["may not BLOCK"]);
    check(
        "all",
        "XREADGROUP GROUP g c BLOCK 1 STREAMS x >",
        &["may not BLOCK"],
    );
    check("all", "COPY a b DB 1", &["same database"]);
    check("all", "ZUNION 2 a", &["number of the keys"]);
    check("all", "LMPOP 1x a LEFT", &["number of the keys"]);
    check("all", "GET", &["more arguments"]);
    check("all", "MEMORY DOCTOR", &["no command"]);
    for never in [
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "EVAL x 0",
        "EVALSHA x 0",
        "FCALL f 0",
        "SCRIPT LOAD x",
        "SUBSCRIBE c",
        "PUBLISH c m",
        "WATCH a",
        "MULTI",
        "EXEC",
        "DISCARD",
        "SORT l BY x",
        "SORT_RO l GET x",
        "MIGRATE h 1 k 0 1",
        "MOVE k 1",
        "WAIT 1 0",
        "DEBUG SLEEP 1",
        "SHUTDOWN",
        "MODULE LIST",
        "CONFIG GET *",
        "ACL WHOAMI",
        "CLIENT LIST",
        "CLIENT REPLY OFF",
        "SELECT 1",
        "AUTH x",
        "HELLO 2",
        "RESET",
        "QUIT",
        "FLUSHDB",
        "BLPOP l 0",
        "BLMOVE a b LEFT LEFT 0",
        "BZPOPMIN z 0",
        "GEORADIUS g 1 1 1 km STORE x",
        "RESTORE k 0 x",
        "CLUSTER SLOTS",
        "INFO",
        "MONITOR",
        "OBJECT HELP",
        "COMMAND",
    ] {
        check("all", never, &[]);
    }
    assert_eq!(
        answer("none", "PING"),
        json!({"error": "no-such-connection"})
    );
    // Allowed commands still work, and no other command has reached the server.
    assert_eq!(answer("default", "HSET h f v"), json!({"ok": 1}));
    assert_eq!(answer("default", "XREAD STREAMS x 0"), json!({"ok": null}));
    let statistics: String = redis.command(&["INFO", "commandstats"]);
    for sent in statistics
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next())
    {
        let expected = [
            "hset",
            "xread",
            "info",
            "hello",
            "client|setinfo",
            "cluster|slots",
            "config|resetstat",
            "ping",
        ];
        assert!(expected.contains(&sent), "{statistics}");
    }
    // A denial is the scorer's fault. Its details are only in the log.
    let failed = host.score(&json!({"strict": true, "ask": [{"execute": ["KEYS", "*"]}]}));
    failed.expect_error(500, "store-denied", &["may not use its store"]);
}

#[test]
fn two_scorers_on_one_server_cannot_meet() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let store =
        |prefix: &str| format!("[stores.default]\nprefix = \"{prefix}\"\ncommands = [\"@all\"]\n");
    // One prefix begins with the other, and one scorer has the host's own entries.
    let (one, two) = (host(&redis, &store("s")), host(&redis, &store("s/t")));
    for words in [
        &["SET", "s:k", "one's"][..],
        &["SET", "s/t:k", "two's"],
        &["SET", "s//predictions:k", "host's"],
        &["SET", "k", "nobody's"],
        &["RPUSH", "l", "nobody's"],
        &["ZADD", "z", "1", "nobody's"],
        &["XADD", "x", "1-1", "f", "nobody's"],
    ] {
        redis.command::<redis::Value>(words);
    }
    let before = contents(&redis);
    let names = [
        "k",
        "l",
        "z",
        "x",
        "s:k",
        "s/t:k",
        "/t:k",
        "//predictions:k",
        "..:k",
        "*",
        "{k}",
        "\\k",
        "?",
    ];
    for name in names {
        let found = execute(&two, &format!("GET {name}"));
        assert_eq!(
            found,
            json!({"ok": if name == "k" { json!("two's") } else { Value::Null }}),
            "{name}"
        );
        for read in [
            format!("EXISTS none {name}x"),
            format!("LRANGE {name}l 0 -1"),
            format!("LMPOP 2 none {name}l LEFT"),
            format!("ZUNION 2 none {name}z"),
            format!("ZMPOP 1 {name}z MIN"),
            format!("XREAD STREAMS {name}x 0"),
            format!("SINTERCARD 1 {name}s"),
            format!("OBJECT ENCODING {name}x"),
        ] {
            let found = execute(&two, &read);
            let is_empty = [json!(null), json!(0), json!([])].contains(&found["ok"]);
            assert!(is_empty, "{read}: {found}");
        }
    }
    // These commands write, rename, move and remove keys.
    for write in [
        "SET s:k x",
        "DEL s:k l z",
        "UNLINK s//predictions:k x",
        "RENAME k s:k",
        "COPY s:k k2",
        "MSET s:k x k x",
        "BITOP NOT s:k k",
        "ZUNIONSTORE s:z 1 z",
        "RPOPLPUSH l s:l",
        "LMOVE l s:l LEFT LEFT",
        "SMOVE t s:t m",
        "SUNIONSTORE s:k t",
        "PFMERGE s:k h",
        "GEOSEARCHSTORE s:g g FROMLONLAT 1 1 BYRADIUS 1 km",
        "ZRANGESTORE s:z z 0 -1",
        "XGROUP CREATE x g 0 MKSTREAM",
        "EXPIRE s:k 1",
        "LMPOP 2 l s:l LEFT",
        "SETEX s:k 1 x",
        "APPEND s:k x",
        "GETDEL s:k",
        "PERSIST s:k",
    ] {
        execute(&two, write);
    }
    let mut after = contents(&redis);
    after.retain(|(key, _)| !key.starts_with("s/t:"));
    let others: Vec<_> = before
        .into_iter()
        .filter(|(key, _)| !key.starts_with("s/t:"))
        .collect();
    assert_eq!(after, others);
    // An error shows keys as the scorer wrote them, without the prefix.
    let text = execute(&one, "XREADGROUP GROUP g c STREAMS none >")["error"]["server"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(
        text.contains("NOGROUP") && text.contains("'none'") && !text.contains("s:"),
        "{text}"
    );
}

/// Returns every key with its value.
fn contents(redis: &Redis) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<String> = redis.command(&["KEYS", "*"]);
    keys.sort();
    let dump = |key: String| {
        let value = redis.command(&["DUMP", &key]);
        (key, value)
    };
    keys.into_iter().map(dump).collect()
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
    let host = Host::start(&App::with("commands", ALL));
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

#[test]
fn a_scorer_without_commands_is_refused() {
    for manifest in [
        "",
        "[stores.default]\n",
        "[stores.default]\ncommands = []\n",
    ] {
        let app = App::with("commands", manifest);
        let ended = refused(&app, &[]).ended(COMPONENT);
        ended.said(&[
            "scorebox:scoring/redis@0.1.0",
            "grants no commands",
            "@hash",
            "fix:",
        ]);
    }
    let app = App::with("commands", "[stores.default]\ncommands = [\"BLPOP\"]\n");
    refused(&app, &[]).ended(3).said(&[
        "stores.default.commands",
        "`BLPOP` is never allowed",
        "LPOP",
    ]);
}
