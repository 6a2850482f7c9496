//! The required behaviour of every store: one list for memory and for every kind of server.
//!
//! Owns the list, in the language of the test program `keys`, and the comparison. Must not know how
//! an operation is performed: each test passes a closure that does this. Long because it is a table
//! of cases.

use serde_json::{Value, json};

/// Sequence of operations on a store, each with its expected answer.
pub struct Case {
    /// Behaviour that the case proves.
    pub name: &'static str,
    /// Operations of the test program `keys`, each with its expected answer: `{"ok": …}` or
    /// `{"error": …}`.
    pub steps: Vec<(Value, Value)>,
}

/// Returns the whole list of cases.
///
/// In an expected answer, `{"$between": [low, high]}` matches a number in this range, and
/// `{"$holds": "text"}` matches a text that contains `text`.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = plain();
    cases.extend(expiry());
    cases.extend(counters());
    cases.extend(swaps());
    cases.extend(listings());
    cases
}

fn ok(value: Value) -> Value {
    json!({ "ok": value })
}

fn refused(text: &str) -> Value {
    json!({ "error": { "other": { "$holds": text } } })
}

fn nothing() -> Value {
    ok(Value::Null)
}

fn plain() -> Vec<Case> {
    let all_bytes: Vec<u8> = (0..=255).collect();
    vec![
        Case {
            name: "a value is kept, replaced and removed",
            steps: vec![
                (json!({"op": "get", "key": "a"}), nothing()),
                (json!({"op": "exists", "key": "a"}), ok(json!(false))),
                (json!({"op": "set", "key": "a", "value": "1"}), nothing()),
                (json!({"op": "exists", "key": "a"}), ok(json!(true))),
                (json!({"op": "get", "key": "a"}), ok(json!("1"))),
                (json!({"op": "set", "key": "a", "value": "2"}), nothing()),
                (json!({"op": "get", "key": "a"}), ok(json!("2"))),
                (json!({"op": "delete", "key": "a"}), nothing()),
                (json!({"op": "delete", "key": "a"}), nothing()),
                (json!({"op": "get", "key": "a"}), nothing()),
            ],
        },
        Case {
            name: "values and keys are any bytes and any text",
            steps: vec![
                (
                    json!({"op": "set", "key": "bytes", "value": {"bytes": all_bytes}}),
                    nothing(),
                ),
                (
                    json!({"op": "get", "key": "bytes"}),
                    ok(json!({"bytes": all_bytes})),
                ),
                (json!({"op": "set", "key": "empty", "value": ""}), nothing()),
                (json!({"op": "get", "key": "empty"}), ok(json!(""))),
                (
                    json!({"op": "set", "key": "schlüssel *?[a]\n:日本", "value": "x"}),
                    nothing(),
                ),
                (
                    json!({"op": "get", "key": "schlüssel *?[a]\n:日本"}),
                    ok(json!("x")),
                ),
            ],
        },
        Case {
            name: "many are written, read in the order asked for, and removed",
            steps: vec![
                (
                    json!({"op": "set-many", "entries": [["a", "1"], ["b", "2"], ["a", "3"]]}),
                    nothing(),
                ),
                (
                    json!({"op": "get-many", "keys": ["b", "none", "a", "b"]}),
                    ok(json!([["b", "2"], null, ["a", "3"], ["b", "2"]])),
                ),
                (
                    json!({"op": "delete-many", "keys": ["a", "none"]}),
                    nothing(),
                ),
                (
                    json!({"op": "get-many", "keys": ["a", "b"]}),
                    ok(json!([null, ["b", "2"]])),
                ),
                (json!({"op": "get-many", "keys": []}), ok(json!([]))),
                (json!({"op": "set-many", "entries": []}), nothing()),
                (json!({"op": "delete-many", "keys": []}), nothing()),
            ],
        },
        Case {
            name: "a write with a condition",
            steps: vec![
                (
                    json!({"op": "set-with", "key": "a", "value": "0", "condition": "if-present"}),
                    ok(json!(false)),
                ),
                (json!({"op": "get", "key": "a"}), nothing()),
                (
                    json!({"op": "set-with", "key": "a", "value": "1", "condition": "if-absent"}),
                    ok(json!(true)),
                ),
                (
                    json!({"op": "set-with", "key": "a", "value": "2", "condition": "if-absent"}),
                    ok(json!(false)),
                ),
                (json!({"op": "get", "key": "a"}), ok(json!("1"))),
                (
                    json!({"op": "set-with", "key": "a", "value": "3", "condition": "if-present"}),
                    ok(json!(true)),
                ),
                (
                    json!({"op": "set-with", "key": "a", "value": "4", "condition": "always"}),
                    ok(json!(true)),
                ),
                (json!({"op": "get", "key": "a"}), ok(json!("4"))),
            ],
        },
    ]
}

