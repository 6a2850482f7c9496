//! Handles of wasi:nn that a component keeps open, and handles that it drops: only open handles
//! count towards `limits.memory` and the limit on handles.
//!
//! Owns the repeated calls. Must not know calls that are wrong: those are in `misuse.rs`.

use serde_json::{Value, json};

use super::{grapher, op, send};

/// Settings with one instance, so that a handle that is not released stays open in every later
/// call.
const MANIFEST: &str = "[limits]\ninstances = 1\ndeadline = \"60s\"\nmemory = \"64MiB\"\n";

#[test]
fn dropped_handles_of_each_kind_are_given_back() {
    let (host, _app) = grapher(MANIFEST);
    let many = 10_500;
    let reopen = json!({ "op": "nn-reopen", "graph": "floats", "count": many });
    assert_eq!(op(&host, reopen), json!({ "ok": many }));
    let miss = json!({ "op": "nn-miss", "count": many, "hold": false });
    assert_eq!(op(&host, miss), json!({ "ok": 0 }));
    let make = json!({ "op": "nn-make", "count": many, "bytes": 1 });
    assert_eq!(op(&host, make), json!({ "ok": many }));
    // These tensors have 250 MiB together.
    let make = json!({ "op": "nn-make", "count": 1000, "bytes": 256 << 10 });
    assert_eq!(op(&host, make), json!({ "ok": 1000 }));

    let miss = |count: usize| json!({ "op": "nn-miss", "count": count, "hold": true });
    assert_eq!(op(&host, miss(9_990)), json!({ "ok": 9_990 }));
    send(&host, miss(10_001)).expect_error(500, "trapped", &[]);
    assert_eq!(op(&host, miss(9_990)), json!({ "ok": 9_990 }));
}

#[test]
fn tensors_that_a_run_takes_or_gives_do_not_stay() {
    let (host, _app) = grapher(MANIFEST);
    let repeat = |graph: &str, input: &Value, count: usize, hold: bool| {
        let ask = json!({ "op": "nn-repeat", "graph": graph, "inputs": [input], "count": count, "hold": hold });
        op(&host, ask)["ok"].take()
    };
    // An input has 128 KiB, and a thousand inputs have twice the memory of the instance.
    let input = |dimensions: Value| json!({ "name": "x", "dimensions": dimensions, "ty": "fp32", "floats": vec![0.5; 32 << 10] });
    let done = |misfits: usize| json!({ "run": 1000, "misfits": misfits });
    let fitting = input(json!([16 << 10, 2]));
    assert_eq!(repeat("floats", &fitting, 1000, false), done(0));
    let misfit = input(json!([32 << 10]));
    assert_eq!(repeat("floats", &misfit, 1000, false), done(1000));

    // The outputs of a run have 128 KiB, and its input has a few bytes.
    let n = json!({ "name": "n", "dimensions": [1], "ty": "i64", "bytes": (32_i64 << 10).to_le_bytes() });
    assert_eq!(repeat("zeros", &n, 1000, false), done(0));
    for _ in 0..2 {
        let full = repeat("zeros", &n, 1000, true);
        assert_eq!(full["run"], 511, "{full}");
        let code = full["fault"]["code"].as_str().expect("a code");
        assert!(code.contains("TooLarge"), "{full}");
        let text = full["fault"]["data"].as_str().expect("a text");
        assert!(
            text.contains("what open tensors hold") && text.contains("67108864 bytes"),
            "{text}"
        );
    }
    assert_eq!(
        repeat("zeros", &n, 500, true),
        json!({ "run": 500, "misfits": 0 })
    );
}
