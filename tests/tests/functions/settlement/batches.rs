//! Batches of messages: one invocation with a result for each message.
//!
//! Owns batches in which some messages fail.

use serde_json::{Value, json};

use super::{batch, bound, comes_again};

fn said(text: &str) -> Value {
    json!({"do": "log", "level": "warn", "context": "c", "message": text})
}

#[test]
fn a_batch_has_a_result_for_each_message() {
    let reject = |code: &str| json!({"do": "reject", "code": code, "message": "as told"});
    let deeds = [
        json!({"do": "sleep", "ms": 1}),
        reject("a"),
        json!({"do": "sleep", "ms": 2}),
        said("hello"),
        reject("b"),
    ];
    let bound = bound("batch", &batch(&deeds, &[1; 5]));
    let all = |name: &str| -> Vec<Value> {
        bound
            .of(name)
            .into_iter()
            .map(|bytes| serde_json::from_slice(bytes).expect("JSON"))
            .collect()
    };
    assert_eq!(
        all("output"),
        [json!({"ms": 1}), json!({"ms": 2}), json!({})]
    );
    let parked = all("park");
    let of = |index: usize| {
        (
            parked[index]["problem"]["code"].clone(),
            parked[index]["attributes"]["message-id"].clone(),
        )
    };
    assert_eq!(
        (of(0), of(1)),
        ((json!("a"), json!("m-1")), (json!("b"), json!("m-4")))
    );
    assert!(
        parked[0]["id"]
            .as_str()
            .is_some_and(|id| id.ends_with("-1")),
        "{parked:?}"
    );
    assert_eq!(
        bound.logs,
        ["1: a as told", "3: WARN c: hello", "4: b as told"]
    );
}

#[test]
fn one_message_that_must_come_again_brings_its_batch_with_it() {
    let unavailable = json!({"do": "unavailable", "code": "later", "message": "later"});
    let deeds = [
        said("a"),
        unavailable,
        json!({"do": "reject", "code": "no", "message": "no"}),
    ];
    comes_again("batch", &batch(&deeds, &[1, 1, 1]), 503, "later");
    // A message without an output for parked messages must not be left behind either.
    comes_again(
        "bare-batch",
        &batch(&[said("a"), json!({"do": "nothing known"})], &[1, 1]),
        422,
        "invalid-json",
    );
    // If one message is at its last delivery, the whole batch is settled.
    let bound = bound("batch", &batch(&deeds, &[10, 1, 1]));
    assert_eq!(
        (bound.of("output").len(), bound.of("park").len()),
        (1, 2),
        "{bound:?}"
    );
}

#[test]
fn a_large_batch_does_not_overrun_the_queue() {
    let deeds: Vec<_> = (0..300)
        .map(|index| json!({"do": "config", "name": index.to_string()}))
        .collect();
    assert_eq!(
        bound("bare-batch", &batch(&deeds, &[1; 300]))
            .of("output")
            .len(),
        300
    );
}
