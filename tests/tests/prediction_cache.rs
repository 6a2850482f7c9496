//! The prediction cache: a repeated request costs one round trip and no scorer run, and a failing
//! store costs nothing.
//!
//! Owns what callers, other instances and the store see of the cache. Must not know how an entry is
//! built.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use scorebox_host::model::Dtype;
use scorebox_host::scorer::tensor::Tensor;
use scorebox_host::scorer::{Output, Payload, entry};
use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::{Host, refused};
use scorebox_tests::http::Answer;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{require, wait};
use serde_json::{Value, json};

const STORE: &str = "[stores.default]\nprefix = \"p\"\n";

/// Settings without memory next to the store, so that each answer shows what the store holds.
///
/// The timeout is longer than the default, because a busy machine may be slow.
const FAR: &str = "[stores.default]\nprefix = \"p\"\n[prediction_cache]\nmemory = \"0\"\nttl = \"1h\"\ntimeout = \"5s\"\n";

fn app(manifest: &str) -> App {
    App::with("repeater", manifest)
}

/// Returns how often the scorer has run.
fn runs(host: &Host) -> usize {
    host.log
        .text()
        .lines()
        .filter(|line| line.contains("ran for "))
        .count()
}

/// Waits until the scorer has run this often. The log is read a little after it is written.
#[track_caller]
fn have_run(hosts: &[&Host], times: usize) {
    let total = || hosts.iter().map(|host| runs(host)).sum::<usize>();
    let ran = wait::within(wait::LIMIT, || (total() >= times).then_some(()));
    assert!(
        ran.is_some() && total() == times,
        "{} runs instead of {times}",
        total()
    );
}

#[track_caller]
fn check(answer: &Answer, squared: i64, status: &str) {
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "squared": squared })),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("cache-status"), Some(status));
}

const HIT: &str = "scorebox; hit";
const MISS: &str = "scorebox; fwd=miss";

/// Waits for this number of entries and returns their keys. Entries are written after the caller
/// has its answer.
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
    // The scorer gets bytes, so other bytes are another request.
    check(&second.score(&json!({"number": 3, "ms": 0})), 9, MISS);
    have_run(&[&first], 1);
    have_run(&[&second], 2);
    let left: i64 = redis.command(&["TTL", &keys[0]]);
    assert!((3500..=3600).contains(&left), "{left}");
    // Failures are not stored.
    for _ in 0..2 {
        first
            .score(&json!({"number": -1}))
            .expect_error(422, "negative", &[]);
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
    assert_eq!(
        statuses.map(|status| status.unwrap_or_default()),
        [MISS, MISS, MISS, HIT]
    );
}

#[test]
fn an_entry_that_is_damaged_is_computed_again() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(&app(FAR), &[("SCOREBOX_REDIS_URL", &redis.url())]);
    check(&host.score(&json!({"number": 3})), 9, MISS);
    let key = entries(&redis, 1).remove(0);
    check(&host.score(&json!({"number": 4})), 16, MISS);
    let other = entries(&redis, 2)
        .into_iter()
        .find(|found| *found != key)
        .expect("another");
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
        // The entry is also repaired.
        wait::until("the entry to be whole", || {
            let now: Vec<u8> = redis.command(&["GET", &key]);
            (now == whole).then_some(())
        });
        check(&host.score(&json!({"number": 3})), 9, HIT);
    }
}

/// Replaces an entry's answer, with a valid checksum. Any client that can write to the Redis server
/// can do that.
fn forge(redis: &Redis, name: &str, answer: &Output) {
    let mut key = [0; 32];
    hex::decode_to_slice(name.rsplit(':').next().expect("a prefix"), &mut key).expect("a digest");
    set(redis, name, &entry::write(&key, answer));
}

