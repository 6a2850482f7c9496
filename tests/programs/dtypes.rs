//! A scorer of tensors that returns its input, with a port for each element type of the contract.
//!
//! Owns the ports' names: those of the element types, in lower case.

use scorebox_guest::{
    Dtype, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
    export_tensor_scorer,
};

const DTYPES: [Dtype; 13] = [
    Dtype::Bool,
    Dtype::U8,
    Dtype::I8,
    Dtype::U16,
    Dtype::I16,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::U32,
    Dtype::I32,
    Dtype::F32,
    Dtype::U64,
    Dtype::I64,
    Dtype::F64,
];

struct Dtypes;

impl TensorScorer for Dtypes {
    fn describe() -> TensorSignature {
        let ports = DTYPES.map(|dtype| Port::new(dtype.to_string(), dtype, [None]));
        TensorSignature::new(ports.clone(), ports).deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _calls: &[Invocation], Inputs(tensors): Inputs) -> Result<Vec<NamedTensor>> {
        Ok(tensors)
    }
}

export_tensor_scorer!(Dtypes);
