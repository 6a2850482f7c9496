//! A scorer that uses graphs as the request says: `{"ops": [{"op": "run", "graph": "m", "inputs":
//! [{"name": "x", "shape": [1], "floats": [0.5]}]}]}`.
//!
//! Owns a name for every function of wasi:nn and of the contract's `graphs`, and misuse of each. It
//! answers with one `{"ok": …}` or `{"error": …}` for each operation. `run` uses the SDK. `raw` and
//! `nn-…` call the functions directly. `init` opens the graph that the model's file `init` names,
//! through the interface that the file names first.

use scorebox_guest::bindings::capabilities::scorebox::scoring::graphs as raw;
use scorebox_guest::graphs::{self, ElementType, Error, Graph, Input, Output, Port};
use scorebox_guest::nn::errors::{Error as NnError, ErrorCode};
use scorebox_guest::nn::graph::{ExecutionTarget, GraphEncoding, load, load_by_name};
use scorebox_guest::nn::tensor::{Tensor, TensorType};
use scorebox_guest::{Dtype, Invocation, Json, Result, Scorer, Signature, export_scorer, model};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Request {
    ops: Vec<Op>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Op {
    List,
    Open {
        graph: String,
    },
    Run {
        graph: String,
        inputs: Vec<Given>,
    },
    Raw {
        graph: String,
        inputs: Vec<Given>,
    },
    NnCompute {
        graph: String,
        inputs: Vec<NnGiven>,
    },
    NnLoad,
    /// An operation that opens a graph and `count` contexts of it, and keeps them until its end.
    NnOpen {
        graph: String,
        count: usize,
    },
    /// An operation that opens a graph and a context of it `count` times, and drops both each time.
    NnReopen {
        graph: String,
        count: usize,
    },
    /// An operation that gets `count` errors, by the name of a graph that does not exist. With
    /// `hold`, it keeps them until its end.
    NnMiss {
        count: usize,
        hold: bool,
    },
    /// An operation that runs a graph `count` times on the same inputs, until one run fails for
    /// another reason than its inputs. With `hold`, it keeps the outputs until its end.
    NnRepeat {
        graph: String,
        inputs: Vec<NnGiven>,
        count: usize,
        hold: bool,
    },
    /// An operation that creates `count` tensors of `bytes` bytes, and keeps them until its end.
    NnHold {
        count: usize,
        bytes: usize,
    },
    /// An operation that creates `count` tensors of `bytes` bytes, and drops each before the next.
    NnMake {
        count: usize,
        bytes: usize,
    },
    /// An operation that creates a tensor and reads it back.
    NnTensor {
        tensor: NnGiven,
    },
}

#[derive(Deserialize)]
struct Given {
    name: String,
    shape: Vec<u64>,
    floats: Option<Vec<f32>>,
    integers: Option<Vec<i64>>,
    flags: Option<Vec<bool>>,
    texts: Option<Vec<String>>,
    /// Elements of the type u8.
    bytes: Option<Vec<u8>>,
}

#[derive(Deserialize, Clone)]
struct NnGiven {
    #[serde(default)]
    name: String,
    dimensions: Vec<u32>,
    ty: String,
    #[serde(default)]
    floats: Vec<f32>,
    #[serde(default)]
    bytes: Vec<u8>,
}

struct Grapher;

impl Scorer for Grapher {
    type Input = Json<Request>;
    type Output = Json<Vec<Value>>;

    fn describe() -> Signature {
        Signature::json().input_example("names", r#"{"ops": [{"op": "list"}]}"#)
    }

    fn init() -> Result<Self> {
        let told =
            model::read_file("init").map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match told.as_deref().map(|told| told.trim().split_once(' ')) {
            Ok(Some(("nn", graph))) => drop(load_by_name(graph)?),
            Ok(Some(("graphs", graph))) => drop(Graph::open(graph)?),
            _ => {}
        }
        Ok(Self)
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(request): Json<Request>,
    ) -> Result<Json<Vec<Value>>> {
        let results = request.ops.into_iter().map(|op| match perform(op) {
            Ok(value) => json!({ "ok": value }),
            Err(Fault(fault)) => json!({ "error": fault }),
        });
        Ok(Json(results.collect()))
    }
}

export_scorer!(Grapher);

/// An error in the form that the test sees.
struct Fault(Value);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::NotFound(name) => json!({ "not-found": name }),
            Error::InvalidArgument(text) => json!({ "invalid-argument": text }),
            Error::TooLarge(limit) => json!({ "too-large": limit }),
            Error::Failed(text) => json!({ "failed": text }),
        })
    }
}

