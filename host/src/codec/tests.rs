//! Tests of all formats of a body, through the entry points: which format a body is taken for, and
//! what is refused.

mod datatypes;
mod decimals;
mod encodings;
mod random;
mod values;
mod whole_numbers;

use super::*;
use crate::model::Dtype;
use crate::tensor::Requests;

fn port(name: &str, dtype: Dtype, shape: &[Option<u64>]) -> Port {
    Port::new(name, dtype, shape.to_vec())
}

fn signature<'a>(inputs: &'a [Port], outputs: &'a [Port]) -> PortLists<'a> {
    PortLists {
        inputs,
        outputs,
        requests: Requests::default(),
    }
}

fn model() -> ModelName {
    ModelName {
        name: "m".into(),
        version: String::new(),
    }
}

fn payload(content_type: &str, body: impl Into<Vec<u8>>) -> Payload {
    Payload {
        content_type: content_type.into(),
        body: body.into().into(),
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<Attribute> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect()
}

/// Decodes a body for a scorer with one input port `x` of u8 and shape `[N, 2]`, and encodes the
/// decoded tensor as the answer. `headers` are the attributes of the call.
fn echo(
    content_type: &str,
    body: impl Into<Vec<u8>>,
    headers: &[(&str, &str)],
) -> Result<Written, ScoreFailure> {
    echo_as(BodyFormat::Labelled, content_type, body, headers)
}

fn echo_as(
    format: BodyFormat,
    content_type: &str,
    body: impl Into<Vec<u8>>,
    headers: &[(&str, &str)],
) -> Result<Written, ScoreFailure> {
    let ports = [port("x", Dtype::U8, &[None, Some(2)])];
    let (tensors, reply) = read(
        signature(&ports, &ports),
        format,
        &payload(content_type, body),
        &attributes(headers),
    )?;
    Ok(write(&reply, &model(), tensors))
}

#[test]
fn an_optional_input_may_be_left_out_in_every_form() {
    let optional = Port {
        optional: true,
        ..port("w", Dtype::U8, &[Some(2)])
    };
    let ports = [port("x", Dtype::U8, &[None]), optional];
    let check = |content_type: &str, body: &str, expected: &[&str]| {
        let lists = signature(&ports, &ports);
        let (tensors, _) = read(
            lists,
            BodyFormat::Labelled,
            &payload(content_type, body),
            &[],
        )
        .unwrap();
        let names: Vec<_> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, expected, "{body}");
    };
    check(JSON, "{\"x\": [1]}", &["x"]);
    check(JSON, "{\"data\": [1]}", &["x"]);
    check(JSON, "{\"w\": [1, 2], \"x\": [1]}", &["x", "w"]);
    check(OCTET_STREAM, "abc", &["x"]);
    let x = "{\"name\": \"x\", \"shape\": [1], \"datatype\": \"UINT8\", \"data\": [1]}";
    let w = "{\"name\": \"w\", \"shape\": [2], \"datatype\": \"UINT8\", \"data\": [1, 2]}";
    check(JSON, &format!("{{\"inputs\": [{x}]}}"), &["x"]);
    check(JSON, &format!("{{\"inputs\": [{w}, {x}]}}"), &["x", "w"]);
    for body in [
        "{\"w\": [1, 2]}".to_owned(),
        format!("{{\"inputs\": [{w}]}}"),
    ] {
        let lists = signature(&ports, &ports);
        let refused = read(lists, BodyFormat::Labelled, &payload(JSON, body), &[]);
        let message = refused.unwrap_err().disposition().message;
        assert!(
            message.contains("`x`") && message.contains("is missing"),
            "{message}"
        );
    }
}

