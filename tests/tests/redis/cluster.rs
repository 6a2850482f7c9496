//! Stores on a real Redis Cluster: in normal operation, while slots move, and when a node is gone.
//!
//! Owns the behaviour that only a cluster shows. Must not know the list of a store's cases: that is
//! in the harness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use scorebox_host::redis::{Condition, Store, StoreError};
use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::{block_on, install_crypto};
use scorebox_tests::programs;
use scorebox_tests::redis_cluster::{Cluster, SLOTS};
use scorebox_tests::store_cases::check_all;
use scorebox_tests::store_ops::{perform_all, server};
use scorebox_tests::{require, wait};
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(5);

fn store(cluster: &Cluster, prefix: &str, timeout: Duration) -> Store {
    install_crypto();
    Store::new(Arc::new(server(&cluster.url(), timeout)), prefix, None)
}

/// Runs the harness's list of cases, each case with a prefix of its own.
#[track_caller]
fn list(cluster: &Cluster, when: &str) {
    let mut number = 0;
    let all = store(cluster, "shared", TIMEOUT);
    check_all(when, |ops| {
        number += 1;
        let fresh = store(cluster, &format!("{when}-{number}"), TIMEOUT);
        let answers = block_on(perform_all(&fresh, ops.clone()));
        // A client that has used the cluster for a long time must give equal answers.
        let is_listing = ops.iter().any(|op| op["op"] == "all-keys");
        if !is_listing {
            let keys: Vec<_> = ops
                .iter()
                .filter_map(|op| op["key"].as_str().map(str::to_owned))
                .collect();
            block_on(all.delete(&keys)).expect("keys are removed");
        }
        answers
    });
}

#[test]
fn the_list_holds_before_during_and_after_slots_move() {
    require!("redis-server");
    let cluster = Cluster::start();
    list(&cluster, "before");
    let (first, last) = Cluster::third(0);
    cluster.begin_moving(first..=last, 0, 1);
    // Each key of the first third is now read from its old node, and new keys are created on the
    // new node.
    list(&cluster, "during");
    cluster.finish_moving(first..=last, 0, 1);
    list(&cluster, "after");
    let owned: Vec<String> = cluster.command(1, &["KEYS", "during-*"]);
    assert!(!owned.iter().any(String::is_empty));
}

#[test]
fn nothing_is_counted_twice_or_lost_while_slots_move() {
    require!("redis-server");
    const TASKS: i64 = 8;
    let cluster = Cluster::start();
    let store = store(&cluster, "moving", TIMEOUT);
    let stop = AtomicBool::new(false);
    let counted = std::thread::scope(|scope| {
        let mover = scope.spawn(|| cluster.keep_moving(&stop));
        let counted = block_on(async {
            let count = (0..TASKS).map(async |task| {
                let mut rounds = 0;
                let end = Instant::now() + Duration::from_secs(4);
                while Instant::now() < end {
                    rounds += 1;
                    // There are many keys, so that some are moving at any time, and one key that
                    // all tasks write.
                    let own = format!("own-{task}-{}", rounds % 50);
                    store.increment(&own, 1, None).await.expect("a count");
                    store.increment("all", 1, None).await.expect("a count");
                    let value = format!("{rounds}");
                    let entries = vec![
                        (format!("a-{task}"), value.clone().into()),
                        (format!("b-{task}"), value.clone().into()),
                    ];
                    store.set_many(entries, None).await.expect("a write");
                    let keys = [format!("a-{task}"), "none".to_owned(), format!("b-{task}")];
                    let read = store.get_many(&keys).await.expect("a read");
                    assert_eq!(read, [Some(value.clone().into()), None, Some(value.into())]);
                }
                rounds
            });
            futures_util::future::join_all(count).await
        });
        stop.store(true, Ordering::Relaxed);
        let moves = mover.join().expect("slots are moved");
        assert!(moves >= 1, "slots were not moved once");
        counted
    });
    block_on(async {
        let total: i64 = counted.iter().sum();
        let all = store.increment("all", 0, None).await.expect("a count");
        assert_eq!(all, total);
        for (task, rounds) in counted.iter().enumerate() {
            let mut sum = 0;
            for number in 0..50 {
                sum += store
                    .increment(&format!("own-{task}-{number}"), 0, None)
                    .await
                    .expect("a count");
            }
            assert_eq!(sum, *rounds, "of task {task}");
        }
        println!("{total} rounds");
    });
}

