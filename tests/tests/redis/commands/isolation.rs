//! Two scorers on one server: neither reads or writes the other's keys.
//!
//! Owns the attempts.

use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::require;
use serde_json::{Value, json};

use super::{execute, host};

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
