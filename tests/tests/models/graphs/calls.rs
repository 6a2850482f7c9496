//! Calls of graphs that fit no better than they should: sizes that differ, values that an operator
//! refuses, and inputs that are left out.
//!
//! Owns the graphs for these calls. Must not know the texts of the engine, except what callers see.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::onnx_cases;
use scorebox_tests::packaging::{package_with_engine, packaged, unpack};
use serde_json::{Value, json};

fn host(file: &[u8]) -> Host {
    Host::start(&App::graph("m.onnx", file, ""))
}

/// Sends a request of the Open Inference Protocol with tensors of FP32.
#[track_caller]
fn infer(host: &Host, inputs: &[(&str, Value, Value)]) -> Answer {
    let input = |(name, shape, data): &(&str, Value, Value)| json!({ "name": name, "datatype": "FP32", "shape": shape, "data": data });
    let inputs: Vec<_> = inputs.iter().map(input).collect();
    let request = json!({ "inputs": inputs }).to_string();
    let headers = [("content-type", "application/json")];
    host.send("POST", "/v2/models/served/infer", &headers, request)
}

#[test]
fn inputs_with_one_dimension_have_one_size() {
    let host = host(&onnx_cases::pair());
    let rows = |a: Value, b: Value| host.score(&json!({ "a": a, "b": b }));
    assert_eq!(
        rows(json!([[1, 2], [3, 4]]), json!([[10, 20], [30, 40]]))
            .expect(200)
            .json(),
        json!([[11.0, 22.0], [33.0, 44.0]])
    );
    // The engine would use the one row for both.
    let one = ["`b` has 1 row, and `a` has 2", "`batch`"];
    rows(json!([[1, 2], [3, 4]]), json!([[10, 20]])).expect_error(400, "not-conforming", &one);
    // The engine would fail.
    let three = ["`b` has 3 rows, and `a` has 2"];
    let more = json!([[1, 2], [3, 4], [5, 6]]);
    rows(json!([[1, 2], [3, 4]]), more.clone()).expect_error(400, "not-conforming", &three);
    infer(
        &host,
        &[
            ("b", json!([3, 2]), more),
            ("a", json!([2, 2]), json!([1, 2, 3, 4])),
        ],
    )
    .expect_error(400, "not-conforming", &three);
    rows(json!([]), json!([])).expect(200);

    let model = host.get("/v2/models/served").expect(200).json();
    assert_eq!(
        model["inputs"][1],
        json!({ "name": "b", "datatype": "FP32", "shape": [-1, 2], "parameters": { "dimensions": "[batch, 2]" } })
    );
    let document = host.get("/openapi.json").expect(200).json();
    let description = document["info"]["description"].as_str().unwrap_or_default();
    assert!(
        description.ends_with(" All inputs must have the same number of rows."),
        "{description}"
    );
}

