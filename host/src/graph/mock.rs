//! An engine for tests: one input and one output of numbers, and no file.
//!
//! Owns a graph that doubles its input, and the failures that tests ask for. Must not know any real
//! engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Engine, GraphError, Outputs, Ports, Session, Stop};
use crate::model::Dtype;
use crate::tensor::{EqualSizes, Port, Tensor};

/// Engine for tests, and at the same time the session of this engine. A run doubles the input, or
/// fails.
#[derive(Clone)]
pub(crate) struct Mock {
    ports: Ports,
    /// Names of the output's columns, one list for each run. The last list is used for all further
    /// runs.
    classes: Vec<Vec<String>>,
    fails: bool,
    /// Numbers that a run refuses in its input.
    refuses: Vec<f32>,
    runs: Arc<AtomicUsize>,
    made: Made,
}

/// Counter of the sessions that a [`Mock`] has created.
#[derive(Clone, Default)]
pub(crate) struct Made(Arc<AtomicUsize>);

impl Made {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Mock {
    pub(crate) fn doubling() -> Self {
        let port = |name: &str| Port::new(name, Dtype::F32, vec![None]);
        let ports = Ports {
            inputs: vec![port("x")],
            sizes: EqualSizes::default(),
            outputs: vec![port("y")],
            classes: vec![Vec::new()],
            unranked: vec![false],
        };
        Self {
            ports,
            classes: Vec::new(),
            fails: false,
            refuses: Vec::new(),
            runs: Arc::default(),
            made: Made::default(),
        }
    }

    pub(crate) fn failing() -> Self {
        Self {
            fails: true,
            ..Self::doubling()
        }
    }

    pub(crate) fn refusing(numbers: &[f32]) -> Self {
        Self {
            refuses: numbers.to_vec(),
            ..Self::doubling()
        }
    }

    pub(crate) fn classes(runs: &[&[&str]]) -> Self {
        let classes = runs
            .iter()
            .map(|classes| classes.iter().map(|class| (*class).to_owned()).collect())
            .collect();
        Self {
            classes,
            ..Self::doubling()
        }
    }

    /// Sets the shape that the simulated ONNX file states for its output.
    pub(crate) fn stating(mut self, shape: &[Option<u64>]) -> Self {
        self.ports.outputs[0].shape = shape.to_vec();
        self
    }

    /// Removes the number of dimensions of the output from the simulated ONNX file.
    pub(crate) fn unranked(mut self) -> Self {
        self.ports.unranked = vec![true];
        self
    }

    pub(crate) fn made(&self) -> Made {
        self.made.clone()
    }

    pub(crate) fn input(values: &[f32]) -> Tensor {
        let data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Tensor {
            name: "x".into(),
            dtype: Dtype::F32,
            shape: vec![values.len() as u64],
            data,
        }
    }

    pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
        tensor
            .data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }
}

impl Engine for Mock {
    fn session(&self) -> Result<Box<dyn Session>, GraphError> {
        self.made.0.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(self.clone()))
    }

    fn is_predictable(&self) -> bool {
        true
    }
}

impl Session for Mock {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn run(&mut self, inputs: &[Tensor], stop: &Stop) -> Result<Outputs, GraphError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        let doubled = || {
            let values: Vec<f32> = Self::values(&inputs[0])
                .iter()
                .map(|value| value * 2.0)
                .collect();
            Tensor {
                name: "y".into(),
                ..Self::input(&values)
            }
        };
        let tensor = stop.during(|| (), doubled).ok_or(GraphError::Stopped)?;
        if self.fails {
            return Err(GraphError::Failed("told to".to_owned()));
        }
        if Self::values(&inputs[0])
            .iter()
            .any(|value| self.refuses.contains(value))
        {
            return Err(GraphError::Refused {
                reason: "Node: no such category".to_owned(),
                detail: "at 0x1 of node 7".to_owned(),
            });
        }
        let classes = self
            .classes
            .get(run)
            .or(self.classes.last())
            .cloned()
            .unwrap_or_default();
        Ok(Outputs {
            tensors: vec![tensor],
            classes: vec![classes],
        })
    }
}
