//! The prediction cache: the same question costs one round trip and no guest, and a store that fails costs nothing.
//!
//! Owns what callers, other instances and the store see of it.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::{Host, refused};
use scorebox_tests::http::Answer;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{require, wait};
use serde_json::{Value, json};

const STORE: &str = "[stores.default]\nprefix = \"p\"\n";

/// Without a memory of its own, so that each answer shows what the store holds. A store that is there is waited for, since a
/// busy machine may take longer than the default.
const FAR: &str =
    "[stores.default]\nprefix = \"p\"\n[prediction_cache]\nmemory = \"0\"\nttl = \"1h\"\ntimeout = \"5s\"\n";

fn app(manifest: &str) -> App {
    App::with("repeater", manifest)
}

/// How often the guest has run.
fn runs(host: &Host) -> usize {
    host.log.text().lines().filter(|line| line.contains("ran for ")).count()
}

/// The log is read a little after it is written.
#[track_caller]
fn have_run(hosts: &[&Host], times: usize) {
    let total = || hosts.iter().map(|host| runs(host)).sum::<usize>();
    let ran = wait::within(wait::LIMIT, || (total() >= times).then_some(()));
    assert!(ran.is_some() && total() == times, "{} runs instead of {times}", total());
}

#[track_caller]
fn check(answer: &Answer, squared: i64, status: &str) {
    assert_eq!((answer.status, answer.json()), (200, json!({ "squared": squared })), "{}", answer.text());
    assert_eq!(answer.header("cache-status"), Some(status));
}

const HIT: &str = "scorebox; hit";
const MISS: &str = "scorebox; fwd=miss";

/// Entries are written after the caller has its answer.
fn entries(redis: &Redis, count: usize) -> Vec<String> {
    wait::until("the entries to be written", || {
        let keys: Vec<String> = redis.command(&["KEYS", "p//predictions:*"]);
        (keys.len() == count).then_some(keys)
    })
}

#[test]
fn the_second_answer_is_the_stored_one_on_every_instance() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    let app = app(FAR);
    let url = redis.url();
    let start = || Host::start_with(&app, &[("SCOREBOX_REDIS_URL", url.as_str())]);
    let (first, second) = (start(), start());
    check(&first.score(&json!({"number": 3})), 9, MISS);
    let keys = entries(&redis, 1);
    check(&first.score(&json!({"number": 3})), 9, HIT);
    check(&second.score(&json!({"number": 3})), 9, HIT);
    check(&second.score(&json!({"number": 4})), 16, MISS);
    // The scorer sees bytes, and other bytes are another question.
    check(&second.score(&json!({"number": 3, "ms": 0})), 9, MISS);
    have_run(&[&first], 1);
    have_run(&[&second], 2);
    let left: i64 = redis.command(&["TTL", &keys[0]]);
    assert!((3500..=3600).contains(&left), "{left}");
    // What fails is no answer, and is not kept.
    for _ in 0..2 {
        first.score(&json!({"number": -1})).expect_error(422, "negative", &[]);
    }
    have_run(&[&first], 3);
    entries(&redis, 3);
}

#[test]
fn other_settings_or_another_model_are_another_scorer() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let url = redis.url();
    let statuses = ["", "[config]\na = \"1\"\n", "[config]\na = \"2\"\n", ""].map(|more| {
        let app = app(&format!("{FAR}{more}"));
        let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", url.as_str())]);
        let answer = host.score(&json!({"number": 3}));
        let status = answer.header("cache-status").map(str::to_owned);
        wait::until("the entry", || {
            let keys: Vec<String> = redis.command(&["KEYS", "*"]);
            (!keys.is_empty()).then_some(())
        });
        host.score(&json!({"number": 3}));
        status
    });
    assert_eq!(statuses.map(|status| status.unwrap_or_default()), [MISS, MISS, MISS, HIT]);
}