#[test]
fn the_label_and_the_first_keys_choose_the_form() {
    #[track_caller]
    fn check(content_type: &str, body: &str, accept: &str, expected_type: &str, expected: &str) {
        let written = echo(content_type, body, &[("accept", accept)]).unwrap();
        assert_eq!(written.payload.content_type, expected_type);
        assert_eq!(str::from_utf8(&written.payload.body).unwrap(), expected);
        assert_eq!(written.attributes, []);
    }
    let azure = r#"{"x": [[49, 50]]}"#;
    let open = r#"{"id": "a", "inputs": [{"name": "x", "shape": [1, 2], "datatype": "UINT8", "data": [49, 50]}]}"#;
    let open_answer = r#"{"model_name":"m","id":"a","outputs":[{"name":"x","datatype":"UINT8","shape":[1,2],"data":[49,50]}]}"#;
    for label in [
        "",
        JSON,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/a+json; charset=utf-8",
    ] {
        check(label, azure, "*/*", JSON, "[[49,50]]");
        check(label, azure, OCTET_STREAM, OCTET_STREAM, "12");
        check(label, open, "*/*", JSON, open_answer);
        check(label, open, OCTET_STREAM, JSON, open_answer);
    }
    let by_route = echo_as(BodyFormat::OpenInference, OCTET_STREAM, open, &[]).unwrap();
    assert_eq!(by_route.payload.content_type, JSON);
    assert_eq!(by_route.payload.body, open_answer);
    check(OCTET_STREAM, "12", "*/*", JSON, "[[49,50]]");
    check(OCTET_STREAM, "1212", OCTET_STREAM, OCTET_STREAM, "1212");
    check(OCTET_STREAM, "", OCTET_STREAM, OCTET_STREAM, "");
    check(
        OCTET_STREAM,
        "12",
        "application/octet-stream, application/json",
        JSON,
        "[[49,50]]",
    );
    check(
        OCTET_STREAM,
        "12",
        "application/octet-stream, */*; q=0.8",
        OCTET_STREAM,
        "12",
    );
    check(
        OCTET_STREAM,
        "12",
        "Application/JSON; q=0.5, application/octet-stream;q=0.9",
        OCTET_STREAM,
        "12",
    );
    check(
        OCTET_STREAM,
        "12",
        "application/octet-stream;q=0",
        JSON,
        "[[49,50]]",
    );
}

