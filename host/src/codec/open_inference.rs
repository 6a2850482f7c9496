//! The Open Inference Protocol, version 2, with its extension for binary tensor data.
//!
//! Owns the order in which a request is read, and the format of the answer. Must not know how JSON
//! is read, nor the routes and the documents about the model, which are in `server`. The protocol
//! is at <https://github.com/kserve/open-inference-protocol>, and the extension is in Triton's
//! `extension_binary_data.md`.
//!
//! Unlike the protocol, which has elements of FP16 and BF16 only as binary data, the host also
//! accepts them as JSON numbers. The protocol's BYTES are texts here: strings in JSON, and UTF-8 in
//! binary data. An input of numbers accepts every datatype of numbers, as long as the type of the
//! input can hold the values.

mod conversion;
mod inputs;
mod names;
mod outputs;
mod parameters;
mod ports;
mod request;

use self::inputs::{Binary, tensors};
use self::outputs::Output;
use self::ports::misfit;
pub use self::ports::{accepted_datatypes, datatype};
use self::request::Request;
use super::encoding::without_mark;
use super::text;
use crate::error::ScoreFailure;
use crate::tensor::{PortLists, Tensor};

/// Name of the attribute that says how many bytes at the start of a body are JSON. Binary data
/// follows the JSON. Calls and answers with binary data have this attribute.
pub const JSON_LENGTH: &str = "inference-header-content-length";

/// Name and version by which the Open Inference Protocol identifies the scorer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// Value of `scorer.name` in the manifest.
    pub name: String,
    /// Value of `scorer.version` in the manifest. Empty if the manifest has no version.
    pub version: String,
}

/// Answer that a request asks for: the id to repeat, the outputs, and which of the outputs are
/// binary.
#[derive(Debug)]
pub(super) struct Asked {
    id: Option<String>,
    /// Output ports in the order of the answer. The first item of each pair is the index of the
    /// port. The second item is true if the elements of the port must be binary.
    outputs: Vec<(usize, bool)>,
}

/// Decodes a request of the Open Inference Protocol into one tensor for each input port, in the
/// order of the ports. An optional port that the request leaves out has no tensor. Also returns
/// what the answer must hold. `json_length` is the value of the attribute [`JSON_LENGTH`], or
/// `None` if the request does not have this attribute.
///
/// # Errors
/// Fails if the body does not follow the Open Inference Protocol, or does not fit the ports.
pub(super) fn read(
    ports: PortLists<'_>,
    body: &[u8],
    json_length: Option<&str>,
) -> Result<(Vec<Tensor>, Asked), ScoreFailure> {
    let length = match json_length {
        None => Some(body.len()),
        Some(text) => text.trim().parse().ok(),
    };
    let Some((json, binary)) = length.and_then(|length| body.split_at_checked(length)) else {
        let bytes = body.len();
        let message = format!(
            "Inference-Header-Content-Length is not a number up to the {bytes} bytes of the body."
        );
        return Err(misfit(String::new(), message));
    };
    let Request {
        id,
        parameters,
        inputs,
        outputs,
        ..
    } = request::read(ports, without_mark(json))?;
    let tensors = tensors(
        ports.inputs,
        inputs,
        parameters.content,
        Binary {
            rest: binary,
            is_announced: json_length.is_some(),
        },
    )?;
    let by_default = parameters.binary_data_output.unwrap_or(false);
    let outputs = if outputs.is_empty() {
        (0..ports.outputs.len())
            .map(|port| (port, by_default))
            .collect()
    } else {
        let asked = |output: Output| {
            (
                output.port,
                output.parameters.binary_data.unwrap_or(by_default),
            )
        };
        outputs.into_iter().map(asked).collect()
    };
    Ok((tensors, Asked { id, outputs }))
}

/// Encodes an answer of the Open Inference Protocol. `tensors` are those of all output ports, in
/// the order of the ports.
///
/// Returns the body. If binary data follows the JSON in the body, also returns the size of the
/// JSON, in bytes.
pub(super) fn write(
    asked: &Asked,
    model: &ModelName,
    tensors: &[Tensor],
) -> (Vec<u8>, Option<usize>) {
    let outputs = || {
        asked
            .outputs
            .iter()
            .filter_map(|(port, is_binary)| Some((tensors.get(*port)?, *is_binary)))
    };
    let room = |(tensor, is_binary): (&Tensor, bool)| {
        64 + if is_binary {
            tensor.name.len() + tensor.data.len()
        } else {
            text::capacity(tensor)
        }
    };
    let mut body = Vec::with_capacity(128 + outputs().map(room).sum::<usize>());
    body.extend_from_slice(b"{\"model_name\":");
    text::string(&model.name, &mut body);
    if !model.version.is_empty() {
        body.extend_from_slice(b",\"model_version\":");
        text::string(&model.version, &mut body);
    }
    if let Some(id) = &asked.id {
        body.extend_from_slice(b",\"id\":");
        text::string(id, &mut body);
    }
    body.extend_from_slice(b",\"outputs\":[");
    for (index, (tensor, is_binary)) in outputs().enumerate() {
        body.extend_from_slice(if index == 0 {
            b"{\"name\":"
        } else {
            b",{\"name\":"
        });
        text::string(&tensor.name, &mut body);
        body.extend_from_slice(b",\"datatype\":\"");
        body.extend_from_slice(datatype(tensor.dtype).as_bytes());
        body.extend_from_slice(b"\",\"shape\":[");
        for (index, dimension) in tensor.shape.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            text::count(*dimension, &mut body);
        }
        if is_binary {
            body.extend_from_slice(b"],\"parameters\":{\"binary_data_size\":");
            text::count(tensor.data.len() as u64, &mut body);
            body.extend_from_slice(b"}}");
        } else {
            body.extend_from_slice(b"],\"data\":");
            text::flat(tensor, &mut body);
            body.push(b'}');
        }
    }
    body.extend_from_slice(b"]}");
    let json = body.len();
    let mut binary = outputs().filter(|(_, is_binary)| *is_binary).peekable();
    let json = binary.peek().map(|_| json);
    for (tensor, _) in binary {
        body.extend_from_slice(&tensor.data);
    }
    (body, json)
}

#[cfg(test)]
mod tests;
