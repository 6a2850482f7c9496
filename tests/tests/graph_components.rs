//! Components that call graphs: through wasi:nn, through the contract's `graphs`, and out of an
//! image.
//!
//! Owns the results of such calls, and each refusal. Must not know how an engine computes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use scorebox_tests::app::{App, copy};
use scorebox_tests::digits::{Digit, sample};
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::http::Answer;
use scorebox_tests::packaging::{documents, package, package_with_engine, packaged};
use scorebox_tests::{onnx, place, run};
use serde_json::{Value, json};

/// Models of digits, with their files and the names of their outputs.
const MODELS: [(&str, &str, [&str; 2]); 5] = [
    ("logreg", "logreg", ["label", "probabilities"]),
    ("logreg-ovr", "logreg-ovr", ["label", "probabilities"]),
    (
        "logreg",
        "logreg-zipmap",
        ["output_label", "output_probability"],
    ),
    ("forest", "forest", ["label", "probabilities"]),
    ("mlp", "mlp", ["label", "probabilities"]),
];

/// Returns an app of a program whose model is these graphs.
fn app(program: &str, graphs: &[(&str, Vec<u8>)], manifest: &str) -> App {
    let app = App::with(program, &format!("model = \"model\"\n{manifest}"));
    for (name, bytes) in graphs {
        app.write(&format!("model/{name}.onnx"), bytes);
    }
    app
}

#[test]
fn a_component_of_wasi_nn_alone_scores_all_models_as_scikit_learn() {
    let graphs: Vec<_> = MODELS
        .iter()
        .map(|(_, file, _)| (*file, onnx::trained(file)))
        .collect();
    let app = app("classifier", &graphs, "");
    let host = Host::start(&app);
    let classify = |graph: &str, digits: &[Digit]| {
        let rows: Vec<_> = digits.iter().map(Digit::row).collect();
        host.score(&json!({ "graph": graph, "input": "X", "rows": rows }))
            .expect(200)
            .json()
    };
    for (model, graph, [label, probabilities]) in MODELS {
        let all = classify(graph, sample());
        for (index, digit) in sample().iter().enumerate() {
            digit.check_by(model, &all[label][index], &all[probabilities][index]);
        }
    }
    std::thread::scope(|scope| {
        for half in sample().chunks(100) {
            let classify = &classify;
            scope.spawn(move || {
                for digit in half.chunks(1) {
                    let answer = classify("mlp", digit);
                    digit[0].check_by("mlp", &answer["label"][0], &answer["probabilities"][0]);
                }
            });
        }
    });
    assert_eq!(host.stderr.text(), "");
}

#[test]
fn a_picture_is_read_by_a_component_around_a_graph() {
    let example = App::example("picture", "");
    let manifest = std::fs::read_to_string(example.path().join("scorebox.toml")).unwrap();
    let host = Host::start(&example);
    let read = |host: &Host, picture: Vec<u8>| host.post("image/x-portable-graymap", picture);
    let pgm = |digit: &Digit| [b"P5 28 28\n# a digit\n255\n".as_slice(), &digit.pixels].concat();
    let answer = read(&host, pgm(&sample()[0])).expect(200).json();
    assert_eq!(answer["best"].as_array().map(Vec::len), Some(3), "{answer}");
    let shipped =
        std::fs::read(place::workspace().join("guest/examples/picture/seven.pgm")).unwrap();
    assert_eq!(read(&host, shipped).expect(200).json()["label"], 7);
    read(&host, b"P5 27 28 255 ".to_vec()).expect_error(422, "wrong-size", &["27 x 28"]);
    read(&host, pgm(&sample()[0])[..700].to_vec()).expect_error(422, "cut-off", &[]);
    for broken in [
        "",
        "P6 28 28 255 ",
        "P5",
        "P5 28",
        "P5 28 28 99999999999999999999 ",
        "P5 28 28 #",
    ] {
        read(&host, broken.into()).expect_error(422, "no-pgm", &[]);
    }
    host.post("application/json", "{}").expect(415);

    example.write(
        "scorebox.toml",
        manifest.replace("best = \"3\"", "best = \"10\"").as_bytes(),
    );
    let host = Host::start(&example);
    for digit in sample() {
        let answer = read(&host, pgm(digit)).expect(200).json();
        let mut best = answer["best"].as_array().expect("a list").clone();
        best.sort_by_key(|guess| guess["label"].as_u64());
        let probabilities: Value = best
            .iter()
            .map(|guess| guess["probability"].clone())
            .collect();
        digit.check_by("mlp", &answer["label"], &probabilities);
    }
}

/// Starts a host of the program `grapher`, with every graph that these tests use. Returns the host
/// and its app.
fn grapher(manifest: &str) -> (Host, App) {
    let graphs = [
        ("counting", onnx::counting()),
        ("flags", onnx::identity(onnx::element::BOOL)),
        ("floats", onnx::identity(onnx::element::FLOAT)),
        ("judging", onnx::judging(true)),
        ("judging-alone", onnx::judging(false)),
        ("text/words", onnx::identity(onnx::element::STRING)),
        ("zeros", onnx::zeros()),
        ("zipmap", onnx::trained("logreg-zipmap")),
    ];
    let app = app("grapher", &graphs, manifest);
    (Host::start(&app), app)
}

