//! Protocol of a request, which follows from its path.
//!
//! Owns how the protocols differ: in the payload of a request, and in the answer to a failure. Must
//! not know routes or calls.

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;

use crate::call::Payload;
use crate::error::Disposition;
use crate::trigger::http::{self as http_trigger, Ids};
use crate::trigger::open_inference as open_inference_trigger;

/// Root of the paths of the Open Inference Protocol.
pub(super) const ROOT: &str = "/v2";

/// Protocol of a request, which follows from its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Protocol of Azure ML, on all paths outside `/v2`.
    AzureMl,
    /// Open Inference Protocol, on the paths below `/v2`.
    OpenInference,
}

impl Dialect {
    pub(super) fn of(path: &str) -> Self {
        if owns_open_inference(path) {
            Self::OpenInference
        } else {
            Self::AzureMl
        }
    }

    pub(super) fn payload(self, headers: &HeaderMap, body: Bytes) -> Payload {
        match self {
            Self::AzureMl => http_trigger::payload(headers, body),
            Self::OpenInference => open_inference_trigger::payload(body),
        }
    }

    pub(super) fn failed(self, ids: &Ids, disposition: &Disposition) -> Response<Body> {
        match self {
            Self::AzureMl => http_trigger::failed(ids, disposition).map(Body::from),
            Self::OpenInference => open_inference_trigger::failed(ids, disposition).map(Body::from),
        }
    }
}

/// Returns true if a path belongs to the Open Inference Protocol, even if no route has this path.
fn owns_open_inference(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
