//! Rows of data frames, in the forms of pandas, Azure ML, MLflow and KServe, and flat columns.
//!
//! Owns the bodies that these clients send, and the routes for predictions. The forms of single cells
//! are tested next to their code. Must not know how a graph is run.

use std::io::Write as _;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::onnx::{self, element};
use scorebox_tests::onnx_cases;
use scorebox_tests::place;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const PREDICT: &str = "/v1/models/served:predict";

/// Starts a host of a graph that returns its columns `age`, `income` and `city`.
fn columns(manifest: &str) -> Host {
    Host::start(&App::graph("m.onnx", &onnx::person(), manifest))
}

/// Starts a host of a graph that returns its input, a matrix with the columns `width` and `age`.
fn matrix(manifest: &str) -> Host {
    let manifest = format!("[inputs.x]\ncolumns = [\"width\", \"age\"]\n{manifest}");
    let graph = onnx::identity(element::FLOAT);
    Host::start(&App::graph("m.onnx", &graph, &manifest))
}

fn records() -> Value {
    json!([
        {"age": 30, "income": 40000, "city": "Bonn"},
        {"city": "Ulm", "age": 31, "income": 0.5},
    ])
}

fn split() -> Value {
    json!({
        "columns": ["city", "income", "age"],
        "index": [7, 8],
        "data": [["Bonn", 40000, 30], ["Ulm", 0.5, 31]],
    })
}

/// Returns the bodies of two rows in every form.
fn bodies() -> Vec<Value> {
    let lists = json!([[30, 40000, "Bonn"], [31, 0.5, "Ulm"]]);
    let flat = json!({"age": [30, 31], "income": [40000, 0.5], "city": ["Bonn", "Ulm"]});
    vec![
        records(),
        lists.clone(),
        flat.clone(),
        split(),
        json!({"data": records()}),
        json!({"Inputs": {"data": records()}, "GlobalParameters": {"method": "predict"}}),
        json!({"Inputs": {"data": lists}, "GlobalParameters": 1.0}),
        json!({"input_data": split()}),
        json!({"dataframe_split": split()}),
        json!({"dataframe_records": records(), "params": {"a": 1}}),
        json!({"inputs": flat}),
        json!({"inputs": lists}),
        json!({"instances": records()}),
    ]
}

#[test]
fn every_form_of_rows_is_scored() {
    let host = columns("[[trigger]]\nkind = \"http\"\nroute = \"score\"\n");
    let expected = json!({
        "same_age": [[30], [31]],
        "same_income": [[40000.0], [0.5]],
        "same_city": [["Bonn"], ["Ulm"]],
    });
    let predictions = json!({"predictions": [
        {"same_age": [30], "same_income": [40000.0], "same_city": ["Bonn"]},
        {"same_age": [31], "same_income": [0.5], "same_city": ["Ulm"]},
    ]});
    for body in bodies() {
        for path in ["/score", "/api/score"] {
            let answer = host.send("POST", path, &[JSON], body.to_string());
            assert_eq!(answer.expect(200).json(), expected, "{path} {body}");
        }
        for path in [PREDICT, "/invocations"] {
            let answer = host.send("POST", path, &[JSON], body.to_string());
            assert_eq!(answer.expect(200).json(), predictions, "{path} {body}");
        }
    }
    // The words of curl, without a header of its own.
    let form = ("content-type", "application/x-www-form-urlencoded");
    host.send("POST", "/score", &[form], records().to_string())
        .expect(200);
    let none = host.score(&json!([])).expect(200).json();
    assert_eq!(none["same_city"], json!([]));
}