/// Sends one operation and returns the response.
#[track_caller]
fn send(host: &Host, op: Value) -> Answer {
    host.score(&json!({ "ops": [op] }))
}

/// Sends one operation and returns its result.
#[track_caller]
fn op(host: &Host, op: Value) -> Value {
    send(host, op).expect(200).json()[0].take()
}

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
            "is no port",
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
        "its outputs are of types that wasi:nn has not",
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

/// Runs `cargo xtask build` on a project.
fn build(project: &Path, output: &Path) -> run::Finished {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .args(["build", "--manifest"])
        .arg(project.join("scorebox.toml"))
        .arg("--app")
        .arg(output);
    run::finish(&mut command, b"")
}

#[test]
fn init_calls_no_graph_where_an_image_is_built_and_may_at_each_start() {
    for (told, interface) in [
        ("nn floats", "wasi:nn/graph"),
        ("graphs floats", "scorebox:scoring/graphs"),
    ] {
        let project = |manifest: &str| {
            let app = app(
                "grapher",
                &[("floats", onnx::identity(onnx::element::FLOAT))],
                manifest,
            );
            app.write("model/init", told.as_bytes());
            app
        };
        let output = tempfile::tempdir().unwrap();
        let refused = build(project("").path(), &output.path().join("app")).ended(3);
        refused.said(&[
            "used a graph",
            interface,
            "Graph::lazy",
            "scorer.snapshot",
            "snapshot = false",
        ]);
        let app = project("snapshot = false\n");
        let host = Host::start(&app);
        assert_eq!(
            op(&host, json!({ "op": "open", "graph": "floats" })),
            json!({ "ok": 1 })
        );
    }
}

#[test]
fn graphs_are_loaded_for_who_calls_them_and_refused_where_nothing_runs_them() {
    // These files belong to a component that calls no graphs. A host without an engine serves it,
    // whatever the files contain.
    let output = tempfile::tempdir().unwrap();
    let place = output.path().join("app");
    build(
        app("weights", &[("broken", b"no graph".to_vec())], "").path(),
        &place,
    )
    .ended(0);
    let mut command = Command::new(place::image_host());
    command
        .env_clear()
        .args(["check", "--output", "json", "--app"])
        .arg(&place);
    let report = run::finish(&mut command, b"").ended(0).json();
    assert_eq!(
        report["code"], "precompiled for x86-64, init done",
        "{report}"
    );

    let mut command = Command::new(place::image_host());
    command
        .env_clear()
        .args(["check", "--app"])
        .arg(place::example("picture"));
    run::finish(&mut command, b"")
        .ended(4)
        .said(&["wasi:nn/", "no engine for graphs", "fix:"]);

    let logreg = onnx::trained("logreg");
    let cut = app(
        "classifier",
        &[
            ("good", logreg.clone()),
            ("text/cut", logreg[..3000].to_vec()),
        ],
        "",
    );
    refused(&cut, &[])
        .ended(5)
        .said(&["text/cut.onnx: cannot be loaded", "fix:"]);
    run::finish(&mut scorebox("check", &cut), b"")
        .ended(5)
        .said(&["text/cut.onnx: cannot be loaded", "fix:"]);
    refused(&App::of("classifier"), &[]).ended(4).said(&[
        "the model holds no graph",
        "scorer.model",
        "fix:",
    ]);
    let elsewhere = [("SCOREBOX_ENGINE_LIBRARY", "/nowhere/lib.so")];
    refused(&app("classifier", &[("m", logreg.clone())], ""), &elsewhere)
        .ended(11)
        .said(&["/nowhere/lib.so"]);

    let app = app("classifier", &[("b", logreg.clone()), ("a", logreg)], "");
    let report = run::finish(scorebox("check", &app).args(["--output", "json"]), b"")
        .ended(0)
        .json();
    assert!(
        report["code"]
            .as_str()
            .is_some_and(|code| code.contains("graphs a, b, run by ONNX Runtime")),
        "{report}"
    );
}

#[test]
fn an_image_of_a_component_that_calls_graphs_holds_the_engine() {
    let (project, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(&place::example("picture"), project.path());
    let layout = output.path().join("image");
    let image = packaged(&mut package_with_engine(project.path(), &layout));
    let names: Vec<_> = image["blobs"]
        .as_array()
        .expect("blobs")
        .iter()
        .map(|blob| blob["name"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "system",
            "libraries",
            "host",
            "engine",
            "model",
            "app",
            "config"
        ]
    );
    let (_, config) = documents(&layout);
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["dev.scorebox.world"], "scoring");
    assert!(
        labels["dev.scorebox.component.digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );
    let mut inspect = Command::new(place::xtask());
    run::finish(inspect.env_clear().arg("inspect").arg(&layout), b"").ended(0);

    let mut by_static_host = package(project.path(), &layout);
    by_static_host
        .arg("--engine-library")
        .arg(place::engine_library());
    run::finish(&mut by_static_host, b"")
        .ended(4)
        .said(&["linked statically", "fix:"]);
    std::fs::write(
        project.path().join("model/mlp.onnx"),
        &onnx::trained("mlp")[..200_000],
    )
    .unwrap();
    let refused = run::finish(&mut package_with_engine(project.path(), &layout), b"").ended(3);
    refused.said(&["mlp.onnx: cannot be loaded", "fix:"]);
}
