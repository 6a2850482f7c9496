//! A scorer of tensors that was built against the contract 0.1.0, from the kept copy of its WIT.
//!
//! Owns the answer, the double of each number. It uses no SDK, because the SDK is for the current
//! contract.

#[allow(unsafe_code, reason = "generated: the ABI needs raw pointers")]
mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-nn.wit",
            "../../wit/deps/wasi-keyvalue.wit",
            "../../wit/deps/wasi-logging.wit",
            "../../wit/deps/wasi-config.wit",
            "../data/contract-0.1.0",
        ],
        inline: "
            package elder:rows@0.1.0;

            world rows {
                export scorebox:scoring/tensor-scorer@0.1.0;
            }
        ",
        world: "elder:rows/rows",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    use super::Rows;
    #[cfg(target_arch = "wasm32")]
    export!(Rows with_types_in self);
}

use bindings::exports::scorebox::scoring::tensor_scorer::{
    Dtype, Guest, Invocation, NamedTensor, Port, Problem, ScoreError, TensorSignature,
};

struct Rows;

impl Guest for Rows {
    fn describe() -> TensorSignature {
        let port = |name: &str| Port {
            name: name.to_owned(),
            dtype: Dtype::F32,
            shape: vec![None],
        };
        TensorSignature {
            inputs: vec![port("x")],
            outputs: vec![port("doubled")],
            batchable: true,
            deterministic: true,
            examples: Vec::new(),
        }
    }

    fn init() -> Result<(), Problem> {
        Ok(())
    }

    fn run(
        _calls: Vec<Invocation>,
        inputs: Vec<NamedTensor>,
    ) -> Result<Vec<NamedTensor>, ScoreError> {
        let doubled = |tensor: NamedTensor| {
            let (numbers, _) = tensor.data.as_chunks();
            let numbers = numbers.iter().map(|bytes| 2.0 * f32::from_le_bytes(*bytes));
            NamedTensor {
                name: "doubled".to_owned(),
                data: numbers.flat_map(f32::to_le_bytes).collect(),
                ..tensor
            }
        };
        Ok(inputs.into_iter().map(doubled).collect())
    }
}
