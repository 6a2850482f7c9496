//! Graphs that are served without any code: through the server, without it, and out of an image.
//!
//! Owns the answers of such a scorer, and each refusal. Must not know how an engine computes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use scorebox_tests::app::{App, copy};
use scorebox_tests::container::Container;
use scorebox_tests::digits::sample;
use scorebox_tests::host::{Host, invoke, refused, scorebox};
use scorebox_tests::http::{self, Body};
use scorebox_tests::packaging::{documents, package, package_with_engine, packaged};
use scorebox_tests::registry::Registry;
use scorebox_tests::{onnx, place, require, run, skip};
use serde_json::{Value, json};

/// Asserts that the answer has the predictions of `model` for all digits, in these outputs.
#[track_caller]
fn check(model: &str, answer: &Value, [label, probabilities]: [&str; 2]) {
    let list = |name: &str| {
        answer[name]
            .as_array()
            .unwrap_or_else(|| panic!("no {name} in {answer}"))
    };
    assert_eq!(
        (list(label).len(), list(probabilities).len()),
        (sample().len(), sample().len())
    );
    for ((digit, label), probabilities) in sample().iter().zip(list(label)).zip(list(probabilities))
    {
        digit.check_by(model, label, probabilities);
    }
}

fn all_digits() -> Value {
    json!({ "X": sample().iter().map(|digit| digit.row()).collect::<Vec<_>>() })
}

#[track_caller]
fn scores_as_scikit_learn(model: &str, file: &str, outputs: [&str; 2]) {
    let app = App::graph(&format!("{file}.onnx"), &onnx::trained(file), "");
    let host = Host::start(&app);
    check(
        model,
        &host.score(&all_digits()).expect(200).json(),
        outputs,
    );
    for digit in sample() {
        // The usual name of a single input works, too.
        let answer = host
            .score(&json!({ "data": [digit.row()] }))
            .expect(200)
            .json();
        digit.check_by(model, &answer[outputs[0]][0], &answer[outputs[1]][0]);
    }
    assert_eq!(host.stderr.text(), "");
}

#[test]
fn logistic_regression_scores_as_scikit_learn() {
    scores_as_scikit_learn("logreg", "logreg", ["label", "probabilities"]);
    scores_as_scikit_learn("logreg-ovr", "logreg-ovr", ["label", "probabilities"]);
}

#[test]
fn lists_of_maps_are_flattened() {
    scores_as_scikit_learn(
        "logreg",
        "logreg-zipmap",
        ["output_label", "output_probability"],
    );
    let app = App::graph("m.onnx", &onnx::trained("logreg-zipmap"), "");
    let report = run::finish(scorebox("check", &app).args(["--output", "json"]), b"")
        .ended(0)
        .json();
    let classes: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!(
        report["signature"]["outputs"][1]["classes"],
        json!(classes),
        "{report}"
    );
}

#[test]
fn forest_scores_as_scikit_learn() {
    scores_as_scikit_learn("forest", "forest", ["label", "probabilities"]);
}

