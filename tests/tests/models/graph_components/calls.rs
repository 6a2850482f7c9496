//! Calls of graphs by a component that give a result: descriptions, every type, and the deadline.
//!
//! Owns the results by both interfaces, wasi:nn and the contract's `graphs`.

use std::time::{Duration, Instant};

use scorebox_tests::digits::sample;
use serde_json::{Value, json};

use super::{grapher, op, send};

#[test]
fn graphs_are_described_with_what_wasi_nn_cannot_carry() {
    let (host, _app) = grapher("");
    let graphs = op(&host, json!({ "op": "list" }))["ok"].take();
    let names: Vec<_> = graphs
        .as_array()
        .expect("a list")
        .iter()
        .map(|graph| graph["name"].clone())
        .collect();
    let expected = [
        "counting",
        "flags",
        "floats",
        "judging",
        "judging-alone",
        "text/words",
        "zeros",
        "zipmap",
    ];
    assert_eq!(names, expected);
    let port = |name: &str, element: &str, carried: bool, classes: &[&str]| json!({ "name": name, "element": element, "shape": [null, 2], "in-wasi-nn": carried, "classes": classes });
    let whole = |name: &str, element: &str, carried: bool| json!({ "name": name, "inputs": [port("x", element, carried, &[])], "outputs": [port("y", element, carried, &[])] });
    assert_eq!(graphs[1], whole("flags", "bool", false));
    assert_eq!(graphs[2], whole("floats", "f32", true));
    assert_eq!(graphs[5], whole("text/words", "text", false));
    assert_eq!(graphs[0]["inputs"][0]["shape"], json!([]));
    let classes: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let zipmap = &graphs[7]["outputs"];
    assert_eq!(
        (&zipmap[0]["element"], &zipmap[1]["element"]),
        (&json!("i64"), &json!("f32"))
    );
    assert_eq!(
        (&zipmap[1]["classes"], &zipmap[1]["in-wasi-nn"]),
        (&json!(classes), &json!(true))
    );
}

#[test]
fn every_type_passes_by_graphs_and_what_wasi_nn_carries_by_it() {
    let (host, _app) = grapher("");
    let run = |graph: &str, input: Value| {
        op(
            &host,
            json!({ "op": "run", "graph": graph, "inputs": [input] }),
        )
    };
    let texts = json!(["a", "", "Zürich", "\"\n"]);
    let words = run(
        "text/words",
        json!({ "name": "x", "shape": [2, 2], "texts": texts }),
    );
    assert_eq!(words["ok"], json!([["y", [2, 2], texts]]), "{words}");
    let flags = run(
        "flags",
        json!({ "name": "x", "shape": [1, 2], "flags": [true, false] }),
    );
    assert_eq!(
        flags["ok"],
        json!([["y", [1, 2], [true, false]]]),
        "{flags}"
    );
    let judged = run(
        "judging",
        json!({ "name": "x", "shape": [1, 2], "floats": [1.5, -2.0] }),
    );
    assert_eq!(
        judged["ok"],
        json!([["y", [1, 2], [1.5, -2.0]], ["same", [1, 2], [true, true]]]),
        "{judged}"
    );
    assert_eq!(
        run(
            "floats",
            json!({ "name": "x", "shape": [0, 2], "floats": [] })
        )["ok"],
        json!([["y", [0, 2], []]])
    );
    let digit = &sample()[4];
    let zipmap = run(
        "zipmap",
        json!({ "name": "X", "shape": [1, 784], "floats": digit.row() }),
    )["ok"]
        .take();
    digit.check_by("logreg", &zipmap[0][2][0], &zipmap[1][2]);
    assert_eq!(
        op(&host, json!({ "op": "open", "graph": "floats" })),
        json!({ "ok": 1 })
    );

    let infer = |graph: &str, inputs: Value| {
        op(
            &host,
            json!({ "op": "nn-compute", "graph": graph, "inputs": inputs }),
        )
    };
    let x = json!({ "name": "x", "dimensions": [1, 2], "ty": "fp32", "floats": [1.5, -2.0] });
    let judged = infer("judging", json!([x]));
    assert_eq!(
        judged["ok"],
        json!([["y", [[1, 2], "TensorType::Fp32", [1.5, -2.0]]]]),
        "what has no type is left out"
    );
    // A single value has the dimensions `[1]` in wasi:nn.
    let n =
        json!({ "name": "n", "dimensions": [1], "ty": "i64", "bytes": [2, 0, 0, 0, 0, 0, 0, 0] });
    let one = json!({ "name": "x", "dimensions": [1], "ty": "fp32", "floats": [1.0] });
    assert_eq!(
        infer("counting", json!([one, n]))["ok"],
        json!([["y", [[1], "TensorType::Fp32", [3.0]]]])
    );
    let odd = json!({ "dimensions": [7], "ty": "fp64", "bytes": [1, 2] });
    let read_back = op(&host, json!({ "op": "nn-tensor", "tensor": odd }));
    assert_eq!(
        read_back["ok"],
        json!([[7], "TensorType::Fp64", [1, 2]]),
        "looked at where it is used"
    );
}

#[test]
fn a_run_ends_at_the_deadline_of_its_call_and_gives_its_place_back() {
    let (host, _app) = grapher("[limits]\ndeadline = \"500ms\"\ninstances = 1\n");
    let inputs = |n: i64| json!([{ "name": "n", "shape": [], "integers": [n] }, { "name": "x", "shape": [1], "floats": [1.0] }]);
    let steps = |n: i64| json!({ "op": "run", "graph": "counting", "inputs": inputs(n) });
    let nn_steps = |n: i64| {
        let n = json!({ "name": "n", "dimensions": [1], "ty": "i64", "bytes": n.to_le_bytes() });
        let x = json!({ "name": "x", "dimensions": [1], "ty": "fp32", "floats": [1.0] });
        json!({ "op": "nn-compute", "graph": "counting", "inputs": [n, x] })
    };
    for endless in [steps(1 << 40), nn_steps(1 << 40)] {
        let started = Instant::now();
        send(&host, endless).expect_error(504, "timed-out", &["500 ms"]);
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{:?}",
            started.elapsed()
        );
        // There is one place for runs. It is free only because the engine stopped.
        assert_eq!(op(&host, steps(3))["ok"], json!([["y", [1], [4.0]]]));
    }
}
