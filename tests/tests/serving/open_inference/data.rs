//! Binary data and bare bytes: there and back, for every element type.
//!
//! Owns the ports of the test program `dtypes`, and the refusals of binary data that does not fit.

use scorebox_tests::app::App;
use scorebox_tests::digits::{self, Digit, sample};
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

use super::{BYTES, DIGITS, INFER, JSON, LENGTH, digits_host, pixels};

static DTYPES: Shared<Host> = Shared::new();

/// Ports of the test program, with the protocol's names of their types, and a binary element of
/// each that is not zero.
const PORTS: [(&str, &str, &[u8]); 13] = [
    ("bool", "BOOL", &[1]),
    ("u8", "UINT8", &[255]),
    ("i8", "INT8", &[0x80]),
    ("u16", "UINT16", &[1, 2]),
    ("i16", "INT16", &[1, 0x80]),
    ("f16", "FP16", &[0, 0x3c]),
    ("bf16", "BF16", &[0x80, 0x3f]),
    ("u32", "UINT32", &[1, 2, 3, 4]),
    ("i32", "INT32", &[1, 2, 3, 0x80]),
    ("f32", "FP32", &[0, 0, 0xc0, 0x7f]),
    ("u64", "UINT64", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("i64", "INT64", &[1, 2, 3, 4, 5, 6, 7, 0x80]),
    ("f64", "FP64", &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
];

fn dtypes_host() -> Host {
    Host::start(&App::of(programs::DTYPES))
}

#[expect(clippy::cast_possible_truncation, reason = "the model takes f32")]
fn bytes(digits: &[Digit]) -> Vec<u8> {
    pixels(digits)
        .iter()
        .flat_map(|pixel| (*pixel as f32).to_le_bytes())
        .collect()
}

#[test]
fn binary_data_there_and_back() {
    let host = DIGITS.get(digits_host);
    let digits = &sample()[..5];
    let data = bytes(digits);
    let json = json!({
        "parameters": {"binary_data_output": true},
        "inputs": [{
            "name": "data", "shape": [5, 784], "datatype": "FP32", "parameters": {"binary_data_size": data.len()},
        }],
    })
    .to_string();
    let body = [json.as_bytes(), &data].concat();
    let length = json.len().to_string();
    for (path, label) in [("/score", BYTES), ("/score", JSON), (INFER, BYTES)] {
        let answer = host
            .send("POST", path, &[label, (LENGTH, &length)], body.clone())
            .expect(200);
        assert_eq!(
            answer.header("content-type"),
            Some("application/octet-stream")
        );
        let head: usize = answer
            .header(LENGTH)
            .expect("the length of the JSON")
            .parse()
            .expect("a number");
        let (head, rest) = answer.body.split_at(head);
        let head: Value = serde_json::from_slice(head).expect("JSON first");
        let size =
            |output: usize| head["outputs"][output]["parameters"]["binary_data_size"].as_u64();
        assert_eq!(
            (size(0), size(1), rest.len()),
            (Some(40), Some(200), 240),
            "{head}"
        );
        let labels: Vec<_> = rest[..40]
            .as_chunks()
            .0
            .iter()
            .map(|label| i64::from_le_bytes(*label))
            .collect();
        let rows: Vec<_> = rest[40..]
            .as_chunks()
            .0
            .iter()
            .map(|number| f32::from_le_bytes(*number))
            .collect();
        let rows: Vec<_> = rows.chunks(10).collect();
        digits::check(digits, &json!({"label": labels, "probabilities": rows}));
    }
    let refused = |length: &str, body: &[u8], pointer: &str, part: &str| {
        let answer = host.send("POST", "/score", &[BYTES, (LENGTH, length)], body);
        assert_eq!(
            answer.expect_error(400, "not-conforming", &[part]).json()["pointer"],
            pointer
        );
    };
    refused(
        &length,
        &body[..body.len() - 1],
        "/inputs/0/parameters/binary_data_size",
        "15679 bytes",
    );
    refused(
        &length,
        &[&body[..], b"more"].concat(),
        "",
        "ends with 4 bytes",
    );
    refused("99999999", &body, "", "Inference-Header-Content-Length");
    refused("seven", &body, "", "Inference-Header-Content-Length");
}

#[test]
fn bare_bytes_are_a_tensor_where_they_can_be_only_one() {
    let host = DIGITS.get(digits_host);
    let digits = &sample()[..3];
    let answer = host
        .send("POST", "/score", &[BYTES], bytes(digits))
        .expect(200);
    digits::check(digits, &answer.json());
    // Two outputs do not have a common form as bytes.
    let accept = ("accept", "application/octet-stream");
    let answer = host
        .send("POST", "/score", &[BYTES, accept], bytes(digits))
        .expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut short = bytes(digits);
    short.pop();
    let parts = ["9407 bytes", "a multiple of 3136"];
    host.send("POST", "/score", &[BYTES], short)
        .expect_error(400, "not-conforming", &parts);
    // JSON that is labelled as bytes is read as bytes. JSON without a label is read as JSON.
    let json = digits::request(digits).to_string();
    host.send("POST", "/score", &[BYTES], json.clone())
        .expect_error(400, "not-conforming", &["a multiple of"]);
    digits::check(
        digits,
        &host.send("POST", "/score", &[], json).expect(200).json(),
    );

    let host = Host::start(&App::of(programs::MISFIT));
    let sent: Vec<u8> = [0f32, 1.5, 2.0, 0.25]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let sums: Vec<u8> = [1.5f32, 2.25]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    assert_eq!(
        host.send("POST", "/score", &[BYTES], sent.clone())
            .expect(200)
            .json(),
        json!([[1.5], [2.25]])
    );
    for (label, body) in [
        (BYTES, sent),
        (JSON, b"{\"x\": [[0, 1.5], [2, 0.25]]}".to_vec()),
    ] {
        let answer = host
            .send("POST", "/score", &[label, accept], body)
            .expect(200);
        assert_eq!(
            (answer.header("content-type"), &answer.body),
            (Some("application/octet-stream"), &sums)
        );
    }
    // Bare bytes cannot be divided among thirteen inputs.
    let many = DTYPES.get(dtypes_host);
    let parts = ["application/json", "inference-header-content-length"];
    many.send("POST", "/score", &[BYTES], "")
        .expect_error(415, "unsupported-media-type", &parts);
}

/// Returns a request with one element for each port of the test program. `input` gives the fields
/// of each.
fn to_each_port(input: impl Fn(&str, &[u8]) -> Value) -> String {
    let inputs: Vec<_> = PORTS
        .iter()
        .map(|(name, datatype, element)| {
            let mut fields = input(name, element);
            fields["name"] = json!(name);
            fields["datatype"] = json!(datatype);
            fields["shape"] = json!([1]);
            fields
        })
        .collect();
    json!({ "inputs": inputs }).to_string()
}

#[test]
fn every_type_there_and_back() {
    let host = DTYPES.get(dtypes_host);
    let one = to_each_port(
        |name, _| json!({"data": [if name == "bool" { json!(true) } else { json!(1) }]}),
    );
    let answer = host.post("application/json", one).expect(200).json();
    for ((name, datatype, _), output) in PORTS
        .iter()
        .zip(answer["outputs"].as_array().expect("outputs"))
    {
        assert_eq!(
            (&output["name"], &output["datatype"]),
            (&json!(name), &json!(datatype))
        );
        let is_one = output["data"][0] == true || output["data"][0].as_f64() == Some(1.0);
        assert!(is_one && output["shape"] == json!([1]), "{output}");
    }
    let binary =
        to_each_port(|_, element| json!({"parameters": {"binary_data_size": element.len()}}));
    let binary = binary.replacen('{', r#"{"parameters": {"binary_data_output": true}, "#, 1);
    let elements: Vec<u8> = PORTS
        .iter()
        .flat_map(|(_, _, element)| element.to_vec())
        .collect();
    let body = [binary.as_bytes(), &elements].concat();
    let length = binary.len().to_string();
    let answer = host
        .send("POST", "/score", &[BYTES, (LENGTH, &length)], body)
        .expect(200);
    // NaN is among the elements, and no other form keeps it.
    assert!(
        answer.body.ends_with(&elements)
            && answer.body[answer.body.len() - elements.len() - 1] == b'}'
    );
}