#[test]
fn network_scores_as_scikit_learn_in_every_form_and_for_two_at_a_time() {
    let host = Host::start(&place::example("digits-mlp"));
    check(
        "mlp",
        &host.score(&all_digits()).expect(200).json(),
        ["label", "probabilities"],
    );
    std::thread::scope(|scope| {
        for half in sample().chunks(100) {
            let host = &host;
            scope.spawn(move || {
                for digit in half {
                    let answer = host
                        .score(&json!({ "X": [digit.row()] }))
                        .expect(200)
                        .json();
                    digit.check_by("mlp", &answer["label"][0], &answer["probabilities"][0]);
                }
            });
        }
    });
    let digit = &sample()[3];
    let pixels: Vec<u8> = digit
        .row()
        .iter()
        .flat_map(|pixel| (*pixel as f32).to_le_bytes())
        .collect();
    let answer = host
        .post("application/octet-stream", pixels)
        .expect(200)
        .json();
    digit.check_by("mlp", &answer["label"][0], &answer["probabilities"][0]);

    let model = host.get("/v2/models/digits-mlp").expect(200).json();
    assert_eq!(
        model["inputs"],
        json!([{ "name": "X", "datatype": "FP32", "shape": [-1, 784] }])
    );
    let input = json!({ "name": "X", "datatype": "FP32", "shape": [1, 784], "data": digit.row() });
    let request = json!({ "inputs": [input] }).to_string();
    let headers = [("content-type", "application/json")];
    let answer = host
        .send("POST", "/v2/models/digits-mlp/infer", &headers, request)
        .expect(200)
        .json();
    digit.check_by(
        "mlp",
        &answer["outputs"][0]["data"][0],
        &answer["outputs"][1]["data"],
    );

    let wrong = json!({ "X": [[1, 2]] });
    host.score(&wrong)
        .expect_error(400, "not-conforming", &["784"]);
    let app = place::example("digits-mlp");
    let finished = invoke(
        &app,
        "application/json",
        all_digits().to_string().as_bytes(),
    )
    .ended(0);
    check("mlp", &finished.json(), ["label", "probabilities"]);
}

#[test]
fn texts_and_booleans_pass() {
    let host = |element| Host::start(&App::graph("m.onnx", &onnx::identity(element), ""));
    let texts = json!([["a", ""], ["Zürich", "\"\n"]]);
    assert_eq!(
        host(onnx::element::STRING)
            .score(&json!({ "x": texts }))
            .expect(200)
            .json(),
        texts
    );
    let flags = json!([[true, false]]);
    let flagging = host(onnx::element::BOOL);
    assert_eq!(
        flagging.score(&json!({ "x": flags })).expect(200).json(),
        flags
    );
    flagging
        .score(&json!({ "x": [[1, 0]] }))
        .expect_error(400, "not-conforming", &["bool"]);
}

/// Checks that two numbers of each element type pass. Each case has the type's number in ONNX and
/// its name in the protocol.
#[test]
fn every_number_passes_unchanged() {
    let cases: [(u64, &str, Value); 11] = [
        (1, "FP32", json!([0.1, -2.5e30])),
        (11, "FP64", json!([0.1, -2.5e300])),
        (10, "FP16", json!([0.5, -2.0])),
        (16, "BF16", json!([0.5, -2.0])),
        (3, "INT8", json!([-128, 127])),
        (5, "INT16", json!([-32768, 32767])),
        (6, "INT32", json!([i32::MIN, i32::MAX])),
        (7, "INT64", json!([i64::MIN, i64::MAX])),
        (2, "UINT8", json!([0, 255])),
        (12, "UINT32", json!([0, u32::MAX])),
        (13, "UINT64", json!([0, u64::MAX])),
    ];
    for (element, datatype, values) in cases {
        let app = App::graph("m.onnx", &onnx::identity(element), "");
        let input = json!({ "name": "x", "datatype": datatype, "shape": [1, 2], "data": values });
        let request = json!({ "inputs": [input] }).to_string();
        let answer = invoke(&app, "application/json", request.as_bytes())
            .ended(0)
            .json();
        let expected =
            json!({ "name": "y", "datatype": datatype, "shape": [1, 2], "data": values });
        assert_eq!(answer["outputs"][0].to_string(), expected.to_string());
    }
}

#[test]
fn a_run_ends_at_its_deadline_and_gives_its_place_back() {
    let settings = "[limits]\ndeadline = \"500ms\"\ninstances = 1\n";
    let host = Host::start(&App::graph("m.onnx", &onnx::counting(), settings));
    let steps = |n: u64| host.score(&json!({ "n": n, "x": [1.0] }));
    assert_eq!(steps(3).expect(200).json(), json!([4.0]));
    let started = Instant::now();
    steps(1 << 40).expect_error(504, "timed-out", &["500 ms"]);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    // There is one place for runs. It is free only because the engine stopped.
    assert_eq!(steps(4).expect(200).json(), json!([5.0]));
}

