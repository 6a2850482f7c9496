//! Connections that a device on the way forgets without telling either side, and connections that
//! end while nobody uses them.
//!
//! Owns the proxy's behaviour, and which calls are right after it. Must not know how a connection is
//! checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scorebox_host::redis::{Condition, Credentials, Endpoint, Platform, Server, Store, StoreError};
use scorebox_tests::app::App;
use scorebox_tests::cable::Cable;
use scorebox_tests::host::Host;
use scorebox_tests::http::block_on;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::store_ops::server;
use scorebox_tests::{programs, require, wait};
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Number of connections that idle together.
const CONNECTIONS: usize = 100;

/// Time without calls after which a connection counts as idle. It is longer than that of the host.
const IDLE: Duration = Duration::from_millis(1200);

fn url(cable: &Cable) -> String {
    format!("redis://127.0.0.1:{}", cable.port())
}

fn store(cable: &Cable, prefix: &str) -> Store {
    Store::new(Arc::new(server(&url(cable), TIMEOUT)), prefix, None)
}

#[test]
fn first_calls_on_forgotten_connections_are_right() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let cable = Cable::to(redis.port());
    let stores: Vec<_> = (0..CONNECTIONS)
        .map(|number| store(&cable, &format!("p{number}")))
        .collect();
    block_on(async {
        for store in &stores {
            assert_eq!(store.increment("count", 1, None).await, Ok(1));
            assert_eq!(
                store.set("value", b"v", None, Condition::Always).await,
                Ok(true)
            );
        }
        // The connections have to be idle for a time, which is what this test is about.
        tokio::time::sleep(IDLE).await;
        let before = cable.accepted();
        cable.forget();
        let calls = stores.iter().enumerate().map(async |(number, store)| {
            let started = Instant::now();
            if number % 2 == 0 {
                assert_eq!(
                    store.get("value").await,
                    Ok(Some(b"v".to_vec())),
                    "{number}"
                );
            } else {
                // A counter must not be sent twice, so the connection is checked first.
                assert_eq!(store.increment("count", 1, None).await, Ok(2), "{number}");
            }
            started.elapsed()
        });
        let times = futures_util::future::join_all(calls).await;
        let slowest = times.into_iter().max().unwrap_or_default();
        println!("the slowest of {CONNECTIONS} first calls took {slowest:?}");
        assert!(slowest < TIMEOUT / 2, "{slowest:?}");
        assert!(cable.accepted() >= before + CONNECTIONS);
    });
}

#[test]
fn a_living_connection_is_kept_when_it_was_idle() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let store = Store::new(Arc::new(server(&redis.url(), TIMEOUT)), "p", None);
    let id = || -> Vec<String> {
        let list: String = redis.command(&["CLIENT", "LIST"]);
        let ours = list.lines().filter(|line| line.contains("resp=3"));
        ours.filter_map(|line| Some(line.split(' ').next()?.to_owned()))
            .collect()
    };
    block_on(async {
        assert_eq!(store.get("a").await, Ok(None));
        let before = id();
        for _ in 0..3 {
            tokio::time::sleep(IDLE).await;
            assert_eq!(store.get("a").await, Ok(None));
        }
        assert_eq!(id(), before);
    });
}

#[test]
fn a_read_on_a_connection_that_is_in_use_is_repeated_and_a_counter_is_not() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let cable = Cable::to(redis.port());
    let store = store(&cable, "p");
    let values = || ["a".to_owned(), "b".to_owned()];
    block_on(async {
        for _ in 0..3 {
            assert_eq!(store.get("a").await, Ok(None));
            cable.forget();
            let started = Instant::now();
            assert_eq!(store.get("a").await, Ok(None));
            assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
            cable.forget();
            assert_eq!(store.get_many(&values()).await, Ok(vec![None, None]));
            cable.forget();
            assert_eq!(store.keys(None).await.map(|page| page.keys.len()), Ok(0));
        }
        assert_eq!(store.increment("count", 1, None).await, Ok(1));
        cable.forget();
        let lost = store.increment("count", 1, None).await;
        assert!(matches!(lost, Err(StoreError::Disconnected(_))), "{lost:?}");
        assert_eq!(store.increment("count", 0, None).await, Ok(1));
    });
}

