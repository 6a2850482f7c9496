//! The paths of the soak. A path is one kind of call to one kind of host: it determines what is
//! sent, and when an answer is right.
//!
//! Owns the requests in every protocol and the reading of answers. Must not know how connections
//! are kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::hosts::Kind;
use super::wire::{Answer, request};
use crate::demo::sample::{self, Agreement, Digit, Trained};

/// Size of a label in an answer with binary tensors, in bytes. A label is a 64-bit integer.
const LABEL_BYTES: usize = 8;
/// Number of probabilities for one digit in an answer, one for each of the ten digits.
const CLASSES: usize = 10;

/// Name of the header with the length of the JSON that precedes binary tensors.
const JSON_LENGTH: &str = "inference-header-content-length";

/// Request body that can never be scored, because it has three numbers instead of a digit's pixels.
const UNFIT: &str = r#"{"data":[[1,2,3]]}"#;

/// A path of the soak: a kind of call to a kind of host.
#[derive(Debug)]
pub struct Path {
    /// Name of this kind of call in the table and in the JSON output, e.g. `infer-binary`.
    pub name: &'static str,
    /// Kind of the host to which the calls go.
    pub host: Kind,
    form: Form,
}

/// Protocol and content of one kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A request with a JSON body in the format of Azure ML.
    Score,
    /// A request of the Open Inference Protocol with a JSON body.
    InferJson,
    /// A request of the Open Inference Protocol with binary tensors. The answer has binary tensors,
    /// too.
    InferBinary,
    /// An HTTP request in an envelope of the Functions host.
    Request,
    /// A blob in an envelope of the Functions host.
    Blob,
    /// Three messages in an envelope of the Functions host. The second message cannot be scored, so
    /// the host writes a record of it to the output `park`.
    Batch,
    /// One message in an envelope of the Functions host. The message cannot be scored, so the host
    /// writes a record of it to the output `park`.
    Park,
}

const fn path(name: &'static str, host: Kind, form: Form) -> Path {
    Path { name, host, form }
}

/// All paths of the soak, which are kinds of calls to kinds of hosts. Each path has its own client.
pub const PATHS: &[Path] = &[
    path("score", Kind::Warm, Form::Score),
    path("infer-json", Kind::Warm, Form::InferJson),
    path("infer-binary", Kind::Warm, Form::InferBinary),
    path("fresh-instances", Kind::Fresh, Form::Score),
    path("init-for-each-call", Kind::Init, Form::Score),
    path("prediction-cache", Kind::Cached, Form::Score),
    path("prediction-cache-infer", Kind::Cached, Form::InferBinary),
    path("functions-request", Kind::Functions, Form::Request),
    path("functions-blob", Kind::Functions, Form::Blob),
    path("functions-batch", Kind::Functions, Form::Batch),
    path("functions-park", Kind::Functions, Form::Park),
    path("graph", Kind::Graph, Form::Score),
    path("graph-infer", Kind::Graph, Form::InferBinary),
];

/// A request, with the digits that it asks a host to score.
#[derive(Debug)]
pub struct Sent<'a> {
    digits: &'a [Digit],
    /// Bytes of the whole HTTP request.
    pub bytes: Vec<u8>,
}

/// Returns groups of one digit, of two digits and of ten digits. Each group is the content of one
/// request.
pub fn groups(digits: &[Digit]) -> impl Iterator<Item = &[Digit]> {
    digits
        .chunks_exact(1)
        .take(40)
        .chain(digits.chunks_exact(2).take(40))
        .chain(digits.chunks_exact(10))
}

