//! Raw commands on a real Redis Cluster: slots, transactions and pipelines while slots move, and
//! broken connections.
//!
//! Owns the behaviour that only several nodes, or a connection that breaks, show. Must not know the
//! command table.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use scorebox_host::redis::raw::{Allowed, Command, CommandError, Connection, Node, Reply};
use scorebox_tests::app::App;
use scorebox_tests::cable::Cable;
use scorebox_tests::host::Host;
use scorebox_tests::http::{block_on, install_crypto};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::redis_cluster::Cluster;
use scorebox_tests::store_ops::server;
use scorebox_tests::{programs, require, wait};
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(5);

fn connection(url: &str, prefix: &str) -> Connection {
    install_crypto();
    let server = server(url, TIMEOUT);
    let allowed = Allowed::parse(&["@all".to_owned()]).expect("a family");
    Connection::new(Some(&server), "default", prefix, allowed, "URL")
}

fn command(words: &str) -> Command {
    words
        .split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn commands(lines: &[&str]) -> Vec<Command> {
    lines.iter().map(|line| command(line)).collect()
}

/// Returns a whole number from a reply that is a number or a string.
#[track_caller]
fn number(reply: &Reply) -> i64 {
    match &reply.nodes[reply.root as usize] {
        Node::Integer(number) => *number,
        Node::Bytes(bytes) => String::from_utf8_lossy(bytes).parse().expect("a number"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_one_command_or_transaction_share_a_slot() {
    require!("redis-server");
    let cluster = Cluster::start();
    let manifest =
        "[stores.default]\nprefix = \"p\"\ncommands = [\"@all\"]\n[limits]\ndeadline = \"30s\"\n";
    let host = Host::start_with(
        &App::with(programs::COMMANDS, manifest),
        &[("SCOREBOX_REDIS_URL", &cluster.url())],
    );
    let ask =
        |ask: serde_json::Value| host.score(&json!({ "ask": [ask] })).expect(200).json()[0].clone();
    let words = |lines: &[&str]| -> Vec<Vec<String>> {
        lines
            .iter()
            .map(|line| line.split(' ').map(str::to_owned).collect())
            .collect()
    };
    let check = |how: &str, lines: &[&str], expected: serde_json::Value| {
        let asked = if how == "execute" {
            json!({ how: words(lines)[0] })
        } else {
            json!({ how: words(lines) })
        };
        assert_eq!(ask(asked), expected, "{lines:?}");
    };
    let apart = json!({"error": "cross-slot"});
    check("execute", &["MSET a 1 b 2"], apart.clone());
    check(
        "execute",
        &["MSET {t}a 1 {t}b 2"],
        json!({"ok": {"text": "OK"}}),
    );
    check("execute", &["ZUNIONSTORE a 2 b c"], apart.clone());
    check(
        "execute",
        &["ZUNIONSTORE {t}z 2 {t}x {t}y"],
        json!({"ok": 0}),
    );
    check("execute", &["PING"], json!({"ok": {"text": "PONG"}}));
    check("transaction", &["INCR a", "INCR b"], apart.clone());
    check(
        "transaction",
        &["PING", "INCR {t}n", "MGET {t}a {t}b"],
        json!({"ok": [{"text": "PONG"}, 1, ["1", "2"]]}),
    );
    check(
        "transaction",
        &["TIME", "INCR a", "MGET {t}a a"],
        apart.clone(),
    );
    // The commands of a pipeline are executed separately, so their keys may be on any node.
    check(
        "pipeline",
        &["SET a 1", "MGET a b", "GET a", "INCR b"],
        json!({"ok": [{"ok": {"text": "OK"}}, apart, {"ok": "1"}, {"ok": 1}]}),
    );
    let many: Vec<String> = (0..300)
        .flat_map(|key| [format!("INCR key-{key}"), format!("INCR key-{key}")])
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let expected: Vec<_> = (0..600)
        .map(|index| json!({ "ok": index % 2 + 1 }))
        .collect();
    check("pipeline", &many, json!({ "ok": expected }));
    let sizes: Vec<i64> = (0..3)
        .map(|node| cluster.command(node, &["DBSIZE"]))
        .collect();
    assert!(sizes.iter().all(|size| *size > 50), "{sizes:?}");
    // The same tag puts two scorers' keys into one slot, but they still cannot read each other's
    // keys.
    let other = connection(&cluster.url(), "q");
    block_on(async {
        let found = other
            .execute(command("MGET {t}a {t}b"))
            .await
            .expect("a reply");
        assert_eq!(found.nodes[..2], [Node::Nil, Node::Nil]);
        other
            .execute(command("DEL {t}a {t}b {t}n"))
            .await
            .expect("a reply");
    });
    check("execute", &["GET {t}a"], json!({"ok": "1"}));
}

#[test]
fn transactions_and_pipelines_stay_whole_while_slots_move() {
    require!("redis-server");
    const TASKS: usize = 6;
    let cluster = Cluster::start();
    let connection = connection(&cluster.url(), "moving");
    let stop = AtomicBool::new(false);
    let counted = std::thread::scope(|scope| {
        let mover = scope.spawn(|| cluster.keep_moving(&stop));
        let counted = block_on(async {
            let count = (0..TASKS).map(async |task| {
                let mut rounds = [0; 50];
                let (mut round, mut refused) = (0, 0);
                let end = Instant::now() + Duration::from_secs(4);
                while Instant::now() < end {
                    round += 1;
                    // There are many tags, so that some are moving at any time.
                    let tag = round % rounds.len();
                    let own = format!("{{{task}-{tag}}}");
                    let both = commands(&[
                        &format!("INCR {own}a"),
                        &format!("RPUSH {own}b x"),
                        &format!("INCR {own}c"),
                    ]);
                    match connection.transaction(both).await {
                        Ok(replies) => {
                            rounds[tag] += 1;
                            let found: Vec<i64> = replies.iter().map(number).collect();
                            assert_eq!(found, [rounds[tag]; 3], "of {own}");
                        }
                        // The keys were moving for too long, and no command was executed.
                        Err(CommandError::Disconnected(why)) if why.contains("not ready") => {
                            refused += 1
                        }
                        Err(other) => panic!("{own}: {other}"),
                    }
                    let pipeline = commands(&[
                        &format!("SET {own}s {round}"),
                        &format!("INCR {own}s"),
                        &format!("GET other-{task}"),
                        &format!("GET {own}s"),
                    ]);
                    let replies = connection.pipeline(pipeline).await.expect("replies");
                    let last = replies[3].as_ref().expect("a number");
                    assert_eq!(
                        number(last),
                        i64::try_from(round).expect("small") + 1,
                        "of {own}"
                    );
                    let keys = format!("SUNION {own}none {own}nothing");
                    match connection.execute(command(&keys)).await {
                        Ok(reply) => assert_eq!(reply.nodes, [Node::Array(Vec::new())]),
                        Err(CommandError::Disconnected(why)) if why.contains("not ready") => {
                            refused += 1
                        }
                        Err(other) => panic!("{own}: {other}"),
                    }
                }
                (rounds, refused)
            });
            futures_util::future::join_all(count).await
        });
        stop.store(true, Ordering::Relaxed);
        assert!(
            mover.join().expect("slots are moved") >= 1,
            "slots were not moved once"
        );
        counted
    });
    block_on(async {
        let (mut total, mut refusals) = (0, 0);
        for (task, (rounds, refused)) in counted.iter().enumerate() {
            refusals += refused;
            for (tag, expected) in rounds.iter().enumerate() {
                total += expected;
                let own = format!("{{{task}-{tag}}}");
                let all = commands(&[
                    &format!("INCRBY {own}a 0"),
                    &format!("LLEN {own}b"),
                    &format!("INCRBY {own}c 0"),
                ]);
                let replies = connection.transaction(all).await.expect("replies");
                assert_eq!(
                    replies.iter().map(number).collect::<Vec<_>>(),
                    [*expected; 3],
                    "of {own}"
                );
            }
        }
        println!("{total} transactions, {refusals} refused");
        assert!(
            total > 100 && refusals * 10 < total,
            "{total} transactions, {refusals} refused"
        );
    });
}

#[test]
fn a_transaction_waits_for_keys_that_are_on_their_way() {
    require!("redis-server");
    let cluster = Cluster::start();
    let connection = connection(&cluster.url(), "p");
    let (first, last) = Cluster::third(0);
    // This tag's slot is on the first node.
    let tag = (0..).map(|number| format!("{{{number}}}")).find(|tag| {
        let slot: u16 = cluster.command(0, &["CLUSTER", "KEYSLOT", &format!("p:{tag}")]);
        (first..=last).contains(&slot)
    });
    let tag = tag.expect("a third of all tags");
    let slot: u16 = cluster.command(0, &["CLUSTER", "KEYSLOT", &format!("p:{tag}")]);
    let both = || commands(&[&format!("INCR {tag}a"), &format!("INCR {tag}b")]);
    let counted = |replies: Vec<Reply>| replies.iter().map(number).collect::<Vec<_>>();
    block_on(connection.execute(command(&format!("INCR {tag}a")))).expect("a reply");
    cluster.begin_moving([slot], 0, 1);
    std::thread::scope(|scope| {
        // One key exists on the first node, and the other would be created on the second. So
        // neither node can execute both.
        let waiting = scope.spawn(|| block_on(connection.transaction(both())).map(counted));
        wait::until("a node to refuse the transaction", || {
            let refused = (0..2).any(|node| {
                let errors: String = cluster.command(node, &["INFO", "errorstats"]);
                errors.contains("errorstat_TRYAGAIN")
            });
            refused.then_some(())
        });
        assert!(!waiting.is_finished());
        cluster.finish_moving([slot], 0, 1);
        assert_eq!(waiting.join().expect("no panic"), Ok(vec![2, 1]));
    });
    // A transaction that waits in vain returns an error, and no command was executed.
    cluster.begin_moving([slot], 1, 2);
    let new = commands(&[&format!("INCR {tag}a"), &format!("INCR {tag}c")]);
    let split = block_on(connection.transaction(new));
    assert!(
        matches!(&split, Err(CommandError::Disconnected(why)) if why.contains("not ready")),
        "{split:?}"
    );
    cluster.finish_moving([slot], 1, 2);
    assert_eq!(
        block_on(connection.transaction(both())).map(counted),
        Ok(vec![3, 2])
    );
}

#[test]
fn a_break_in_the_middle_never_executes_twice() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let cable = Cable::to(redis.port());
    let connection = connection(&format!("redis://127.0.0.1:{}", cable.port()), "p");
    let both = || commands(&["INCR {t}a", "INCR {t}b"]);
    let (mut made, mut unknown) = (1, 0);
    block_on(async {
        connection.transaction(both()).await.expect("replies");
        for bytes in 0..40 {
            cable.cut_after(bytes);
            match if bytes % 2 == 0 {
                connection.transaction(both()).await.map(drop)
            } else {
                let replies = connection
                    .pipeline(both())
                    .await
                    .expect("something was sent");
                replies.into_iter().try_for_each(|reply| reply.map(drop))
            } {
                Ok(()) => made += 1,
                Err(CommandError::Disconnected(_)) => unknown += 1,
                Err(other) => panic!("{other}"),
            }
            cable.restore();
            wait::until_async("the server to be back", async || {
                connection.execute(command("GET {t}a")).await.ok()
            })
            .await;
        }
    });
    let [a, b]: [i64; 2] = ["p:{t}a", "p:{t}b"].map(|key| redis.command(&["GET", key]));
    assert!(unknown > 0, "nothing was cut");
    assert!(
        a == b && (made..=made + unknown).contains(&a),
        "{made} made, {unknown} unknown: {a} and {b}"
    );
}
