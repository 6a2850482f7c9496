//! Rules for every body with tensors, whatever its format.
//!
//! Owns the signatures that bodies are read for, and the way of a tensor into an answer and back.
//! Must not know which bytes a target makes a request of.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::envelope::repeats;
use crate::errors;
use crate::readers::{
    BodyFormat, Dtype, Form, JSON, JSON_LENGTH, ModelName, OCTET_STREAM, Payload, Port, PortLists,
    REASON_BYTES, Requests, ScoreFailure, Tensor, Written, read, reading_until, write,
};

/// Maximum length of a JSON pointer in an answer, in bytes.
const POINTER_BYTES: usize = 1024;

/// Deadline of a body, and the time that reading may take beyond it.
const DEADLINE: Duration = Duration::from_secs(1);

/// A request to a scorer of tensors.
#[derive(Debug, Clone)]
pub struct Request {
    /// Format of the body, as far as the request's way says it.
    pub format: BodyFormat,
    /// Media type of the body.
    pub content_type: &'static str,
    /// Value of the header that says how many bytes of the body are JSON.
    pub json_length: Option<String>,
    /// Bytes of the body.
    pub body: Vec<u8>,
}

/// Result of reading a request: the tensors, and the form of the answer.
type Read = Result<(Vec<Tensor>, Form), ScoreFailure>;

/// Checks a request for every signature. Returns the signatures for which it was read, with the
/// tensors.
#[track_caller]
pub fn check(request: &Request) -> Vec<(Vec<Port>, Vec<Tensor>)> {
    let mut accepted = Vec::new();
    for signature in signatures() {
        let started = Instant::now();
        let result = reading_until(started + DEADLINE, || request.read(&signature));
        assert!(started.elapsed() < 2 * DEADLINE, "{:?}", started.elapsed());
        in_time(&signature, request, result.as_ref());
        match result {
            None => {}
            Some(Err(failure)) => refused(request, failure),
            Some(Ok((tensors, form))) => {
                assert_eq!(tensors.len(), signature.len());
                for (tensor, port) in tensors.iter().zip(&signature) {
                    assert_eq!(tensor.fits(port), Ok(()));
                    assert_eq!(tensor.name, port.name);
                }
                let written = write(&form, &model(), tensors.clone());
                if let Some(again) = Request::of_answer(&signature, &written) {
                    let read = again.read(&signature).map(|(tensors, _)| tensors);
                    assert_eq!(read, Ok(tensors.clone()), "{again:?}");
                }
                accepted.push((signature, tensors));
            }
        }
    }
    accepted
}

impl Request {
    fn read(&self, signature: &[Port]) -> Read {
        let payload = Payload {
            content_type: self.content_type.to_owned(),
            body: self.body.clone().into(),
        };
        let length = self.json_length.clone();
        let attributes: Vec<_> = length
            .map(|length| (JSON_LENGTH.to_owned(), length.into()))
            .into_iter()
            .collect();
        let ports = PortLists {
            inputs: signature,
            outputs: signature,
            requests: Requests::default(),
        };
        read(ports, self.format, &payload, &attributes)
    }

    /// Returns the part of the body that is JSON.
    fn json(&self) -> Option<&[u8]> {
        match &self.json_length {
            None => Some(&self.body),
            Some(length) => self.body.get(..length.trim().parse().ok()?),
        }
    }