#[test]
fn outputs_are_bounded_and_what_the_engine_refuses_is_told() {
    let host = Host::start(&App::graph(
        "m.onnx",
        &onnx::zeros(),
        "[limits]\nmemory = \"1MiB\"\n",
    ));
    let zeros = |n: i64| host.score(&json!({ "n": [n] }));
    assert_eq!(zeros(3).expect(200).json(), json!([0.0, 0.0, 0.0]));
    zeros(1 << 20).expect_error(500, "out-of-memory", &["1048576"]);
    let failed = zeros(-1).expect_error(500, "graph-failed", &["The log has the reason"]);
    assert_eq!(failed.header("x-ms-run-function-failed"), Some("True"));
    zeros(1 << 60).expect_error(500, "graph-failed", &[]);
    assert_eq!(zeros(1).expect(200).json(), json!([0.0]));
}

#[test]
fn answers_are_kept_where_the_manifest_says_so() {
    let settings = "[stores.default]\n[prediction_cache]\n";
    let host = Host::start(&App::graph("m.onnx", &onnx::trained("logreg"), settings));
    let request = json!({ "X": [sample()[0].row()] });
    let status = |expected: &str| {
        let answer = host.score(&request).expect(200);
        assert_eq!(answer.header("cache-status"), Some(expected));
        answer.body
    };
    assert_eq!(status("scorebox; fwd=miss"), status("scorebox; hit"));
}

#[test]
fn what_cannot_be_served_is_refused_with_its_fix() {
    let logreg = onnx::trained("logreg");
    let served = |manifest: &str| App::graph("a.onnx", &logreg, manifest);
    #[track_caller]
    fn check(app: &App, code: i32, parts: &[&str]) {
        refused(app, &[]).ended(code).said(parts).said(&["fix:"]);
    }
    check(
        &served("[batching]\nmax_rows = 8\n"),
        5,
        &["cannot be batched", "[batching]"],
    );
    check(&served("graph = \"b\"\n"), 5, &["no graph `b`", "`a.onnx`"]);
    check(
        &App::graph("labels.txt", b"a", ""),
        5,
        &["holds no graph", "scorer.component"],
    );
    let two = served("");
    two.write("model/b.onnx", &onnx::identity(onnx::element::FLOAT));
    check(&two, 5, &["`a.onnx`, `b.onnx`", "graph = "]);
    let chosen = served("graph = \"b\"\n");
    chosen.write("model/b.onnx", &onnx::identity(onnx::element::FLOAT));
    assert_eq!(
        invoke(&chosen, "application/json", b"{\"x\": [[1, 2]]}")
            .ended(0)
            .stdout,
        "[[1.0,2.0]]"
    );

    let app = served("");
    let library = |path: &Path| {
        refused(
            &app,
            &[("SCOREBOX_ENGINE_LIBRARY", path.to_str().expect("UTF-8"))],
        )
    };
    let fix = [
        "fix:",
        "cargo xtask setup --graphs",
        "SCOREBOX_ENGINE_LIBRARY",
    ];
    library(Path::new("/nowhere/lib.so"))
        .ended(11)
        .said(&["/nowhere/lib.so", "no such file"])
        .said(&fix);
    app.write("lib.so", b"no library");
    library(&app.path().join("lib.so"))
        .ended(11)
        .said(&["cannot be loaded"])
        .said(&fix);
    let component = App::with("mirror", "model = \"model\"\ngraph = \"a\"\n");
    check(&component, 3, &["`scorer.graph`", "`scorer.component`"]);
    let neither = served("");
    neither.write("scorebox.toml", b"[scorer]\nname = \"x\"\n");
    check(
        &neither,
        3,
        &["neither `scorer.component` nor `scorer.model`", "model = "],
    );
    // A host without an engine reports that.
    let mut command = Command::new(place::image_host());
    command.env_clear().args(["check", "--app"]).arg(app.path());
    run::finish(&mut command, b"")
        .ended(5)
        .said(&["no engine for graphs", "fix:"]);
}