fn expiry() -> Vec<Case> {
    let minute = json!({"remaining": {"$between": [30_000, 60_000]}});
    vec![
        Case {
            name: "a value with an expiry is gone after it",
            steps: vec![
                (
                    json!({"op": "set-with", "key": "a", "value": "1", "ttl_ms": 60}),
                    ok(json!(true)),
                ),
                (
                    json!({"op": "set-many-for", "entries": [["b", "1"], ["c", "1"]], "ttl_ms": 60}),
                    nothing(),
                ),
                (json!({"op": "wait", "ms": 100}), nothing()),
                (json!({"op": "get", "key": "a"}), nothing()),
                (json!({"op": "exists", "key": "a"}), ok(json!(false))),
                (json!({"op": "lifetime", "key": "a"}), ok(json!("absent"))),
                (
                    json!({"op": "get-many", "keys": ["b", "c"]}),
                    ok(json!([null, null])),
                ),
                (
                    json!({"op": "touch", "key": "a", "ttl_ms": 60}),
                    ok(json!(false)),
                ),
                (
                    json!({"op": "set-with", "key": "a", "value": "2", "condition": "if-absent"}),
                    ok(json!(true)),
                ),
            ],
        },
        Case {
            name: "the time left is known and changed",
            steps: vec![
                (json!({"op": "set", "key": "a", "value": "1"}), nothing()),
                (
                    json!({"op": "lifetime", "key": "a"}),
                    ok(json!("unlimited")),
                ),
                (
                    json!({"op": "touch", "key": "a", "ttl_ms": 60_000}),
                    ok(json!(true)),
                ),
                (json!({"op": "lifetime", "key": "a"}), ok(minute.clone())),
                (
                    json!({"op": "touch", "key": "a", "ttl_ms": null}),
                    ok(json!(true)),
                ),
                (
                    json!({"op": "touch", "key": "a", "ttl_ms": null}),
                    ok(json!(true)),
                ),
                (
                    json!({"op": "lifetime", "key": "a"}),
                    ok(json!("unlimited")),
                ),
                (
                    json!({"op": "touch", "key": "none", "ttl_ms": null}),
                    ok(json!(false)),
                ),
                (
                    json!({"op": "set-with", "key": "a", "value": "2", "ttl_ms": 60_000}),
                    ok(json!(true)),
                ),
                (json!({"op": "lifetime", "key": "a"}), ok(minute.clone())),
                // A plain write removes the expiry, as SET does.
                (json!({"op": "set", "key": "a", "value": "3"}), nothing()),
                (
                    json!({"op": "lifetime", "key": "a"}),
                    ok(json!("unlimited")),
                ),
            ],
        },
        Case {
            name: "an expiry that makes no sense is refused",
            steps: vec![
                (
                    json!({"op": "set-with", "key": "a", "value": "1", "ttl_ms": 0}),
                    refused("at least 1 ms"),
                ),
                (
                    json!({"op": "set-many-for", "entries": [["a", "1"]], "ttl_ms": 0}),
                    refused("at least 1 ms"),
                ),
                (
                    json!({"op": "increment-for", "key": "a", "delta": 1, "ttl_ms": 0}),
                    refused("at least 1 ms"),
                ),
                (
                    json!({"op": "touch", "key": "a", "ttl_ms": 0}),
                    refused("at least 1 ms"),
                ),
                (
                    json!({"op": "set-with", "key": "a", "value": "1", "ttl_ms": u64::MAX}),
                    refused("a thousand years"),
                ),
                (json!({"op": "exists", "key": "a"}), ok(json!(false))),
            ],
        },
    ]
}

fn counters() -> Vec<Case> {
    let mut not_numbers = Vec::new();
    for text in ["one", "", "1.5", "+1", " 1", "01", "9223372036854775808"] {
        not_numbers.push((json!({"op": "set", "key": "a", "value": text}), nothing()));
        not_numbers.push((
            json!({"op": "increment", "key": "a", "delta": 1}),
            refused("not an integer"),
        ));
        not_numbers.push((json!({"op": "get", "key": "a"}), ok(json!(text))));
    }
    vec![
        Case {
            name: "a counter counts from nothing",
            steps: vec![
                (
                    json!({"op": "increment", "key": "a", "delta": 5}),
                    ok(json!(5)),
                ),
                (
                    json!({"op": "increment", "key": "a", "delta": -7}),
                    ok(json!(-2)),
                ),
                (json!({"op": "get", "key": "a"}), ok(json!("-2"))),
                (
                    json!({"op": "lifetime", "key": "a"}),
                    ok(json!("unlimited")),
                ),
                (
                    json!({"op": "set", "key": "b", "value": i64::MAX.to_string()}),
                    nothing(),
                ),
                (
                    json!({"op": "increment", "key": "b", "delta": 1}),
                    refused("overflow"),
                ),
                (
                    json!({"op": "increment", "key": "b", "delta": 0}),
                    ok(json!(i64::MAX)),
                ),
            ],
        },
        Case {
            name: "a counter expires after it was first counted",
            steps: vec![
                (
                    json!({"op": "increment-for", "key": "a", "delta": 1, "ttl_ms": 60_000}),
                    ok(json!(1)),
                ),
                (
                    json!({"op": "increment-for", "key": "a", "delta": 1, "ttl_ms": 900_000}),
                    ok(json!(2)),
                ),
                (
                    json!({"op": "lifetime", "key": "a"}),
                    ok(json!({"remaining": {"$between": [30_000, 60_000]}})),
                ),
                (
                    json!({"op": "increment-for", "key": "b", "delta": 1, "ttl_ms": 60}),
                    ok(json!(1)),
                ),
                (json!({"op": "wait", "ms": 100}), nothing()),
                (
                    json!({"op": "increment-for", "key": "b", "delta": 1, "ttl_ms": 60_000}),
                    ok(json!(1)),
                ),
            ],
        },
        Case {
            name: "what is no number is not counted",
            steps: not_numbers,
        },
    ]
}

