//! The routes of the protocol: scoring, health and metadata, with the protocol's form of errors.
//!
//! Owns the paths, and the pointers to what does not fit.

use scorebox_tests::app::App;
use scorebox_tests::digits::{Digit, sample};
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use serde_json::{Value, json};

use super::{DIGITS, INFER, JSON, LENGTH, check, digits_host, request};

#[test]
fn digits_are_scored_on_every_route() {
    let host = DIGITS.get(digits_host);
    let digits = &sample()[..20];
    for path in [
        "/score",
        "/api/score",
        INFER,
        "/v2/models/digits/versions/1.0.0/infer",
    ] {
        let answer = host
            .send("POST", path, &[JSON], request(digits).to_string())
            .expect(200);
        assert_eq!(
            (answer.header("content-type"), answer.header(LENGTH)),
            (Some("application/json"), None)
        );
        assert_eq!(answer.json()["id"], "seven");
        check(digits, &answer.json());
    }
    // The content type is ignored on the protocol's own routes.
    check(
        digits,
        &host
            .send(
                "POST",
                INFER,
                &[("content-type", "text/csv")],
                request(digits).to_string(),
            )
            .json(),
    );
    // The data is nested, and only one output is requested.
    let rows: Vec<_> = digits.iter().map(Digit::row).collect();
    let mut nested = request(digits);
    nested["inputs"][0]["data"] = json!(rows);
    nested["outputs"] = json!([{"name": "label"}]);
    let answer = host.score(&nested).expect(200).json();
    assert_eq!(
        answer["outputs"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
}

#[test]
fn a_misfit_is_pointed_at() {
    let host = DIGITS.get(digits_host);
    let refused = |body: &Value, pointer: &str, part: &str| {
        for path in ["/score", INFER] {
            let answer = host.send("POST", path, &[JSON], body.to_string());
            let body = answer.expect_error(400, "not-conforming", &[part]).json();
            assert_eq!(body["pointer"], pointer, "{body}");
            let error = (path == INFER).then(|| body["message"].clone());
            assert_eq!(body.get("error"), error.as_ref());
        }
    };
    let with = |field: &str, value: Value| {
        let mut body = request(&sample()[..1]);
        body["inputs"][0][field] = value;
        body
    };
    refused(
        &with("name", json!("date")),
        "/inputs/0/name",
        "`data` of FP32 and shape [-1, 784]",
    );
    refused(&with("shape", json!([1, 785])), "/inputs/0/shape/1", "784");
    refused(&with("shape", json!([2, 784])), "/inputs/0/data", "1568");
    refused(
        &with("datatype", json!("BOOL")),
        "/inputs/0/datatype",
        "FP32",
    );
    refused(
        &with("datatype", json!("BYTES")),
        "/inputs/0/datatype",
        "FP32",
    );
    refused(
        &with("data", json!([["a"]])),
        "/inputs/0/data/0/0",
        "a string",
    );
    refused(&json!({"inputs": []}), "/inputs", "`data`");
    let answer = host.send("POST", INFER, &[JSON], r#"{"data": [[1]]}"#);
    assert_eq!(
        answer
            .expect_error(400, "not-conforming", &["missing"])
            .json()["pointer"],
        "/inputs"
    );
}

#[test]
fn server_and_model_tell_of_themselves() {
    let host = DIGITS.get(digits_host);
    let server = host.get("/v2").expect(200).json();
    assert_eq!(
        (&server["name"], &server["extensions"]),
        (&json!("scorebox"), &json!(["binary_tensor_data"]))
    );
    assert!(server["version"].is_string());
    assert_eq!(
        host.get("/v2/health/live").expect(200).json(),
        json!({"live": true})
    );
    assert_eq!(
        host.get("/v2/health/ready").expect(200).json(),
        json!({"ready": true})
    );
    let expected = json!({
        "name": "digits",
        "versions": ["1.0.0"],
        "platform": "scorebox_wasm",
        "inputs": [{"name": "data", "datatype": "FP32", "shape": [-1, 784]}],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        ],
    });
    for path in ["/v2/models/digits", "/v2/models/digits/versions/1.0.0"] {
        assert_eq!(host.get(path).expect(200).json(), expected);
        let ready = host.get(&format!("{path}/ready")).expect(200).json();
        assert_eq!(ready, json!({"name": "digits", "ready": true}));
    }
}

#[test]
fn errors_are_the_protocol_s_too() {
    #[track_caller]
    fn is_error(answer: Answer, status: u16, code: &str, part: &str) {
        let body = answer.expect_error(status, code, &[part]).json();
        assert_eq!(body["error"], body["message"]);
    }
    let host = DIGITS.get(digits_host);
    for path in [
        "/v2/models/other/infer",
        "/v2/models/digits/versions/2/infer",
        "/v2/models",
        "/v2/x",
    ] {
        is_error(host.get(path), 404, "not-found", INFER);
    }
    for (path, part) in [
        (
            "/v2/models/other/infer",
            "no model `other` here. The served model is `digits`.",
        ),
        (
            "/v2/models/digits/versions/2/infer",
            "in the version `2`. Its version is `1.0.0`.",
        ),
        ("/v2/x", "There is nothing here."),
    ] {
        is_error(host.get(path), 404, "not-found", part);
    }
    assert!(
        host.get("/v20")
            .expect_error(404, "not-found", &["/score"])
            .json()
            .get("error")
            .is_none()
    );
    let answer = host.get(INFER);
    assert_eq!(answer.header("allow"), Some("POST"));
    is_error(answer, 405, "method-not-allowed", "method");
    let long = "a".repeat(101);
    let answer = host.send(
        "POST",
        INFER,
        &[JSON, ("x-ms-client-request-id", &long)],
        "{}",
    );
    is_error(answer, 431, "id-too-long", "100 characters");

    let payloads = Host::start(&App::example("echo", ""));
    is_error(
        payloads.send("POST", "/v2/models/echo/infer", &[JSON], "{}"),
        404,
        "no-tensors",
        "/score",
    );
    let metadata = payloads.get("/v2/models/echo").expect(200).json();
    assert_eq!(
        (&metadata["inputs"], &metadata["outputs"]),
        (&json!([]), &json!([]))
    );
    // For a scorer of payloads, content without a label is still bytes.
    let answer = payloads.send("POST", "/score", &[], "bytes").expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
}
