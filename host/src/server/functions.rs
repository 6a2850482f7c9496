//! Invocations from the Azure Functions host: each envelope becomes calls, and their outcomes
//! become one answer.
//!
//! Owns the order of these steps, how a batch is run, and the status that makes the platform
//! redeliver an invocation. Must not know the form of an envelope (`functions`), nor choose what
//! happens after a failure (`error`).

mod answers;

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use futures_util::{StreamExt as _, stream};
use http::Response;
use http::header::TRANSFER_ENCODING;

pub(super) use self::answers::unanswered;
use self::answers::{answered, document, failed, line, not_called, refused, respond_failed};
use super::body::read;
use super::budget::SMALL_BYTES;
use super::coding::Coding;
use super::failure::log_failure;
use super::{Ready, Service};
use crate::call::{Invocation, Lines, Payload, Source};
use crate::error::{Disposition, RequestFailure, ScoreFailure, Settlement, of_status};
use crate::functions::answer::{Answer, ParkedCall, Unfit, parked};
use crate::functions::bindings::{Function, TriggerBinding};
use crate::functions::envelope::{Call, Event, HttpCall, Malformed, decode};
use crate::sizing::most_instances;
use crate::trigger::http::{self as http_trigger, Ids};

/// Factor by which the envelope of an invocation may be larger than the maximum size of a payload.
/// Text in an envelope is escaped twice, and the fields of a payload may appear again as metadata.
const ENVELOPE_FACTOR: u64 = 8;

/// Number of bytes that the envelope of an invocation may hold in addition to its payload.
const ENVELOPE_OVERHEAD_BYTES: u64 = 1 << 20;

/// Minimum of the limit on the size of an invocation's envelope, in bytes. A batch has many
/// payloads, and the Functions host itself accepts at most 100 MB.
const ENVELOPE_BYTES: u64 = 128 << 20;

/// Call of an invocation that has ended, with its outcome.
struct Ended {
    call: Call,
    /// Content of the message that started the call. If the call can never be scored, or fails at
    /// its last delivery, this content becomes part of the record that is written to the function's
    /// output binding `park`. `None` if the function does not have this binding, and for a blob,
    /// because a blob stays in its container.
    body: Option<Payload>,
    id: String,
    /// Payload for the outputs of the function, or `None` if the scorer has nothing to write to
    /// them. If the call failed, the error says what happens to its message.
    outcome: Result<Option<Payload>, Disposition>,
    lines: Vec<String>,
}

/// Answers one invocation from the Functions host: decodes the envelope, runs the calls, and
/// returns one answer.
pub(super) async fn invoke(
    service: &Service,
    function: &Function,
    request: Request,
) -> Response<Body> {
    let latest = service.latest();
    let (head, body) = request.into_parts();
    let id = http_trigger::invocation_id(&head.headers);
    let body_bytes = service.limits.body_bytes;
    let limit_bytes = body_bytes
        .saturating_mul(ENVELOPE_FACTOR)
        .saturating_add(ENVELOPE_OVERHEAD_BYTES)
        .max(ENVELOPE_BYTES);
    let body = match read(&head.headers, body, &service.bounds(limit_bytes)).await {
        Ok(body) => body,
        Err(disposition) => return not_called(function, &id, &disposition),
    };
    // A large envelope is decoded on the scoring threads, so the scorer must be ready first. A
    // small envelope is decoded before that, because it may hold nothing to score.
    let mut scorer = None;
    if body.as_ref().len() as u64 > SMALL_BYTES {
        match service.ready().await {
            Ok(ready) => scorer = Some(ready),
            Err(failure) => return not_called(function, &id, &failure.disposition()),
        }
    }
    let decoded = match &scorer {
        Some(ready) => {
            let bindings = function.clone();
            match ready
                .app
                .scorer
                .offload(move || decode(&bindings, body))
                .await
            {
                Ok(decoded) => decoded,
                Err(failure) => return not_called(function, &id, &failure.disposition()),
            }
        }
        None => decode(function, body),
    };
    let event = match decoded {
        Ok(event) => event,
        Err(Malformed(detail)) => {
            return refused(&id, &RequestFailure::Malformed(detail).disposition());
        }
    };
    // A batch without messages needs no scorer.
    if matches!(&event, Event::Calls(calls) if calls.is_empty()) {
        return document(&Answer::default());
    }
    let ready = match scorer {
        Some(ready) => ready,
        None => match service.ready().await {
            Ok(ready) => ready,
            Err(failure) => return not_called(function, &id, &failure.disposition()),
        },
    };
    match event {
        Event::WarmUp => document(&Answer::default()),
        Event::Http(call) => {
            request_in_envelope(service, &ready, function, &id, call, latest).await
        }
        Event::Calls(calls) => {
            let ended = run_all(&ready, function, &id, calls, latest).await;
            settle(service, function, &id, ended).await
        }
    }
}