#[test]
fn a_write_on_a_slow_connection_is_not_repeated_on_a_new_one() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let entries = || vec![("a".to_owned(), b"old".to_vec())];
    block_on(async {
        for is_batch in [false, true] {
            let cable = Cable::to(redis.port());
            let store = store(&cable, "p");
            assert_eq!(store.increment("count", 0, None).await, Ok(0));
            let before = cable.accepted();
            // The request takes longer than a call waits before its connection is checked.
            cable.hold_up(TIMEOUT * 2 / 5, false);
            let written = if is_batch {
                store.set_many(entries(), None).await.map(|()| true)
            } else {
                store.set("a", b"old", None, Condition::Always).await
            };
            assert_eq!(written, Ok(true), "{is_batch}");
            assert!(cable.accepted() > before, "the connection was replaced");
            // Another client writes after the write has ended.
            redis.command::<()>(&["SET", "p:a", "new"]);
            // The time is that of a request on the slow connection, which this test is about.
            tokio::time::sleep(TIMEOUT / 2).await;
            assert_eq!(redis.command::<String>(&["GET", "p:a"]), "new");
        }
    });
}

#[test]
fn a_slow_server_gets_few_new_connections() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let check = async |pause_ms: u64, timeout_ms: u64, timeouts: u32, most: usize| {
        let cable = Cable::to(redis.port());
        let timeout = Duration::from_millis(timeout_ms);
        let store = Store::new(Arc::new(server(&url(&cable), timeout)), "p", None);
        assert_eq!(store.get("a").await, Ok(None));
        let before = cable.accepted();
        cable.hold_up(Duration::from_millis(pause_ms), true);
        let started = Instant::now();
        while started.elapsed() < timeout * timeouts {
            // The caller's own deadline passes, so the connection is checked.
            let patience = Duration::from_millis(22);
            drop(tokio::time::timeout(patience, store.get("a")).await);
        }
        let opened = cable.accepted() - before;
        println!("{opened} connections were opened while a request took {pause_ms} ms");
        assert!(opened <= most, "{opened}");
    };
    block_on(async {
        // A check has room for few dials: one in each timeout.
        check(120, 1000, 3, 4).await;
        // The first check measures the round trip, and later ones wait that long.
        check(24, 500, 5, 3).await;
    });
}

#[test]
fn a_forgotten_connection_is_replaced_in_the_background() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let cable = Cable::to(redis.port());
    let endpoint = Endpoint::parse(&url(&cable)).expect("a URL");
    let credentials = Credentials::new(endpoint.source(|| Platform::VirtualMachine));
    let keepalive = Duration::from_secs(1);
    let server = Server::with_keepalive(&endpoint, credentials, TIMEOUT, keepalive);
    let store = Store::new(Arc::new(server.expect("no TLS")), "p", None);
    block_on(async {
        assert_eq!(store.increment("count", 1, None).await, Ok(1));
        let before = cable.accepted();
        cable.forget();
        wait::until_async("a new connection, without a call", async || {
            (cable.accepted() > before).then_some(())
        })
        .await;
        assert_eq!(store.increment("count", 1, None).await, Ok(2));
    });
}

#[test]
fn an_idle_scorer_does_not_notice_that_its_connection_was_forgotten() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let cable = Cable::to(redis.port());
    let app = App::with(programs::KEYS, "[stores.default]\nprefix = \"p\"\n");
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &url(&cable))]);
    let calls = json!({"strict": true, "ops": [
        {"op": "increment", "key": "n", "delta": 1}, {"op": "get", "key": "none"},
    ]});
    for number in 1..=3 {
        let answer = host.score(&calls).expect(200).json();
        assert_eq!(answer, json!([number, null]));
        std::thread::sleep(IDLE);
        cable.forget();
    }
    let log = host.log.text();
    assert!(log.contains("was silent and was replaced"), "{log}");
    assert!(!log.contains("cannot be reached"), "{log}");
}

#[test]
fn a_write_that_a_replica_refuses_is_repeated_on_the_new_master() {
    require!("redis-server");
    let (old, new) = (Redis::start(Kind::Plain), Redis::start(Kind::Plain));
    let cable = Cable::to(old.port());
    let store = store(&cable, "p");
    block_on(async {
        assert_eq!(store.increment("count", 1, None).await, Ok(1));
        let port = new.port().to_string();
        old.command::<()>(&["REPLICAOF", "127.0.0.1", &port]);
        cable.lead_to(new.port());
        // The old server refuses the write without executing it.
        assert_eq!(store.increment("count", 1, None).await, Ok(1));
        assert_eq!(new.command::<i64>(&["GET", "p:count"]), 1);
    });
}
