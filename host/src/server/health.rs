//! Liveness and readiness.
//!
//! Must not know what makes a scorer ready, only whether it is.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

/// `GET /`: the process answers. The Functions host asks it every 25 ms until it does, so it waits for nothing.
#[must_use]
pub(super) fn live() -> Response<Bytes> {
    text(StatusCode::OK, "Healthy")
}

/// True for the path of a probe: one that asks for no score, and must be answered however busy the host is.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/" | "/readyz" | "/v2/health/live" | "/v2/health/ready")
}

/// `GET /readyz`: calls are answered now.
#[must_use]
pub(super) fn ready(is_ready: bool) -> Response<Bytes> {
    if is_ready { text(StatusCode::OK, "Ready") } else { text(StatusCode::SERVICE_UNAVAILABLE, "Not ready") }
}

fn text(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