impl From<NnError> for Fault {
    fn from(error: NnError) -> Self {
        Self(json!({ "code": format!("{:?}", error.code()), "data": error.data() }))
    }
}

fn perform(op: Op) -> std::result::Result<Value, Fault> {
    Ok(match op {
        Op::List => graphs::list()
            .into_iter()
            .map(|graph| {
                let ports = |ports: Vec<Port>| ports.into_iter().map(described).collect::<Value>();
                json!({ "name": graph.name, "inputs": ports(graph.inputs), "outputs": ports(graph.outputs) })
            })
            .collect(),
        Op::Open { graph } => json!(Graph::open(&graph)?.info()?.inputs.len()),
        Op::Run { graph, inputs } => {
            let outputs = Graph::lazy(&graph).run(inputs.into_iter().map(input))?;
            outputs.iter().map(rendered).collect()
        }
        Op::Raw { graph, inputs } => {
            let inputs: Vec<_> = inputs.into_iter().map(tensor).collect();
            let outputs = raw::compute(&graph, &inputs)?;
            outputs.into_iter().map(|output| json!([output.name, output.shape])).collect()
        }
        Op::NnCompute { graph, inputs } => {
            let context = load_by_name(&graph)?.init_execution_context()?;
            let inputs = inputs.into_iter().map(|given| (given.name.clone(), nn_tensor(&given))).collect();
            let outputs = context.compute(inputs)?;
            outputs.iter().map(|(name, tensor)| json!([name, read_back(tensor)])).collect()
        }
        Op::NnLoad => {
            load(&[vec![8, 8]], GraphEncoding::Onnx, ExecutionTarget::Cpu)?;
            Value::Null
        }
        Op::NnOpen { graph, count } => {
            let graph = load_by_name(&graph)?;
            let contexts =
                (0..count).map(|_| graph.init_execution_context()).collect::<std::result::Result<Vec<_>, _>>();
            json!(contexts?.len())
        }
        Op::NnReopen { graph, count } => {
            for _ in 0..count {
                load_by_name(&graph)?.init_execution_context()?;
            }
            json!(count)
        }
        Op::NnMiss { count, hold } => {
            let mut held = Vec::new();
            for _ in 0..count {
                held.extend(load_by_name("nobody").err().filter(|_| hold));
            }
            json!(held.len())
        }
        Op::NnRepeat { graph, inputs, count, hold } => {
            let context = load_by_name(&graph)?.init_execution_context()?;
            let (mut held, mut run, mut misfits) = (Vec::new(), 0, 0);
            for _ in 0..count {
                let inputs = inputs.iter().map(|given| (given.name.clone(), nn_tensor(given))).collect();
                match context.compute(inputs) {
                    Ok(outputs) if hold => held.push(outputs),
                    Ok(_) => {}
                    Err(error) if matches!(error.code(), ErrorCode::InvalidArgument) => misfits += 1,
                    Err(error) => return Ok(json!({ "run": run, "fault": Fault::from(error).0 })),
                }
                run += 1;
            }
            json!({ "run": run, "misfits": misfits })
        }
        Op::NnHold { count, bytes } => {
            let data = vec![0; bytes];
            let held: Vec<_> = (0..count).map(|_| Tensor::new(&[bytes as u32], TensorType::U8, &data)).collect();
            json!(held.len())
        }
        Op::NnMake { count, bytes } => {
            let data = vec![0; bytes];
            (0..count).for_each(|_| drop(Tensor::new(&[bytes as u32], TensorType::U8, &data)));
            json!(count)
        }
        Op::NnTensor { tensor } => read_back(&nn_tensor(&tensor)),
    })
}

fn described(port: Port) -> Value {
    let element = match port.element {
        ElementType::Plain(dtype) => dtype.to_string(),
        ElementType::Text => "text".to_owned(),
    };
    json!({
        "name": port.name, "element": element, "shape": port.shape, "in-wasi-nn": port.in_wasi_nn, "classes": port.classes,
    })
}