#[test]
fn damaged_files_end_in_an_error_or_answer_all_the_same() {
    let whole = onnx::trained("logreg");
    let app = App::graph("m.onnx", &whole, "");
    let check = |bytes: &[u8]| {
        app.write("model/m.onnx", bytes);
        run::finish(&mut scorebox("check", &app), b"")
    };
    check(&whole).ended(0);
    check(b"").ended(5).said(&["m.onnx", "fix:"]);
    check(b"not a graph at all")
        .ended(5)
        .said(&["m.onnx: cannot be loaded", "fix:"]);
    for part in 1..12 {
        check(&whole[..whole.len() * part / 12])
            .ended(5)
            .said(&["m.onnx", "fix:"]);
    }
    // Nearly all of the file is weights, in which any bit is valid. Its structure is at both ends.
    let ends = (0..300).step_by(6).chain(whole.len() - 300..whole.len());
    for (index, place) in ends.step_by(5).enumerate() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (index % 8);
        let finished = check(&changed);
        let code = finished.status.code();
        assert!(
            code == Some(0) || code == Some(5),
            "byte {place}: {finished:?}"
        );
    }
}

fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    copy(
        &place::workspace().join("host/examples/digits-mlp"),
        project.path(),
    );
    project
}

#[test]
fn an_image_holds_the_engine_and_what_it_needs() {
    let (project, output) = (project(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let image = packaged(&mut package_with_engine(project.path(), &layout));
    let again = packaged(&mut package_with_engine(
        project.path(),
        &output.path().join("again"),
    ));
    assert_eq!(image["digest"], again["digest"]);
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
    assert_eq!(
        config["config"]["Labels"]["dev.scorebox.world"],
        "tensor-scoring"
    );
    assert_eq!(
        config["config"]["Labels"]["dev.scorebox.component.digest"],
        Value::Null
    );

    let mut inspect = Command::new(place::xtask());
    run::finish(inspect.env_clear().arg("inspect").arg(&layout), b"").ended(0);

    let static_host = package(project.path(), &layout)
        .arg("--engine-library")
        .arg(place::engine_library())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&static_host.stderr).into_owned();
    assert!(
        static_host.status.code() == Some(4) && said.contains("linked statically"),
        "{said}"
    );

    std::fs::write(
        project.path().join("model/mlp.onnx"),
        &onnx::trained("mlp")[..200_000],
    )
    .unwrap();
    let refused = run::finish(&mut package_with_engine(project.path(), &layout), b"").ended(3);
    refused.said(&["mlp.onnx: cannot be loaded", "fix:"]);
}

#[test]
fn an_image_scores_in_a_container() {
    require!("podman", "runc", "docker-registry");
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let mut command = package_with_engine(project.path(), &output.path().join("image"));
    let repository = format!("scorebox-test-{}/digits-mlp", std::process::id());
    command.args([
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        &repository,
    ]);
    let reference = run::finish(&mut command, b"")
        .ended(0)
        .stdout
        .trim_end()
        .to_owned();
    let container = Container::run("digits-mlp", &reference, &[]);
    let send = |method: &str, path: &str, body: String| {
        let url = format!("http://127.0.0.1:{}{path}", container.port);
        http::try_send(
            method,
            &url,
            &[("content-type", "application/json")],
            Body::Sized(body.into_bytes()),
        )
        .ok()
    };
    container.until("readiness", || {
        send("GET", "/readyz", String::new()).filter(|answer| answer.status == 200)
    });
    let answer = send("POST", "/score", all_digits().to_string())
        .expect("an answer")
        .expect(200);
    check("mlp", &answer.json(), ["label", "probabilities"]);
    let (code, _) = container.stop();
    assert_eq!(code, 0, "{}", container.logs());
}