#[test]
fn a_node_that_is_gone_costs_its_keys_alone_and_its_replica_takes_over() {
    require!("redis-server");
    let mut cluster = Cluster::with_node_timeout(Duration::from_secs(1));
    let store = store(&cluster, "loss", Duration::from_secs(1));
    let keys: Vec<String> = (0..300).map(|number| format!("key-{number}")).collect();
    block_on(async {
        let entries = keys
            .iter()
            .map(|key| (key.clone(), key.clone().into()))
            .collect();
        store.set_many(entries, None).await.expect("a write");
    });
    // Data that a replica does not have yet would be lost with its master.
    cluster.wait_until_whole();
    wait::until("the replicas to have every write", || {
        type Replica = (String, u16, u64);
        let (_, written, replicas): (String, u64, Vec<Replica>) = cluster.command(0, &["ROLE"]);
        let have_all = replicas.iter().all(|(_, _, offset)| *offset >= written);
        (!replicas.is_empty() && have_all).then_some(())
    });
    cluster.kill(0);
    block_on(async {
        let (mut answered, mut failed) = (0, 0);
        let started = Instant::now();
        for key in &keys {
            match store.get(key).await {
                Ok(value) => {
                    assert_eq!(value.as_deref(), Some(key.as_bytes()));
                    answered += 1;
                }
                Err(StoreError::Disconnected(_)) => failed += 1,
                Err(other) => panic!("{key}: {other}"),
            }
        }
        // A third of the keys has no node now. Waiting for each key would take a hundred times the
        // timeout.
        assert!(answered > 150, "{answered} answered, {failed} failed");
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{failed} failures took {:?}",
            started.elapsed()
        );
        // The replica's election takes a little longer than the nodes' timeout.
        let values = wait::until_async("the replica to serve its keys", async || {
            store.get_many(&keys).await.ok()
        })
        .await;
        assert!(
            values
                .iter()
                .zip(&keys)
                .all(|(value, key)| value.as_deref() == Some(key.as_bytes()))
        );
    });
    cluster.restart(0);
    cluster.wait_until_whole();
    block_on(async {
        for key in &keys {
            assert_eq!(
                store.set(key, b"2", None, Condition::Always).await,
                Ok(true)
            );
        }
    });
}

#[test]
fn stores_keep_apart_on_a_cluster() {
    require!("redis-server");
    let cluster = Cluster::start();
    let (mine, theirs) = (
        store(&cluster, "mine", TIMEOUT),
        store(&cluster, "theirs", TIMEOUT),
    );
    block_on(async {
        theirs
            .set("secret", b"s", None, Condition::Always)
            .await
            .expect("a write");
        theirs
            .set("{mine:}secret", b"s", None, Condition::Always)
            .await
            .expect("a write");
        for key in [
            "secret",
            "theirs:secret",
            "{theirs:secret}",
            "../theirs:secret",
            "*",
            "{mine:}secret",
            "\0theirs:secret",
        ] {
            assert_eq!(mine.get(key).await, Ok(None), "{key}");
            assert_eq!(mine.exists(key).await, Ok(false), "{key}");
            assert_eq!(mine.delete(&[key.to_owned()]).await, Ok(()), "{key}");
        }
        // Cursors of one store do not work for the other's keys, and invented cursors do not work
        // either.
        let entries = (0..2000)
            .map(|number| (format!("{number}"), b"x".to_vec()))
            .collect();
        theirs.set_many(entries, None).await.expect("a write");
        let page = theirs.keys(None).await.expect("a page");
        let cursors = [
            page.cursor.clone().expect("more"),
            "0@".to_owned(),
            "7@zzzz".to_owned(),
            "1".to_owned(),
        ];
        for cursor in &cursors {
            assert_eq!(
                mine.keys(Some(cursor)).await.map(|page| page.keys),
                Ok(Vec::new()),
                "{cursor}"
            );
        }
        for cursor in ["x", "-1", "", "1@x\r\nFLUSHALL", "99999999999999999999"] {
            let found = mine.keys(Some(cursor)).await;
            assert!(
                matches!(&found, Err(StoreError::Invalid(_)))
                    || found.is_ok_and(|page| page.keys.is_empty()),
                "{cursor}"
            );
        }
        assert_eq!(theirs.get("secret").await, Ok(Some(b"s".to_vec())));
        assert_eq!(theirs.get("{mine:}secret").await, Ok(Some(b"s".to_vec())));
    });
}

#[test]
fn a_scorer_is_served_by_a_cluster() {
    require!("redis-server");
    let cluster = Cluster::start();
    let app = App::with(
        programs::KEYS,
        "[stores.default]\nprefix = \"scorer\"\n[limits]\ndeadline = \"30s\"\n",
    );
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &cluster.url())]);
    let ops = |ops: serde_json::Value| host.score(&json!({ "ops": ops })).expect(200).json();
    check_all("a cluster", |steps| {
        let keys = ops(json!([{"op": "all-keys"}]));
        ops(json!([{"op": "delete-many", "keys": keys[0]["ok"]}]));
        serde_json::from_value(ops(json!(steps))).expect("a list")
    });
    // All keys of the scorer have its prefix, on all three masters.
    ops(
        json!([{"op": "set-many", "entries": (0..100).map(|n| json!([format!("{n}"), "x"])).collect::<Vec<_>>()}]),
    );
    for master in 0..3 {
        let keys: Vec<String> = cluster.command(master, &["KEYS", "*"]);
        assert!(
            !keys.is_empty() && keys.iter().all(|key| key.starts_with("scorer:")),
            "{keys:?}"
        );
    }
    assert_eq!(SLOTS, 16384);
}
