//! The example `features`: a digit by its key, and the answer stored for the next request.
//!
//! Owns the tutorial's flow. Must not know more of Redis than the data that the example stores
//! there.

use scorebox_tests::app::App;
use scorebox_tests::digits::{Digit, sample};
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{laid_out, messages};
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::functions::values::{base64, envelope, message_metadata};
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{place, require, wait};
use serde_json::json;

#[track_caller]
fn check(host: &Host, key: &str, digit: &Digit, cached: bool) {
    let answer = host.score(&json!({ "key": key })).expect(200).json();
    digit.check(&answer["label"], &answer["probabilities"]);
    assert_eq!(
        (&answer["key"], &answer["cached"]),
        (&json!(key), &json!(cached)),
        "{answer}"
    );
}

#[test]
fn on_a_real_server_the_second_answer_is_the_stored_one() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &place::example("features"),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    let digit = &sample()[7];
    host.score(&json!({"key": "digit:7"}))
        .expect_error(422, "unknown-key", &["digit:7", "784"]);

    redis.command::<()>(&["SET", "features:digit:7", &digit.stored()]);
    check(&host, "digit:7", digit, false);
    let left: i64 = redis.command(&["TTL", "features:digit:7:score"]);
    assert!((3500..=3600).contains(&left), "{left}");

    // Without the pixels only the stored answer can be returned.
    assert_eq!(redis.command::<i64>(&["DEL", "features:digit:7"]), 1);
    check(&host, "digit:7", digit, true);
    let stored: String = redis.command(&["GET", "features:digit:7:score"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&stored).unwrap()["label"],
        json!(answer_label(&host))
    );

    redis.command::<i64>(&["DEL", "features:digit:7:score"]);
    host.score(&json!({"key": "digit:7"}))
        .expect_error(422, "unknown-key", &[]);

    redis.command::<()>(&["SET", "features:digit:8", "[1, 2, 3]"]);
    host.score(&json!({"key": "digit:8"})).expect_error(
        422,
        "malformed-features",
        &["digit:8", "784"],
    );

    // Another scorer's data on the same server cannot be read.
    redis.command::<()>(&["SET", "elsewhere:digit:9", &digit.stored()]);
    for key in ["digit:9", "../elsewhere:digit:9", "elsewhere:digit:9"] {
        host.score(&json!({ "key": key }))
            .expect_error(422, "unknown-key", &[]);
    }
}

fn answer_label(host: &Host) -> i64 {
    let answer = host.score(&json!({"key": "digit:7"})).expect(200).json();
    answer["label"].as_i64().expect("a label")
}

#[test]
fn answers_live_as_long_as_the_setting_says() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let app = App::example("features", "");
    let manifest = std::fs::read_to_string(app.path().join("scorebox.toml")).unwrap();
    assert!(manifest.contains("answer_ttl = \"1h\""), "{manifest}");
    app.write(
        "scorebox.toml",
        manifest
            .replace("answer_ttl = \"1h\"", "answer_ttl = \"100ms\"")
            .as_bytes(),
    );
    let host = Host::start_with(&app, &[("SCOREBOX_REDIS_URL", &redis.url())]);
    redis.command::<()>(&["SET", "features:digit:7", &sample()[3].stored()]);
    check(&host, "digit:7", &sample()[3], false);
    wait::until("the answer to expire", || {
        (redis.command::<i64>(&["EXISTS", "features:digit:7:score"]) == 0).then_some(())
    });
    check(&host, "digit:7", &sample()[3], false);
}

#[test]
fn in_memory_nothing_is_known() {
    let host = Host::start(&place::example("features"));
    host.score(&json!({"key": "digit:7"}))
        .expect_error(422, "unknown-key", &["digit:7"]);
}

#[test]
fn without_its_server_it_is_unavailable_and_recovers() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let host = Host::start_with(
        &place::example("features"),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    redis.command::<()>(&["SET", "features:digit:7", &sample()[0].stored()]);
    check(&host, "digit:7", &sample()[0], false);
    redis.stop();
    let answer = host.score(&json!({"key": "digit:7"})).expect(503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    assert_eq!(host.get("/").status, 200);
    redis.restart();
    redis.command::<()>(&["SET", "features:digit:7", &sample()[0].stored()]);
    wait::until("the store to be back", || {
        (host.score(&json!({"key": "digit:7"})).status == 200).then_some(())
    });
    check(&host, "digit:7", &sample()[0], true);
}

#[test]
fn a_message_comes_again_until_the_server_is_back() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let functions = [("scores", messages("msg", "one", Some("binary"), &[]))];
    let app = laid_out(App::example("features", ""), json!({}), &functions);
    let host = FunctionsHost::start_with(app.path(), &[("SCOREBOX_REDIS_URL", &redis.url())]);
    let digit = &sample()[7];
    let store = |redis: &Redis| redis.command::<()>(&["SET", "features:digit:7", &digit.stored()]);
    store(&redis);
    let question = json!({"key": "digit:7"});
    let deliver = |attempt: u32| {
        host.invoke(
            "scores",
            &envelope(
                "msg",
                base64(question.to_string()),
                message_metadata("m-1", attempt),
            ),
        )
    };
    let label = |bound: &Bound| bound.json("output")["label"].clone();
    let first = deliver(1).expect("all is well");
    redis.stop();
    for attempt in 1..4 {
        match deliver(attempt) {
            Err(Failed::Status(503, answer)) => {
                let answer: serde_json::Value =
                    serde_json::from_slice(&answer).expect("an error is JSON");
                assert_eq!(answer["code"], "store-unavailable", "{answer}");
            }
            other => panic!("{other:?}"),
        }
    }
    redis.restart();
    store(&redis);
    let mut attempt = 4;
    let again = wait::until("the message to be completed", || {
        attempt += 1;
        deliver(attempt).ok()
    });
    assert_eq!(label(&again), label(&first));
}
