//! Raw commands that the manifest or the host does not allow: none of them is sent.
//!
//! Owns the lists of such commands and their messages.

use scorebox_tests::app::App;
use scorebox_tests::host::refused;
use scorebox_tests::programs;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::require;
use serde_json::json;

use super::host;

/// Exit code for a component that requests a capability that it must not have.
const COMPONENT: i32 = 4;

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
    check("all", "hgte h f", &["`hgte` is not a command"]);
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
    check("all", "MEMORY DOCTOR", &["is not a command"]);
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
fn a_scorer_without_commands_is_refused() {
    for manifest in [
        "",
        "[stores.default]\n",
        "[stores.default]\ncommands = []\n",
    ] {
        let app = App::with(programs::COMMANDS, manifest);
        let ended = refused(&app, &[]).ended(COMPONENT);
        ended.said(&[
            "scorebox:scoring/redis@0.2.0",
            "grants no commands",
            "@hash",
            "fix:",
        ]);
    }
    let app = App::with(
        programs::COMMANDS,
        "[stores.default]\ncommands = [\"BLPOP\"]\n",
    );
    refused(&app, &[]).ended(3).said(&[
        "stores.default.commands",
        "`BLPOP` is never allowed",
        "LPOP",
    ]);
}