fn swaps() -> Vec<Case> {
    let swap = |key: &str, value: &str| json!({"op": "swap", "key": key, "value": value});
    let racing = |meanwhile: &str, retry: bool| {
        let value = "mine";
        json!({"op": "swap", "key": "a", "value": value, "meanwhile": meanwhile, "retry": retry})
    };
    vec![
        Case {
            name: "a swap writes what nobody changed",
            steps: vec![
                (
                    swap("a", "1"),
                    ok(json!({"current": null, "swapped": true})),
                ),
                (swap("a", "2"), ok(json!({"current": "1", "swapped": true}))),
                (json!({"op": "get", "key": "a"}), ok(json!("2"))),
            ],
        },
        Case {
            name: "a swap sees that somebody came between",
            steps: vec![
                (
                    racing("theirs", false),
                    ok(json!({"current": null, "conflict": "theirs", "swapped": false})),
                ),
                (json!({"op": "get", "key": "a"}), ok(json!("theirs"))),
                (
                    racing("newer", true),
                    ok(json!({"current": "theirs", "conflict": "newer", "swapped": true})),
                ),
                (json!({"op": "get", "key": "a"}), ok(json!("mine"))),
            ],
        },
    ]
}

fn listings() -> Vec<Case> {
    let names: Vec<String> = (0..1100).map(|number| format!("key-{number:04}")).collect();
    let entries: Vec<Value> = names.iter().map(|name| json!([name, "x"])).collect();
    vec![Case {
        name: "a long listing comes in pages, whole",
        steps: vec![
            (json!({"op": "all-keys"}), ok(json!([]))),
            (json!({"op": "set-many", "entries": entries}), nothing()),
            (
                json!({"op": "set-with", "key": "gone", "value": "x", "ttl_ms": 20}),
                ok(json!(true)),
            ),
            (json!({"op": "wait", "ms": 60}), nothing()),
            (json!({"op": "all-keys"}), ok(json!(names))),
            (json!({"op": "delete-many", "keys": names}), nothing()),
            (json!({"op": "all-keys"}), ok(json!([]))),
        ],
    }]
}

/// Performs the operations of every case, and asserts their answers. `perform` performs a list of
/// operations and returns their answers. `backend` is the name of the store, for the message.
///
/// # Panics
/// Panics if an answer is not the expected one. The message has one text for each case that fails.
#[track_caller]
pub fn check_all(backend: &str, mut perform: impl FnMut(Vec<Value>) -> Vec<Value>) {
    let misfits: Vec<_> = cases()
        .iter()
        .filter_map(|case| misfit(case, &mut perform))
        .collect();
    assert!(misfits.is_empty(), "{backend}: {}", misfits.join("\n"));
}

fn misfit(case: &Case, perform: &mut impl FnMut(Vec<Value>) -> Vec<Value>) -> Option<String> {
    let answers = perform(case.steps.iter().map(|(op, _)| op.clone()).collect());
    assert_eq!(
        answers.len(),
        case.steps.len(),
        "answers of `{}`",
        case.name
    );
    let wrong = case
        .steps
        .iter()
        .zip(&answers)
        .find(|((_, expected), answer)| !fits(expected, answer));
    let ((op, expected), answer) = wrong?;
    Some(format!(
        "`{}`: {}\nexpected {expected}\n     got {answer}",
        case.name,
        shortened(op)
    ))
}

fn shortened(op: &Value) -> String {
    op.to_string().chars().take(200).collect()
}

fn fits(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(pattern), _) if pattern.contains_key("$between") => {
            let bounds = (
                pattern["$between"][0].as_f64(),
                pattern["$between"][1].as_f64(),
            );
            got.as_f64()
                .is_some_and(|got| bounds.0 <= Some(got) && Some(got) <= bounds.1)
        }
        (Value::Object(pattern), _) if pattern.contains_key("$holds") => got
            .as_str()
            .is_some_and(|got| got.contains(pattern["$holds"].as_str().unwrap_or_default())),
        (Value::Object(expected), Value::Object(got)) => {
            expected.len() == got.len()
                && expected
                    .iter()
                    .all(|(name, value)| got.get(name).is_some_and(|got| fits(value, got)))
        }
        _ => expected == got,
    }
}
