//! Calls of graphs by a component that are wrong: each is answered with its error, and the instance
//! continues.
//!
//! Owns the wrong calls by both interfaces, and the limits on memory and handles.

use scorebox_tests::host::Host;
use scorebox_tests::onnx_cases;
use scorebox_tests::programs;
use serde_json::{Value, json};

use super::{app, grapher, op, send};

#[test]
fn inputs_of_a_graph_with_one_dimension_have_one_size() {
    let graphs = [
        ("pair", onnx_cases::pair()),
        ("default", onnx_cases::defaulted(8)),
    ];
    let app = app(programs::GRAPHER, &graphs, "");
    let host = Host::start(&app);
    let unequal = "`b` has 1 row, and `a` has 2";
    let tensor = |name: &str, rows: u32| json!({ "name": name, "dimensions": [rows, 2], "ty": "fp32", "floats": vec![1.0; 2 * rows as usize] });
    let call =
        json!({ "op": "nn-compute", "graph": "pair", "inputs": [tensor("a", 2), tensor("b", 1)] });
    let error = op(&host, call)["error"].to_string();
    assert!(
        error.contains("InvalidArgument") && error.contains(unequal),
        "{error}"
    );
    let input = |name: &str, rows: usize| json!({ "name": name, "shape": [rows, 2], "floats": vec![1.0; 2 * rows] });
    let run = |graph: &str, inputs: Value| {
        op(
            &host,
            json!({ "op": "run", "graph": graph, "inputs": inputs }),
        )
    };
    let error = run("pair", json!([input("a", 2), input("b", 1)]))["error"].to_string();
    assert!(
        error.contains("invalid-argument") && error.contains(unequal),
        "{error}"
    );
    let sum = run("pair", json!([input("a", 1), input("b", 1)]));
    assert_eq!(sum["ok"], json!([["c", [1, 2], [2.0, 2.0]]]), "{sum}");
    // An input with a default value may be left out, and is not described.
    let sum = run("default", json!([input("x", 1)]));
    assert_eq!(sum["ok"], json!([["y", [1, 2], [11.0, 21.0]]]), "{sum}");
    let given = json!({ "name": "w", "shape": [2], "floats": [0.0, 1.0] });
    let sum = run("default", json!([given, input("x", 1)]));
    assert_eq!(sum["ok"], json!([["y", [1, 2], [1.0, 2.0]]]), "{sum}");
    let listed = op(&host, json!({ "op": "list" }))["ok"].take();
    assert_eq!(
        listed[0]["inputs"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
}

#[test]
fn misuse_is_answered() {
    let (host, _app) = grapher("[limits]\nmemory = \"16MiB\"\n");
    let long = "x".repeat(100_000);
    let check = |op: Value, kind: &str, part: &str| {
        let shown = op.to_string().chars().take(200).collect::<String>();
        let answer = self::op(&host, op);
        let error = answer["error"].to_string();
        assert!(
            error.contains(kind) && error.contains(part) && error.len() < 1000,
            "{shown}: {answer}"
        );
    };
    let nn = |graph: &str, inputs: Value| json!({ "op": "nn-compute", "graph": graph, "inputs": inputs });
    let tensor = |name: &str, dimensions: Value, ty: &str, floats: Value| json!({ "name": name, "dimensions": dimensions, "ty": ty, "floats": floats });
    let x = || tensor("x", json!([1, 2]), "fp32", json!([1, 2]));
    let huge = json!(vec![u32::MAX; 8]);
    let cases = [
        (
            json!([tensor("x", json!([1, 3]), "fp32", json!([1, 2, 3]))]),
            "the shape [1, 3]",
        ),
        (
            json!([tensor("x", json!([2]), "fp32", json!([1, 2]))]),
            "the shape [2]",
        ),
        (
            json!([tensor("x", json!([1, 2]), "i64", json!([1, 2, 3, 4]))]),
            "is i64, and its port is f32",
        ),
        (
            json!([tensor("x", json!([1, 2]), "fp32", json!([1]))]),
            "has 4 bytes",
        ),
        (
            json!([tensor("x", json!([u32::MAX, 2]), "fp32", json!([1]))]),
            "has 4 bytes",
        ),
        (json!([tensor("x", huge, "fp32", json!([1]))]), "the shape"),
        (
            json!([tensor("x", json!(vec![1; 100_000]), "fp32", json!([1]))]),
            "100000 dimensions",
        ),
        (
            json!([tensor("z", json!([1, 2]), "fp32", json!([1, 2]))]),
            "there is no `x`",
        ),
        (json!([]), "there is no `x`"),
        (json!([x(), x()]), "given twice"),
        (
            json!([x(), tensor(&long, json!([1]), "fp32", json!([1]))]),
            "is not a port",
        ),
    ];
    for (inputs, part) in cases {
        check(nn("floats", inputs), "InvalidArgument", part);
    }
    check(nn("nobody", json!([x()])), "NotFound", "no graph `nobody`");
    check(nn("../floats", json!([x()])), "NotFound", "no graph");
    check(nn(&long, json!([x()])), "NotFound", "no graph");
    check(
        json!({ "op": "nn-load" }),
        "UnsupportedOperation",
        "load-by-name",
    );
    check(
        nn("flags", json!([x()])),
        "UnsupportedOperation",
        "input `x` is bool",
    );
    check(
        nn("text/words", json!([x()])),
        "UnsupportedOperation",
        "scorebox:scoring/graphs",
    );
    check(
        nn("judging-alone", json!([x()])),
        "UnsupportedOperation",
        "its outputs are of types that wasi:nn does not have",
    );
    let zeros =
        |n: i64| json!([{ "name": "n", "dimensions": [1], "ty": "i64", "bytes": n.to_le_bytes() }]);
    check(nn("zeros", zeros(-1)), "RuntimeError", "");
    check(nn("zeros", zeros(5 << 20)), "TooLarge", "16777216 bytes");
    host.log.wait_for("the engine's words", |line| {
        line["context"] == "graph" && line["level"] == "WARN"
    });

    let raw = |graph: &str, input: Value| json!({ "op": "raw", "graph": graph, "inputs": [input] });
    let cases = [
        (
            "floats",
            json!({ "name": "x", "shape": [1, 2], "floats": [1.0] }),
            "has 4 bytes",
        ),
        (
            "floats",
            json!({ "name": "x", "shape": vec![u64::MAX; 8], "floats": [1.0] }),
            "the shape",
        ),
        (
            "floats",
            json!({ "name": "x", "shape": [u64::MAX, 2], "floats": [1.0] }),
            "has 4 bytes",
        ),
        (
            "floats",
            json!({ "name": "x", "shape": [1, 2], "texts": ["a", "b"] }),
            "is text, and its port is f32",
        ),
        (
            "flags",
            json!({ "name": "x", "shape": [1, 2], "bytes": [1, 0] }),
            "is u8, and its port is bool",
        ),
        (
            "text/words",
            json!({ "name": "x", "shape": [1, 2], "texts": ["a"] }),
            "other texts",
        ),
        (
            "text/words",
            json!({ "name": "x", "shape": [1, 2], "texts": ["a", "\0"] }),
            "NUL",
        ),
        (
            "text/words",
            json!({ "name": long, "shape": [1], "texts": ["\0"] }),
            "NUL",
        ),
    ];
    for (graph, input, part) in cases {
        check(raw(graph, input), "invalid-argument", part);
    }
    check(
        raw("nobody", json!({ "name": "x", "shape": [], "floats": [] })),
        "not-found",
        "nobody",
    );
    check(
        json!({ "op": "open", "graph": "nobody" }),
        "not-found",
        "nobody",
    );
    let n = |n: i64| json!({ "op": "run", "graph": "zeros", "inputs": [{ "name": "n", "shape": [1], "integers": [n] }] });
    check(n(-1), "failed", "");
    check(n(5 << 20), "too-large", "16777216");

    // The instance works as before. After the second error there is a new instance.
    assert_eq!(op(&host, n(2))["ok"], json!([["y", [2], [0.0, 0.0]]]));
    assert_eq!(
        op(
            &host,
            json!({ "op": "nn-make", "count": 20, "bytes": 4 << 20 })
        ),
        json!({ "ok": 20 })
    );
    send(
        &host,
        json!({ "op": "nn-hold", "count": 5, "bytes": 4 << 20 }),
    )
    .expect_error(500, "out-of-memory", &["16777216"]);
    assert_eq!(
        op(
            &host,
            json!({ "op": "nn-hold", "count": 3, "bytes": 4 << 20 })
        ),
        json!({ "ok": 3 })
    );
    let handles = |count: usize| {
        send(
            &host,
            json!({ "op": "nn-open", "graph": "floats", "count": count }),
        )
    };
    assert_eq!(handles(9_990).expect(200).json(), json!([{ "ok": 9_990 }]));
    handles(10_001).expect_error(500, "trapped", &[]);
    send(
        &host,
        json!({ "op": "nn-hold", "count": 10_001, "bytes": 0 }),
    )
    .expect_error(500, "trapped", &[]);
    assert_eq!(op(&host, n(1))["ok"], json!([["y", [1], [0.0]]]));
}
