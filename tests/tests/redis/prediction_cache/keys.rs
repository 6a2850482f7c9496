//! The keys of the prediction cache: which requests are the same question, and to which scorer.
//!
//! Owns the settings, labels and forms of a request that make a question another one.

use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::{Host, refused};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{programs, require, wait};
use serde_json::{Value, json};

use super::{FAR, HIT, MISS, STORE, app, check, entries, have_run};

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
fn a_scorer_that_may_answer_otherwise_has_no_cache() {
    let app = App::with(programs::KEYS, &format!("{STORE}[prediction_cache]\n"));
    refused(&app, &[]).said(&["deterministic", "[prediction_cache]"]);
}
