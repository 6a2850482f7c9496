//! Responses to invocations of the Functions host.
//!
//! Owns which response makes the platform count an invocation as failed, and which one sends a
//! failure to the caller. Must not know how calls are made.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::Response;

use crate::error::Disposition;
use crate::functions::answer::Answer;
use crate::functions::bindings::{Function, TriggerBinding};
use crate::server::Service;
use crate::server::body::count_answer;
use crate::server::failure::log_failure;
use crate::text::printable;
use crate::trigger::http::{self as http_trigger, Ids};

/// Formats a failure as a single log line of its invocation. Line breaks in the failure's message
/// are escaped, because the text may come from a caller or a scorer.
pub fn line(disposition: &Disposition) -> String {
    printable(&format!("{} {}", disposition.code, disposition.message)).into_owned()
}

/// Answers an invocation whose call was not made because of the failure `disposition`. The caller
/// of an HTTP trigger gets the failure. Any other invocation counts as failed, so its message stays
/// with the platform.
pub fn not_called(function: &Function, id: &str, disposition: &Disposition) -> Response<Body> {
    if function.trigger == TriggerBinding::Http {
        return respond_failed(function, id, disposition);
    }
    refused(id, disposition)
}

/// Logs the failure of a call, and returns an answer that sends the failure to the caller through
/// the function's HTTP output.
pub fn respond_failed(function: &Function, id: &str, disposition: &Disposition) -> Response<Body> {
    log_failure(id, disposition);
    let mut answer = Answer::default();
    answer.log([line(disposition)]);
    let response = http_trigger::failed(&Ids::of(id), disposition);
    // The body of an error is text, so this cannot fail.
    let _ = answer.respond(
        function.http.as_deref().unwrap_or_default(),
        &response,
        false,
    );
    document(&answer)
}

/// Answers an invocation whose handler in this host panicked. The caller of an HTTP trigger gets
/// the failure `disposition`. Any other invocation counts as failed, so its message stays with the
/// platform.
pub fn unanswered(
    function: &Function,
    request: &Request,
    disposition: &Disposition,
) -> Response<Body> {
    let id = http_trigger::invocation_id(request.headers());
    match function.trigger {
        TriggerBinding::Http => respond_failed(function, &id, disposition),
        _ => refused(&id, disposition),
    }
}

/// Logs a failure, and returns the response that makes the platform count the invocation `id` as
/// failed.
pub fn refused(id: &str, disposition: &Disposition) -> Response<Body> {
    log_failure(id, disposition);
    failed(id, disposition)
}

/// Returns the response that makes the platform count the invocation `id` as failed.
pub fn failed(id: &str, disposition: &Disposition) -> Response<Body> {
    http_trigger::failed(&Ids::of(id), disposition).map(Body::from)
}

/// Returns the response to the invocation `id`. A large response first waits for memory of the
/// budget of responses. If there is none before the deadline, the invocation fails.
pub async fn answered(service: &Service, id: &str, answer: &Answer) -> Response<Body> {
    let deadline = Instant::now() + service.limits.deadline;
    match count_answer(Bytes::from(answer.to_string()), &service.answers, deadline).await {
        Ok(body) => Ids::made().document(body).map(Body::from),
        Err(disposition) => refused(id, &disposition),
    }
}

/// Returns a response to an invocation without waiting for memory, so `answer` must be small.
pub fn document(answer: &Answer) -> Response<Body> {
    Ids::made()
        .document(Bytes::from(answer.to_string()))
        .map(Body::from)
}