#[test]
fn bodies_that_other_hosts_take_are_scored() {
    let graph = onnx::same(&[
        ("age", element::INT64),
        ("income", element::FLOAT),
        ("city", element::STRING),
        ("plan", element::STRING),
    ]);
    let host = Host::start(&App::graph("m.onnx", &graph, ""));
    let expected = json!({
        "same_age": [[30]],
        "same_income": [[40000.0]],
        "same_city": [["Berlin"]],
        "same_plan": [["pro"]],
    });
    let send = |name: &str| {
        let file = format!("tests/data/rows/{name}.json");
        let body = std::fs::read(place::workspace().join(file)).expect("the body is there");
        host.send("POST", "/score", &[JSON], body)
    };
    for name in ["records", "automl", "mlflow-split"] {
        assert_eq!(send(name).expect(200).json(), expected, "{name}");
    }
    let unequal = ["`income` has 1 row, and `age` has 2", "`N`"];
    send("columns-rows-differ").expect_error(400, "not-conforming", &unequal);
}

#[test]
fn a_row_that_does_not_fit_is_named() {
    let host = columns("");
    let check = |row: Value, pointer: &str, part: &str| {
        let first = records()[0].clone();
        let body = json!([first, row]).to_string();
        let answer = host.send("POST", "/score", &[JSON], body.clone());
        let answer = answer.expect_error(400, "not-conforming", &[part]).json();
        assert_eq!(answer["pointer"], pointer);
        assert_eq!(answer.get("error"), None);
        let body = format!("{{\"instances\": {body}}}");
        let answer = host.send("POST", PREDICT, &[JSON], body);
        let answer = answer.expect_error(400, "not-conforming", &[part]).json();
        assert_eq!(answer["pointer"], format!("/instances{pointer}"));
        assert_eq!(answer["error"], answer["message"]);
    };
    check(
        json!({"agee": 1, "income": 1, "city": ""}),
        "/1/agee",
        "Here is `agee`, which is not a column of this model. Did you mean `age`?",
    );
    check(json!({"age": 1, "city": ""}), "/1", "the column `income`");
    check(
        json!({"age": 1.5, "income": 1, "city": ""}),
        "/1/age",
        "1.5 is not a whole number",
    );
    check(
        json!({"age": 1, "income": 1, "city": null}),
        "/1/city",
        "`inputs.city.missing`",
    );
}

#[test]
fn a_key_that_is_not_a_column_is_ignored_if_the_manifest_says_so() {
    let host = matrix("[requests]\nunknown_columns = \"ignore\"\n");
    let body = json!([{"id": {"a": []}, "age": 2, "width": 1}]);
    assert_eq!(host.score(&body).expect(200).json(), json!([[1.0, 2.0]]));
    let body = json!({"columns": ["age", "id", "width"], "data": [[2, "x", 1]]});
    assert_eq!(host.score(&body).expect(200).json(), json!([[1.0, 2.0]]));
}

#[test]
fn a_matrix_tells_its_columns_and_takes_them_by_name() {
    let host = matrix("");
    let model = host.get("/v2/models/served").expect(200).json();
    let columns = json!({"columns": ["width", "age"]});
    assert_eq!(model["inputs"][0]["parameters"], columns);
    let document = host.get("/openapi.json").expect(200).json();
    let description = document["info"]["description"].as_str().unwrap_or_default();
    assert!(
        description.ends_with("Columns of `x`, in order: `width`, `age`."),
        "{description}"
    );
    for body in [
        json!([{"age": 2, "width": 1}, {"width": 3, "age": 4}]),
        json!({"columns": ["age", "width"], "data": [[2, 1], [4, 3]]}),
        json!({"age": [2, 4], "width": [1, 3]}),
        json!({"x": [[1, 2], [3, 4]]}),
        json!({"data": [[1, 2], [3, 4]]}),
    ] {
        let answer = host.score(&body).expect(200);
        assert_eq!(answer.json(), json!([[1.0, 2.0], [3.0, 4.0]]), "{body}");
        let answer = host.send("POST", PREDICT, &[JSON], body.to_string());
        let predictions = json!({"predictions": [[1.0, 2.0], [3.0, 4.0]]});
        assert_eq!(answer.expect(200).json(), predictions, "{body}");
    }
    let refused = host.score(&json!([{"width": 1, "weight": 2}]));
    refused.expect_error(
        400,
        "not-conforming",
        &["`weight`", "Did you mean `width`?"],
    );
}

