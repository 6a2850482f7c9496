//! A batchable scorer of tensors that answers with the numbers of rows and calls of its run.
//!
//! Owns three first values of a row that make a run fail: -1 traps, -2 never ends, -3 is rejected.
//! Other rows give the double of their first value.

use scorebox_guest::{
    Dtype, Error, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
    export_tensor_scorer,
};

struct Rows;

impl TensorScorer for Rows {
    fn describe() -> TensorSignature {
        let outputs = [
            ("doubled", Dtype::F32),
            ("rows", Dtype::I64),
            ("calls", Dtype::I64),
        ];
        TensorSignature::new(
            [Port::new("x", Dtype::F32, [None, None])],
            outputs.map(|(name, dtype)| Port::new(name, dtype, [None])),
        )
        .batchable()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
        let tensor = inputs.tensor("x")?;
        let rows = usize::try_from(tensor.shape[0]).unwrap_or(0);
        let values = tensor.values::<f32>()?;
        let width = values.len() / rows.max(1);
        let first: Vec<f32> = values.chunks(width.max(1)).map(|row| row[0]).collect();
        for value in &first {
            match *value {
                -1.0 => panic!("told to"),
                -2.0 => loop {
                    std::hint::black_box(());
                },
                -3.0 => return Err(Error::rejected("told-to-reject", "this row is not wanted")),
                _ => {}
            }
        }
        let doubled: Vec<f32> = first.iter().map(|value| value * 2.0).collect();
        let same = |value: usize| vec![i64::try_from(value).unwrap_or(i64::MAX); rows];
        Ok(vec![
            NamedTensor::new("doubled", [rows], &doubled),
            NamedTensor::new("rows", [rows], &same(rows)),
            NamedTensor::new("calls", [rows], &same(calls.len())),
        ])
    }
}

export_tensor_scorer!(Rows);
