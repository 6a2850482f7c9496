//! Runs of the model's graphs for a script.
//!
//! Owns the form in which a script passes tensors: the length of a head in four bytes, the head as
//! JSON, and the data of all tensors. Must not know how a graph computes.

use std::time::Instant;

use scorebox_python::GraphFailure;
use serde::{Deserialize, Serialize};

use crate::capability::state::Capabilities;
use crate::capability::telemetry::LogSink;
use crate::graph::GraphError;
use crate::model::Dtype;
use crate::offload;
use crate::tensor::{Tensor, in_order};
use crate::text::{NAME_BYTES, REASON_BYTES, cut, quoted};

/// Maximum size of the head of a script's request to run a graph, in bytes. A head takes several
/// times its size in the memory of the host.
const HEAD_BYTES: usize = 1 << 20;

/// Head of a script's request to run a graph.
#[derive(Deserialize)]
struct Head {
    graph: String,
    inputs: Vec<Described>,
}

/// Head of the answer to a script that ran a graph.
#[derive(Serialize)]
struct Outputs {
    outputs: Vec<Described>,
}

/// Description of one tensor that is passed to or from a script.
#[derive(Deserialize, Serialize)]
struct Described {
    name: String,
    dtype: String,
    shape: Vec<u64>,
}

/// Runs a graph on the tensors of a script's request, until `deadline` at most. Returns the bytes
/// of an answer with the outputs.
///
/// # Errors
/// Fails if the request is not valid, if the model does not have the graph, if the tensors do not
/// fit the graph, if the run fails, or if an output holds texts.
pub(super) async fn answer(
    shared: &Capabilities,
    log: &LogSink,
    deadline: Instant,
    request: Vec<u8>,
) -> Result<Vec<u8>, GraphFailure> {
    if request.len() > offload::LONG_BYTES {
        offload::offload().await;
    }
    let (name, inputs) =
        read(&request).ok_or_else(|| failure("the request for a graph is not valid"))?;
    let graphs = shared
        .graphs
        .as_ref()
        .ok_or_else(|| failure("the model has no graph"))?;
    let graph = graphs.get(&name);
    let graph = graph.ok_or_else(|| {
        failure(format!(
            "the model has no graph `{}`",
            quoted(&name, NAME_BYTES)
        ))
    })?;
    let ports = graph.ports();
    let inputs = in_order(&ports.inputs, inputs).map_err(|misfit| failure(misfit.to_string()))?;
    let agreed = ports.sizes.check(&ports.inputs, &inputs);
    agreed.map_err(|unequal| failure(unequal.to_string()))?;
    match graphs.run(graph, inputs, deadline).await {
        Ok(outputs) => written(outputs).ok_or_else(|| failure("the graph answers with texts")),
        Err(error) => {
            let text = match error {
                GraphError::Failed(text) | GraphError::Refused { detail: text, .. } => text,
                GraphError::NotLoaded(problem) => problem.problem,
                other => other.to_string(),
            };
            log.warn("graph", &text);
            Err(failure(cut(&text, REASON_BYTES)))
        }
    }
}

/// Returns a failure with a text for the script.
fn failure(text: impl Into<String>) -> GraphFailure {
    GraphFailure(text.into())
}

/// Reads the name of the graph and the tensors from a script's request. Returns `None` if the
/// request is not valid.
fn read(request: &[u8]) -> Option<(String, Vec<Tensor>)> {
    let (size, rest) = request.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    if size > HEAD_BYTES {
        return None;
    }
    let (head, mut data) = rest.split_at_checked(size)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    let mut tensors = Vec::new();
    for Described { name, dtype, shape } in head.inputs {
        let known = Dtype::ALL.into_iter().filter(|dtype| *dtype != Dtype::Text);
        let dtype = known.into_iter().find(|known| known.name() == dtype)?;
        let product = |product: u64, size: &u64| product.checked_mul(*size);
        let elements = shape.iter().try_fold(1u64, product)?;
        let bytes = elements.checked_mul(dtype.bytes() as u64)?;
        let (own, others) = data.split_at_checked(usize::try_from(bytes).ok()?)?;
        data = others;
        tensors.push(Tensor {
            name,
            dtype,
            shape,
            data: own.to_vec(),
        });
    }
    data.is_empty().then_some((head.graph, tensors))
}

/// Returns the bytes of an answer to a script. Returns `None` if an output holds texts, which
/// cannot be passed to a script.
fn written(outputs: Vec<Tensor>) -> Option<Vec<u8>> {
    if outputs.iter().any(|output| output.dtype == Dtype::Text) {
        return None;
    }
    let described = |output: &Tensor| Described {
        name: output.name.clone(),
        dtype: output.dtype.name().to_owned(),
        shape: output.shape.clone(),
    };
    let head = Outputs {
        outputs: outputs.iter().map(described).collect(),
    };
    let head = serde_json::to_vec(&head).ok()?;
    let mut bytes = u32::try_from(head.len()).ok()?.to_le_bytes().to_vec();
    bytes.extend(head);
    for output in outputs {
        bytes.extend(output.data);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str, data: &[u8]) -> Vec<u8> {
        let size = u32::try_from(head.len()).unwrap().to_le_bytes();
        [&size, head.as_bytes(), data].concat()
    }

    #[test]
    fn a_request_has_a_head_and_the_data_of_its_tensors() {
        let head = r#"{"graph":"g","inputs":[{"name":"x","dtype":"f32","shape":[2,1]},{"name":"n","dtype":"u8","shape":[]}]}"#;
        let data = [0, 0, 0, 1, 0, 0, 0, 2, 7];
        let (graph, inputs) = read(&request(head, &data)).unwrap();
        assert_eq!((graph.as_str(), inputs.len()), ("g", 2));
        assert_eq!((&inputs[1].name[..], &inputs[1].data[..]), ("n", &[7][..]));
        let answer = written(inputs).unwrap();
        assert_eq!(answer[answer.len() - 9..], data);
        assert!(read(&request(head, &data[1..])).is_none());
        assert!(read(&request(head, &[&data[..], &[1]].concat())).is_none());
        assert!(read(&request(&head.replace("f32", "text"), &data)).is_none());
        assert!(
            read(&request(
                &head.replace("2,1", "4294967296,4294967296"),
                &data
            ))
            .is_none()
        );
        let long = head.replace("\"g\"", &format!("\"{}\"", "g".repeat(HEAD_BYTES)));
        assert!(read(&request(&long, &data)).is_none());
        assert!(read(b"\xff\xff\xff\xff").is_none() && read(b"").is_none());
    }
}