impl Path {
    /// Builds the HTTP request of this kind of call that asks for the scores of the given digits.
    pub fn question<'a>(&self, digits: &'a [Digit]) -> Sent<'a> {
        Sent {
            digits,
            bytes: self.bytes(digits),
        }
    }

    fn bytes(&self, digits: &[Digit]) -> Vec<u8> {
        let is_json = ("content-type", "application/json".to_owned());
        let body = sample::request(digits);
        let infer = format!("/v2/models/{}/infer", self.host.scorer());
        match self.form {
            Form::Score => request("/score", &[is_json], body.to_string().as_bytes()),
            Form::InferJson => {
                let input = self.input(
                    digits.len(),
                    "data",
                    Value::Array(pixels(&body).map(Value::from).collect()),
                );
                request(
                    &infer,
                    &[is_json],
                    json!({ "inputs": [input] }).to_string().as_bytes(),
                )
            }
            Form::InferBinary => {
                let data: Vec<u8> = pixels(&body)
                    .flat_map(|pixel| (pixel as f32).to_le_bytes())
                    .collect();
                let input = self.input(
                    digits.len(),
                    "parameters",
                    json!({ "binary_data_size": data.len() }),
                );
                let json =
                    json!({ "parameters": { "binary_data_output": true }, "inputs": [input] })
                        .to_string();
                let headers = [
                    ("content-type", "application/octet-stream".to_owned()),
                    (JSON_LENGTH, json.len().to_string()),
                ];
                request(&infer, &headers, &[json.as_bytes(), &data].concat())
            }
            Form::Request => {
                let forwarded = json!({
                    "Url": "https://app.azurewebsites.net/api/wrapped", "Method": "POST", "Query": {}, "Params": {},
                    "Headers": { "Content-Type": ["application/json"] }, "Identities": [], "Body": body.to_string(),
                });
                envelope("wrapped", "req", &forwarded, &json!({}))
            }
            Form::Blob => envelope(
                "incoming",
                "blob",
                &encoded(&body.to_string()),
                &json!({ "name": "\"a\"" }),
            ),
            Form::Batch => {
                let body = body.to_string();
                let messages = json!([encoded(&body), encoded(UNFIT), encoded(&body)]).to_string();
                let ids = json!({ "MessageIdArray": "[\"a\",\"b\",\"c\"]" });
                envelope("applications", "message", &messages.into(), &ids)
            }
            Form::Park => {
                let metadata = json!({ "MessageId": "\"m\"", "DeliveryCount": "1" });
                envelope("single", "message", &encoded(UNFIT), &metadata)
            }
        }
    }

    /// Returns the input of the scorer as JSON of the Open Inference Protocol. `rows` is the number
    /// of digits. `member` and `value` are the name and the value of one more member of the JSON
    /// object.
    fn input(&self, rows: usize, member: &str, value: Value) -> Value {
        let mut input =
            json!({ "name": self.host.input(), "datatype": "FP32", "shape": [rows, 784] });
        if let Some(members) = input.as_object_mut() {
            members.insert(member.to_owned(), value);
        }
        input
    }

    /// Returns true if an answer with the status code 200 is the right answer to the request
    /// `sent`.
    pub fn is_right(&self, sent: &Sent<'_>, answer: &Answer) -> bool {
        let agrees = |answer: &Value| {
            let mut agreement = Agreement::with(self.host.trained());
            agreement.add(sent.digits, answer);
            agreement.is_full()
        };
        let json = || serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let outputs = |name: &str| {
            objects(
                json()
                    .pointer(&format!("/Outputs/{name}"))
                    .unwrap_or(&Value::Null),
            )
        };
        let is_parked = |outputs: &[Value]| {
            let code = outputs
                .first()
                .and_then(|record| record.pointer("/problem/code"));
            outputs.len() == 1 && code.and_then(Value::as_str) == Some("not-conforming")
        };
        match self.form {
            Form::Score => agrees(&json()),
            Form::InferJson => from_json(&json()).is_some_and(|answer| agrees(&answer)),
            Form::InferBinary => {
                from_binary(sent.digits.len(), answer).is_some_and(|answer| agrees(&answer))
            }
            Form::Request => {
                let response = outputs("res");
                let body = response
                    .first()
                    .map(|response| objects(response.get("body").unwrap_or(&Value::Null)));
                body.is_some_and(|body| body.len() == 1 && body.iter().all(agrees))
            }
            Form::Blob => {
                let outputs = outputs("output");
                outputs.len() == 1 && outputs.iter().all(agrees)
            }
            Form::Batch => {
                let answers = outputs("output");
                answers.len() == 2 && answers.iter().all(agrees) && is_parked(&outputs("park"))
            }
            Form::Park => outputs("output").is_empty() && is_parked(&outputs("park")),
        }
    }
}

impl Kind {
    /// Returns the model whose known answers are the right answers of this kind of host.
    fn trained(self) -> Trained {
        if self == Self::Graph {
            Trained::Network
        } else {
            Trained::Regression
        }
    }

    /// Returns the name of the scorer's only input on this kind of host.
    fn input(self) -> &'static str {
        if self == Self::Graph { "X" } else { "data" }
    }

    /// Returns the name of the scorer on this kind of host.
    fn scorer(self) -> &'static str {
        if self == Self::Graph {
            "digits-mlp"
        } else {
            "digits"
        }
    }
}