async fn request_in_envelope(
    service: &Service,
    ready: &Ready,
    function: &Function,
    id: &str,
    mut call: HttpCall,
    latest: Option<Instant>,
) -> Response<Body> {
    http_trigger::name_invocation(&mut call.headers, id);
    let ids = match Ids::take(&call.headers) {
        Ok(ids) => ids,
        Err(failure) => return respond_failed(function, id, &failure.disposition()),
    };
    if Coding::of(&call.headers) != Ok(None) {
        let failure = RequestFailure::CodingInEnvelope;
        return respond_failed(function, id, &failure.disposition());
    }
    // The Functions host reads the body of a request only if the request states a length. A client
    // that sent an empty body in chunks looks like one whose body was dropped. GET and HEAD need no
    // body, and some clients and proxies frame their requests in chunks nevertheless.
    let method = call.http.as_ref().map_or("", |line| line.method());
    let has_body = !matches!(method, "GET" | "HEAD");
    if has_body && call.body.is_empty() && call.headers.contains_key(TRANSFER_ENCODING) {
        let failure = RequestFailure::LengthRequired;
        return respond_failed(function, id, &failure.disposition());
    }
    let lines = Lines::default();
    let attributes = std::mem::take(&mut call.attributes);
    let mut invocation = http_trigger::invocation(&ids, &call.headers, attributes);
    invocation.http = call.http.take();
    invocation.latest = latest;
    invocation.lines = Some(lines.clone());
    let payload = http_trigger::payload(&call.headers, call.body);
    let limit_bytes = service.limits.body_bytes;
    let scored = if payload.body.len() as u64 > limit_bytes {
        Err(ScoreFailure::TooLarge { limit_bytes })
    } else {
        ready.app.scorer.run(invocation, payload).await
    };
    let scored =
        scored.and_then(|scored| http_trigger::check_content_type(&scored).map(|()| scored));
    let mut answer = Answer::default();
    let is_chosen = scored.as_ref().is_ok_and(|scored| scored.http.is_some());
    let response = match scored {
        Ok(scored) => {
            match of_status(scored.status()) {
                Some(disposition) => {
                    log_failure(ids.request(), &disposition);
                    lines.push(line(&disposition));
                }
                None if scored.is_nothing() => {}
                None => {
                    for output in &function.outputs {
                        answer.put(output, &scored.payload);
                    }
                }
            }
            http_trigger::scored(&ids, scored)
        }
        Err(failure) => {
            let disposition = failure.disposition();
            log_failure(ids.request(), &disposition);
            lines.push(line(&disposition));
            http_trigger::failed(&ids, &disposition)
        }
    };
    answer.log(lines.take());
    let output = function.http.as_deref().unwrap_or_default();
    if let Err(unfit) = answer.respond(output, &response, is_chosen) {
        let failure = match unfit {
            Unfit::Binary => RequestFailure::BinaryAnswer,
            Unfit::Cookies => RequestFailure::RepeatedCookie,
        };
        let disposition = failure.disposition();
        log_failure(ids.request(), &disposition);
        answer.log([line(&disposition)]);
        // The body of an error is text, so this cannot fail.
        let _ = answer.respond(output, &http_trigger::failed(&ids, &disposition), false);
    }
    answered(service, id, &answer).await
}

