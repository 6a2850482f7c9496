//! Tests of all forms of a body, through the entry points: which form a body is taken for, and that
//! no form changes a tensor.

use half::{bf16, f16};
use proptest::prelude::*;

use super::*;
use crate::model::Dtype;

const DTYPES: [Dtype; 13] = [
    Dtype::Bool,
    Dtype::Bf16,
    Dtype::F16,
    Dtype::F32,
    Dtype::F64,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::I8,
    Dtype::U16,
    Dtype::U32,
    Dtype::U64,
    Dtype::U8,
];

fn port(name: &str, dtype: Dtype, shape: &[Option<u64>]) -> Port {
    Port {
        name: name.into(),
        dtype,
        shape: shape.into(),
    }
}

fn signature(inputs: &[Port], outputs: &[Port]) -> TensorSignature {
    TensorSignature {
        inputs: inputs.into(),
        outputs: outputs.into(),
        batchable: false,
        deterministic: false,
        examples: Vec::new(),
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

fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Reads a body for a scorer with one port `x` of u8 and shape `[N, 2]`, and writes the tensor as
/// the answer.
fn echo(
    content_type: &str,
    body: impl Into<Vec<u8>>,
    headers: &[(&str, &str)],
) -> Result<Written, ScoreFailure> {
    let ports = [port("x", Dtype::U8, &[None, Some(2)])];
    let (tensors, reply) = read(
        &signature(&ports, &ports),
        &payload(content_type, body),
        &attributes(headers),
    )?;
    Ok(write(&reply, &model(), tensors))
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
    check(open_inference::MEDIA_TYPE, open, "*/*", JSON, open_answer);
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
        &signature(&ports, &ports),
        &payload(JSON, r#"{"inputs": [1, 2]}"#),
        &[],
    )
    .unwrap();
    assert_eq!(tensors[0].data, [1, 2]);
    let by_route =
        r#"{"inputs": [{"name": "inputs", "shape": [1], "datatype": "UINT8", "data": [3]}]}"#;
    let (tensors, _) = read(
        &signature(&ports, &ports),
        &payload(open_inference::MEDIA_TYPE, by_route),
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
        read(&signature(&ports, &ports), &payload(JSON, body), &[])
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
        match read(&signature(ports, ports), &payload(OCTET_STREAM, body), &[]) {
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
    let Err(ScoreFailure::Unsupported { accepted, .. }) =
        read(&signature(&one, &one), &payload("text/csv", "1"), &[])
    else {
        panic!()
    };
    assert!(
        accepted
            .join(" ")
            .contains("application/octet-stream with the little-endian elements"),
        "{accepted:?}"
    );
}

/// Returns a strategy for tensors of any type and shape whose numbers are finite. Each comes with
/// its port, whose dimensions may be open.
fn any_tensor(name: &'static str) -> impl Strategy<Value = (Port, Tensor)> {
    let shape = proptest::collection::vec(0u64..4, 0..4);
    (
        proptest::sample::select(&DTYPES),
        shape,
        any::<u64>(),
        any::<[bool; 4]>(),
    )
        .prop_map(move |(dtype, shape, seed, open)| {
            // Nested lists cannot show a dimension inside an empty one.
            let empty = shape
                .iter()
                .position(|dimension| *dimension == 0)
                .unwrap_or(shape.len());
            let shape: Vec<u64> = shape[..shape.len().min(empty + 1)].to_vec();
            let elements = shape.iter().product::<u64>();
            let data = (0..elements).flat_map(|index| {
                element(dtype, (seed ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            });
            let data = data.collect();
            let dimensions: Vec<_> = shape
                .iter()
                .zip(open)
                .map(|(size, open)| (!open).then_some(*size))
                .collect();
            (
                port(name, dtype, &dimensions),
                Tensor {
                    name: name.into(),
                    dtype,
                    shape,
                    data,
                },
            )
        })
}

fn element(dtype: Dtype, bits: u64) -> Vec<u8> {
    let bytes = &bits.to_le_bytes()[..dtype.bytes()];
    let is_finite = match dtype {
        Dtype::Bool => return vec![(bits % 2) as u8],
        Dtype::F16 => f16::from_le_bytes(bytes.try_into().unwrap()).is_finite(),
        Dtype::Bf16 => bf16::from_le_bytes(bytes.try_into().unwrap()).is_finite(),
        Dtype::F32 => f32::from_le_bytes(bytes.try_into().unwrap()).is_finite(),
        Dtype::F64 => f64::from_le_bytes(bytes.try_into().unwrap()).is_finite(),
        _ => true,
    };
    if is_finite {
        bytes.to_vec()
    } else {
        vec![0; dtype.bytes()]
    }
}

/// Returns the body that a client would send for these tensors in the protocol's form, and the
/// number of bytes of its JSON.
///
/// The elements are binary or not. The keys are in the order of a sorted map, or of the
/// specification.
fn open_inference_body(tensors: &[Tensor], binary: bool, sorted: bool) -> (Vec<u8>, String) {
    let inputs: Vec<String> = tensors
        .iter()
        .map(|tensor| {
            let mut data = b"\"data\":".to_vec();
            if binary {
                data = format!(
                    "\"parameters\":{{\"binary_data_size\":{}}}",
                    tensor.data.len()
                )
                .into_bytes();
            } else {
                text::flat(tensor, &mut data);
            }
            let data = String::from_utf8(data).unwrap();
            let (name, datatype, shape) = (
                &tensor.name,
                open_inference::datatype(tensor.dtype),
                &tensor.shape,
            );
            if sorted {
                format!(
                    "{{{data},\"datatype\":\"{datatype}\",\"name\":\"{name}\",\"shape\":{shape:?}}}"
                )
            } else {
                format!(
                    "{{\"name\":\"{name}\",\"shape\":{shape:?},\"datatype\":\"{datatype}\",{data}}}"
                )
            }
        })
        .collect();
    let mut body = format!("{{\"inputs\":[{}]}}", inputs.join(",")).into_bytes();
    let json = body.len().to_string();
    if binary {
        tensors
            .iter()
            .for_each(|tensor| body.extend_from_slice(&tensor.data));
    }
    (body, json)
}

proptest! {
    #[test]
    fn no_form_changes_a_tensor((port_a, a) in any_tensor("a"), (port_b, b) in any_tensor("b"), sorted: bool) {
        let signature = signature(&[port_a, port_b], &[]);
        let tensors = vec![a, b];
        let read = |content_type: &str, body: Vec<u8>, json: Option<&str>| {
            let attributes: Vec<_> = json.iter().map(|json| (JSON_LENGTH.to_owned(), (*json).to_owned())).collect();
            read(&signature, &payload(content_type, body), &attributes).map(|(tensors, _)| tensors)
        };
        prop_assert_eq!(read(JSON, azure_ml::write(&tensors), None), Ok(tensors.clone()));
        let (body, _) = open_inference_body(&tensors, false, sorted);
        prop_assert_eq!(read(JSON, body, None), Ok(tensors.clone()));
        let (body, json) = open_inference_body(&tensors, true, sorted);
        prop_assert_eq!(read(OCTET_STREAM, body, Some(&json)), Ok(tensors.clone()));
    }

    #[test]
    fn bytes_alone_do_not_change_a_tensor((mut port, tensor) in any_tensor("x")) {
        // The length gives one open dimension, unless another dimension is 0.
        let product: u64 = tensor.shape.iter().skip(1).product();
        port.shape = tensor.shape.iter().copied().map(Some).collect();
        if let Some(first) = port.shape.first_mut().filter(|_| product > 0) {
            *first = None;
        }
        let body = tensor.data.clone();
        let (tensors, _) = read(&signature(&[port], &[]), &payload(OCTET_STREAM, body), &[]).unwrap();
        prop_assert_eq!(tensors, vec![tensor]);
    }

    #[test]
    fn random_bytes_never_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        json in 0usize..300,
        form in 0usize..4,
    ) {
        let ports = [port("x", Dtype::F32, &[None, Some(2)]), port("b", Dtype::Bool, &[])];
        let signature = signature(&ports[..1 + json % 2], &ports);
        let label = ["", OCTET_STREAM, JSON, open_inference::MEDIA_TYPE][form];
        let header = attributes(&[(JSON_LENGTH, json.to_string().as_str())]);
        let _ = read(&signature, &payload(label, body.clone()), &[]);
        let _ = read(&signature, &payload(label, body), &header);
    }

    #[test]
    fn a_request_with_a_byte_changed_never_panics(
        (port_a, a) in any_tensor("a"),
        (port_b, b) in any_tensor("b"),
        binary: bool,
        at: proptest::sample::Index,
        byte: u8,
    ) {
        let (mut body, json) = open_inference_body(&[a, b], binary, false);
        *at.get_mut(&mut body) = byte;
        let header = attributes(&[(JSON_LENGTH, &json)]);
        let _ = read(&signature(&[port_a, port_b], &[]), &payload(JSON, body.clone()), &header[..usize::from(binary)]);
    }

    #[test]
    fn random_json_never_panics(body in "[\\[\\]{}:,\"a-e0-9.-]{0,60}") {
        let ports = [port("a", Dtype::I8, &[None, None]), port("b", Dtype::F64, &[Some(1)])];
        let _ = read(&signature(&ports, &ports), &payload(JSON, body.clone()), &[]);
        let _ = read(&signature(&ports, &ports), &payload(open_inference::MEDIA_TYPE, body), &[]);
    }
}

#[test]
fn texts_come_and_go_in_every_form_but_bare_bytes() {
    let ports = [port("t", Dtype::Text, &[None, Some(2)])];
    let signature = signature(&ports, &ports);
    let through = |content_type: &str, body: &[u8], headers: &[(&str, &str)]| {
        let (tensors, reply) = read(
            &signature,
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
    assert_eq!(pointer(r#"{"t": [["a", "\u0000"]]}"#), "/t/0/1");
    assert_eq!(pointer(r#"{"t": ["a", "b"]}"#), "/t/0");
}

/// Reads one element of a float port, in each form and nesting that JSON may have here.
#[track_caller]
fn read_everywhere(dtype: Dtype, text: &str) -> Vec<Vec<u8>> {
    let element = dtype.bytes();
    let datatype = open_inference::datatype(dtype);
    let forms = [
        (vec![None], JSON, format!("{{\"x\": [0, {text}]}}")),
        (
            vec![None, Some(2)],
            JSON,
            format!("{{\"x\": [[0, {text}]]}}"),
        ),
        (vec![], JSON, format!("{{\"x\": {text}}}")),
        (
            vec![None, Some(2)],
            open_inference::MEDIA_TYPE,
            inference("[1, 2]", datatype, &format!("[{text}, {text}]")),
        ),
        (
            vec![None, Some(2)],
            open_inference::MEDIA_TYPE,
            inference("[1, 2]", datatype, &format!("[[{text}, {text}]]")),
        ),
    ];
    let read_one = |(shape, label, body): &(Vec<Option<u64>>, &str, String)| {
        let ports = [port("x", dtype, shape)];
        let (tensors, _) = read(
            &signature(&ports, &ports),
            &payload(label, body.as_str()),
            &[],
        )
        .unwrap();
        let data = &tensors[0].data;
        assert_eq!(data.len() % element, 0);
        data[data.len() - element..].to_vec()
    };
    forms.iter().map(read_one).collect()
}

fn inference(shape: &str, datatype: &str, data: &str) -> String {
    // The data comes first, as a caller may send it, so it is read before its shape is known.
    format!(
        "{{\"inputs\": [{{\"data\": {data}, \"name\": \"x\", \"shape\": {shape}, \"datatype\": \"{datatype}\"}}]}}"
    )
}

#[test]
fn a_decimal_next_to_a_tie_is_rounded_once_in_every_form() {
    #[track_caller]
    fn check(text: &str) {
        let expected: f32 = text.parse().unwrap();
        for found in read_everywhere(Dtype::F32, text) {
            assert_eq!(found, expected.to_le_bytes(), "{text}");
        }
    }
    check("1.00000005960464477540");
    check("1.00000005960464477539");
    check("-1.00000005960464477540");
    check("1.000000059604644775390625");
    check("340282356779733661637539395458142568447.9");
    check("9007199791611905");
    check("16777217.0");
    check("0.1");
    for found in read_everywhere(Dtype::F16, "2049.00000000000000000001") {
        assert_eq!(found, f16::from_f32(2050.0).to_le_bytes());
    }
    for found in read_everywhere(Dtype::Bf16, "257.00000000000000000001") {
        assert_eq!(found, bf16::from_f32(258.0).to_le_bytes());
    }
    // A misfit after a number in doubt is reported as if there were no doubt.
    let ports = [port("x", Dtype::F32, &[None])];
    let body = payload(JSON, "{\"x\": [16777217.0, null]}");
    let Err(ScoreFailure::NotConforming { pointer, .. }) =
        read(&signature(&ports, &ports), &body, &[])
    else {
        panic!()
    };
    assert_eq!(pointer, "/x/1");
}

proptest! {
    #[test]
    fn random_doubles_are_read_as_rust_reads_them(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = format!("{number:e}");
        for found in read_everywhere(Dtype::F64, &text) {
            prop_assert_eq!(found, number.to_le_bytes());
        }
    }

    #[test]
    fn random_decimals_are_read_as_rust_reads_them(digits in "[1-9][0-9]{0,30}", exponent in -40i32..8) {
        let text = format!("{digits}e{exponent}");
        let expected: f32 = text.parse().unwrap();
        prop_assume!(expected.is_finite());
        for found in read_everywhere(Dtype::F32, &text) {
            prop_assert_eq!(found, expected.to_le_bytes());
        }
    }
}
