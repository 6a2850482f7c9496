//! Responses to requests for a score or a document.
//!
//! Owns the steps from the body of a request to a call, and from its result to the response. Must
//! not know which route a request came on, or choose a status.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::Response;
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use serde_json::Value;

use super::activity::Activity;
use super::body::{count_answer, discard_unless_asked, read};
use super::coding::{Coding, READ};
use super::dialect::Dialect;
use super::failure::{fail, log_failure, refuse};
use super::packing::Packing;
use super::unpacking::unpack;
use super::{Ready, Service};
use crate::call::{Attribute, CacheStatus, Payload};
use crate::codec::media_type::JSON;
use crate::error::{RequestFailure, ScoreFailure, of_status};
use crate::functions::envelope::Buffer as _;
use crate::scorer::World;
use crate::trigger::http::{self as http_trigger, Ids};

/// Answers a request for a document about the scorer as soon as the scorer is ready. `document`
/// returns the bytes of the document.
pub(super) async fn document(
    service: &Service,
    dialect: Dialect,
    headers: &HeaderMap,
    document: fn(&Service, &Ready) -> Bytes,
) -> Response<Body> {
    match (Ids::take(headers), service.ready().await) {
        (Ok(ids), Ok(ready)) => {
            let body = document(service, &ready);
            let mut packing = Packing::of(headers, JSON, body.len());
            let body = packing.pack(body, &ready.app.scorer).await;
            let mut response = ids.document(body).map(Body::from);
            packing.describe(response.headers_mut());
            response
        }
        (Err(failure), _) | (Ok(_), Err(failure)) => refuse(dialect, headers, failure),
    }
}

/// Answers a readiness probe in the protocol `dialect`: with the document `json` if the service is
/// ready, and with an error if it is not. Does not wait until the service is ready.
pub(super) fn answer_if_ready(
    service: &Service,
    dialect: Dialect,
    headers: &HeaderMap,
    json: &Value,
) -> Response<Body> {
    if service.is_ready() {
        return answer(dialect, headers, json);
    }
    refuse(dialect, headers, RequestFailure::NotReady)
}

/// Answers a request in the protocol `dialect` with the document `json`.
pub(super) fn answer(dialect: Dialect, headers: &HeaderMap, json: &Value) -> Response<Body> {
    match Ids::take(headers) {
        Ok(ids) => ids.document(json.to_string().into()).map(Body::from),
        Err(failure) => refuse(dialect, headers, failure),
    }
}

/// Scores the body of a request, and returns the response with the result or the failure.
/// `attributes` are the values of the parameters in the route, which become attributes of the call
/// in addition to the request's headers.
pub(super) async fn call(
    service: &Service,
    dialect: Dialect,
    request: Request,
    attributes: Vec<Attribute>,
) -> Response<Body> {
    let latest = service.latest();
    let (head, body) = request.into_parts();
    let ids = match Ids::take(&head.headers) {
        Ok(ids) => ids,
        Err(failure) => return refuse(dialect, &head.headers, failure),
    };
    let activity = head.extensions.get::<Arc<Activity>>();
    // If a client does not read its answers, it would be useless to compute its next answer.
    if service.answers.is_nearly_full()
        && activity.is_some_and(|activity| activity.found_answers_full())
    {
        discard_unless_asked(&head.headers, body);
        return fail(dialect, &ids, &RequestFailure::AnswersFull.disposition());
    }
    // This check comes before the body is read, so that a client need not send what cannot be
    // answered in time.
    if service.is_hopeless(&head.headers) {
        discard_unless_asked(&head.headers, body);
        return fail(dialect, &ids, &ScoreFailure::Saturated.disposition());
    }
    let coding = match Coding::of(&head.headers) {
        Ok(coding) => coding,
        Err(failure) => {
            discard_unless_asked(&head.headers, body);
            let mut response = fail(dialect, &ids, &failure.disposition());
            let read = HeaderValue::from_static(READ);
            response.headers_mut().insert(ACCEPT_ENCODING, read);
            return response;
        }
    };
    let limit_bytes = service.limits.body_bytes;
    let body = match read(&head.headers, body, &service.bounds(limit_bytes)).await {
        Ok(body) => body,
        Err(disposition) => return fail(dialect, &ids, &disposition),
    };
    let ready = match service.ready().await {
        Ok(ready) => ready,
        Err(failure) => return fail(dialect, &ids, &failure.disposition()),
    };
    if dialect != Dialect::AzureMl && ready.app.scorer.world() == World::Scoring {
        return fail(dialect, &ids, &RequestFailure::NoTensors.disposition());
    }
    let body = match coding {
        None => body.into_bytes(),
        Some(coding) => {
            let bounds = service.bounds(limit_bytes);
            // This future is boxed, because most bodies are not compressed.
            match Box::pin(unpack(coding, body, &bounds, &ready.app.scorer)).await {
                Ok(body) => body,
                Err(disposition) => return fail(dialect, &ids, &disposition),
            }
        }
    };
    let mut invocation = http_trigger::invocation(&ids, &head.headers, attributes);
    invocation.http = http_trigger::request_line(&head.method, &head.uri);
    invocation.latest = latest;
    invocation.caller = activity.map(|activity| activity.peer);
    invocation.format = dialect.format();
    let payload = http_trigger::payload(&head.headers, body);
    let mut scored = ready.app.scorer.run(invocation, payload).await;
    if let Ok(scored) = &mut scored
        && scored.has_no_body()
    {
        scored.payload = Payload::default();
    }
    let scored =
        scored.and_then(|scored| http_trigger::check_content_type(&scored).map(|()| scored));
    match scored {
        Ok(mut scored) => {
            let body = std::mem::take(&mut scored.payload.body);
            // The Functions host may not pass a coding on.
            let mut packing = match service.is_custom_handler {
                true => Packing::default(),
                false => Packing::of(&head.headers, &scored.payload.content_type, body.len()),
            };
            let body = packing.pack(body, &ready.app.scorer).await;
            match count_answer(
                body,
                &service.answers,
                Instant::now() + service.limits.deadline,
            )
            .await
            {
                Ok(body) => scored.payload.body = body,
                Err(disposition) => {
                    activity.inspect(|activity| activity.note_answers_full());
                    return fail(dialect, &ids, &disposition);
                }
            }
            let (run_ms, cache) = (
                scored.run_time.as_secs_f64() * 1e3,
                scored.cache.map(CacheStatus::header),
            );
            match of_status(scored.status()) {
                None => crate::text::debug!(invocation = ids.request(), run_ms, cache, "scored"),
                Some(disposition) => log_failure(ids.request(), &disposition),
            }
            let mut response = http_trigger::scored(&ids, scored).map(Body::from);
            packing.describe(response.headers_mut());
            response
        }
        Err(failure) => fail(dialect, &ids, &failure.disposition()),
    }
}
