//! Tests of random tensors and bodies: no format changes a tensor, and no body makes a reader
//! panic.

use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

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

/// Returns a strategy for tensors of any shape, and of any type except texts, whose numbers are
/// finite. Each tensor comes with a port that accepts it and whose dimensions may be open.
fn any_tensor(name: &'static str) -> impl Strategy<Value = (Port, Tensor)> {
    let shape = proptest::collection::vec(0u64..4, 0..4);
    (
        proptest::sample::select(&DTYPES),
        shape,
        any::<u64>(),
        any::<[bool; 4]>(),
    )
        .prop_map(move |(dtype, shape, seed, open)| {
            // Nested lists cannot show the length of a dimension inside an empty dimension.
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

/// Returns the body that a client of the Open Inference Protocol would send for the given tensors,
/// and the size of the body's JSON in bytes, as a text.
///
/// If `binary` is true, the elements are binary data after the JSON. If `sorted` is true, the JSON
/// keys are in alphabetical order instead of the order of the specification, except that
/// `parameters` comes first.
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
        let inputs = [port_a, port_b];
        let signature = signature(&inputs, &[]);
        let tensors = vec![a, b];
        let read = |content_type: &str, body: Vec<u8>, json: Option<&str>| {
            let attributes: Vec<_> = json.iter().map(|json| (JSON_LENGTH.to_owned(), (*json).into())).collect();
            read(signature, BodyFormat::Labelled, &payload(content_type, body), &attributes).map(|(tensors, _)| tensors)
        };
        prop_assert_eq!(read(JSON, azure_ml::write(&tensors), None), Ok(tensors.clone()));
        let (body, _) = open_inference_body(&tensors, false, sorted);
        prop_assert_eq!(read(JSON, body, None), Ok(tensors.clone()));
        let (body, json) = open_inference_body(&tensors, true, sorted);
        prop_assert_eq!(read(OCTET_STREAM, body, Some(&json)), Ok(tensors.clone()));
    }

    #[test]
    fn bytes_alone_do_not_change_a_tensor((mut port, tensor) in any_tensor("x")) {
        // The number of bytes determines one open dimension, unless another dimension is 0.
        let product: u64 = tensor.shape.iter().skip(1).product();
        port.shape = tensor.shape.iter().copied().map(Some).collect();
        if let Some(first) = port.shape.first_mut().filter(|_| product > 0) {
            *first = None;
        }
        let body = tensor.data.clone();
        let (tensors, _) = read(signature(&[port], &[]), BodyFormat::Labelled, &payload(OCTET_STREAM, body), &[]).unwrap();
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
        let label = ["", OCTET_STREAM, JSON, OCTET_STREAM][form];
        let format = if form == 3 { BodyFormat::OpenInference } else { BodyFormat::Labelled };
        let header = attributes(&[(JSON_LENGTH, json.to_string().as_str())]);
        let _ = read(signature, format, &payload(label, body.clone()), &[]);
        let _ = read(signature, format, &payload(label, body), &header);
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
        let _ = read(signature(&[port_a, port_b], &[]), BodyFormat::Labelled, &payload(JSON, body.clone()), &header[..usize::from(binary)]);
    }

    #[test]
    fn random_json_never_panics(body in "[\\[\\]{}:,\"a-e0-9.-]{0,60}") {
        let ports = [port("a", Dtype::I8, &[None, None]), port("b", Dtype::F64, &[Some(1)])];
        let _ = read(signature(&ports, &ports), BodyFormat::Labelled, &payload(JSON, body.clone()), &[]);
        let _ = read(signature(&ports, &ports), BodyFormat::OpenInference, &payload(JSON, body), &[]);
    }
}