#[test]
fn a_port_called_inputs_is_a_port() {
    let ports = [port("inputs", Dtype::U8, &[None])];
    let (tensors, _) = read(
        signature(&ports, &ports),
        BodyFormat::Labelled,
        &payload(JSON, r#"{"inputs": [1, 2]}"#),
        &[],
    )
    .unwrap();
    assert_eq!(tensors[0].data, [1, 2]);
    let by_route =
        r#"{"inputs": [{"name": "inputs", "shape": [1], "datatype": "UINT8", "data": [3]}]}"#;
    let (tensors, _) = read(
        signature(&ports, &ports),
        BodyFormat::OpenInference,
        &payload(JSON, by_route),
        &[],
    )
    .unwrap();
    assert_eq!(tensors[0].data, [3]);
    let ports = [
        port("outputs", Dtype::U8, &[None]),
        port("x", Dtype::U8, &[None]),
    ];
    let body = r#"{"outputs": [1], "x": [2]}"#;
    assert_eq!(
        read(
            signature(&ports, &ports),
            BodyFormat::Labelled,
            &payload(JSON, body),
            &[]
        )
        .unwrap()
        .0[1]
            .data,
        [2]
    );
}

#[test]
fn bytes_that_cannot_be_a_tensor_are_refused() {
    #[track_caller]
    fn check(ports: &[Port], body: &[u8], expected: &str) {
        match read(
            signature(ports, ports),
            BodyFormat::Labelled,
            &payload(OCTET_STREAM, body),
            &[],
        ) {
            Err(ScoreFailure::NotConforming { message, pointer }) => {
                assert!(
                    message.contains(expected) && pointer.is_empty(),
                    "{message}"
                );
            }
            Err(ScoreFailure::Unsupported { accepted, .. }) => {
                assert!(accepted.join(" or ").contains(expected), "{accepted:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    check(
        &[port("x", Dtype::F32, &[None, Some(2)])],
        &[0; 12],
        "12 bytes, and [N, 2] of f32 takes a multiple of 8",
    );
    check(
        &[port("x", Dtype::F32, &[Some(3)])],
        &[0; 8],
        "[3] of f32 takes 12",
    );
    check(
        &[port("x", Dtype::F32, &[None, Some(0)])],
        &[0; 4],
        "a multiple of 0",
    );
    check(
        &[port("x", Dtype::F32, &[None, Some(u64::MAX)])],
        &[0; 4],
        "more than there are",
    );
    check(
        &[port("x", Dtype::Bool, &[None])],
        &[0, 2],
        "neither 0 nor 1",
    );
    let open = [None, None];
    check(
        &[port("x", Dtype::F32, &open)],
        &[0; 4],
        "application/json or application/octet-stream with inference",
    );
    check(
        &[port("x", Dtype::F32, &[]), port("y", Dtype::F32, &[])],
        &[0; 8],
        "application/json",
    );
    let one = [port("x", Dtype::F32, &[None])];
    let Err(ScoreFailure::Unsupported { accepted, .. }) = read(
        signature(&one, &one),
        BodyFormat::Labelled,
        &payload("text/csv", "1"),
        &[],
    ) else {
        panic!()
    };
    assert!(
        accepted
            .join(" ")
            .contains("application/octet-stream with the little-endian elements"),
        "{accepted:?}"
    );
    let deceptive = payload("text/\u{202e}vsc", "1");
    let refused = read(signature(&one, &one), BodyFormat::Labelled, &deceptive, &[]);
    let Err(ScoreFailure::Unsupported { content_type, .. }) = refused else {
        panic!()
    };
    assert_eq!(content_type, "text/\\u{202e}vsc");
}

#[test]
fn texts_come_and_go_in_every_form_but_bare_bytes() {
    let ports = [port("t", Dtype::Text, &[None, Some(2)])];
    let signature = signature(&ports, &ports);
    let through = |content_type: &str, body: &[u8], headers: &[(&str, &str)]| {
        let (tensors, reply) = read(
            signature,
            BodyFormat::Labelled,
            &payload(content_type, body),
            &attributes(headers),
        )?;
        Ok::<_, ScoreFailure>(write(&reply, &model(), tensors))
    };
    let nested = r#"[["a",""],["\"Zürich\"\n","\u0001"]]"#;
    let answer = through(
        JSON,
        format!("{{\"t\": {nested}}}").as_bytes(),
        &[("accept", OCTET_STREAM)],
    )
    .unwrap();
    assert_eq!(
        (answer.payload.content_type.as_str(), answer.payload.body),
        (JSON, nested.into())
    );

    let request = r#"{"inputs":[{"name":"t","shape":[1,2],"datatype":"BYTES","data":["a","b"]}]}"#;
    let answer = through(JSON, request.as_bytes(), &[]).unwrap().payload.body;
    let outputs = r#""outputs":[{"name":"t","datatype":"BYTES","shape":[1,2],"data":["a","b"]}]}"#;
    assert!(
        String::from_utf8_lossy(&answer).ends_with(outputs),
        "{answer:?}"
    );

    let json = r#"{"inputs":[{"name":"t","shape":[1,2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]}"#;
    let binary = [json.as_bytes(), b"\x01\0\0\0a\x02\0\0\0bc"].concat();
    let length = json.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let answer = through(OCTET_STREAM, &binary, &headers)
        .unwrap()
        .payload
        .body;
    assert!(
        String::from_utf8_lossy(&answer).contains(r#""data":["a","bc"]"#),
        "{answer:?}"
    );
    for cut in ["\x01\0\0\0a\x03\0\0\0bc", "\x01\0\0\0\0\x02\0\0\0bc"] {
        assert!(through(OCTET_STREAM, &[json, cut].concat().into_bytes(), &headers).is_err());
    }

    assert!(matches!(
        through(OCTET_STREAM, b"abcd", &[]),
        Err(ScoreFailure::Unsupported { .. })
    ));
    let pointer = |body: &str| match through(JSON, body.as_bytes(), &[]) {
        Err(ScoreFailure::NotConforming { pointer, .. }) => pointer,
        other => panic!("{other:?}"),
    };
    assert_eq!(pointer(r#"{"t": [["a", 1]]}"#), "/t/0/1");
    // TensorFlow Serving sends bytes in this form.
    assert_eq!(pointer(r#"{"t": [["a", {"b64": "YQ=="}]]}"#), "/t/0/1");
    assert_eq!(pointer(r#"{"t": [["a", "\u0000"]]}"#), "/t/0/1");
    assert_eq!(pointer(r#"{"t": ["a", "b"]}"#), "/t/0");
}
