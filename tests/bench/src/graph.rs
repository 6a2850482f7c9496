//! One native call of a graph: from a body to an answer, by the engine that the host has.
//!
//! Owns the sessions. There are as many as cores, with one thread each and the settings of the
//! host's sessions, so that only the work around a run is compared. A run takes microseconds and
//! happens where the request is read, as in any native server. Must not know HTTP, or which graph
//! it is beyond one input of f32 rows and outputs of i64 and f32.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{DynValue, Tensor as OrtTensor, TensorElementType, ValueType};
use scorebox_host::codec::open_inference::ModelName;
use scorebox_host::error::ScoreFailure;
use scorebox_host::model::Dtype;
use scorebox_host::scorer::signature::TensorSignature;
use scorebox_host::tensor::{Port, Tensor};

use crate::scoring;
use crate::serving::Scores;

/// A graph with its sessions.
pub struct Graph {
    idle: Mutex<Vec<Session>>,
    signature: TensorSignature,
    name: ModelName,
}

impl Graph {
    /// Loads the library, and the graph once for each session.
    ///
    /// # Errors
    /// The library or the graph cannot be loaded, or the graph has other inputs than one of f32.
    pub fn load(library: &Path, file: &Path, sessions: usize) -> anyhow::Result<Self> {
        let environment = ort::init_from(library)?
            .with_name("ceiling")
            .with_telemetry(false)
            .build()?;
        // The environment lasts as long as the process.
        let environment: &'static Environment = Box::leak(Box::new(environment));
        let sessions = (0..sessions)
            .map(|_| session(environment, file))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let first = sessions.first().context("no session is wanted")?;
        let [input] = first.inputs() else {
            return Err(anyhow!("the graph has other than one input"));
        };
        let ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } = input.dtype()
        else {
            return Err(anyhow!("the graph's input is not f32"));
        };
        let shape = shape
            .iter()
            .map(|dimension| u64::try_from(*dimension).ok())
            .collect();
        let port = Port::new(input.name(), Dtype::F32, shape);
        let name = ModelName {
            name: "graph".to_owned(),
            version: String::new(),
        };
        Ok(Self {
            signature: scoring::signature(port),
            name,
            idle: Mutex::new(sessions),
        })
    }

    fn run(&self, input: &Tensor) -> anyhow::Result<Vec<Tensor>> {
        let take = || {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
        };
        // There are as many sessions as threads that serve.
        let mut session = take().context("more calls than sessions")?;
        let outputs = outputs(&mut session, input);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
        outputs
    }
}

impl Scores for Graph {
    fn score(&self, body: Bytes) -> Result<Bytes, ScoreFailure> {
        let (inputs, reply) = scoring::parse(&self.signature, body)?;
        let input = inputs
            .first()
            .ok_or_else(|| ScoreFailure::HostFault("no input".to_owned()))?;
        let outputs = self
            .run(input)
            .map_err(|error| ScoreFailure::HostFault(error.to_string()))?;
        Ok(scoring::render(&reply, &self.name, outputs))
    }
}

fn session(environment: &'static Environment, file: &Path) -> anyhow::Result<Session> {
    let text = |error: ort::Error<SessionBuilder>| anyhow!("{error}");
    let session = Session::builder(environment)?
        .with_intra_threads(1)
        .map_err(text)?
        .with_inter_threads(1)
        .map_err(text)?
        .with_memory_pattern(false)
        .map_err(text)?
        .commit_from_file(file)?;
    Ok(session)
}

fn outputs(session: &mut Session, input: &Tensor) -> anyhow::Result<Vec<Tensor>> {
    let shape: Vec<i64> = input
        .shape
        .iter()
        .map(|dimension| i64::try_from(*dimension))
        .collect::<Result<_, _>>()?;
    let elements: Vec<f32> = input
        .data
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let outputs = session.run(vec![(
        input.name.as_str(),
        OrtTensor::from_array((shape, elements))?,
    )])?;
    outputs
        .into_iter()
        .map(|(name, value)| tensor(name, &value))
        .collect()
}

fn tensor(name: &str, value: &DynValue) -> anyhow::Result<Tensor> {
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(anyhow!("`{name}` is no tensor"));
    };
    let (dtype, shape, data) = match ty {
        TensorElementType::Float32 => {
            let (shape, elements) = value.try_extract_tensor::<f32>()?;
            (
                Dtype::F32,
                shape,
                elements
                    .iter()
                    .flat_map(|element| element.to_le_bytes())
                    .collect(),
            )
        }
        TensorElementType::Int64 => {
            let (shape, elements) = value.try_extract_tensor::<i64>()?;
            (
                Dtype::I64,
                shape,
                elements
                    .iter()
                    .flat_map(|element| element.to_le_bytes())
                    .collect(),
            )
        }
        other => return Err(anyhow!("`{name}` is {other}")),
    };
    let shape = shape
        .iter()
        .map(|dimension| u64::try_from(*dimension))
        .collect::<Result<_, _>>()?;
    Ok(Tensor {
        name: name.to_owned(),
        dtype,
        shape,
        data,
    })
}
