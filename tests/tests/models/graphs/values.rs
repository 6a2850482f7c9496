//! Elements that are not plain numbers of the input's type: missing values, booleans, whole numbers
//! with a point, and other datatypes.
//!
//! Owns the manifests that allow them, and what callers read about it. The forms of single elements
//! are tested next to their code. Must not know how a graph is run.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::onnx::{self, element};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const BYTES: (&str, &str) = ("content-type", "application/octet-stream");
const INFER: &str = "/v2/models/served/infer";

/// Starts a host of a graph that returns its input `x`, which has two columns of this element type.
fn identity(element: u64, manifest: &str) -> Host {
    Host::start(&App::graph("m.onnx", &onnx::identity(element), manifest))
}

/// Returns a request of the Open Inference Protocol with one row.
fn row(datatype: &str, data: &Value) -> String {
    let input = json!({ "name": "x", "datatype": datatype, "shape": [1, 2], "data": data });
    json!({ "inputs": [input] }).to_string()
}

/// Returns the data of the first output of an answer in the Open Inference Protocol.
#[track_caller]
fn inferred(host: &Host, body: impl Into<Vec<u8>>) -> Value {
    let answer = host.send("POST", INFER, &[JSON], body.into()).expect(200);
    answer.json()["outputs"][0]["data"].clone()
}

#[test]
fn a_missing_number_is_null_there_and_back() {
    let host = identity(element::FLOAT, "[inputs.x]\nmissing = true\n");
    let rows = json!([[null, 1.5], [2.0, null]]);
    let answer = host.score(&json!({ "x": rows })).expect(200);
    assert_eq!(answer.json(), rows);
    // MLServer and KServe's own clients send NaN as null.
    assert_eq!(
        inferred(&host, row("FP64", &json!([null, 1.5]))),
        json!([null, 1.5])
    );
    let model = host.get("/v2/models/served").expect(200).json();
    assert_eq!(
        model["inputs"],
        json!([{
            "name": "x", "datatype": "FP32", "shape": [-1, 2], "parameters": {"missing": true},
        }])
    );
    let document = host.get("/openapi.json").expect(200).json();
    let of = "/components/schemas/Columns/properties/x/items/items/type";
    assert_eq!(document.pointer(of), Some(&json!(["number", "null"])));
    // Python's json module writes NaN as a word that is not JSON.
    let refused = host.send("POST", "/score", &[JSON], "{\"x\": [[1, NaN]]}");
    refused.expect_error(
        400,
        "not-conforming",
        &["JSON has no NaN", "`requests.nan_literals`"],
    );
}

#[test]
fn a_word_is_a_number_if_the_manifest_says_so() {
    let manifest = "[inputs.x]\nmissing = true\n[requests]\nnan_literals = true\n";
    let host = identity(element::FLOAT, manifest);
    for (row, expected) in [
        ("NaN, 1.5", json!([[null, 1.5]])),
        ("1, -Infinity", json!([[1.0, null]])),
    ] {
        let body = format!("{{\"x\": [[{row}]]}}");
        let answer = host.send("POST", "/score", &[JSON], body).expect(200);
        assert_eq!(answer.json(), expected);
    }
}

#[test]
fn a_missing_text_reaches_the_graph_as_the_empty_text() {
    let host = identity(element::STRING, "[inputs.x]\nmissing = true\n");
    let answer = host.score(&json!({ "x": [["Bonn", null]] })).expect(200);
    assert_eq!(answer.json(), json!([["Bonn", ""]]));
    assert_eq!(
        inferred(&host, row("BYTES", &json!([null, "Ulm"]))),
        json!(["", "Ulm"])
    );
}

