//! A scorer of payloads that was built against the contract 0.1.0, from the kept copy of its WIT.
//!
//! Owns an answer that shows what arrived, and uses a function of each interface of 0.1.0 that needs
//! no Redis and no graph. It uses no SDK, because the SDK is for the current contract.

use serde_json::json;

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
            package elder:scorer@0.1.0;

            world elder {
                import scorebox:scoring/model@0.1.0;
                import scorebox:scoring/cache@0.1.0;
                import scorebox:scoring/metrics@0.1.0;
                import wasi:keyvalue/store@0.2.0-draft2;
                export scorebox:scoring/scorer@0.1.0;
            }
        ",
        world: "elder:scorer/elder",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    use super::Elder;
    #[cfg(target_arch = "wasm32")]
    export!(Elder with_types_in self);
}

use bindings::exports::scorebox::scoring::scorer::{
    Guest, Invocation, Payload, Problem, ScoreError, Signature,
};
use bindings::scorebox::scoring::types::Shape;
use bindings::scorebox::scoring::{cache, metrics, model};
use bindings::wasi::keyvalue::store;

struct Elder;

impl Guest for Elder {
    fn describe() -> Signature {
        let any = Shape {
            content_types: Vec::new(),
            json_schema: None,
            examples: Vec::new(),
        };
        Signature {
            input: any.clone(),
            output: any,
            deterministic: false,
        }
    }

    fn init() -> Result<(), Problem> {
        Ok(())
    }

    fn run(call: Invocation, input: Payload) -> Result<Payload, ScoreError> {
        if input.body == b"reject" {
            return Err(ScoreError::Rejected(Problem {
                code: "told-to".to_owned(),
                message: "rejected".to_owned(),
                detail: None,
            }));
        }
        let bucket = store::open("default").map_err(failed)?;
        let calls = cache::increment(&bucket, "calls", 1, 60_000).map_err(failed)?;
        let coef = model::Tensor::open("coef").map_err(failed)?;
        let first = coef.floats(0, 1).map_err(failed)?.len();
        let rows = coef.rows(&[0]).map_err(failed)?.len();
        metrics::count("elder", 1, &[]);
        let body = json!({
            "body": input.body,
            "content_type": input.content_type,
            "source": format!("{:?}", call.source),
            "attributes": call.attributes,
            "calls": calls,
            "tensors": model::tensors().len(),
            "read": [first, rows],
        });
        Ok(Payload {
            content_type: "application/json".to_owned(),
            body: body.to_string().into_bytes(),
        })
    }
}

fn failed(error: impl std::fmt::Debug) -> ScoreError {
    ScoreError::Failed(Problem {
        code: "failed".to_owned(),
        message: format!("{error:?}"),
        detail: None,
    })
}