#[test]
fn an_entry_that_is_damaged_is_computed_again() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(&app(FAR), &[("SCOREBOX_REDIS_URL", &redis.url())]);
    check(&host.score(&json!({"number": 3})), 9, MISS);
    let key = entries(&redis, 1).remove(0);
    check(&host.score(&json!({"number": 4})), 16, MISS);
    let other = entries(&redis, 2).into_iter().find(|found| *found != key).expect("another");
    let whole: Vec<u8> = redis.command(&["GET", &key]);
    let poison = |how: &str| match how {
        "cut" => drop(redis.command::<i64>(&["SETRANGE", &key, "40", "x"])),
        "emptied" => redis.command::<()>(&["SET", &key, ""]),
        "another's" => drop(redis.command::<bool>(&["COPY", &other, &key, "REPLACE"])),
        "no string" => {
            redis.command::<i64>(&["DEL", &key]);
            redis.command::<i64>(&["LPUSH", &key, "x"]);
        }
        _ => unreachable!("{how}"),
    };
    for how in ["cut", "emptied", "another's", "no string"] {
        poison(how);
        check(&host.score(&json!({"number": 3})), 9, MISS);
        // And repaired.
        wait::until("the entry to be whole", || {
            let now: Vec<u8> = redis.command(&["GET", &key]);
            (now == whole).then_some(())
        });
        check(&host.score(&json!({"number": 3})), 9, HIT);
    }
}

#[test]
fn a_thousand_equal_calls_run_the_guest_once() {
    require!("redis-server");
    const CALLS: usize = 1000;
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &app(&format!("{STORE}[prediction_cache]\n[limits]\ndeadline = \"30s\"\n")),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    let together = Barrier::new(CALLS);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let call = || {
            together.wait();
            host.score(&json!({"number": 12, "ms": 300}))
        };
        let builder = || std::thread::Builder::new().stack_size(256 << 10);
        let calls: Vec<_> = (0..CALLS).map(|_| builder().spawn_scoped(scope, call).expect("a thread")).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    let mut by_status = std::collections::BTreeMap::<String, usize>::new();
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (200, json!({"squared": 144})));
        *by_status.entry(answer.header("cache-status").expect("a status").to_owned()).or_default() += 1;
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
    let app = app(&format!("{FAR}claim = \"5s\"\n[limits]\ndeadline = \"30s\"\n"));
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
            let calls: Vec<_> =
                hosts.iter().flat_map(|host| (0..CALLS).map(move |_| scope.spawn(move || call(host, input)))).collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        })
    };
    for answer in all(json!({"number": 11, "ms": 300})) {
        assert_eq!((answer.status, answer.json()), (200, json!({"squared": 121})));
    }
    have_run(&[&hosts[0], &hosts[1]], 1);
    // A claim whose owner fails is given back at once; one whose owner is gone ends by itself.
    for answer in all(json!({"number": -1, "ms": 100})) {
        answer.expect_error(422, "negative", &[]);
    }
    have_run(&[&hosts[0], &hosts[1]], 3);
    let key = entries(&redis, 1).remove(0);
    redis.command::<i64>(&["DEL", &key]);
    let started = Instant::now();
    redis.command::<()>(&["SET", &format!("{key}/claim"), "1", "PX", "400"]);
    check(&hosts[0].score(&json!({"number": 11, "ms": 300})), 121, MISS);
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
    // How answers came about is told when the host ends.
    hosts[0].terminate();
    assert!(hosts[0].wait_for_exit().success());
    let told = hosts[0]
        .log
        .wait_for("hits", |line| line["metric"] == "prediction_cache.answers" && line["status"] == "collapsed");
    assert!(told["count"].as_u64() >= Some(49), "{told}");
}

#[test]
fn those_who_wait_share_a_failure_but_not_the_lack_of_time() {
    let host = Host::start(&app(&format!("{STORE}[prediction_cache]\n[limits]\ndeadline = \"1s\"\n")));
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| host.score(&json!({"number": -7, "ms": 300})))).collect();
        for call in calls {
            call.join().expect("an answer").expect_error(422, "negative", &[]);
        }
    });
    have_run(&[&host], 1);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3).map(|_| scope.spawn(|| host.score(&json!({"number": 1, "ms": 5000})))).collect();
        for call in calls {
            assert_eq!(call.join().expect("an answer").status, 504);
        }
    });
}