/// Runs the calls of an invocation, and returns them in the order of `calls`. At most as many calls
/// run at a time as the scorer may have instances. `id` is the id of the invocation, and `latest`
/// is the time by which its calls must end, if there is such a time.
async fn run_all(
    ready: &Ready,
    function: &Function,
    id: &str,
    calls: Vec<Call>,
    latest: Option<Instant>,
) -> Vec<Ended> {
    let is_batch = matches!(
        function.trigger,
        TriggerBinding::ServiceBus { many: true, .. }
    );
    let limits = &ready.app.manifest.limits;
    let all_lines = &Lines::default();
    let calls = calls
        .into_iter()
        .enumerate()
        .map(|(index, mut call)| async move {
            let payload = std::mem::take(&mut call.payload);
            // The payload is cloned only if it may be parked: a payload with two owners is copied
            // on its way into the guest.
            let body =
                (function.park.is_some() && call.source != Source::Blob).then(|| payload.clone());
            let id = if is_batch {
                format!("{id}-{index}")
            } else {
                id.to_owned()
            };
            let lines = all_lines.of_next_call();
            let invocation = Invocation {
                attempt: call.attempt,
                attributes: call.attributes.clone(),
                latest,
                lines: Some(lines.clone()),
                ..Invocation::new(id.clone(), call.source)
            };
            let scored = if payload.body.len() as u64 > limits.body_bytes {
                Err(ScoreFailure::TooLarge {
                    limit_bytes: limits.body_bytes,
                })
            } else {
                ready.app.scorer.run(invocation, payload).await
            };
            let scored = scored
                .and_then(|scored| http_trigger::check_content_type(&scored).map(|()| scored));
            let outcome = match scored {
                // The call of a message or blob has no HTTP answer. But the status that the scorer
                // chose says whether the call failed.
                Ok(scored) => match of_status(scored.status()) {
                    None => Ok((!scored.is_nothing()).then_some(scored.payload)),
                    Some(disposition) => Err(disposition),
                },
                Err(failure) => Err(failure.disposition()),
            };
            if let Err(disposition) = &outcome {
                log_failure(&id, disposition);
                lines.push(line(disposition));
            }
            let lines = lines.take();
            let lines = if is_batch {
                lines
                    .into_iter()
                    .map(|line| format!("{index}: {line}"))
                    .collect()
            } else {
                lines
            };
            Ended {
                call,
                body,
                id,
                outcome,
                lines,
            }
        });
    stream::iter(calls)
        .buffered(most_instances(limits))
        .collect()
        .await
}

/// Answers an invocation with the results of its calls `ended`, and with the records of failed
/// calls for the output binding `park`. If the message of a failed call must be delivered again,
/// fails the invocation as a whole.
///
/// The platform settles a batch as one unit. If one message must be redelivered, the whole batch is
/// redelivered. If one message is at its last delivery, every message of the batch is treated as
/// being at its last delivery.
async fn settle(
    service: &Service,
    function: &Function,
    id: &str,
    ended: Vec<Ended>,
) -> Response<Body> {
    let is_last = |ended: &Ended| {
        let is_message = ended.call.source != Source::Blob;
        is_message && ended.call.attempt >= function.max_delivery_count
    };
    let is_last = ended.iter().any(is_last);
    let is_batch = matches!(
        function.trigger,
        TriggerBinding::ServiceBus { many: true, .. }
    );
    let (mut answer, mut results, mut records) = (Answer::default(), Vec::new(), Vec::new());
    for Ended {
        call,
        body,
        id: call_id,
        outcome,
        lines,
    } in ended
    {
        answer.log(lines);
        match outcome {
            Ok(payload) => results.extend(payload),
            Err(disposition) => match disposition.settle(is_last, function.park.is_some()) {
                Settlement::Redeliver => return failed(id, &disposition),
                Settlement::Park => {
                    let (attributes, attempt, body) =
                        (&call.attributes, call.attempt, body.as_ref());
                    let parked_call = ParkedCall {
                        attributes,
                        attempt,
                        body,
                    };
                    records.push(parked(function, &call_id, &parked_call, &disposition));
                }
            },
        }
    }
    let targets = function.outputs.iter().map(|output| (output, &results));
    let targets = targets.chain(function.park.iter().map(|output| (output, &records)));
    for (output, payloads) in targets {
        match payloads.as_slice() {
            [] => {}
            [payload] if !is_batch => answer.put(output, payload),
            payloads => answer.put_all(output, payloads),
        }
    }
    answered(service, id, &answer).await
}
