//! Protocol of a request, which follows from its path.
//!
//! Owns how the protocols differ: in the format of a body, and in the answer to a failure. Must not
//! know routes, or how a body is read.

use axum::body::Body;
use http::Response;

use crate::call::BodyFormat;
use crate::error::Disposition;
use crate::trigger::http::{self as http_trigger, Ids};

/// Common prefix of the paths of the Open Inference Protocol.
pub(super) const ROOT: &str = "/v2";

/// Protocol of a request. The path of the request determines the protocol.
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

    pub(super) fn format(self) -> BodyFormat {
        match self {
            Self::AzureMl => BodyFormat::Labelled,
            Self::OpenInference => BodyFormat::OpenInference,
        }
    }

    /// Returns the response to a call that failed. In the Open Inference Protocol, the response has
    /// the `error` field that the protocol requires, in addition to the usual fields.
    pub(super) fn failed(self, ids: &Ids, disposition: &Disposition) -> Response<Body> {
        let more: &[(&str, &str)] = match self {
            Self::AzureMl => &[],
            Self::OpenInference => &[("error", &disposition.message)],
        };
        http_trigger::failed_with(ids, disposition, more).map(Body::from)
    }
}

/// Returns true if a path belongs to the Open Inference Protocol, even if no route has this path.
fn owns_open_inference(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