fn pixels(body: &Value) -> impl Iterator<Item = f64> {
    let rows = body
        .get("data")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    rows.flat_map(|row| row.as_array().into_iter().flatten())
        .filter_map(Value::as_f64)
}

fn encoded(text: &str) -> Value {
    STANDARD.encode(text).into()
}

/// Returns the bytes of an HTTP request with an invocation, as the Functions host sends it.
/// `function` is the name of the function. `name` and `value` are the name and the content of its
/// input binding, and `metadata` is the trigger's metadata.
fn envelope(function: &str, name: &str, value: &Value, metadata: &Value) -> Vec<u8> {
    let body = json!({ "Data": { name: value }, "Metadata": metadata }).to_string();
    let headers = [
        ("content-type", "application/json; charset=utf-8".to_owned()),
        (
            "x-azure-functions-invocationid",
            "00000000-0000-4000-8000-000000000001".to_owned(),
        ),
    ];
    request(&format!("/{function}"), &headers, body.as_bytes())
}

/// Returns the JSON objects in an output of an invocation. An output contains them directly, in
/// lists, or in texts that are JSON or base64 of JSON.
fn objects(output: &Value) -> Vec<Value> {
    match output {
        Value::Object(_) => vec![output.clone()],
        Value::Array(elements) => elements.iter().flat_map(objects).collect(),
        Value::String(text) => {
            let parsed = serde_json::from_str::<Value>(text).ok();
            let decoded = || serde_json::from_slice::<Value>(&STANDARD.decode(text).ok()?).ok();
            parsed
                .or_else(decoded)
                .map(|value| objects(&value))
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Converts a JSON answer of the Open Inference Protocol to the format of Azure ML. Returns `None`
/// if the answer does not have two outputs, the labels and a list of probabilities.
fn from_json(answer: &Value) -> Option<Value> {
    let labels = answer.pointer("/outputs/0/data")?;
    let rows: Vec<Value> = answer
        .pointer("/outputs/1/data")?
        .as_array()?
        .chunks(CLASSES)
        .map(|row| row.to_vec().into())
        .collect();
    Some(json!({ "label": labels, "probabilities": rows }))
}

/// Converts an answer with binary tensors to JSON in the format of Azure ML. The tensors are 64-bit
/// labels, followed by 32-bit probabilities. `rows` is the number of digits. Returns `None` if the
/// answer does not state the length of its JSON, or is too short for the labels.
fn from_binary(rows: usize, answer: &Answer) -> Option<Value> {
    let tensors = answer.body.get(answer.json_length?..)?;
    let (labels, probabilities) = tensors.split_at_checked(rows * LABEL_BYTES)?;
    let labels: Vec<i64> = labels
        .as_chunks()
        .0
        .iter()
        .map(|label| i64::from_le_bytes(*label))
        .collect();
    let numbers: Vec<f32> = probabilities
        .as_chunks()
        .0
        .iter()
        .map(|number| f32::from_le_bytes(*number))
        .collect();
    Some(json!({ "label": labels, "probabilities": numbers.chunks(CLASSES).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_in_every_form() {
        let object = json!({ "label": [1] });
        let text = object.to_string();
        for form in [
            object.clone(),
            text.clone().into(),
            encoded(&text),
            json!([text]),
            json!([[object]]).to_string().into(),
        ] {
            assert_eq!(objects(&form), [json!({ "label": [1] })], "{form}");
        }
        assert!(objects(&Value::Null).is_empty() && objects(&"no".into()).is_empty());
    }

    #[test]
    fn both_forms_of_the_protocol_become_one() {
        let json =
            json!({ "outputs": [{ "data": [7] }, { "data": [0, 0, 0, 0, 0, 0, 0, 1.5, 0, 0] }] });
        let expected = json!({ "label": [7], "probabilities": [[0, 0, 0, 0, 0, 0, 0, 1.5, 0, 0]] });
        assert_eq!(from_json(&json), Some(expected));
        let mut body = b"{}".to_vec();
        body.extend(7_i64.to_le_bytes());
        (0..10).for_each(|class| body.extend(if class == 7 { 1.5_f32 } else { 0.0 }.to_le_bytes()));
        let answer = Answer {
            status: 200,
            json_length: Some(2),
            body,
        };
        assert_eq!(from_binary(1, &answer).unwrap()["probabilities"][0][7], 1.5);
        assert_eq!(
            from_binary(
                1,
                &Answer {
                    json_length: None,
                    ..answer
                }
            ),
            None
        );
    }
}
