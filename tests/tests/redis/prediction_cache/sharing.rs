//! Equal requests at the same time: one of them runs the scorer, and the others wait for its
//! answer.
//!
//! Owns the number of scorer runs, on one instance and on two.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{require, wait};
use serde_json::{Value, json};

use super::{FAR, MISS, STORE, app, check, entries, have_run};

#[test]
fn a_thousand_equal_calls_run_the_guest_once() {
    require!("redis-server");
    const CALLS: usize = 1000;
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &app(&format!(
            "{STORE}[prediction_cache]\n[limits]\ndeadline = \"30s\"\n"
        )),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    let together = Barrier::new(CALLS);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let call = || {
            together.wait();
            host.score(&json!({"number": 12, "ms": 300}))
        };
        let builder = || std::thread::Builder::new().stack_size(256 << 10);
        let calls: Vec<_> = (0..CALLS)
            .map(|_| builder().spawn_scoped(scope, call).expect("a thread"))
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().expect("an answer"))
            .collect()
    });
    let mut by_status = std::collections::BTreeMap::<String, usize>::new();
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"squared": 144}))
        );
        *by_status
            .entry(answer.header("cache-status").expect("a status").to_owned())
            .or_default() += 1;
    }
    println!("{by_status:?}");
    assert_eq!(by_status.get(MISS), Some(&1), "{by_status:?}");
    have_run(&[&host], 1);
}

#[test]
fn equal_calls_on_two_instances_run_one_guest_where_one_may_claim_an_answer() {
    require!("redis-server");
    const CALLS: usize = 50;
    let redis = Redis::start(Kind::Plain);
    let app = app(&format!(
        "{FAR}claim = \"5s\"\n[limits]\ndeadline = \"30s\"\n"
    ));
    let url = redis.url();
    let hosts = [(); 2].map(|()| Host::start_with(&app, &[("SCOREBOX_REDIS_URL", url.as_str())]));
    let together = Barrier::new(2 * CALLS);
    let call = |host: &Host, input: &Value| {
        together.wait();
        host.score(input)
    };
    let all = |input: Value| -> Vec<Answer> {
        let (call, input) = (&call, &input);
        std::thread::scope(|scope| {
            let calls: Vec<_> = hosts
                .iter()
                .flat_map(|host| (0..CALLS).map(move |_| scope.spawn(move || call(host, input))))
                .collect();
            calls
                .into_iter()
                .map(|call| call.join().expect("an answer"))
                .collect()
        })
    };
    for answer in all(json!({"number": 11, "ms": 300})) {
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"squared": 121}))
        );
    }
    have_run(&[&hosts[0], &hosts[1]], 1);
    // If the owner of a claim fails, the claim is released at once. If the owner has ended, the
    // claim expires by itself.
    for answer in all(json!({"number": -1, "ms": 100})) {
        answer.expect_error(422, "negative", &[]);
    }
    have_run(&[&hosts[0], &hosts[1]], 3);
    let key = entries(&redis, 1).remove(0);
    redis.command::<i64>(&["DEL", &key]);
    let started = Instant::now();
    redis.command::<()>(&["SET", &format!("{key}/claim"), "1", "PX", "400"]);
    check(
        &hosts[0].score(&json!({"number": 11, "ms": 300})),
        121,
        MISS,
    );
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
    // The counts of answers are logged when the host ends.
    hosts[0].terminate();
    assert!(hosts[0].wait_for_exit().success());
    let told = hosts[0].log.wait_for("hits", |line| {
        line["metric"] == "prediction_cache.answers" && line["status"] == "collapsed"
    });
    assert!(told["count"].as_u64() >= Some(49), "{told}");
}

#[test]
fn a_claim_that_expired_is_not_taken_from_the_process_that_has_it_now() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &app(&format!("{FAR}claim = \"200ms\"\n")),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    let call = json!({"number": 13, "ms": 600});
    check(&host.score(&call), 169, MISS);
    let key = entries(&redis, 1).remove(0);
    redis.command::<i64>(&["DEL", &key]);
    let claim = format!("{key}/claim");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| host.score(&call));
        wait::until("the claim of the host", || {
            (redis.command::<i64>(&["EXISTS", &claim]) == 1).then_some(())
        });
        wait::until("the end of the claim", || {
            redis.command::<Option<String>>(&["SET", &claim, "theirs", "NX", "PX", "60000"])
        });
        check(&answer.join().expect("an answer"), 169, MISS);
    });
    host.terminate();
    assert!(host.wait_for_exit().success());
    let claimed: Option<String> = redis.command(&["GET", &claim]);
    assert_eq!(claimed.as_deref(), Some("theirs"));
}

#[test]
fn those_who_wait_share_a_failure_but_not_the_lack_of_time() {
    let host = Host::start(&app(&format!(
        "{STORE}[prediction_cache]\n[limits]\ndeadline = \"1s\"\n"
    )));
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| host.score(&json!({"number": -7, "ms": 300}))))
            .collect();
        for call in calls {
            call.join()
                .expect("an answer")
                .expect_error(422, "negative", &[]);
        }
    });
    have_run(&[&host], 1);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| host.score(&json!({"number": 1, "ms": 5000}))))
            .collect();
        for call in calls {
            assert_eq!(call.join().expect("an answer").status, 504);
        }
    });
}
