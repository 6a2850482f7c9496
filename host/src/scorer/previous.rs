//! Types of the contract 0.1.0, the previous version, as far as they differ from the current ones.
//!
//! Owns these types, and the conversion of the facts about a call to them. Must not know how a
//! component is called. All other types of the contract 0.1.0 are equal in 0.2.0. The generated
//! types of 0.2.0 serve both versions, because components compare types by their structure. The
//! types in this module are written by hand, because generated bindings of a second package would
//! make the host larger. The tests run components that were built against the files of 0.1.0.

use std::time::Instant;

use wasmtime::component::{ComponentType, Lift, Lower};

use super::conversion;
use crate::call;
use crate::capability::bindings::capabilities::scorebox::scoring::{model, types};
use crate::capability::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer;

/// Kind of event that caused a call, in the contract 0.1.0.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Source {
    #[component(name = "http")]
    Http,
    #[component(name = "blob")]
    Blob,
    #[component(name = "service-bus")]
    ServiceBus,
    #[component(name = "direct")]
    Direct,
    #[component(name = "warm-up")]
    #[expect(dead_code, reason = "the contract has it, and no call is one")]
    WarmUp,
}

/// Facts about one call, in the contract 0.1.0. All attributes are texts.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Invocation {
    id: String,
    source: Source,
    attempt: u32,
    #[component(name = "deadline-ms")]
    deadline_ms: Option<u32>,
    attributes: Vec<(String, String)>,
}

/// Signature of a tensor scorer in the contract 0.1.0. It does not state facts about the inputs.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct TensorSignature {
    inputs: Vec<model::Port>,
    outputs: Vec<model::Port>,
    batchable: bool,
    deterministic: bool,
    examples: Vec<types::Example>,
}

impl From<TensorSignature> for tensor_scorer::TensorSignature {
    fn from(signature: TensorSignature) -> Self {
        let input = |port: model::Port| tensor_scorer::InputPort {
            name: port.name,
            dtype: port.dtype,
            shape: port.shape,
            missing: false,
            boolean: false,
            columns: Vec::new(),
        };
        Self {
            inputs: signature.inputs.into_iter().map(input).collect(),
            outputs: signature.outputs,
            batchable: signature.batchable,
            deterministic: signature.deterministic,
            examples: signature.examples,
        }
    }
}

/// Converts the facts about a call to the type that a guest of 0.1.0 gets. The guest gets the time
/// that is left until `deadline`. An attribute that is null is left out.
pub(super) fn invocation(invocation: call::Invocation, deadline: Instant) -> Invocation {
    let mut attributes = Vec::with_capacity(invocation.attributes.len());
    for (name, value) in invocation.attributes {
        if let Some(text) = value.into_text() {
            attributes.push((name, text));
        }
    }
    Invocation {
        id: invocation.id,
        source: match invocation.source {
            call::Source::Blob => Source::Blob,
            call::Source::Direct => Source::Direct,
            call::Source::Http => Source::Http,
            // 0.1.0 has one case for messages.
            call::Source::ServiceBus | call::Source::StorageQueue => Source::ServiceBus,
        },
        attempt: invocation.attempt,
        deadline_ms: Some(conversion::left_ms(deadline)),
        attributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Value;

    #[test]
    fn a_component_of_0_1_0_sees_texts() {
        let mut call = call::Invocation::new("id", call::Source::StorageQueue);
        call.attributes = [
            ("property.a", Value::Integer(1)),
            ("property.b", Value::Null),
            ("property.c", Value::Boolean(true)),
            ("property.d", "1".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        let seen = invocation(call, Instant::now());
        let expected = [
            ("property.a", "1"),
            ("property.c", "true"),
            ("property.d", "1"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(seen.attributes, expected);
        assert!(matches!(seen.source, Source::ServiceBus));
    }
}
