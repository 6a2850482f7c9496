//! Invocations of the Functions host: from an envelope to calls, and from their outcomes to an answer.
//!
//! Owns the order of these steps, how a batch is run, and which status ends an invocation that must be redelivered. Must not
//! know the envelope's form (`functions`), nor choose what becomes of a failure (`error`).

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;

use super::budget::SMALL_BYTES;
use super::{Ready, Service, count_answer, log_failure, read};
use crate::deployment::most_instances;
use crate::error::{Disposition, RequestFailure, ScoreFailure, Settlement};
use crate::functions::answer::{Answer, ParkedCall, parked};
use crate::functions::bindings::{Function, TriggerBinding};
use crate::functions::envelope::{Call, Event, HttpCall, Malformed, decode};
use crate::scorer::{Invocation, Lines, Payload, Source};
use crate::text::printable;
use crate::trigger::http::{self as http_trigger, Ids};

/// How much larger than its payload an envelope may be: text is escaped twice, and its fields may come once more as metadata.
const ENVELOPE_FACTOR: u64 = 8;

/// What an envelope holds beside its payload, in bytes.
const ENVELOPE_OVERHEAD_BYTES: u64 = 1 << 20;

/// What is read of an envelope in any case: a batch has many payloads, and the Functions host itself takes in 100 MB at most.
const ENVELOPE_BYTES: u64 = 128 << 20;

/// How a call ended.
struct Ended {
    call: Call,
    /// What is parked with its problem; a blob stays where it is.
    body: Option<Payload>,
    id: String,
    outcome: Result<Payload, Disposition>,
    lines: Vec<String>,
}

