//! Answers of graphs: scikit-learn's for digits, and unchanged values of every type.
//!
//! Owns the models that are compared.

use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::{Host, invoke, scorebox};
use scorebox_tests::{onnx, place, run};
use serde_json::{Value, json};

use super::{all_digits, check};

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
