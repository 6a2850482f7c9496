//! A scorer of tensors that states facts about its inputs in its signature.
//!
//! Owns the answer, which shows what arrived, and four ways to state them. Tests choose the way by
//! a byte of the compiled component, because `describe` reads nothing else: 0 right, 1 missing
//! values in an input of integers, 2 a panic, 3 no end.

use scorebox_guest::{
    Dtype, InputPort, Inputs, Invocation, NamedTensor, Port, Result, TensorScorer, TensorSignature,
    export_tensor_scorer,
};

/// The way to state facts is the last byte.
static WAY: &[u8] = b"the way to state facts is 0";

struct Census;

impl TensorScorer for Census {
    fn describe() -> TensorSignature {
        let people = InputPort::new("people", Dtype::F64, [None, None]);
        let member = InputPort::new("member", Dtype::I64, [None]).boolean();
        let member = match std::hint::black_box(WAY).last() {
            Some(b'1') => member.missing(),
            Some(b'2') => panic!("told to"),
            Some(b'3') => loop {
                std::hint::black_box(());
            },
            _ => member,
        };
        TensorSignature::new(
            [people.missing().columns(["age", "income"]), member],
            [
                Port::new("known", Dtype::I64, [None]),
                Port::new("members", Dtype::I64, [None]),
            ],
        )
        .deterministic()
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _calls: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
        let people = inputs.tensor("people")?;
        let width = usize::try_from(people.shape[1]).unwrap_or(1).max(1);
        let known: Vec<i64> = people
            .values::<f64>()?
            .chunks(width)
            .map(|row| row.iter().map(|number| i64::from(!number.is_nan())).sum())
            .collect();
        let members = inputs.tensor("member")?.values::<i64>()?;
        Ok(vec![
            NamedTensor::new("known", [known.len()], &known),
            NamedTensor::new("members", [members.len()], &members),
        ])
    }
}

export_tensor_scorer!(Census);