fn set(redis: &Redis, name: &str, value: &[u8]) {
    let client = redis::Client::open(redis.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    redis::cmd("SET")
        .arg(name)
        .arg(value)
        .exec(&mut connection)
        .expect("it can be set");
}

/// Returns the peak memory of a host, in bytes.
fn peak_bytes(host: &Host) -> usize {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", host.pid())).expect("the host runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a figure");
    1024 * line
        .trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .expect("a number")
}

/// Waits for this number of log lines about refused entries, and asserts that there are no more.
#[track_caller]
fn have_been_refused(host: &Host, times: usize) {
    let refused = || {
        let told = |line: &Value| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("an entry of the prediction"))
        };
        host.log
            .entries()
            .into_iter()
            .filter(told)
            .collect::<Vec<_>>()
    };
    wait::until("lines about refused entries", || {
        (refused().len() >= times).then_some(())
    });
    let lines = refused();
    assert_eq!(lines.len(), times, "{lines:?}");
    for line in lines {
        assert!(
            line["level"] == "WARN" && line.to_string().len() < 1000,
            "{line}"
        );
    }
}

fn tensor(name: &str, dtype: Dtype, shape: &[u64], data: &[u8]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        data: data.to_vec(),
    }
}

#[test]
fn forged_tensors_are_checked_like_those_of_the_scorer() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &App::example("digits", &format!("\n{FAR}")),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    let input = json!({"data": [sample()[7].row()]});
    let honest = host.score(&input).expect(200).json();
    let name = entries(&redis, 1).remove(0);
    let whole: Vec<u8> = redis.command(&["GET", &name]);
    let label = || tensor("label", Dtype::I64, &[1], &7i64.to_le_bytes());
    let probabilities = || tensor("probabilities", Dtype::F32, &[1, 10], &[0; 40]);
    let forgeries = [
        vec![],
        vec![label()],
        vec![probabilities()],
        vec![label(), label()],
        vec![label(), probabilities(), label()],
        vec![
            label(),
            tensor("probability", Dtype::F32, &[1, 10], &[0; 40]),
        ],
        vec![
            label(),
            tensor("probabilities", Dtype::I32, &[1, 10], &[0; 40]),
        ],
        vec![
            label(),
            tensor("probabilities", Dtype::F32, &[1, 10], &[0; 36]),
        ],
        vec![
            label(),
            tensor("probabilities", Dtype::F32, &[10], &[0; 40]),
        ],
        vec![
            label(),
            tensor("probabilities", Dtype::F32, &[2, 5], &[0; 40]),
        ],
        vec![
            label(),
            tensor("probabilities", Dtype::F32, &[1 << 31, 0], &[]),
        ],
        vec![
            label(),
            tensor("probabilities", Dtype::F32, &[1 << 61, 10], &[]),
        ],
        vec![
            tensor("label", Dtype::I64, &[1 << 31, 0], &[]),
            probabilities(),
        ],
        vec![
            tensor("label", Dtype::I64, &[1 << 61], &[]),
            probabilities(),
        ],
        vec![
            tensor(&"l".repeat(60_000), Dtype::I64, &[1], &[0; 8]),
            probabilities(),
        ],
        vec![
            tensor("label", Dtype::I64, &[1; 10_000], &[0; 8]),
            probabilities(),
        ],
    ];
    let mut forgeries: Vec<_> = forgeries.into_iter().map(Output::Tensors).collect();
    forgeries.push(Output::Payload(Payload {
        content_type: "text/html".into(),
        body: "<script>".into(),
    }));
    for (index, forged) in forgeries.iter().enumerate() {
        forge(&redis, &name, forged);
        let started = Instant::now();
        let answer = host.score(&input).expect(200);
        assert_eq!(
            (answer.header("cache-status"), answer.json()),
            (Some(MISS), honest.clone()),
            "{forged:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(5), "{forged:?}");
        have_been_refused(&host, index + 1);
        wait::until("the entry to be whole", || {
            (redis.command::<Vec<u8>>(&["GET", &name]) == whole).then_some(())
        });
        assert_eq!(host.score(&input).header("cache-status"), Some(HIT));
    }
    // A huge entry costs no more memory than the longest entry that is stored.
    let before = peak_bytes(&host);
    set(&redis, &name, &vec![b'x'; 200 << 20]);
    let answer = host.score(&input).expect(200);
    assert_eq!(
        (answer.header("cache-status"), answer.json()),
        (Some(MISS), honest)
    );
    assert!(
        peak_bytes(&host) < before + (32 << 20),
        "{} bytes more",
        peak_bytes(&host) - before
    );
    wait::until("the entry to be whole", || {
        (redis.command::<Vec<u8>>(&["GET", &name]) == whole).then_some(())
    });
}