#[test]
fn the_routes_of_kserve_s_protocol_v1_tell_of_the_model() {
    let host = columns("");
    assert_eq!(
        host.get("/v1/models").expect(200).json(),
        json!({"models": ["served"]})
    );
    assert_eq!(
        host.get("/v1/models/served").expect(200).json(),
        json!({"name": "served", "ready": true})
    );
    let part = "/v1/models/served:predict, /invocations";
    let other = "There is no model `other` here. The served model is `served`.";
    for path in ["/v1/models/other", "/v1/models/other:predict"] {
        let answer = host.send("POST", path, &[JSON], "{}");
        let answer = answer.expect_error(404, "not-found", &[part, other]).json();
        assert_eq!(answer["error"], answer["message"]);
    }
    for (method, path, allowed) in [
        ("POST", "/v1/models/served", "GET,HEAD"),
        ("POST", "/v1/models", "GET,HEAD"),
        ("GET", PREDICT, "POST"),
        ("GET", "/invocations", "POST"),
    ] {
        let answer = host.send(method, path, &[JSON], "").expect(405);
        assert_eq!(
            answer
                .header("allow")
                .map(|allow| allow.replace(' ', ""))
                .as_deref(),
            Some(allowed)
        );
        assert_eq!(
            answer.json()["error"],
            answer.json()["message"],
            "{method} {path}"
        );
    }
    // Rows of the Open Inference Protocol and bytes have routes of their own.
    let body =
        json!({"inputs": [{"name": "age", "shape": [1, 1], "datatype": "INT64", "data": [1]}]});
    let answer = host.send("POST", PREDICT, &[JSON], body.to_string());
    answer.expect_error(400, "not-conforming", &["Send records at `instances`."]);
    let bytes = ("content-type", "application/octet-stream");
    host.send("POST", PREDICT, &[bytes], "").expect_error(
        415,
        "unsupported-media-type",
        &["application/json"],
    );
}

#[test]
fn a_model_without_names_takes_instances() {
    let graph = onnx::identity(element::FLOAT);
    let host = Host::start(&App::graph("m.onnx", &graph, ""));
    let body = json!({"instances": [[1, 2], [3, 4]]});
    let answer = host.send("POST", PREDICT, &[JSON], body.to_string());
    let predictions = json!({"predictions": [[1.0, 2.0], [3.0, 4.0]]});
    assert_eq!(answer.expect(200).json(), predictions);
    let refused = host.score(&json!({"columns": ["a", "b"], "data": [[1, 2]]}));
    refused.expect_error(400, "not-conforming", &["does not name its columns"]);
}

/// Checks that a body is answered with `rows`, and on the route of KServe's protocol V1 with a
/// prediction for each row.
#[track_caller]
fn answered(host: &Host, body: &Value, rows: &Value) {
    assert_eq!(host.score(body).expect(200).json(), *rows, "{body}");
    let answer = host.send("POST", PREDICT, &[JSON], body.to_string());
    assert_eq!(
        answer.expect(200).json(),
        json!({ "predictions": rows }),
        "{body}"
    );
}

