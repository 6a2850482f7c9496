//! The format that an answer of the scorer must have, no matter where the answer came from.
//!
//! Owns the check of answers that come from the store. Anyone who can write to the store can write
//! anything, so an entry may be forged. Must not know where answers are kept.

use crate::call::Payload;
use crate::codec::media_type::same_type;
use crate::scorer::output::Output;
use crate::scorer::signature::Signature;
use crate::tensor::{self, Misfit, Port};

/// Maximum length of the content type of an answer in the prediction cache, in bytes.
const CONTENT_TYPE_BYTES: usize = 1 << 10;

/// Reason why an entry of the prediction cache's store is not an answer that the scorer could have
/// given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedEntry {
    /// The bytes in the store are not an entry for the key.
    #[error("it is damaged, or written for another key")]
    Damaged,
    /// The number of tensors of the answer is not the number of outputs of the scorer.
    #[error("it has {found} tensors, and the scorer has {expected} outputs")]
    Count {
        /// Number of tensors of the answer.
        found: usize,
        /// Number of outputs of the scorer.
        expected: usize,
    },
    /// A tensor of the answer does not fit its output port.
    #[error(transparent)]
    Tensors(#[from] Misfit),
    /// The answer is a payload, but the scorer answers with tensors.
    #[error("it is a payload, and the scorer answers tensors")]
    NoTensors,
    /// The answer consists of tensors, but the scorer answers with payloads.
    #[error("it consists of tensors, and the scorer answers payloads")]
    NoPayload,
    /// The content type of the answer is too long. The number is its length in bytes.
    #[error("its content type has {0} bytes")]
    LongContentType(usize),
    /// The content type of the answer is not a media type.
    #[error("its content type `{}` is not a media type", .0.escape_debug())]
    NotMediaType(String),
    /// The content type of the answer is a media type that the scorer's signature does not state.
    #[error("its content type `{0}` is not one that the scorer states")]
    Unstated(String),
}

/// Outputs that the scorer's signature states. Answers from the store are checked against them.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Media types of a payload scorer's answers. If the list is empty, any type is accepted.
    Payload(Vec<String>),
    /// Output ports of a tensor scorer, which the tensors of an answer must match.
    Tensors(Vec<Port>),
}

impl From<Signature<'_>> for Expected {
    fn from(signature: Signature<'_>) -> Self {
        match signature {
            Signature::Payload(signature) => Self::Payload(signature.output.content_types.clone()),
            Signature::Tensor(signature) => Self::Tensors(signature.outputs.clone()),
        }
    }
}

impl Expected {
    /// Checks an answer from the store against the scorer's outputs. Returns the answer with its
    /// tensors in the order of the output ports.
    ///
    /// # Errors
    /// Fails if the answer does not fit the scorer's outputs.
    pub fn checked(&self, output: Output) -> Result<Output, RefusedEntry> {
        match (self, output) {
            (Self::Tensors(ports), Output::Tensors(tensors)) => {
                if tensors.len() != ports.len() {
                    return Err(RefusedEntry::Count {
                        found: tensors.len(),
                        expected: ports.len(),
                    });
                }
                Ok(Output::Tensors(tensor::in_order(ports, tensors)?))
            }
            (Self::Payload(content_types), Output::Payload(payload)) => {
                fits(content_types, &payload)?;
                Ok(Output::Payload(payload))
            }
            // The headers were checked when the entry was decoded.
            (Self::Payload(content_types), Output::Chosen(payload, http)) => {
                fits(content_types, &payload)?;
                Ok(Output::Chosen(payload, http))
            }
            (Self::Tensors(_), Output::Payload(_) | Output::Chosen(..)) => {
                Err(RefusedEntry::NoTensors)
            }
            (Self::Payload(_), Output::Tensors(_)) => Err(RefusedEntry::NoPayload),
        }
    }

    /// Returns true if an answer of the scorer is kept: its status is 200, and it would be accepted
    /// when it is read back from the store. Tensors are checked when the scorer returns them, so
    /// they are always accepted.
    ///
    /// An answer with another status is not kept, because it may describe a temporary problem.
    #[must_use]
    pub fn takes_back(&self, output: &Output) -> bool {
        match (self, output) {
            (Self::Tensors(_), Output::Tensors(_)) => true,
            (Self::Payload(content_types), Output::Payload(payload)) => {
                fits(content_types, payload).is_ok()
            }
            (Self::Payload(content_types), Output::Chosen(payload, http)) => {
                http.status() == 200 && fits(content_types, payload).is_ok()
            }
            _ => false,
        }
    }
}

