//! Conversion between the host's types and the types that are generated from the contract.
//!
//! Owns the bounds on a scorer's texts. Must not know how a guest is called.

use std::time::Instant;

use crate::call::{HttpRequest, Invocation, Source, Value};
use crate::capability::bindings::capabilities::scorebox::scoring::types as wit;
use crate::capability::bindings::tensor_scoring::exports::scorebox::scoring::tensor_scorer::NamedTensor;
use crate::error::{Problem, ScoreFailure};
use crate::tensor::Tensor;
use crate::text::{bounded as bounded_text, cut};

/// Maximum size of a text from a scorer that is sent to a client or logged, in bytes.
pub(super) const TEXT_BYTES: usize = 16 << 10;

/// Maximum length of the error code in an error that a scorer returns, in bytes.
const CODE_BYTES: usize = 64;

/// Converts the facts about a call to the type that a guest gets. The guest gets the time that is
/// left until `deadline`.
pub(super) fn to_wit(invocation: Invocation, deadline: Instant) -> wit::Invocation {
    let http = |http: HttpRequest| wit::HttpRequest {
        method: http.method().to_owned(),
        path: http.path().to_owned(),
        query: http.query(),
    };
    let mut attributes = Vec::with_capacity(invocation.attributes.len());
    for (name, value) in invocation.attributes {
        attributes.push((name, value.into()));
    }
    wit::Invocation {
        id: invocation.id,
        source: match invocation.source {
            Source::Blob => wit::Source::Blob,
            Source::Direct => wit::Source::Direct,
            Source::Http => wit::Source::Http,
            Source::ServiceBus => wit::Source::ServiceBus,
            Source::StorageQueue => wit::Source::StorageQueue,
        },
        attempt: invocation.attempt,
        deadline_ms: Some(left_ms(deadline)),
        http: invocation.http.map(http),
        attributes,
    }
}

/// Returns the time that is left until `deadline`, in milliseconds.
pub(super) fn left_ms(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now());
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
}

impl From<Value> for wit::AttributeValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(value) => Self::Integer(value),
            Value::Number(value) => Self::Number(value),
            Value::Decimal(text) => Self::Decimal(text),
            Value::Text(text) => Self::Text(text),
            Value::Time(text) => Self::Time(text),
        }
    }
}

impl From<wit::Problem> for Problem {
    fn from(problem: wit::Problem) -> Self {
        let kebab = |code: &str| {
            (1..=CODE_BYTES).contains(&code.len())
                && code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let detail = problem
            .detail
            .map(|detail| bounded_text(detail, TEXT_BYTES));
        let message = bounded_text(problem.message, TEXT_BYTES);
        if kebab(&problem.code) {
            return Self {
                code: problem.code,
                message,
                detail,
            };
        }
        // A code is for machines. A text that is not a code goes to the log, where its author finds
        // it.
        let code = cut(&problem.code, CODE_BYTES).escape_debug().to_string();
        let detail = format!(
            "code `{code}` is not kebab-case; {}",
            detail.unwrap_or_default()
        );
        Self {
            code: "unnamed".to_owned(),
            message,
            detail: Some(detail),
        }
    }
}

impl From<wit::ScoreError> for ScoreFailure {
    fn from(error: wit::ScoreError) -> Self {
        match error {
            wit::ScoreError::Rejected(problem) => Self::Rejected(problem.into()),
            wit::ScoreError::Unavailable(problem) => Self::Unavailable(problem.into()),
            wit::ScoreError::Failed(problem) => Self::Failed(problem.into()),
        }
    }
}

impl From<Tensor> for NamedTensor {
    fn from(tensor: Tensor) -> Self {
        Self {
            name: tensor.name,
            dtype: tensor.dtype.into(),
            shape: tensor.shape,
            data: tensor.data,
        }
    }
}

impl From<NamedTensor> for Tensor {
    fn from(tensor: NamedTensor) -> Self {
        Self {
            name: tensor.name,
            dtype: tensor.dtype.into(),
            shape: tensor.shape,
            data: tensor.data,
        }
    }
}
