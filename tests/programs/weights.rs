//! A scorer that reads its model as the request says: `[{"read": "floats", "name": "coef", "start":
//! 0, "count": 2}]`.
//!
//! Owns a name for every function of the contract's `model`. It answers with one `{"ok": …}` or
//! `{"error": …}` for each read. It calls the functions directly, because the SDK would split a
//! read that exceeds the host's limit. The reads `whole-…` use the SDK.

use scorebox_guest::bindings::capabilities::scorebox::scoring::model::{
    self as raw, Error, TensorInfo,
};
use scorebox_guest::{Invocation, Json, Result, Scorer, Signature, export_scorer, model};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
enum Read {
    Info,
    Tensors,
    TensorInfo {
        name: String,
    },
    Bytes {
        name: String,
        start: u64,
        count: u64,
    },
    Floats {
        name: String,
        start: u64,
        count: u64,
    },
    Rows {
        name: String,
        indices: Vec<u64>,
    },
    Files,
    File {
        name: String,
        start: u64,
        count: u64,
    },
    WholeFloats {
        name: String,
    },
    WholeIntegers {
        name: String,
    },
    WholeNumbers {
        name: String,
    },
    WholeFile {
        name: String,
    },
}

struct Weights;

impl Scorer for Weights {
    type Input = Json<Vec<Read>>;
    type Output = Json<Vec<Value>>;

    fn describe() -> Signature {
        Signature::json()
            .input_example("names", r#"[{"read": "tensors"}, {"read": "files"}]"#)
            .deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(
        &mut self,
        _call: &Invocation,
        Json(reads): Json<Vec<Read>>,
    ) -> Result<Json<Vec<Value>>> {
        let results = reads.into_iter().map(|read| match perform(read) {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": rendered_error(error) }),
        });
        Ok(Json(results.collect()))
    }
}

export_scorer!(Weights);

fn perform(read: Read) -> Result<Value, Error> {
    Ok(match read {
        Read::Info => {
            let info = raw::info();
            json!({ "name": info.name, "version": info.version, "digest": info.digest, "labels": info.labels })
        }
        Read::Tensors => raw::tensors().into_iter().map(rendered).collect(),
        Read::TensorInfo { name } => rendered(raw::Tensor::open(&name)?.info()),
        Read::Bytes { name, start, count } => sized(raw::Tensor::open(&name)?.bytes(start, count)?),
        Read::Floats { name, start, count } => {
            sized(raw::Tensor::open(&name)?.floats(start, count)?)
        }
        Read::Rows { name, indices } => sized(raw::Tensor::open(&name)?.rows(&indices)?),
        Read::Files => json!(raw::files()),
        Read::File { name, start, count } => sized(raw::read_file(&name, start, count)?),
        Read::WholeFloats { name } => sized(model::Tensor::open(&name)?.floats()?),
        Read::WholeIntegers { name } => sized(model::Tensor::open(&name)?.integers()?),
        Read::WholeNumbers { name } => sized(model::Tensor::open(&name)?.numbers()?),
        Read::WholeFile { name } => sized(model::read_file(&name)?),
    })
}

/// Returns all values of a list of at most 10,000. For a longer list it returns only the length,
/// because no test wants to see the values.
fn sized<T: serde::Serialize>(values: Vec<T>) -> Value {
    if values.len() > 10_000 {
        json!({ "length": values.len() })
    } else {
        json!(values)
    }
}

fn rendered(info: TensorInfo) -> Value {
    json!({ "name": info.name, "dtype": info.dtype.to_string(), "shape": info.shape })
}

fn rendered_error(error: Error) -> Value {
    match error {
        Error::NotFound(name) => json!({ "not-found": name }),
        Error::OutOfRange => json!("out-of-range"),
        Error::WrongType(dtype) => json!({ "wrong-type": dtype.to_string() }),
        Error::TooLarge(limit) => json!({ "too-large": limit }),
    }
}