#[test]
fn tensors_are_the_same_question_in_whatever_form() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let app = App::example("digits", &format!("\n{FAR}"));
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    let digit = &sample()[7];
    let input: Value = serde_json::from_str(&digit.stored()).expect("pixels");
    let floats: Vec<f32> = input
        .as_array()
        .expect("pixels")
        .iter()
        .map(|pixel| pixel.as_f64().expect("a number") as f32 / 255.0)
        .collect();
    let first = host.score(&json!({"data": [floats]})).expect(200);
    assert_eq!(first.header("cache-status"), Some(MISS));
    entries(&redis, 1);
    let pretty = serde_json::to_vec_pretty(&json!({"data": [floats]})).unwrap();
    let second = host.post("application/json", pretty).expect(200);
    assert_eq!((second.header("cache-status"), second.json()), (Some(HIT), first.json()));
    // The Open Inference Protocol's form of it is answered in that form, with its own id.
    let body =
        json!({"id": "mine", "inputs": [{"name": "data", "datatype": "FP32", "shape": [1, 784], "data": floats}]});
    let third = host.send("POST", "/v2/models/digits/infer", &[], body.to_string()).expect(200);
    assert_eq!((third.header("cache-status"), third.json()["id"].as_str()), (Some(HIT), Some("mine")));
}

#[test]
fn a_store_that_is_away_costs_next_to_nothing() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let host = Host::start_with(&app(&FAR.replace("timeout = \"5s\"\n", "")), &[("SCOREBOX_REDIS_URL", &redis.url())]);
    check(&host.score(&json!({"number": 0})), 0, MISS);
    entries(&redis, 1);
    redis.pause(true);
    let mut times: Vec<_> = (1..200)
        .map(|number| {
            let started = Instant::now();
            check(&host.score(&json!({ "number": number })), number * number, MISS);
            started.elapsed()
        })
        .collect();
    // 50 ms each until it is known, at most for the second that a probe of the store takes. A call alone takes a hundredth.
    let known = &mut times[100..];
    known.sort_unstable();
    assert!(known[known.len() / 2] < Duration::from_millis(50), "{known:?}");
    redis.pause(false);
    redis.stop();
    for number in 200..400 {
        check(&host.score(&json!({ "number": number })), number * number, MISS);
    }
    redis.restart();
    wait::until("hits", || (host.score(&json!({"number": 1})).header("cache-status") == Some(HIT)).then_some(()));
}

#[test]
fn the_memory_beside_the_store_answers_alone() {
    let host = Host::start(&app(&format!("{STORE}[prediction_cache]\nttl = \"300ms\"\n")));
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
        assert_eq!((answer.status, answer.json()), (200, json!({"squared": number * number})));
        answer.header("cache-status").unwrap_or_default().to_owned()
    };
    assert_eq!((status(1), status(2)), (MISS.to_owned(), MISS.to_owned()));
    entries(&redis, 2);
    assert_eq!((status(1), status(2)), (HIT.to_owned(), HIT.to_owned()));
    let removed = |remove: &dyn Fn()| {
        remove();
        wait::until("the memory to be told", || (status(1) == MISS).then_some(()));
        entries(&redis, 2);
        assert_eq!(status(1), HIT);
    };
    let key = entries(&redis, 2)
        .into_iter()
        .find(|key| redis.command::<Vec<u8>>(&["GET", key]).ends_with(b"{\"squared\":1}"));
    let key = key.expect("the entry of 1");
    removed(&|| assert_eq!(redis.command::<i64>(&["DEL", &key]), 1));
    assert_eq!(status(2), HIT);
    redis.command::<()>(&["FLUSHALL"]);
    wait::until("the memory to be told", || (status(2) == MISS).then_some(()));
}

#[test]
fn a_scorer_that_may_answer_otherwise_has_no_cache() {
    let app = App::with("keys", &format!("{STORE}[prediction_cache]\n"));
    refused(&app, &[]).said(&["deterministic", "[prediction_cache]"]);
}