/// Converts an input through the SDK, which has typed values and shapes of a known rank.
fn input(given: Given) -> Input {
    let shape: Vec<usize> = given.shape.iter().map(|size| *size as usize).collect();
    let (name, shape) = (
        given.name.as_str(),
        [
            shape.first().copied().unwrap_or(1),
            shape.get(1).copied().unwrap_or(1),
        ],
    );
    match given {
        Given {
            floats: Some(floats),
            ..
        } if given.shape.len() == 1 => Input::new(name, [shape[0]], &floats),
        Given {
            floats: Some(floats),
            ..
        } => Input::new(name, shape, &floats),
        Given {
            integers: Some(integers),
            ..
        } if given.shape.is_empty() => Input::new(name, [], &integers),
        Given {
            integers: Some(integers),
            ..
        } if given.shape.len() == 1 => Input::new(name, [shape[0]], &integers),
        Given {
            integers: Some(integers),
            ..
        } => Input::new(name, shape, &integers),
        Given {
            flags: Some(flags), ..
        } => Input::new(name, shape, &flags),
        Given {
            texts: Some(texts), ..
        } => Input::texts(name, shape, texts),
        Given { bytes, .. } => Input::new(name, shape, &bytes.unwrap_or_default()),
    }
}

/// Converts an input as it is given, even if its shape does not fit its elements.
fn tensor(given: Given) -> raw::Tensor {
    let bytes = |of: Vec<Vec<u8>>| of.concat();
    let elements = match given {
        Given {
            floats: Some(floats),
            ..
        } => raw::Elements::Plain((
            Dtype::F32,
            bytes(
                floats
                    .iter()
                    .map(|value| value.to_le_bytes().to_vec())
                    .collect(),
            ),
        )),
        Given {
            integers: Some(integers),
            ..
        } => raw::Elements::Plain((
            Dtype::I64,
            bytes(
                integers
                    .iter()
                    .map(|value| value.to_le_bytes().to_vec())
                    .collect(),
            ),
        )),
        Given {
            flags: Some(flags), ..
        } => raw::Elements::Plain((
            Dtype::Bool,
            flags.iter().map(|flag| u8::from(*flag)).collect(),
        )),
        Given {
            texts: Some(texts), ..
        } => raw::Elements::Texts(texts),
        Given { bytes, .. } => raw::Elements::Plain((Dtype::U8, bytes.unwrap_or_default())),
    };
    raw::Tensor {
        name: given.name,
        shape: given.shape,
        elements,
    }
}

fn rendered(output: Output<'_>) -> Value {
    let values = match output.element() {
        ElementType::Text => json!(output.as_texts().unwrap_or_default()),
        ElementType::Plain(Dtype::F32) => json!(output.values::<f32>().unwrap_or_default()),
        ElementType::Plain(Dtype::I64) => json!(output.values::<i64>().unwrap_or_default()),
        ElementType::Plain(Dtype::Bool) => json!(output.values::<bool>().unwrap_or_default()),
        ElementType::Plain(other) => json!(other.to_string()),
    };
    json!([output.name(), output.shape(), values])
}

fn nn_tensor(given: &NnGiven) -> Tensor {
    let ty = match given.ty.as_str() {
        "fp16" => TensorType::Fp16,
        "fp64" => TensorType::Fp64,
        "i64" => TensorType::I64,
        "i32" => TensorType::I32,
        "u8" => TensorType::U8,
        _ => TensorType::Fp32,
    };
    let floats = given.floats.iter().flat_map(|number| number.to_le_bytes());
    let data: Vec<u8> = if given.floats.is_empty() {
        given.bytes.clone()
    } else {
        floats.collect()
    };
    Tensor::new(&given.dimensions, ty, &data)
}

fn read_back(tensor: &Tensor) -> Value {
    let data = tensor.data();
    let values = match tensor.ty() {
        TensorType::Fp32 => {
            json!(
                data.as_chunks()
                    .0
                    .iter()
                    .map(|bytes| f32::from_le_bytes(*bytes))
                    .collect::<Vec<_>>()
            )
        }
        _ => json!(data),
    };
    json!([tensor.dimensions(), format!("{:?}", tensor.ty()), values])
}
