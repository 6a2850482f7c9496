//! Entries of the prediction cache that were damaged or forged in the store: each is refused,
//! logged and computed again.
//!
//! Owns the forged entries, and the memory that a huge one may cost.

use std::time::{Duration, Instant};

use scorebox_host::call::Payload;
use scorebox_host::model::Dtype;
use scorebox_host::scorer::{Output, entry};
use scorebox_host::tensor::Tensor;
use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{require, wait};
use serde_json::{Value, json};

use super::{FAR, HIT, MISS, app, check, entries};

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
            // GET fails for the list, until the host has written the entry again.
            let is_text = redis.command::<String>(&["TYPE", &key]) == "string";
            (is_text && redis.command::<Vec<u8>>(&["GET", &key]) == whole).then_some(())
        });
        check(&host.score(&json!({"number": 3})), 9, HIT);
    }
}

/// Replaces an entry's answer, with a valid checksum. Any client that can write to the Redis server
/// can do that.
fn forge(redis: &Redis, name: &str, answer: &Output) {
    let mut key = [0; 32];
    hex::decode_to_slice(name.rsplit(':').next().expect("a prefix"), &mut key).expect("a digest");
    let entry = entry::write(&key, answer).expect("the answer is small");
    set(redis, name, &entry);
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
