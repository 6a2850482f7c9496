//! A scorer that is written against wasi:nn alone, as for any host:
//! `{"graph": "mlp", "input": "X", "rows": [[0.5, …]]}`.
//!
//! Owns one inference through the standard's interface. It answers with each output by its name. It
//! uses no SDK and imports no interface of the contract.

use serde::Deserialize;
use serde_json::{Map, Value, json};

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package elsewhere:classifier@0.1.0;

            world classifier {
                import wasi:nn/tensor@0.2.0-rc-2024-10-28;
                import wasi:nn/errors@0.2.0-rc-2024-10-28;
                import wasi:nn/graph@0.2.0-rc-2024-10-28;
                import wasi:nn/inference@0.2.0-rc-2024-10-28;
                export scorebox:scoring/scorer@0.2.0;
            }
        ",
        world: "elsewhere:classifier/classifier",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    use super::Classifier;
    #[cfg(target_arch = "wasm32")]
    export!(Classifier with_types_in self);
}

use bindings::exports::scorebox::scoring::scorer::{
    Answer, Guest, Invocation, Payload, Problem, ScoreError, Signature,
};
use bindings::scorebox::scoring::types::Shape;
use bindings::wasi::nn::errors::Error;
use bindings::wasi::nn::graph::load_by_name;
use bindings::wasi::nn::tensor::{Tensor, TensorType};

#[derive(Deserialize)]
struct Request {
    graph: String,
    input: String,
    rows: Vec<Vec<f32>>,
}

struct Classifier;

impl Guest for Classifier {
    fn describe() -> Signature {
        let json = Shape {
            content_types: vec!["application/json".into()],
            json_schema: None,
            examples: Vec::new(),
        };
        Signature {
            input: json.clone(),
            output: json,
            deterministic: true,
        }
    }

    fn init() -> Result<(), Problem> {
        Ok(())
    }

    fn run(_call: Invocation, input: Payload) -> Result<Answer, ScoreError> {
        let problem = |code: &str, message: String| Problem {
            code: code.to_owned(),
            message,
            detail: None,
        };
        let request: Request = serde_json::from_slice(&input.body)
            .map_err(|error| ScoreError::Rejected(problem("invalid-json", error.to_string())))?;
        let outputs = infer(&request).map_err(|error| {
            ScoreError::Failed(problem(
                "nn",
                format!("{:?}: {}", error.code(), error.data()),
            ))
        })?;
        Ok(Answer {
            payload: Payload {
                content_type: "application/json".to_owned(),
                body: Value::Object(outputs).to_string().into_bytes(),
            },
            status: None,
            headers: Vec::new(),
        })
    }
}

fn infer(request: &Request) -> Result<Map<String, Value>, Error> {
    let columns = request.rows.first().map_or(0, Vec::len);
    let data: Vec<u8> = request
        .rows
        .iter()
        .flatten()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let tensor = Tensor::new(
        &[request.rows.len() as u32, columns as u32],
        TensorType::Fp32,
        &data,
    );
    let context = load_by_name(&request.graph)?.init_execution_context()?;
    let outputs = context.compute(vec![(request.input.clone(), tensor)])?;
    Ok(outputs
        .into_iter()
        .map(|(name, tensor)| (name, nested(&tensor)))
        .collect())
}

/// Returns a tensor as JSON: a list of numbers, or a list of rows if it has two dimensions.
fn nested(tensor: &Tensor) -> Value {
    let data = tensor.data();
    let numbers: Vec<Value> = match tensor.ty() {
        TensorType::Fp32 => data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| json!(f32::from_le_bytes(*bytes)))
            .collect(),
        TensorType::I64 => data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| json!(i64::from_le_bytes(*bytes)))
            .collect(),
        other => vec![json!(format!("{other:?}"))],
    };
    match tensor.dimensions().as_slice() {
        [_, columns] => numbers
            .chunks((*columns as usize).max(1))
            .map(|row| json!(row))
            .collect(),
        _ => json!(numbers),
    }
}