#[test]
fn forged_payloads_are_checked_like_those_of_the_scorer() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &app(&format!("{FAR}claim = \"2s\"\n")),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    check(&host.score(&json!({"number": 3})), 9, MISS);
    // A claim has a key of its own for a moment.
    let name = wait::until("the entry", || {
        redis
            .command::<Vec<String>>(&["KEYS", "p//predictions:*"])
            .into_iter()
            .find(|name| !name.ends_with("/claim"))
    });
    let whole: Vec<u8> = redis.command(&["GET", &name]);
    let payload = |content_type: &str| {
        Output::Payload(Payload {
            content_type: content_type.into(),
            body: "{}".into(),
        })
    };
    let long = format!("application/json; a={}", "b".repeat(20_000));
    let forgeries = [
        payload("text/html"),
        payload(""),
        payload("application"),
        payload("application/json\r\nset-cookie: a=b"),
        payload(&long),
        Output::Tensors(vec![]),
        Output::Tensors(vec![tensor("squared", Dtype::I64, &[1 << 31, 0], &[])]),
    ];
    for (index, forged) in forgeries.iter().enumerate() {
        forge(&redis, &name, forged);
        check(&host.score(&json!({"number": 3})), 9, MISS);
        // The refusal is logged once, although a claim makes the host look twice.
        have_been_refused(&host, index + 1);
        wait::until("the entry to be whole", || {
            (redis.command::<Vec<u8>>(&["GET", &name]) == whole).then_some(())
        });
        check(&host.score(&json!({"number": 3})), 9, HIT);
    }
    // A forged answer that the scorer could have given is not detected. Only the store's access
    // list can prevent that.
    forge(
        &redis,
        &name,
        &Output::Payload(Payload {
            content_type: "application/json".into(),
            body: "{}".into(),
        }),
    );
    assert_eq!(host.score(&json!({"number": 3})).json(), json!({}));
}

#[test]
fn a_pair_that_moves_from_the_labels_to_the_settings_makes_another_scorer() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let url = redis.url();
    let scorers = [
        "[scorer.labels]\na = \"1\"\n[config]\nb = \"2\"\n",
        "[config]\na = \"1\"\nb = \"2\"\n",
        "[scorer.labels]\na = \"1\"\nb = \"2\"\n",
        "[scorer.labels]\na = \"1b\"\n[config]\n\"-\" = \"2\"\n",
        "[scorer.labels]\na1 = \"\"\n[config]\nb = \"2\"\n",
        "[scorer.labels]\nb = \"2\"\n[config]\na = \"1\"\n",
    ];
    for (index, more) in scorers.iter().enumerate() {
        let host = Host::start_with(
            &app(&format!("{FAR}{more}")),
            &[("SCOREBOX_REDIS_URL", url.as_str())],
        );
        check(&host.score(&json!({"number": 3})), 9, MISS);
        entries(&redis, index + 1);
    }
}

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
    assert_eq!(
        (second.header("cache-status"), second.json()),
        (Some(HIT), first.json())
    );
    // The request in the Open Inference Protocol's form is answered in that form, with its own id.
    let body = json!({"id": "mine", "inputs": [{"name": "data", "datatype": "FP32", "shape": [1, 784], "data": floats}]});
    let third = host
        .send("POST", "/v2/models/digits/infer", &[], body.to_string())
        .expect(200);
    assert_eq!(
        (third.header("cache-status"), third.json()["id"].as_str()),
        (Some(HIT), Some("mine"))
    );
}

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

#[test]
fn a_scorer_that_may_answer_otherwise_has_no_cache() {
    let app = App::with("keys", &format!("{STORE}[prediction_cache]\n"));
    refused(&app, &[]).said(&["deterministic", "[prediction_cache]"]);
}
