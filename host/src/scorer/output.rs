//! Outputs of a scorer: the answer as a guest returned it, and the output that a call gets after
//! the answer was checked.
//!
//! Owns the types of answers and outputs, the step from one to the other, and the sizes of outputs.
//! Must not know how a guest is called, or how an output is encoded.

use crate::call::{HttpAnswer, Payload};
use crate::error::ScoreFailure;
use crate::tensor::Tensor;

/// Answer of a payload scorer, as the guest returned it. Its status and headers are not checked.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) payload: Payload,
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
}

/// Output of a scorer for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Payload that a payload scorer returned.
    Payload(Payload),
    /// Payload that a payload scorer returned, with the status and headers that it chose for the
    /// HTTP answer.
    Chosen(Payload, Box<HttpAnswer>),
    /// Tensors that a tensor scorer returned. After they are checked against the signature, they
    /// are in the order of the output ports.
    Tensors(Vec<Tensor>),
}

impl Output {
    /// Checks the status and headers that a payload scorer chose, and returns its answer as an
    /// output. `allows_cookies` is the setting `answers.cookies`.
    ///
    /// # Errors
    /// Fails if an HTTP answer may not have this status, or one of these headers.
    pub(super) fn of_answer(answer: Answer, allows_cookies: bool) -> Result<Self, ScoreFailure> {
        let Answer {
            payload,
            status,
            headers,
        } = answer;
        match HttpAnswer::new(status, headers, allows_cookies) {
            Ok(None) => Ok(Self::Payload(payload)),
            Ok(Some(http)) => Ok(Self::Chosen(payload, Box::new(http))),
            Err(error) => Err(ScoreFailure::InvalidOutput(error.to_string())),
        }
    }

    /// Returns the size of the output in bytes: of the payload's body, or of the elements of all
    /// tensors.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Payload(payload) | Self::Chosen(payload, _) => payload.body.len(),
            Self::Tensors(tensors) => tensors.iter().map(|tensor| tensor.data.len()).sum(),
        }
    }
}

impl Output {
    /// Returns the approximate size of the memory that the output takes, in bytes. In addition to
    /// [`Output::bytes`], this counts the media type and the headers of a payload, or the names and
    /// shapes of tensors.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let described = match self {
            Self::Payload(payload) => payload.content_type.len(),
            Self::Chosen(payload, http) => {
                payload.content_type.len() + size_of::<HttpAnswer>() + 2 * http.bytes()
            }
            Self::Tensors(tensors) => {
                let of = |tensor: &Tensor| {
                    size_of::<Tensor>() + tensor.name.len() + size_of_val(tensor.shape.as_slice())
                };
                tensors.iter().map(of).sum()
            }
        };
        self.bytes() + described
    }
}
