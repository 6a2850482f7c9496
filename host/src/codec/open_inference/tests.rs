//! Tests of requests and answers of the Open Inference Protocol.

mod binary;
mod content;
mod misfits;

use super::*;
use crate::model::Dtype;
use crate::tensor::{Port, Requests};

fn port(name: &str, dtype: Dtype, shape: &[Option<u64>]) -> Port {
    Port::new(name, dtype, shape.to_vec())
}

/// Returns the port `x` of FP32 and shape `[-1, 2]`, and the port `n` of INT64 and shape `[-1]`.
fn x_and_n() -> [Port; 2] {
    [
        port("x", Dtype::F32, &[None, Some(2)]),
        port("n", Dtype::I64, &[None]),
    ]
}

/// Returns port lists in which both the inputs and the outputs are `ports`.
fn both(ports: &[Port]) -> PortLists<'_> {
    PortLists {
        inputs: ports,
        outputs: ports,
        requests: Requests::default(),
    }
}

const N: &str = r#"{"name": "n", "shape": [1], "datatype": "INT64", "data": [7]}"#;

/// Returns a request with two inputs: one that has the JSON fields `fields`, and the valid input
/// `n`.
fn with_x(fields: &str) -> String {
    format!(r#"{{"inputs": [{{{fields}}}, {N}]}}"#)
}

fn floats(data: &[u8]) -> Vec<f32> {
    data.as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

#[test]
fn data_may_be_flat_or_nested_and_keys_in_any_order() {
    #[track_caller]
    fn check(fields: &str) {
        let (tensors, asked) = read(both(&x_and_n()), with_x(fields).as_bytes(), None).unwrap();
        assert_eq!(
            (tensors[0].name.as_str(), tensors[0].shape.as_slice()),
            ("x", [2, 2].as_slice()),
            "{fields}"
        );
        assert_eq!(floats(&tensors[0].data), [1.0, 2.5, -3.0, 4.0], "{fields}");
        assert_eq!(tensors[1].data, 7i64.to_le_bytes());
        assert_eq!(asked.outputs, [(0, false), (1, false)]);
    }
    check(r#""name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2.5, -3, 4]"#);
    check(r#""name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2.5], [-3, 4]]"#);
    check(r#""data": [1, 2.5, -3, 4], "datatype": "FP32", "name": "x", "shape": [2, 2]"#);
    check(r#""data": [[1, 2.5], [-3, 4]], "datatype": "FP32", "name": "x", "shape": [2, 2]"#);
    check(
        r#""name": "x", "data": [[1, 2.5], [-3, 4]], "shape": [2, 2], "datatype": "FP32", "parameters": null"#,
    );
    check(
        r#""name": "x", "data": [1, 2.5, -3, 4], "shape": [2, 2], "datatype": "FP32", "parameters": {"a": [{}]}"#,
    );
}

#[test]
fn an_empty_batch_is_a_batch() {
    for data in ["[]", "[[]]"] {
        let fields = format!(r#""name": "x", "shape": [0, 2], "datatype": "FP32", "data": {data}"#);
        let read = read(both(&x_and_n()), with_x(&fields).as_bytes(), None);
        assert_eq!(read.is_ok(), data == "[]", "{data}");
    }
}

#[test]
fn a_scalar_has_an_empty_shape_and_one_element() {
    let ports = [port("n", Dtype::I64, &[])];
    for (data, expected) in [("[7]", Some(7i64)), ("[7, 8]", None), ("[]", None)] {
        let input = format!(r#"{{"name": "n", "datatype": "INT64", "shape": [], "data": {data}}}"#);
        let body = format!(r#"{{"inputs": [{input}]}}"#);
        let found = read(both(&ports), body.as_bytes(), None);
        let found = found.ok().map(|(tensors, _)| tensors[0].data.clone());
        let expected = expected.map(|number| number.to_le_bytes().to_vec());
        assert_eq!(found, expected, "{data}");
    }
}

#[test]
fn nesting_must_be_the_shape_s_though_the_shape_comes_later() {
    let ports = [port("x", Dtype::U8, &[None, None])];
    let send = |data: &str, shape: &str| {
        let input =
            format!(r#"{{"name": "x", "datatype": "UINT8", "data": {data}, "shape": {shape}}}"#);
        read(
            both(&ports),
            format!(r#"{{"inputs": [{input}]}}"#).as_bytes(),
            None,
        )
    };
    assert!(send("[[1], [2]]", "[2, 1]").is_ok());
    assert!(send("[1, 2]", "[2, 1]").is_ok());
    let Err(ScoreFailure::NotConforming { message, pointer }) = send("[[1], [2]]", "[1, 2]") else {
        panic!()
    };
    assert_eq!(pointer, "/inputs/0/data");
    assert!(message.contains("nested differently"), "{message}");
}

#[test]
fn inputs_come_in_any_order() {
    let x = r#"{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}"#;
    let (tensors, _) = read(
        both(&x_and_n()),
        format!(r#"{{"inputs": [{N}, {x}]}}"#).as_bytes(),
        None,
    )
    .unwrap();
    assert_eq!(
        (tensors[0].name.as_str(), tensors[1].name.as_str()),
        ("x", "n")
    );
}

#[test]
fn the_answer_holds_what_was_asked_for() {
    let x = Tensor {
        name: "x".into(),
        dtype: Dtype::F32,
        shape: vec![1, 2],
        data: [0.5, f32::INFINITY]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect(),
    };
    let n = Tensor {
        name: "n".into(),
        dtype: Dtype::I64,
        shape: vec![1],
        data: 7i64.to_le_bytes().into(),
    };
    let tensors = [x, n];
    let check = |asked: &str, version: &str, expected: &str, binary: &[u8]| {
        let fields = r#""name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]"#;
        let body = with_x(fields).replacen('{', &format!("{{{asked}"), 1);
        let (_, asked) = read(both(&x_and_n()), body.as_bytes(), None).unwrap();
        let model = ModelName {
            name: "m".into(),
            version: version.into(),
        };
        let (body, json) = write(&asked, &model, &tensors);
        let (found, rest) = body.split_at(json.unwrap_or(body.len()));
        assert_eq!(str::from_utf8(found).unwrap(), expected);
        assert_eq!((rest, json.is_some()), (binary, !binary.is_empty()));
    };
    let x = r#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[0.5,null]}"#;
    let n = r#"{"name":"n","datatype":"INT64","shape":[1],"data":[7]}"#;
    check(
        "",
        "",
        &format!(r#"{{"model_name":"m","outputs":[{x},{n}]}}"#),
        &[],
    );
    check(
        r#""id": "1\"", "outputs": [],"#,
        "2",
        &format!(r#"{{"model_name":"m","model_version":"2","id":"1\"","outputs":[{x},{n}]}}"#),
        &[],
    );
    check(
        r#""id": null,"#,
        "",
        &format!(r#"{{"model_name":"m","outputs":[{x},{n}]}}"#),
        &[],
    );
    check(
        r#""id": "","#,
        "",
        &format!(r#"{{"model_name":"m","id":"","outputs":[{x},{n}]}}"#),
        &[],
    );
    check(
        r#""outputs": [{"name": "n"}],"#,
        "",
        &format!(r#"{{"model_name":"m","outputs":[{n}]}}"#),
        &[],
    );
    check(
        r#""outputs": [{"name": "n"}, {"name": "x"}],"#,
        "",
        &format!(r#"{{"model_name":"m","outputs":[{n},{x}]}}"#),
        &[],
    );
    let x_binary =
        r#"{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}"#;
    let n_binary =
        r#"{"name":"n","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}}"#;
    let all = [tensors[0].data.as_slice(), &tensors[1].data].concat();
    let by_default = r#""parameters": {"binary_data_output": true},"#;
    check(
        by_default,
        "",
        &format!(r#"{{"model_name":"m","outputs":[{x_binary},{n_binary}]}}"#),
        &all,
    );
    let one = r#""outputs": [{"name": "n"}, {"name": "x", "parameters": {"binary_data": true}}],"#;
    check(
        one,
        "",
        &format!(r#"{{"model_name":"m","outputs":[{n},{x_binary}]}}"#),
        &tensors[0].data,
    );
    let but_one = format!(
        r#"{by_default} "outputs": [{{"name": "n", "parameters": {{"binary_data": false}}}}, {{"name": "x"}}],"#
    );
    check(
        &but_one,
        "",
        &format!(r#"{{"model_name":"m","outputs":[{n},{x_binary}]}}"#),
        &tensors[0].data,
    );
}
