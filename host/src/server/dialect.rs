//! Protocol of a request, which follows from its path.
//!
//! Owns how the protocols differ: in the format of a body, and in the answer to a failure. Must not
//! know which routes there are, or how a body is read.

use axum::body::Body;
use http::Response;

use crate::call::BodyFormat;
use crate::error::Disposition;
use crate::trigger::http::{self as http_trigger, Ids};

/// Common prefix of the paths of the Open Inference Protocol.
pub(super) const ROOT: &str = "/v2";

/// Path of the models in KServe's protocol V1. The paths of a model begin with it.
pub(super) const MODELS: &str = "/v1/models";

/// Path of the scoring requests of MLflow.
pub(super) const INVOCATIONS: &str = "/invocations";

/// Protocol of a request. The path of the request determines the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Protocol of Azure ML, on all paths that belong to no other protocol.
    AzureMl,
    /// KServe's protocol V1, on the path `/v1/models` and the paths below it, and the protocol of
    /// MLflow, on the path `/invocations`. Responses in these two protocols have the same format:
    /// predictions.
    Predictions,
    /// Open Inference Protocol, on the path `/v2` and the paths below it.
    OpenInference,
}

impl Dialect {
    pub(super) fn of(path: &str) -> Self {
        if owns(ROOT, path) {
            Self::OpenInference
        } else if owns(MODELS, path) || path == INVOCATIONS {
            Self::Predictions
        } else {
            Self::AzureMl
        }
    }

    pub(super) fn format(self) -> BodyFormat {
        match self {
            Self::AzureMl => BodyFormat::Labelled,
            Self::Predictions => BodyFormat::Predict,
            Self::OpenInference => BodyFormat::OpenInference,
        }
    }

    /// Returns the response to a call that failed. In all protocols but Azure ML's, the response
    /// also has the field `error`, which the protocols of KServe require.
    pub(super) fn failed(self, ids: &Ids, disposition: &Disposition) -> Response<Body> {
        let more: &[(&str, &str)] = match self {
            Self::AzureMl => &[],
            Self::Predictions | Self::OpenInference => &[("error", &disposition.message)],
        };
        http_trigger::failed_with(ids, disposition, more).map(Body::from)
    }
}

/// Returns true if `path` is `root` or is below it, even if no route has this path.
fn owns(root: &str, path: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
