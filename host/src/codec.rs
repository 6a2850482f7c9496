//! Wire formats: reads what callers send as tensors, and writes tensors as an answer in the format
//! of the request.
//!
//! The entry points are [`read`] and [`write()`]. Owns which format a body has. Must not know
//! routes, signatures, guests or instances. The formats are Azure ML's JSON (`azure_ml`), rows as
//! data frames have them (`table`), the Open Inference Protocol ([`open_inference`]), bare bytes
//! (`raw`), and, for answers only, predictions (`predictions`).

mod azure_ml;
mod cursor;
mod deadline;
mod elements;
pub mod encoding;
pub mod media_type;
mod not_json;
pub mod open_inference;
mod predictions;
mod raw;
mod reading;
mod rounding;
mod scalar;
mod sniff;
mod table;
mod text;
mod values;
mod visitors;

pub use self::deadline::reading_until;
use self::encoding::without_mark;
use self::media_type::{JSON, OCTET_STREAM, has_other_charset, is_json, same_type, says_nothing};
use self::open_inference::{Asked, JSON_LENGTH, ModelName};
pub use self::table::{columns_of, matrix_of, takes_rows};
use crate::call::{Attribute, BodyFormat, Payload};
use crate::error::ScoreFailure;
use crate::model::Dtype;
use crate::tensor::{Port, PortLists, Tensor, only};
use crate::text::{NAME_BYTES, quoted};

/// Format that the answer to a call must have. The body, the attributes and the route of the call
/// and the scorer's ports determine the format.
#[derive(Debug, Default)]
pub struct Reply(Form);

#[derive(Debug, Default)]
enum Form {
    #[default]
    AzureMl,
    OpenInference(Asked),
    Predictions,
    Raw,
}

/// Answer to a call in the format that the caller expects: its body and attributes.
#[derive(Debug)]
pub struct Written {
    /// Body of the answer, with its media type.
    pub payload: Payload,
    /// Attributes of the answer, as pairs of a lower-case name and a value.
    pub attributes: Vec<(&'static str, String)>,
}

/// Converts a payload that a scorer returned to an answer without attributes.
impl From<Payload> for Written {
    fn from(payload: Payload) -> Self {
        Self {
            payload,
            attributes: Vec::new(),
        }
    }
}

/// Decodes the body of a call into one tensor for each input port, in the order of the ports. An
/// optional port that the call leaves out has no tensor. Also returns the format that the answer
/// must have. `attributes` are the attributes of the call.
///
/// # Errors
/// Fails if the media type or the charset of the body is not supported, if the body cannot be
/// parsed, or if it does not fit the ports.
pub fn read(
    ports: PortLists<'_>,
    format: BodyFormat,
    payload: &Payload,
    attributes: &[Attribute],
) -> Result<(Vec<Tensor>, Reply), ScoreFailure> {
    let (label, body) = (payload.content_type.as_str(), &payload.body);
    let attribute = |wanted| {
        attributes
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let json_length = attribute(JSON_LENGTH);
    let is_open_inference = json_length.is_some() || format == BodyFormat::OpenInference;
    let is_text = is_json(label) || says_nothing(label);
    if is_text && has_other_charset(label) {
        return Err(not_utf_8(label));
    }
    let is_predict = format == BodyFormat::Predict;
    let may_be_tensors = is_text && !is_predict;
    if is_open_inference
        || may_be_tensors && sniff::is_open_inference(ports.inputs, without_mark(body))
    {
        let (tensors, asked) = open_inference::read(ports, body, json_length)?;
        return Ok((tensors, Reply(Form::OpenInference(asked))));
    }
    let is_raw = !is_predict && same_type(label, OCTET_STREAM) && raw::is_enough(ports.inputs);
    let tensors = match only(ports.inputs) {
        _ if is_text => table::read(ports, without_mark(body))?,
        Some((_, port)) if is_raw => vec![raw::read(port, body)?],
        _ => return Err(unsupported(label, ports.inputs)),
    };
    if is_predict {
        return Ok((tensors, Reply(Form::Predictions)));
    }
    let is_one_of_numbers = matches!(ports.outputs, [port] if port.dtype != Dtype::Text);
    let raw = is_one_of_numbers && prefers_bytes(attributes);
    Ok((tensors, Reply(if raw { Form::Raw } else { Form::AzureMl })))
}

/// Encodes the tensors of the output ports as the answer to a call. The tensors must be in the
/// order of the ports.
#[must_use]
pub fn write(reply: &Reply, model: &ModelName, mut tensors: Vec<Tensor>) -> Written {
    let written = |content_type: &str, body: Vec<u8>| Written {
        payload: Payload {
            content_type: content_type.to_owned(),
            body: body.into(),
        },
        attributes: Vec::new(),
    };
    match &reply.0 {
        Form::AzureMl => written(JSON, azure_ml::write(&tensors)),
        Form::Predictions => written(JSON, predictions::write(&tensors)),
        Form::Raw => written(
            OCTET_STREAM,
            tensors.pop().map(|tensor| tensor.data).unwrap_or_default(),
        ),
        Form::OpenInference(asked) => match open_inference::write(asked, model, &tensors) {
            (body, None) => written(JSON, body),
            (body, Some(json)) => Written {
                attributes: vec![(JSON_LENGTH, json.to_string())],
                ..written(OCTET_STREAM, body)
            },
        },
    }
}

/// Returns true if a body for these input ports may consist of the bare bytes of a tensor. This is
/// the case if only one port is not optional, its elements are not texts, and the number of bytes
/// determines its shape.
#[must_use]
pub fn takes_bytes(ports: &[Port]) -> bool {
    raw::is_enough(ports)
}

/// Returns the message about a body that is not JSON, for which the JSON parser returned `error`.
#[must_use]
pub fn json_error(body: &[u8], error: &serde_json::Error) -> String {
    not_json::message(body, error, false, None)
}

/// Returns the failure of a call whose body is JSON in another charset than UTF-8. `label` is the
/// media type of the body.
pub(crate) fn not_utf_8(label: &str) -> ScoreFailure {
    ScoreFailure::Unsupported {
        content_type: quoted(label, NAME_BYTES),
        accepted: vec![format!("{JSON} in UTF-8")],
    }
}

fn unsupported(label: &str, ports: &[Port]) -> ScoreFailure {
    let bytes = if raw::is_enough(ports) {
        format!("{OCTET_STREAM} with the little-endian elements of the one input")
    } else {
        format!("{OCTET_STREAM} with {JSON_LENGTH} (the Open Inference Protocol's binary data)")
    };
    ScoreFailure::Unsupported {
        content_type: quoted(label, NAME_BYTES),
        accepted: vec![JSON.to_owned(), bytes],
    }
}

/// Returns true if the caller's `accept` attribute prefers `application/octet-stream` to JSON. Only
/// these two media types are compared. `*/*` is ignored, because every client sends it.
fn prefers_bytes(attributes: &[Attribute]) -> bool {
    let weight = |wanted| {
        let ranges = attributes
            .iter()
            .filter(|(name, _)| name == "accept")
            .flat_map(|(_, value)| value.as_str().split(','));
        let weights = ranges
            .filter(|range| same_type(range, wanted))
            .map(|range| {
                let mut parameters = range
                    .split(';')
                    .skip(1)
                    .filter_map(|parameter| parameter.split_once('='));
                let quality = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
                quality.map_or(1.0, |(_, value)| value.trim().parse::<f32>().unwrap_or(0.0))
            });
        weights.fold(0.0, f32::max)
    };
    weight(OCTET_STREAM) > weight(JSON)
}

#[cfg(test)]
mod tests;
