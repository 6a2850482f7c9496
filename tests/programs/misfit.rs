//! A scorer of tensors whose answer does not fit its ports. The first number of the input chooses
//! the way.
//!
//! Owns the ways: 0 right (the sum of each row), 1 wrong dtype, 2 wrong shape, 3 missing output, 4
//! extra output, 5 data that is shorter than the shape says, 6 not a number, 7 the right tensor
//! twice.

use scorebox_guest::{
    Dtype, Error, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
    export_tensor_scorer,
};

struct Misfit;

impl TensorScorer for Misfit {
    fn describe() -> TensorSignature {
        TensorSignature::new(
            [Port::new("x", Dtype::F32, [None, Some(2)])],
            [Port::new("y", Dtype::F32, [None, Some(1)])],
        )
        .example("right", r#"{"x": [[0, 1]]}"#)
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
        let x = inputs.tensor("x")?.values::<f32>()?;
        let sums: Vec<f32> = x.chunks_exact(2).map(|row| row.iter().sum()).collect();
        let rows = sums.len();
        let right = NamedTensor::new("y", [rows, 1], &sums);
        Ok(match x.first().copied().unwrap_or_default() {
            0.0 => vec![right],
            1.0 => vec![NamedTensor::new("y", [rows, 1], &vec![0.0_f64; rows])],
            2.0 => vec![NamedTensor::new("y", [rows, 2], &x)],
            3.0 => Vec::new(),
            4.0 => vec![right, NamedTensor::new("z", [1], &[0.0_f32])],
            5.0 => vec![NamedTensor {
                data: vec![0; 3],
                ..right
            }],
            6.0 => vec![NamedTensor::new("y", [rows, 1], &vec![f32::NAN; rows])],
            7.0 => vec![right.clone(), right],
            _ => return Err(Error::rejected("unknown-way", "choose a way from 0 to 7")),
        })
    }
}

export_tensor_scorer!(Misfit);