#[test]
fn null_and_booleans_are_refused_with_the_setting_that_allows_them() {
    let float = identity(element::FLOAT, "");
    let whole = identity(element::INT64, "[inputs.x]\nboolean = true\n");
    let check = |host: &Host, item: &Value, datatype: &str, part: &str| {
        let body = json!({ "x": [[0, item]] }).to_string();
        let refused = host.send("POST", "/score", &[JSON], body);
        let refused = refused.expect_error(400, "not-conforming", &[part]).json();
        assert_eq!(refused["pointer"], "/x/0/1");
        let refused = host.send("POST", INFER, &[JSON], row(datatype, &json!([0, item])));
        let refused = refused.expect_error(400, "not-conforming", &[part]).json();
        assert_eq!(refused["pointer"], "/inputs/0/data/1");
    };
    check(&float, &Value::Null, "FP32", "`inputs.x.missing`");
    check(&float, &json!(true), "FP32", "`inputs.x.boolean`");
    check(&whole, &Value::Null, "INT64", "`inputs.x.missing`");
    let flags = whole.score(&json!({ "x": [[true, false]] })).expect(200);
    assert_eq!(flags.json(), json!([[1, 0]]));
    let model = whole.get("/v2/models/served").expect(200).json();
    assert_eq!(model["inputs"][0]["parameters"], json!({"boolean": true}));
}

#[test]
fn a_number_counts_by_its_value() {
    let whole = identity(element::INT64, "");
    let score = |body: &str| whole.send("POST", "/score", &[JSON], body);
    let answer = score("{\"x\": [[1.0, 1e3], [-0, 9007199254740993.0]]}").expect(200);
    assert_eq!(answer.text(), "[[1,1000],[0,9007199254740993]]");
    score("{\"x\": [[1, 1.5]]}").expect_error(
        400,
        "not-conforming",
        &["1.5 is not a whole number."],
    );
    // MLServer's codecs send float64 and int64 by default.
    assert_eq!(
        inferred(&whole, row("FP64", &json!([1.0, 2.0]))),
        json!([1, 2])
    );
    let float = identity(element::FLOAT, "");
    assert_eq!(
        inferred(&float, row("INT64", &json!([1, 2]))),
        json!([1.0, 2.0])
    );
    let inexact = float.send(
        "POST",
        INFER,
        &[JSON],
        row("INT64", &json!([1, 16_777_217])),
    );
    let parts = ["f32 cannot hold 16777217 exactly."];
    let inexact = inexact.expect_error(400, "not-conforming", &parts).json();
    assert_eq!(inexact["pointer"], "/inputs/0/data/1");

    let input = json!({
        "name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16},
    });
    let head = json!({ "inputs": [input] }).to_string();
    let body = [
        head.as_bytes(),
        &0.1f64.to_le_bytes(),
        &f64::NAN.to_le_bytes(),
    ]
    .concat();
    let length = head.len().to_string();
    let headers = [BYTES, ("inference-header-content-length", &length)];
    let answer = float.send("POST", INFER, &headers, body).expect(200).json();
    // Binary data may hold NaN whatever the manifest says.
    assert_eq!(answer["outputs"][0]["data"], json!([0.1, null]));
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_index() {
    let host = identity(element::STRING, "");
    let input = json!({
        "name": "x", "datatype": "BYTES", "shape": [1, 2], "parameters": {"binary_data_size": 11},
    });
    let head = json!({ "inputs": [input] }).to_string();
    let body = [head.as_bytes(), b"\x01\0\0\0a\x02\0\0\0\xff\xd8"].concat();
    let length = head.len().to_string();
    let headers = [BYTES, ("inference-header-content-length", &length)];
    let refused = host.send("POST", INFER, &headers, body);
    refused.expect_error(400, "not-conforming", &["element 1 of `x` is not UTF-8"]);
    let refused = host.send(
        "POST",
        "/score",
        &[JSON],
        b"{\"x\": [[\"Z\xfcrich\", \"\"]]}".to_vec(),
    );
    let parts = ["not UTF-8: a wrong byte follows the first 10 bytes"];
    refused.expect_error(400, "not-conforming", &parts);
}