    /// Returns the request that sends the tensors of an answer again. Returns `None` if the answer
    /// does not have them all, or has numbers that JSON lacks.
    fn of_answer(signature: &[Port], written: &Written) -> Option<Self> {
        let body = &written.payload.body;
        let length = written
            .attributes
            .iter()
            .find(|(name, _)| *name == JSON_LENGTH)
            .map(|(_, length)| length.parse::<usize>().expect("the length is a number"));
        let (json, binary) = body.split_at(length.unwrap_or(body.len()));
        let document: Value = serde_json::from_slice(json).expect("an answer is JSON");
        if document.get("model_name").is_none() {
            let nested = str::from_utf8(json).expect("JSON is UTF-8");
            let body = match signature {
                [port] => format!("{{\"{}\":{nested}}}", port.name),
                _ => nested.to_owned(),
            };
            return Some(Self {
                format: BodyFormat::Labelled,
                content_type: JSON,
                json_length: None,
                body: body.into_bytes(),
            });
        }
        let outputs = document["outputs"].as_array().expect("outputs are a list");
        let has = |port: &Port| {
            let named = outputs
                .iter()
                .filter(|output| output["name"] == port.name.as_str());
            named.count() == 1
        };
        if !signature.iter().all(has) || outputs.iter().any(lacks_numbers) {
            return None;
        }
        // The text of the answer is kept, since a second reader may round a number.
        let Outputs { outputs } = serde_json::from_slice(json).expect("an answer is JSON");
        let mut body = format!("{{\"inputs\":{outputs}}}").into_bytes();
        let json_length = length.map(|_| body.len().to_string());
        body.extend_from_slice(binary);
        Some(Self {
            format: BodyFormat::OpenInference,
            content_type: if length.is_some() { OCTET_STREAM } else { JSON },
            json_length,
            body,
        })
    }
}

/// The part of an answer that is kept as text.
#[derive(Deserialize)]
struct Outputs<'a> {
    #[serde(borrow)]
    outputs: &'a RawValue,
}

/// Returns true if the data of an output has a `null` for NaN or infinity.
fn lacks_numbers(output: &Value) -> bool {
    let data = output.get("data").and_then(Value::as_array);
    data.is_some_and(|data| data.contains(&Value::Null))
}

/// Checks that a deadline that has passed ends the reading, or changes nothing.
fn in_time(signature: &[Port], request: &Request, expected: Option<&Read>) {
    let late = reading_until(Instant::now(), || request.read(signature));
    if let (Some(late), Some(expected)) = (late, expected) {
        let tensors = |read: &Read| read.as_ref().map(|(tensors, _)| tensors.clone()).ok();
        assert_eq!(tensors(&late), tensors(expected));
    }
}

/// Checks the answer to a request that was refused.
fn refused(request: &Request, failure: ScoreFailure) {
    let disposition = failure.disposition();
    assert!(matches!(disposition.status, 400 | 415), "{disposition:?}");
    errors::one_line(&disposition.message, REASON_BYTES);
    let pointer = disposition.pointer.unwrap_or_default();
    assert!(pointer.len() <= POINTER_BYTES, "{pointer}");
    let document = request
        .json()
        .filter(|json| !repeats(json))
        .and_then(|json| serde_json::from_slice::<Value>(json).ok());
    // What a pointer names may be missing, but not what should hold it. A long name is cut.
    if let (Some(document), Some((parent, _))) = (document, pointer.rsplit_once('/')) {
        assert!(
            pointer.contains('…') || document.pointer(parent).is_some(),
            "{pointer}: {}",
            disposition.message
        );
    }
}

fn model() -> ModelName {
    ModelName {
        name: "m".to_owned(),
        version: "2".to_owned(),
    }
}

/// Returns the ports of the scorers that bodies are read for. Their outputs equal their inputs.
fn signatures() -> [Vec<Port>; 5] {
    let port = |name: &str, dtype, shape: &[Option<u64>]| Port::new(name, dtype, shape.to_vec());
    let one = vec![port("x", Dtype::F32, &[None, Some(2)])];
    let many = vec![
        port("n", Dtype::I64, &[None]),
        port("b", Dtype::Bool, &[]),
        port("t", Dtype::Text, &[None]),
        port("h", Dtype::F16, &[None, None]),
        port("d", Dtype::F64, &[None]),
    ];
    let cube = vec![port("u", Dtype::U8, &[None, None, None])];
    let columns = vec![
        port("age", Dtype::I64, &[None, Some(1)]),
        port("city", Dtype::Text, &[None, Some(1)]),
        port("flag", Dtype::Bool, &[None]),
    ];
    let mut matrix = port("m", Dtype::F64, &[None, Some(2)]);
    matrix.facts.columns = vec!["width".to_owned(), "age".to_owned()];
    [one, many, cube, columns, vec![matrix]]
}
