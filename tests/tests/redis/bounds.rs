//! Limits for a scorer's Redis commands: arguments that cause long work are refused, and the server
//! stays available.
//!
//! Owns the server's side of each limit: no data was stored, and no other client waited. Must not
//! know the single rules, whose cases are in `redis/raw/bounds.rs`.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{programs, require, wait};
use serde_json::{Value, json};

const ALL: &str =
    "[stores.default]\nprefix = \"p\"\ncommands = [\"@all\"]\n[limits]\ndeadline = \"30s\"\n";

#[test]
fn arguments_that_make_long_work_are_denied_and_not_sent() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &App::with(programs::COMMANDS, ALL),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    let ask = |ask: Value| host.score(&json!({ "ask": ask })).expect(200).json();
    let denied = |words: &str, part: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let answer = ask(json!([{ "execute": words }]));
        let text = answer[0]["error"]["denied"]
            .as_str()
            .unwrap_or_else(|| panic!("{words:?}: {answer}"));
        assert!(text.contains(part), "{words:?}: {text}");
    };
    redis.command::<()>(&["SADD", "p:set", "a"]);
    denied("SETRANGE k 500000000 x", "33554432");
    denied("SETBIT k 4294967295 1", "33554432");
    denied("BITFIELD k SET u8 #400000000 1", "33554432");
    denied("SRANDMEMBER set -100000000", "65536");
    denied("SSCAN set 0 COUNT 100000000", "65536");
    denied("LCS a b", "never allowed");
    let many: Vec<String> = (0..65).map(|_| "set".to_owned()).collect();
    denied(&format!("SUNION {}", many.join(" ")), "more than twice");
    assert_eq!(redis.command::<i64>(&["EXISTS", "p:k"]), 0);
    // One command of a pipeline fails alone. The sizes of all its commands are added up.
    let offsets: Value = (0..4)
        .map(|index| json!(["SETRANGE", format!("k{index}"), "30000000", "x"]))
        .collect();
    let answer = ask(json!([{ "weigh": offsets }]));
    let replies = answer[0]["ok"].as_array().expect("replies");
    assert!(
        replies[..2].iter().all(|reply| reply.get("ok").is_some()),
        "{answer}"
    );
    let is_denied = |reply: &Value| {
        reply["error"]["denied"]
            .as_str()
            .is_some_and(|text| text.contains("67108864"))
    };
    assert!(replies[2..].iter().all(is_denied), "{answer}");
    assert_eq!(
        redis.command::<i64>(&["EXISTS", "p:k0", "p:k1", "p:k2", "p:k3"]),
        2
    );
    // Usual commands are allowed.
    let usual = [
        "LRANGE l 0 -1",
        "HSCAN h 0 COUNT 1000",
        "SETRANGE s 10 x",
        "SETBIT b 1000 1",
        "SRANDMEMBER set -5",
    ];
    for words in usual {
        let words: Vec<&str> = words.split(' ').collect();
        let answer = ask(json!([{ "execute": words }]));
        assert!(answer[0].get("ok").is_some(), "{words:?}: {answer}");
    }
}

#[test]
fn a_value_that_is_asked_for_many_times_in_a_batch_is_sent_once() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let manifest = "[stores.default]\nprefix = \"p\"\n[limits]\ndeadline = \"30s\"\n";
    let host = Host::start_with(
        &App::with(programs::KEYS, manifest),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    redis.command::<()>(&["SETRANGE", "p:large", "30000000", "x"]);
    let sent = || {
        let stats: String = redis.command(&["INFO", "stats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_net_output_bytes:"))
            .expect("a figure");
        line.trim().parse::<u64>().expect("a number")
    };
    let before = sent();
    let keys = vec!["large"; 100];
    let answer = host
        .score(&json!({"ops": [{"op": "get-many", "keys": keys}]}))
        .expect(200)
        .json();
    let text = answer[0]["error"]["other"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    assert!(text.contains("at most 67108864 bytes"), "{text}");
    let bytes = sent() - before;
    assert!(bytes < 40_000_000, "{bytes} bytes");
    // If the reply is small, values are returned as often as their keys are named.
    redis.command::<()>(&["SET", "p:small", "v"]);
    let answer = host
        .score(&json!({"ops": [{"op": "get-many", "keys": ["small", "none", "small"]}]}))
        .expect(200)
        .json();
    assert_eq!(
        answer,
        json!([{"ok": [["small", "v"], null, ["small", "v"]]}])
    );
}

#[test]
fn replies_that_are_too_large_together_are_not_kept_until_the_last_one() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let manifest = ALL.replace("prefix", "timeout = \"10s\"\nprefix");
    let host = Host::start_with(
        &App::with(programs::COMMANDS, &manifest),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    redis.command::<()>(&["SETRANGE", "p:large", "30000000", "x"]);
    let weigh = |gets: usize| {
        host.score(&json!({"ask": [{"weigh": vec![["GET", "large"]; gets]}]}))
            .expect(200)
            .json()
    };
    assert_eq!(weigh(1)[0]["ok"], json!([{"ok": null}]));
    let before = peak_bytes(host.pid());
    let answer = weigh(30);
    let replies = answer[0]["ok"].as_array().expect("replies");
    assert!(
        replies
            .iter()
            .all(|reply| *reply == json!({"error": {"too-large": 268_435_456}})),
        "{answer}"
    );
    let grown = peak_bytes(host.pid()) - before;
    assert!(grown < 700 << 20, "{grown} bytes");
    // The connection is opened again.
    wait::until("the store to be there again", || {
        (weigh(1)[0]["ok"] == json!([{"ok": null}])).then_some(())
    });
}

/// Returns the peak memory of a process, in bytes.
fn peak_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the kernel says so");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        * 1024
}
