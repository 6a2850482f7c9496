//! Number of allocations for reading and writing the body of a tensor.
//!
//! Owns the limits of these numbers. The test is a program of its own, because the counting
//! allocator serves the whole process.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use scorebox_host::call::{BodyFormat, Payload};
use scorebox_host::codec::open_inference::ModelName;
use scorebox_host::codec::{Written, read, write};
use scorebox_host::model::Dtype;
use scorebox_host::tensor::{Port, PortLists, Requests};

const PIXELS: usize = 784;

fn port(name: &str) -> Port {
    Port::new(name, Dtype::F32, vec![None, Some(PIXELS as u64)])
}

/// Decodes the body of a request, encodes the tensor as the answer, and returns the number of
/// allocations. Panics unless the body of the answer ends with `expected`.
#[track_caller]
fn allocations(content_type: &str, body: Vec<u8>, expected: &[u8]) -> u64 {
    let (inputs, outputs) = ([port("data")], [port("same")]);
    let ports = PortLists {
        inputs: &inputs,
        outputs: &outputs,
        requests: Requests::default(),
    };
    let model = ModelName {
        name: "digits".into(),
        version: "1.0.0".into(),
    };
    let payload = Payload {
        content_type: content_type.into(),
        body: body.into(),
    };
    let mut answer = None;
    let counted = allocation_counter::measure(|| {
        let (mut tensors, reply) = read(ports, BodyFormat::Labelled, &payload, &[]).unwrap();
        // The tensor gets the name that a scorer would give it.
        tensors[0].name.clear();
        tensors[0].name.push_str("same");
        answer = Some(write(&reply, &model, tensors));
    });
    let Written { payload, .. } = answer.unwrap();
    assert!(
        payload.body.ends_with(expected),
        "{}",
        String::from_utf8_lossy(&payload.body)
    );
    counted.count_total
}

fn pixels() -> Vec<f32> {
    (0..PIXELS).map(|index| index as f32 / 255.0).collect()
}

fn list() -> String {
    serde_json::to_string(&pixels()).unwrap()
}

/// Limits the number of allocations for a JSON body of Azure ML. Measured: 9 allocations.
///
/// The allocations are: the error that ends the check for the Open Inference Protocol early, the
/// slots to find tensors by port, the open shape, the shape of the body, the elements, the tensor's
/// name, the list of tensors, the text of the response, and its media type.
#[test]
fn azure_ml_s_json() {
    let body = format!("{{\"data\":[{}]}}", list());
    let count = allocations(
        "application/json",
        body.into_bytes(),
        format!("[{}]", list()).as_bytes(),
    );
    assert!(count <= 20, "{count} allocations");
}

/// Limits the number of allocations for a JSON body of the Open Inference Protocol. Measured: 15
/// allocations.
///
/// In addition to the allocations for a JSON body of Azure ML, these are: the list of inputs, the
/// shape that the body states, the id, and the outputs that the body requests.
#[test]
fn the_open_inference_protocol_s_json() {
    let body = format!(
        r#"{{"inputs":[{{"name":"data","shape":[1,{PIXELS}],"datatype":"FP32","data":{}}}],"id":"a"}}"#,
        list()
    );
    let count = allocations(
        "application/json",
        body.into_bytes(),
        format!("{}}}]}}", list()).as_bytes(),
    );
    assert!(count <= 20, "{count} allocations");
}

/// Limits the number of allocations for a body of bare bytes. Measured: 8 allocations.
#[test]
fn bare_bytes() {
    let body = pixels()
        .iter()
        .flat_map(|pixel| pixel.to_le_bytes())
        .collect();
    let count = allocations(
        "application/octet-stream",
        body,
        format!("[{}]", list()).as_bytes(),
    );
    assert!(count <= 20, "{count} allocations");
}