#[test]
fn missing_values_and_booleans_are_cells_of_rows() {
    let host = matrix("missing = true\nboolean = true\n[requests]\nnan_literals = true\n");
    let rows = json!([[null, 1.0], [2.0, 0.0]]);
    for body in [
        json!([{"age": true, "width": null}, {"width": 2, "age": false}]),
        json!([[null, true], [2, false]]),
        json!({"columns": ["age", "width"], "data": [[true, null], [false, 2]]}),
        json!({"width": [null, 2], "age": [true, false]}),
        json!({"inputs": {"width": [null, 2], "age": [true, false]}}),
        json!({"Inputs": {"data": [{"age": true, "width": null}, {"width": 2, "age": false}]}}),
    ] {
        answered(&host, &body, &rows);
        // The clients of Python write NaN, which is not JSON.
        let literal = body.to_string().replace("null", "NaN");
        let answer = host.send("POST", "/score", &[JSON], literal);
        assert_eq!(answer.expect(200).json(), rows, "{body}");
    }
    let refused = matrix("").score(&json!([{"age": null, "width": 1}]));
    refused.expect_error(400, "not-conforming", &["`inputs.x.missing`"]);
}

#[test]
fn an_input_with_a_default_value_may_be_left_out_of_rows() {
    let host = Host::start(&App::graph("m.onnx", &onnx_cases::defaulted(8), ""));
    let left_out = json!([[11.0, 22.0]]);
    for body in [
        json!([[1, 2]]),
        json!([{"x": [1, 2]}]),
        json!({"instances": [[1, 2]]}),
        json!({"dataframe_records": [{"x": [1, 2]}]}),
        json!({"Inputs": {"data": [[1, 2]]}}),
        json!({"inputs": {"x": [[1, 2]]}}),
    ] {
        answered(&host, &body, &left_out);
    }
    answered(
        &host,
        &json!({"data": [[1, 2]], "w": [0, 5]}),
        &json!([[1.0, 7.0]]),
    );
}

#[test]
fn what_a_graph_refuses_in_rows_is_the_callers_error() {
    let months = Host::start(&App::graph("m.onnx", &onnx_cases::months(), ""));
    let unknown = ["OneHotEncoder: Unknown Category and zeros = 0."];
    for body in [
        json!([{"x": 13}]),
        json!([13]),
        json!({"instances": [13]}),
        json!({"columns": ["x"], "data": [[13]]}),
    ] {
        let answer = months.score(&body);
        answer.expect_error(422, "graph-refused", &unknown);
        let answer = months.send("POST", PREDICT, &[JSON], body.to_string());
        let answer = answer.expect_error(422, "graph-refused", &unknown).json();
        assert_eq!(answer["error"], answer["message"]);
    }
    answered(&months, &json!([{"x": 2}]), &json!([[0.0, 1.0, 0.0]]));
}

#[test]
fn columns_as_lists_have_equal_sizes() {
    let host = Host::start(&App::graph("m.onnx", &onnx_cases::pair(), ""));
    let unequal = ["`b` has 1 row, and `a` has 2", "`batch`"];
    for body in [
        json!({"a": [[1, 2], [3, 4]], "b": [[10, 20]]}),
        json!({"inputs": {"a": [[1, 2], [3, 4]], "b": [[10, 20]]}}),
    ] {
        host.score(&body)
            .expect_error(400, "not-conforming", &unequal);
        let answer = host.send("POST", PREDICT, &[JSON], body.to_string());
        answer.expect_error(400, "not-conforming", &unequal);
    }
    let rows = json!([{"b": [10, 20], "a": [1, 2]}, {"a": [3, 4], "b": [30, 40]}]);
    answered(&host, &rows, &json!([[11.0, 22.0], [33.0, 44.0]]));
}

#[test]
fn rows_may_begin_with_a_byte_order_mark_and_be_compressed() {
    let host = columns("");
    let expected = host.score(&records()).expect(200).body;
    let marked = format!("\u{feff}{}", records());
    let answer = host.send("POST", "/score", &[JSON], marked.clone());
    assert_eq!(answer.expect(200).body, expected);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed
        .write_all(marked.as_bytes())
        .expect("a vector takes bytes");
    let packed = packed.finish().expect("a vector takes bytes");
    let gzip = ("content-encoding", "gzip");
    let answer = host.send("POST", "/score", &[JSON, gzip], packed);
    assert_eq!(answer.expect(200).body, expected);
}
