//! The prediction cache's memory next to the store, and a store that is unavailable.
//!
//! Owns the cost of a store that does not answer, and the end of an answer in memory.

use std::time::{Duration, Instant};

use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{require, wait};
use serde_json::json;

use super::{FAR, HIT, MISS, STORE, app, check, entries};

#[test]
fn a_store_that_is_away_costs_next_to_nothing() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &app(&FAR.replace("timeout = \"5s\"\n", "")),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    check(&host.score(&json!({"number": 0})), 0, MISS);
    entries(&redis, 1);
    redis.pause(true);
    let mut times: Vec<_> = (1..200)
        .map(|number| {
            let started = Instant::now();
            check(
                &host.score(&json!({ "number": number })),
                number * number,
                MISS,
            );
            started.elapsed()
        })
        .collect();
    // A request waits 50 ms until the failure is known, at most for the second that a probe of the
    // store takes. A request alone takes a hundredth of that.
    let known = &mut times[100..];
    known.sort_unstable();
    assert!(
        known[known.len() / 2] < Duration::from_millis(50),
        "{known:?}"
    );
    redis.pause(false);
    redis.stop();
    for number in 200..400 {
        check(
            &host.score(&json!({ "number": number })),
            number * number,
            MISS,
        );
    }
    redis.restart();
    wait::until("hits", || {
        (host.score(&json!({"number": 1})).header("cache-status") == Some(HIT)).then_some(())
    });
}

#[test]
fn the_memory_beside_the_store_answers_alone() {
    let host = Host::start(&app(&format!(
        "{STORE}[prediction_cache]\nttl = \"300ms\"\n"
    )));
    check(&host.score(&json!({"number": 5})), 25, MISS);
    check(&host.score(&json!({"number": 5})), 25, HIT);
    wait::until("the answer to expire", || {
        (host.score(&json!({"number": 5})).header("cache-status") == Some(MISS)).then_some(())
    });
}

#[test]
fn what_is_removed_from_the_store_is_removed_from_memory() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let app = app(&format!("{STORE}[prediction_cache]\n"));
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    let status = |number: i64| {
        let answer = host.score(&json!({ "number": number }));
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"squared": number * number}))
        );
        answer.header("cache-status").unwrap_or_default().to_owned()
    };
    assert_eq!((status(1), status(2)), (MISS.to_owned(), MISS.to_owned()));
    entries(&redis, 2);
    assert_eq!((status(1), status(2)), (HIT.to_owned(), HIT.to_owned()));
    let removed = |remove: &dyn Fn()| {
        remove();
        wait::until("the memory to be told", || {
            (status(1) == MISS).then_some(())
        });
        entries(&redis, 2);
        assert_eq!(status(1), HIT);
    };
    let key = entries(&redis, 2).into_iter().find(|key| {
        redis
            .command::<Vec<u8>>(&["GET", key])
            .ends_with(b"{\"squared\":1}")
    });
    let key = key.expect("the entry of 1");
    removed(&|| assert_eq!(redis.command::<i64>(&["DEL", &key]), 1));
    assert_eq!(status(2), HIT);
    redis.command::<()>(&["FLUSHALL"]);
    wait::until("the memory to be told", || {
        (status(2) == MISS).then_some(())
    });
}
