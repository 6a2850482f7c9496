//! Tests of the protocol's requests and answers, and of the places at which misfits are reported.

use super::*;

fn port(name: &str, dtype: Dtype, shape: &[Option<u64>]) -> Port {
    Port {
        name: name.into(),
        dtype,
        shape: shape.into(),
    }
}

/// Returns a signature with the ports `x` of FP32 and shape `[-1, 2]`, and `n` of INT64 and shape
/// `[-1]`. The outputs are equal to the inputs.
fn signature() -> TensorSignature {
    let ports = vec![
        port("x", Dtype::F32, &[None, Some(2)]),
        port("n", Dtype::I64, &[None]),
    ];
    TensorSignature {
        inputs: ports.clone(),
        outputs: ports,
        batchable: false,
        deterministic: false,
        examples: Vec::new(),
    }
}

const N: &str = r#"{"name": "n", "shape": [1], "datatype": "INT64", "data": [7]}"#;

/// Returns a request with the input `n`, and with the input `x` that has these fields.
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
        let (tensors, asked) = read(&signature(), with_x(fields).as_bytes(), None).unwrap();
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
        let read = read(&signature(), with_x(&fields).as_bytes(), None);
        assert_eq!(read.is_ok(), data == "[]", "{data}");
    }
}

#[test]
fn nesting_must_be_the_shape_s_though_the_shape_comes_later() {
    let ports = vec![port("x", Dtype::U8, &[None, None])];
    let signature = TensorSignature {
        inputs: ports.clone(),
        outputs: ports,
        ..signature()
    };
    let send = |data: &str, shape: &str| {
        let input =
            format!(r#"{{"name": "x", "datatype": "UINT8", "data": {data}, "shape": {shape}}}"#);
        read(
            &signature,
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
    assert!(message.contains("nested otherwise"), "{message}");
}

#[test]
fn inputs_come_in_any_order() {
    let x = r#"{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}"#;
    let (tensors, _) = read(
        &signature(),
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
fn a_misfit_is_named_by_its_pointer() {
    #[track_caller]
    fn check(body: &str, pointer: &str, expected: &str) {
        match read(&signature(), body.as_bytes(), None) {
            Err(ScoreFailure::NotConforming {
                message,
                pointer: found,
            }) => {
                assert_eq!(found, pointer, "{body}: {message}");
                assert!(message.contains(expected), "{body}: {message}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    let x = |fields: &str| with_x(fields);
    check("", "", "not JSON");
    check("[]", "", "a list, where an object");
    check("{}", "/inputs", "`x` of FP32 and shape [-1, 2] is missing");
    check(r#"{"inputs": null}"#, "/inputs", "missing");
    check(r#"{"inputs": 3}"#, "/inputs", "a number, where a list");
    check(
        r#"{"inputs": [3]}"#,
        "/inputs/0",
        "a number, where an object",
    );
    check(r#"{"inputs": [null]}"#, "/inputs/0", "no name");
    check(r#"{"id": 3}"#, "/id", "where a string");
    check(
        &format!(r#"{{"id": "{}"}}"#, "a".repeat(2000)),
        "/id",
        "1024 bytes",
    );
    check(
        &format!(r#"{{"inputs": [{N}], "inputs": []}}"#),
        "/inputs",
        "twice",
    );
    check(
        &format!(r#"{{"inputs": [{N}, {N}]}}"#),
        "/inputs/1/name",
        "twice",
    );
    check(
        &format!(r#"{{"inputs": [{N}, {N}, {N}]}}"#),
        "/inputs/2",
        "no more inputs than 2",
    );
    check(&format!(r#"{{"inputs": [{N}]}}"#), "/inputs", "`x`");
    check(
        &x(r#""name": "y""#),
        "/inputs/0/name",
        "no input of this name",
    );
    check(&x(r#""name": 3"#), "/inputs/0/name", "where a string");
    check(
        &x(r#""shape": [1, 2], "datatype": "FP32", "data": [1, 2]"#),
        "/inputs/0",
        "no name",
    );
    check(&x(r#""name": "x", "name": "x""#), "/inputs/0/name", "twice");
    check(
        &x(r#""name": "x", "shape": [1, 2], "data": [1, 2]"#),
        "/inputs/0",
        "no datatype",
    );
    let datatype =
        |name: &str| format!(r#""name": "x", "shape": [1, 2], "datatype": {name}, "data": [1, 2]"#);
    check(&x(&datatype(r#""FP64""#)), "/inputs/0/datatype", "is FP32");
    check(
        &x(&datatype(r#""fp32""#)),
        "/inputs/0/datatype",
        "fp32 is not taken. Tensors are of BOOL, UINT8",
    );
    check(&x(&datatype(r#""BYTES""#)), "/inputs/0/datatype", "is FP32");
    check(&x(&datatype("7")), "/inputs/0/datatype", "where a string");
    let shape = |shape: &str, data: &str| {
        with_x(&format!(
            r#""name": "x", "datatype": "FP32", "shape": {shape}, "data": {data}"#
        ))
    };
    check(
        &x(r#""name": "x", "datatype": "FP32", "data": [1, 2]"#),
        "/inputs/0",
        "no shape",
    );
    check(
        &shape("[2]", "[1, 2]"),
        "/inputs/0/shape",
        "1 dimensions; the input is [-1, 2]",
    );
    check(
        &shape("[1, 3]", "[1, 2, 3]"),
        "/inputs/0/shape/1",
        "3, where 2 belongs",
    );
    check(
        &shape("[-1, 2]", "[1, 2]"),
        "/inputs/0/shape/0",
        "a negative number",
    );
    check(
        &shape("[1.5, 2]", "[1, 2]"),
        "/inputs/0/shape/0",
        "where a whole number",
    );
    check(
        &shape("[null, 2]", "[1, 2]"),
        "/inputs/0/shape/0",
        "no dimension",
    );
    check(&shape("3", "[1, 2]"), "/inputs/0/shape", "where a list");
    check(
        &shape("[18446744073709551615, 2]", "[]"),
        "/inputs/0/shape",
        "No body",
    );
    check(
        &shape("[2, 2]", "[1, 2, 3]"),
        "/inputs/0/data",
        "3 elements, where 4 belong; the input is [2, 2]",
    );
    check(
        &shape("[2, 2]", "[[1, 2]]"),
        "/inputs/0/data",
        "1 elements, where 2 belong",
    );
    check(
        &shape("[2, 2]", "[[1, 2], [3]]"),
        "/inputs/0/data/1",
        "1 elements, where 2 belong",
    );
    check(
        &shape("[2, 2]", "[[1, 2], 3]"),
        "/inputs/0/data/1",
        "a number, where a list, dimension 1 of [2, 2]",
    );
    check(
        &shape("[2, 2]", "[1, [2, 3]]"),
        "/inputs/0/data/1",
        "a list, where a f32 element",
    );
    check(
        &shape("[1, 2]", r#"[1, "2"]"#),
        "/inputs/0/data/1",
        "a string",
    );
    check(
        &shape("[1, 2]", "[1, 1e39]"),
        "/inputs/0/data/1",
        "not a value of f32",
    );
    check(
        &shape("[1, 2]", "7"),
        "/inputs/0/data",
        "a number, where a list",
    );
    check(
        &x(r#""name": "x", "datatype": "FP32", "data": [1, 2], "shape": [2, 2]"#),
        "/inputs/0/data",
        "2 elements",
    );
    check(
        &x(r#""name": "x", "datatype": "FP32", "data": [[]], "shape": [0, 2]"#),
        "/inputs/0/data/0",
        "0 elements",
    );
    check(
        &x(r#""name": "x", "datatype": "FP32", "shape": [1, 2]"#),
        "/inputs/0",
        "no data",
    );
    let late = r#""data": [1, true], "name": "x", "datatype": "FP32", "shape": [1, 2]"#;
    check(&x(late), "/inputs/0/data/1", "a boolean");
    let binary = r#""name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}"#;
    check(
        &x(binary),
        "/inputs/0/parameters/binary_data_size",
        "the header Inference-Header-Content-Length",
    );
    check(
        &x(&format!(r#"{binary}, "data": [1, 2]"#)),
        "/inputs/0/data",
        "has data here too",
    );
    let asked = |outputs: &str| {
        with_x(r#""name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]"#).replacen(
            '{',
            &format!(r#"{{"outputs": {outputs}, "#),
            1,
        )
    };
    check(&asked("{}"), "/outputs", "an object, where a list");
    check(&asked("[{}]"), "/outputs/0", "no name");
    check(
        &asked(r#"[{"name": "z"}]"#),
        "/outputs/0/name",
        "no output of this name",
    );
    check(
        &asked(r#"[{"name": "x"}, {"name": "x"}]"#),
        "/outputs/1/name",
        "twice",
    );
    let wrong = r#"[{"name": "x", "parameters": {"binary_data": 1}}]"#;
    check(
        &asked(wrong),
        "/outputs/0/parameters/binary_data",
        "where a boolean",
    );
    let deep = x(&format!(r#""name": "x", "data": {}"#, "[".repeat(100_000)));
    assert!(read(&signature(), deep.as_bytes(), None).is_err());
}

#[test]
fn binary_data_must_add_up() {
    let x = |size: &str| {
        with_x(&format!(
            r#""name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {{"binary_data_size": {size}}}"#
        ))
    };
    let bytes: Vec<u8> = [1f32, f32::NAN]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let send = |json: &str, bytes: &[u8], length: &str| {
        let body = [json.as_bytes(), bytes].concat();
        read(&signature(), &body, Some(length)).map(|(tensors, _)| tensors)
    };
    let json = x("8");
    let tensors = send(&json, &bytes, &json.len().to_string()).unwrap();
    assert_eq!(tensors[0].data, bytes);
    let check = |json: &str, bytes: &[u8], length: String, pointer: &str, expected: &str| match send(
        json, bytes, &length,
    ) {
        Err(ScoreFailure::NotConforming {
            message,
            pointer: found,
        }) => {
            assert_eq!(found, pointer, "{message}");
            assert!(message.contains(expected), "{message}");
        }
        other => panic!("{other:?}"),
    };
    let length = || json.len().to_string();
    let size = "/inputs/0/parameters/binary_data_size";
    check(
        &json,
        &bytes[..7],
        length(),
        size,
        "7 bytes of the body are left",
    );
    check(
        &json,
        &[&bytes[..], b"x"].concat(),
        length(),
        "",
        "1 bytes at the end of the body belong to no input",
    );
    check(
        &json,
        &bytes,
        (json.len() + 9).to_string(),
        "",
        "no number up to",
    );
    check(&json, &bytes, "-1".to_owned(), "", "no number up to");
    check(&json, &bytes, (json.len() - 1).to_string(), "", "not JSON");
    check(&x("9"), &bytes, length(), size, "[1, 2] of FP32 takes 8");
    check(
        &x("-8"),
        &bytes,
        (json.len() + 1).to_string(),
        size,
        "a negative number",
    );
}

#[test]
fn a_boolean_is_0_or_1_in_binary_data_too() {
    let ports = vec![port("b", Dtype::Bool, &[None])];
    let signature = TensorSignature {
        inputs: ports.clone(),
        outputs: ports,
        ..signature()
    };
    let json = r#"{"inputs": [{"name": "b", "shape": [1], "datatype": "BOOL", "parameters": {"binary_data_size": 1}}]}"#;
    let send = |byte: u8| {
        read(
            &signature,
            &[json.as_bytes(), &[byte]].concat(),
            Some(&json.len().to_string()),
        )
    };
    assert!(send(1).is_ok());
    let Err(ScoreFailure::NotConforming { pointer, .. }) = send(2) else {
        panic!()
    };
    assert_eq!(pointer, "/inputs/0");
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
        let (_, asked) = read(&signature(), body.as_bytes(), None).unwrap();
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
