//! Responses to liveness and readiness probes.
//!
//! Owns the paths and the texts of these probes. Must not know what makes a scorer ready, only
//! whether it is.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

/// Returns the response to `GET /` and `GET /livez`, the liveness probes, which succeed while the
/// process runs. The response does not wait for the scorer, because the Functions host sends `GET
/// /` every 25 ms until it gets a response.
#[must_use]
pub(super) fn live() -> Response<Bytes> {
    text(StatusCode::OK, "Healthy")
}

/// Returns true if `path` is the path of a liveness or readiness probe. A probe needs no scorer
/// and no key, and must be answered even if the host is busy.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(
        path,
        "/" | "/livez" | "/readyz" | "/v2/health/live" | "/v2/health/ready"
    )
}

/// Returns the response to `GET /readyz`, the readiness probe: status code 200 if the host is ready
/// for calls, and 503 if it is not.
#[must_use]
pub(super) fn ready(is_ready: bool) -> Response<Bytes> {
    if is_ready {
        text(StatusCode::OK, "Ready")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, "Not ready")
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}
