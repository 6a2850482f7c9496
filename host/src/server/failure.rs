//! Answers to requests that fail, and their log lines.
//!
//! Owns what is logged about a failure, at which level. Must not know why a request fails.

use axum::body::Body;
use http::Response;
use http::header::HeaderMap;

use super::dialect::Dialect;
use crate::error::{Disposition, RequestFailure, Severity};
use crate::trigger::http::Ids;

/// Logs the failure of a request at the level of its severity, and returns the response in the
/// protocol `dialect`.
pub(super) fn fail(dialect: Dialect, ids: &Ids, disposition: &Disposition) -> Response<Body> {
    log_failure(ids.request(), disposition);
    dialect.failed(ids, disposition)
}

/// Returns the response to a request that is refused before a call is made, in the protocol
/// `dialect`. `headers` are the headers of the request. Nothing is logged.
pub(super) fn refuse(
    dialect: Dialect,
    headers: &HeaderMap,
    failure: RequestFailure,
) -> Response<Body> {
    let ids = Ids::take(headers).unwrap_or_else(|_| Ids::made());
    dialect.failed(&ids, &failure.disposition())
}

/// Logs one line about a failed call. `invocation` is the id of the call's request or invocation.
pub(super) fn log_failure(invocation: &str, disposition: &Disposition) {
    let Disposition {
        status,
        severity,
        code,
        message,
        detail,
        pointer,
        ..
    } = disposition;
    let detail = detail.as_deref();
    // The level of an event is part of its static description, so each level needs its own macro
    // call.
    match severity {
        Severity::Error => {
            tracing::error!(
                invocation,
                status,
                code,
                detail,
                pointer,
                reason = message,
                "scoring failed"
            )
        }
        Severity::Warn => tracing::warn!(
            invocation,
            status,
            code,
            detail,
            pointer,
            reason = message,
            "scoring failed"
        ),
        Severity::Info => tracing::info!(
            invocation,
            status,
            code,
            detail,
            pointer,
            reason = message,
            "scoring failed"
        ),
    }
}