/// Checks that the content type of a payload is a media type that the scorer may answer with: one
/// of `content_types`, or any media type or none if the list is empty. Also checks the length of
/// the content type. The content type is checked because it becomes a header, and callers decode
/// the body by it.
fn fits(content_types: &[String], payload: &Payload) -> Result<(), RefusedEntry> {
    let label = payload.content_type.as_str();
    if label.len() > CONTENT_TYPE_BYTES {
        return Err(RefusedEntry::LongContentType(label.len()));
    }
    if content_types.is_empty() && label.is_empty() {
        return Ok(());
    }
    let is_printable = label.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_printable || label.parse::<mime::Mime>().is_err() {
        return Err(RefusedEntry::NotMediaType(label.to_owned()));
    }
    if !content_types.is_empty() && !content_types.iter().any(|stated| same_type(stated, label)) {
        return Err(RefusedEntry::Unstated(label.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dtype;
    use crate::tensor::Tensor;

    fn payload(content_type: &str) -> Output {
        Output::Payload(Payload {
            content_type: content_type.to_owned(),
            body: "1".into(),
        })
    }

    #[test]
    fn an_answer_of_another_form_than_the_signature_is_refused() {
        let port = |name: &str, shape: &[Option<u64>]| Port::new(name, Dtype::F32, shape.to_vec());
        let tensors =
            Expected::Tensors(vec![port("label", &[None]), port("scores", &[None, None])]);
        let tensor = |name: &str, dtype: Dtype, shape: &[u64], bytes: usize| Tensor {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            data: vec![0; bytes],
        };
        let label = || tensor("label", Dtype::F32, &[1], 4);
        let scores = || tensor("scores", Dtype::F32, &[1, 2], 8);
        let checked = |list: Vec<Tensor>| tensors.checked(Output::Tensors(list));
        assert_eq!(
            checked(vec![scores(), label()]),
            Ok(Output::Tensors(vec![label(), scores()]))
        );
        let refused = [
            vec![],
            vec![label()],
            vec![label(), label()],
            vec![label(), scores(), label()],
            vec![label(), tensor("score", Dtype::F32, &[1, 2], 8)],
            vec![label(), tensor("scores", Dtype::I32, &[1, 2], 8)],
            vec![label(), tensor("scores", Dtype::F32, &[1, 2], 4)],
            vec![label(), tensor("scores", Dtype::F32, &[2], 8)],
            vec![label(), tensor("scores", Dtype::F32, &[1 << 31, 0], 0)],
            vec![
                label(),
                tensor("scores", Dtype::F32, &[1 << 32, 1 << 32], 0),
            ],
            vec![label(), tensor("scores", Dtype::F32, &[0, u64::MAX], 0)],
        ];
        for list in refused {
            let problem = checked(list).unwrap_err().to_string();
            assert!(problem.len() < 300, "{problem}");
        }
        assert!(tensors.checked(payload("application/json")).is_err());
    }

    #[test]
    fn a_payload_has_a_media_type_that_the_scorer_states() {
        let json = Expected::Payload(vec!["application/json".to_owned()]);
        let any = Expected::Payload(Vec::new());
        assert!(
            json.checked(payload("application/json; charset=utf-8"))
                .is_ok()
        );
        assert!(any.checked(payload("image/png")).is_ok() && any.checked(payload("")).is_ok());
        let long = format!("text/plain; a={}", "b".repeat(CONTENT_TYPE_BYTES));
        for label in [
            "",
            "text/html",
            "application/json\r\nset-cookie: a=b",
            "application/json; a=\"\u{1}\"",
            &long,
        ] {
            assert!(json.checked(payload(label)).is_err(), "{label}");
            assert!(!json.takes_back(&payload(label)), "{label}");
        }
        for label in ["json", "text/plain\n", &long] {
            assert!(any.checked(payload(label)).is_err(), "{label}");
        }
        assert!(json.checked(Output::Tensors(Vec::new())).is_err());
    }
}