/// Answers an invocation.
pub(super) async fn invoke(service: &Service, function: &Function, request: Request) -> Response<Body> {
    let latest = service.latest();
    let (head, body) = request.into_parts();
    let id = http_trigger::invocation_id(&head.headers);
    let body_bytes = service.limits.body_bytes;
    let limit_bytes =
        body_bytes.saturating_mul(ENVELOPE_FACTOR).saturating_add(ENVELOPE_OVERHEAD_BYTES).max(ENVELOPE_BYTES);
    let body = match read(&head.headers, body, &service.bounds(limit_bytes)).await {
        Ok(body) => body,
        Err(disposition) => return not_called(function, &id, &disposition),
    };
    // Before a large envelope is decoded, for the scoring threads do that, and after a small one, which may ask for nothing.
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
            match ready.app.scorer.offload(move || decode(&bindings, body)).await {
                Ok(decoded) => decoded,
                Err(failure) => return not_called(function, &id, &failure.disposition()),
            }
        }
        None => decode(function, body),
    };
    let event = match decoded {
        Ok(event) => event,
        Err(Malformed(detail)) => return refused(&id, &RequestFailure::Malformed(detail).disposition()),
    };
    // A batch without messages asks for nothing.
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
        Event::Http(call) => request_in_envelope(service, &ready, function, &id, call, latest).await,
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
    let lines = Lines::default();
    let mut invocation = http_trigger::invocation(&ids, &call.headers);
    invocation.attributes.append(&mut call.attributes);
    invocation.latest = latest;
    invocation.lines = Some(lines.clone());
    let payload = http_trigger::payload(&call.headers, call.body);
    let limit_bytes = service.limits.body_bytes;
    let scored = if payload.body.len() as u64 > limit_bytes {
        Err(ScoreFailure::TooLarge { limit_bytes })
    } else {
        ready.app.scorer.run(invocation, payload).await
    };
    let scored = scored.and_then(|scored| http_trigger::check_content_type(&scored.payload).map(|()| scored));
    let mut answer = Answer::default();
    let response = match scored {
        Ok(scored) => {
            for output in &function.outputs {
                answer.put(output, &scored.payload);
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
    if answer.respond(output, &response).is_err() {
        let disposition = RequestFailure::BinaryAnswer.disposition();
        log_failure(ids.request(), &disposition);
        answer.log([line(&disposition)]);
        // An error's body is text.
        let _ = answer.respond(output, &http_trigger::failed(&ids, &disposition));
    }
    answered(service, id, &answer).await
}

/// Runs the calls of an invocation, as many at a time as there may be instances.
async fn run_all(
    ready: &Ready,
    function: &Function,
    id: &str,
    calls: Vec<Call>,
    latest: Option<Instant>,
) -> Vec<Ended> {
    let is_batch = matches!(function.trigger, TriggerBinding::ServiceBus { many: true, .. });
    let limits = &ready.app.manifest.limits;
    let all_lines = &Lines::default();
    let calls = calls.into_iter().enumerate().map(|(index, mut call)| async move {
        let payload = std::mem::take(&mut call.payload);
        // Not kept for nothing: a payload that is held twice is copied on its way into the guest.
        let body = (function.park.is_some() && call.source != Source::Blob).then(|| payload.clone());
        let id = if is_batch { format!("{id}-{index}") } else { id.to_owned() };
        let lines = all_lines.of_next_call();
        let invocation = Invocation {
            attempt: call.attempt,
            attributes: call.attributes.clone(),
            latest,
            lines: Some(lines.clone()),
            ..Invocation::new(id.clone(), call.source)
        };
        let scored = if payload.body.len() as u64 > limits.body_bytes {
            Err(ScoreFailure::TooLarge { limit_bytes: limits.body_bytes })
        } else {
            ready.app.scorer.run(invocation, payload).await
        };
        let scored = scored.and_then(|scored| http_trigger::check_content_type(&scored.payload).map(|()| scored));
        let outcome = scored.map(|scored| scored.payload).map_err(ScoreFailure::disposition);
        if let Err(disposition) = &outcome {
            log_failure(&id, disposition);
            lines.push(line(disposition));
        }
        let lines = lines.take();
        let lines = if is_batch { lines.into_iter().map(|line| format!("{index}: {line}")).collect() } else { lines };
        Ended { call, body, id, outcome, lines }
    });
    stream::iter(calls).buffered(most_instances(limits)).collect().await
}

/// Decides about the whole invocation: the platform settles a batch as one, so one message that must come again brings all
/// of its batch with it, and the last delivery of one is everybody's last chance.
async fn settle(service: &Service, function: &Function, id: &str, ended: Vec<Ended>) -> Response<Body> {
    let is_last =
        |ended: &Ended| ended.call.source == Source::ServiceBus && ended.call.attempt >= function.max_delivery_count;
    let is_last = ended.iter().any(is_last);
    let is_batch = matches!(function.trigger, TriggerBinding::ServiceBus { many: true, .. });
    let (mut answer, mut results, mut records) = (Answer::default(), Vec::new(), Vec::new());
    for Ended { call, body, id: call_id, outcome, lines } in ended {
        answer.log(lines);
        match outcome {
            Ok(payload) => results.push(payload),
            Err(disposition) => match disposition.settle(is_last, function.park.is_some()) {
                Settlement::Redeliver => return failed(id, &disposition),
                Settlement::Park => {
                    let (attributes, attempt, body) = (&call.attributes, call.attempt, body.as_ref());
                    let parked_call = ParkedCall { attributes, attempt, body };
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

/// A failure among the lines of its invocation: one line, whatever a caller or a scorer says in it.
fn line(disposition: &Disposition) -> String {
    printable(&format!("{} {}", disposition.code, disposition.message)).into_owned()
}

/// The answer to an invocation whose call was not made. The caller of an HTTP trigger is told; a message is the platform's to
/// keep.
fn not_called(function: &Function, id: &str, disposition: &Disposition) -> Response<Body> {
    if function.trigger == TriggerBinding::Http {
        return respond_failed(function, id, disposition);
    }
    refused(id, disposition)
}

/// An answer through the function's HTTP output, for a call that was not made.
fn respond_failed(function: &Function, id: &str, disposition: &Disposition) -> Response<Body> {
    log_failure(id, disposition);
    let mut answer = Answer::default();
    answer.log([line(disposition)]);
    let response = http_trigger::failed(&Ids::of(id), disposition);
    // An error's body is text.
    let _ = answer.respond(function.http.as_deref().unwrap_or_default(), &response);
    document(&answer)
}

/// An invocation that has no answer: whatever was to give one ended early. A caller gets it as an HTTP answer, and a message
/// stays the platform's.
pub(super) fn unanswered(function: &Function, request: &Request, disposition: &Disposition) -> Response<Body> {
    let id = http_trigger::invocation_id(request.headers());
    match function.trigger {
        TriggerBinding::Http => respond_failed(function, &id, disposition),
        _ => refused(&id, disposition),
    }
}

/// An invocation that is no invocation.
fn refused(id: &str, disposition: &Disposition) -> Response<Body> {
    log_failure(id, disposition);
    failed(id, disposition)
}

/// An invocation that the platform must count as failed.
fn failed(id: &str, disposition: &Disposition) -> Response<Body> {
    http_trigger::failed(&Ids::of(id), disposition).map(Body::from)
}

/// The answer to an invocation, which waits for memory if it is large.
async fn answered(service: &Service, id: &str, answer: &Answer) -> Response<Body> {
    let deadline = Instant::now() + service.limits.deadline;
    match count_answer(Bytes::from(answer.to_string()), &service.answers, deadline).await {
        Ok(body) => Ids::made().document(body).map(Body::from),
        Err(disposition) => refused(id, &disposition),
    }
}

/// A small answer to an invocation.
fn document(answer: &Answer) -> Response<Body> {
    Ids::made().document(Bytes::from(answer.to_string())).map(Body::from)
}