#[test]
fn any_dimension_may_have_a_name() {
    let host = host(&onnx_cases::transposed());
    let score = |w: Value| host.score(&json!({ "x": [[1, 2, 3], [4, 5, 6]], "w": w }));
    assert_eq!(
        score(json!([[0, 0], [0, 0], [0, 0]])).expect(200).json(),
        json!([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    );
    score(json!([[0], [0], [0]])).expect_error(
        400,
        "not-conforming",
        &[
            "axis 1 of `w` has the size 1, and axis 0 of `x` has 2",
            "`n`",
        ],
    );
    score(json!([[0, 0]])).expect_error(
        400,
        "not-conforming",
        &[
            "axis 0 of `w` has the size 1, and axis 1 of `x` has 3",
            "`k`",
        ],
    );
}

#[test]
fn names_with_colons_and_a_fixed_batch_are_kept() {
    let host = host(&onnx_cases::image());
    let image = json!([0.5, 1.0, 1.5].map(|color| [[color; 4]; 4]));
    let one = json!([image]);
    let answer = host.score(&json!({ "serving_default_input:0": one }));
    assert_eq!(answer.expect(200).json(), one);
    let model = host.get("/v2/models/served").expect(200).json();
    assert_eq!(model["outputs"][0]["name"], "StatefulPartitionedCall:0");
    assert_eq!(model["inputs"][0]["shape"], json!([1, 3, 4, 4]));
    host.score(&json!({ "serving_default_input:0": [image, image] }))
        .expect_error(
            400,
            "not-conforming",
            &["2 elements, where 1 belongs; the input is [1, 3, 4, 4]"],
        );
}

#[test]
fn what_a_graph_refuses_is_the_callers_error() {
    let picking = host(&onnx_cases::picking());
    let refused = picking.score(&json!({ "x": [0, 5] })).expect_error(
        422,
        "graph-refused",
        &["The graph refuses this input. Gather: indices element out of data bounds, idx=5"],
    );
    assert_eq!(refused.header("x-ms-run-function-failed"), Some("False"));
    let answer = picking.score(&json!({ "x": [0, 2] })).expect(200).json();
    assert_eq!(answer, json!([10.0, 30.0]));
    // The log has the engine's own words.
    picking.log.wait_for("the engine's words", |line| {
        line["message"] == "scoring failed"
            && line
                .to_string()
                .contains("returned while running Gather node")
    });

    // Zero is not a month that this graph knows, but one is.
    let months = host(&onnx_cases::months());
    let unknown = ["OneHotEncoder: Unknown Category and zeros = 0."];
    let month = |x: i64| months.score(&json!({ "x": [x] }));
    month(13).expect_error(422, "graph-refused", &unknown);
    assert_eq!(month(2).expect(200).json(), json!([[0.0, 1.0, 0.0]]));
}

#[test]
fn a_graph_that_has_answered_nothing_is_at_fault() {
    let app = App::graph("m.onnx", &onnx_cases::cities(), "");
    let city = |host: &Host, name: &str| host.score(&json!({ "x": [name] }));
    let serving = Host::start(&app);
    city(&serving, "Ulm").expect_error(500, "graph-failed", &["The log has the reason"]);
    assert_eq!(
        city(&serving, "Köln").expect(200).json(),
        json!([[0.0, 1.0]])
    );
    city(&serving, "Ulm").expect_error(422, "graph-refused", &["Unknown Category"]);
    drop(serving);
    // Its own example shows from the start that it answers.
    app.write(
        "sample.json",
        "{\"inputs\": {\"x\": [\"Bonn\"]}}".as_bytes(),
    );
    let manifest = "[scorer]\nname = \"served\"\nmodel = \"model\"\n";
    let with_sample = format!("{manifest}[package]\nsample = \"sample.json\"\n");
    app.write("scorebox.toml", with_sample.as_bytes());
    city(&Host::start(&app), "Ulm").expect_error(422, "graph-refused", &["Unknown Category"]);
    // An image does not have the sample, but the packager's record that the graph answered it.
    let folder = tempfile::tempdir().unwrap();
    let (layout, unpacked) = (folder.path().join("image"), folder.path().join("app"));
    packaged(&mut package_with_engine(app.path(), &layout));
    unpack(&layout, "home/site/wwwroot", &unpacked);
    assert!(!unpacked.join("sample.json").exists());
    city(&Host::start(&unpacked), "Ulm").expect_error(422, "graph-refused", &["Unknown"]);
}

#[test]
fn an_input_with_a_default_value_may_be_left_out() {
    let host = host(&onnx_cases::defaulted(8));
    let x = || json!([[1, 2]]);
    let left_out = json!([[11.0, 22.0]]);
    for request in [json!({ "x": x() }), json!({ "data": x() })] {
        assert_eq!(host.score(&request).expect(200).json(), left_out);
    }
    let raw: Vec<u8> = [1f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let answer = host.post("application/octet-stream", raw).expect(200);
    assert_eq!(answer.json(), left_out);
    let given = host.score(&json!({ "w": [0, 5], "x": x() })).expect(200);
    assert_eq!(given.json(), json!([[1.0, 7.0]]));
    let (input, default) = (("x", json!([1, 2]), x()), ("w", json!([2]), json!([0, 5])));
    let data = |answer: Answer| answer.expect(200).json()["outputs"][0]["data"].take();
    assert_eq!(
        data(infer(&host, std::slice::from_ref(&input))),
        json!([11.0, 22.0])
    );
    assert_eq!(data(infer(&host, &[default, input])), json!([1.0, 7.0]));
    host.score(&json!({ "w": [0, 5] }))
        .expect_error(400, "not-conforming", &["`x` is missing"]);
    host.score(&json!({ "x": x(), "w": [1, 2, 3] }))
        .expect_error(400, "not-conforming", &["[2]"]);

    let inputs = host.get("/v2/models/served").expect(200).json()["inputs"].take();
    assert_eq!(inputs[0].get("parameters"), None, "{inputs}");
    assert_eq!(
        inputs[1],
        json!({ "name": "w", "datatype": "FP32", "shape": [2], "parameters": { "optional": true } })
    );
    let document = host.get("/openapi.json").expect(200).json();
    let columns = &document["components"]["schemas"]["Columns"];
    assert_eq!(columns["required"], json!(["x"]));
    assert!(columns["properties"]["w"].is_object(), "{columns}");
}

#[test]
fn weights_of_the_old_format_are_not_inputs() {
    let host = host(&onnx_cases::defaulted(3));
    let inputs = host.get("/v2/models/served").expect(200).json()["inputs"].take();
    assert_eq!(inputs.as_array().map(Vec::len), Some(1), "{inputs}");
    let answer = host.score(&json!({ "x": [[1, 2]] })).expect(200).json();
    assert_eq!(answer, json!([[11.0, 22.0]]));
    host.score(&json!({ "x": [[1, 2]], "w": [0, 0] }))
        .expect_error(400, "not-conforming", &["no input of this name"]);
}
