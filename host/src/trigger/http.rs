//! HTTP requests as invocations, and outcomes as HTTP responses.
//!
//! Owns Azure ML's headers and error bodies. Must not know routes or sockets.

mod attributes;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode, Uri};
use serde_json::json;

use crate::call::{Attribute, HttpRequest, Invocation, Payload, Scored, Source};
use crate::error::{Disposition, RequestFailure, ScoreFailure};
use crate::text::{NAME_BYTES, quoted};

use self::attributes::is_attribute;
pub use self::attributes::is_credential;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Header with the client's id of a request. Azure ML has deprecated this name of the header.
const MS_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const MS_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Header with the trace id of a request. The response repeats the header, as responses of Azure
/// ML's former inference server did.
const TRACE_ID: HeaderName = HeaderName::from_static("traceid");
const RUN_FUNCTION_FAILED: HeaderName = HeaderName::from_static("x-ms-run-function-failed");
const RUN_FN_EXEC_MS: HeaderName = HeaderName::from_static("x-ms-run-fn-exec-ms");
/// Response header that reports whether the prediction cache answered (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_VERSION: HeaderName = HeaderName::from_static("x-ms-server-version");

/// Header with the id that the Functions host gives to an invocation.
const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");

/// Number of headers of a response for which memory is reserved.
const ANSWER_HEADERS: usize = 10;

/// Maximum length of an id in the headers of a request, in characters. Azure ML's former inference
/// server had the same limit.
const ID_CHARACTERS: usize = 100;

/// Maximum length of a trace id that a response repeats, in bytes. A W3C trace context with its
/// state has about 600 bytes.
///
/// A longer trace id is left out, because a truncated trace id belongs to no trace.
const TRACE_ID_BYTES: usize = 1024;

/// Maximum length of the media type of a response, in bytes. Clients and proxies limit the headers
/// of a response.
const CONTENT_TYPE_BYTES: usize = 1024;

/// Ids of one request. The response repeats these ids in the headers that clients of Azure ML know.
#[derive(Debug, Clone)]
pub struct Ids {
    /// Id that the client sent, or else the id of the invocation, or else a new id.
    request: String,
    ms_request: Option<String>,
    client: Option<String>,
    trace: Option<String>,
}

impl Ids {
    /// Reads the ids of a request from the headers of the request. If the client did not send
    /// `x-request-id`, uses the id of the invocation, or else creates an id.
    ///
    /// # Errors
    /// Fails if the client sent an id of more than 100 characters, other than a trace id. In this
    /// case, the call must not be made.
    pub fn take(headers: &HeaderMap) -> Result<Self, RequestFailure> {
        let text = |name: &HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let (request, ms_request, client) = (
            text(&REQUEST_ID),
            text(&MS_REQUEST_ID),
            text(&MS_CLIENT_REQUEST_ID),
        );
        let too_long = |id: &Option<String>| {
            id.as_ref()
                .is_some_and(|id| id.chars().count() > ID_CHARACTERS)
        };
        let name = if too_long(&request) {
            "x-request-id"
        } else if too_long(&ms_request) || too_long(&client) {
            "x-ms-request-id and x-ms-client-request-id"
        } else {
            let invocation =
                || text(&INVOCATION_ID).filter(|id| (1..=ID_CHARACTERS).contains(&id.len()));
            let request = request.filter(|id| !id.is_empty()).or_else(invocation);
            let request = request.unwrap_or_else(|| Self::made().request);
            return Ok(Self {
                request,
                ms_request,
                client,
                trace: text(&TRACE_ID).filter(|id| id.len() <= TRACE_ID_BYTES),
            });
        };
        Err(RequestFailure::IdTooLong {
            name,
            limit: ID_CHARACTERS,
        })
    }

    /// Creates new ids for the response to a request whose ids are missing or cannot be used.
    #[must_use]
    pub fn made() -> Self {
        Self::of(&uuid::Uuid::new_v4().to_string())
    }

    /// Creates the ids of the response to an invocation that the Functions host sent. `id` is the
    /// id of the invocation.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self {
            request: id.to_owned(),
            ms_request: None,
            client: None,
            trace: None,
        }
    }

    /// Returns the id of the request, which is in the log and in the response.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }

    /// Returns the response to a request for a JSON document that the host creates itself, without
    /// a call of the scorer.
    #[must_use]
    pub fn document(&self, json: Bytes) -> Response<Bytes> {
        self.answer(StatusCode::OK, "application/json", json, false)
    }

    fn answer(
        &self,
        status: StatusCode,
        content_type: &str,
        body: Bytes,
        failed: bool,
    ) -> Response<Bytes> {
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.reserve(ANSWER_HEADERS);
        // Values come from request headers or from the host. If a scorer returned an invalid value,
        // its header is left out and not sent broken.
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(REQUEST_ID, &self.request);
        // Azure ML's former inference server did this, too: if the client sent no id, the
        // deprecated header repeats the host's id.
        let ms_request = self
            .ms_request
            .as_ref()
            .or(self.client.as_ref())
            .unwrap_or(&self.request);
        put(MS_REQUEST_ID, ms_request);
        if let Some(client) = self.client.as_ref().or(self.ms_request.as_ref()) {
            put(MS_CLIENT_REQUEST_ID, client);
        }
        if let Some(trace) = &self.trace {
            put(TRACE_ID, trace);
        }
        match content_type {
            "application/json" => {
                drop(headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")))
            }
            // Only an answer without a body does not have a media type.
            "" => {}
            other => put(CONTENT_TYPE, other),
        }
        headers.insert(
            SERVER_VERSION,
            HeaderValue::from_static(concat!("scorebox/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(
            RUN_FUNCTION_FAILED,
            HeaderValue::from_static(if failed { "True" } else { "False" }),
        );
        answer
    }
}

/// Copy of the headers that hold the ids of a request. The copy costs little, so every request can
/// keep one.
#[derive(Debug)]
pub struct IdHeaders([(HeaderName, Option<HeaderValue>); 5]);

impl IdHeaders {
    /// Copies the headers that hold the ids of a request.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let names = [
            REQUEST_ID,
            MS_REQUEST_ID,
            MS_CLIENT_REQUEST_ID,
            TRACE_ID,
            INVOCATION_ID,
        ];
        Self(names.map(|name| (name.clone(), headers.get(name).cloned())))
    }

    /// Returns the copied headers, from which [`Ids::take`] reads the ids.
    #[must_use]
    pub fn into_headers(self) -> HeaderMap {
        self.0
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Returns true if `headers` are those of an invocation, because they have the header that the
/// Functions host adds. A caller of the Functions host cannot forge this header, because the
/// Functions host replaces it.
#[must_use]
pub fn is_invocation(headers: &HeaderMap) -> bool {
    headers.contains_key(&INVOCATION_ID)
}

/// Returns the id of an invocation that the Functions host sent, from the headers of its request.
/// Returns a new id if the header is missing, invalid or too long.
#[must_use]
pub fn invocation_id(headers: &HeaderMap) -> String {
    let id = headers
        .get(&INVOCATION_ID)
        .and_then(|value| value.to_str().ok());
    id.filter(|id| (1..=ID_CHARACTERS).contains(&id.len()))
        .map_or_else(|| Ids::made().request, str::to_owned)
}

/// Adds the id of an invocation to the headers of the HTTP request in its envelope, so that
/// [`Ids::take`] finds the id.
pub fn name_invocation(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(INVOCATION_ID, value);
    }
}

/// Creates the invocation of the scorer for an HTTP request. Its attributes are those of the
/// platform, `attributes`, and then the headers of the request that a scorer may see.
#[must_use]
pub fn invocation(ids: &Ids, headers: &HeaderMap, mut attributes: Vec<Attribute>) -> Invocation {
    let seen = headers
        .iter()
        .filter(|(name, _)| is_attribute(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.into())));
    attributes.extend(seen);
    Invocation {
        attributes,
        ..Invocation::new(ids.request.clone(), Source::Http)
    }
}

/// Returns the request line of an HTTP request for the scorer. It holds the query with the caller's
/// keys, which [`HttpRequest::query`] leaves out. Returns `None` if the target does not have a
/// path, e.g. with the method CONNECT.
#[must_use]
pub fn request_line(method: &Method, uri: &Uri) -> Option<HttpRequest> {
    let target = uri.path_and_query()?;
    Some(HttpRequest::new(method.clone(), target.clone()))
}

/// Returns the payload of an HTTP request: the body, with the content type from the headers.
#[must_use]
pub fn payload(headers: &HeaderMap, body: Bytes) -> Payload {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    Payload {
        content_type: content_type.unwrap_or_default().to_owned(),
        body,
    }
}

/// Returns the response to a call that the scorer answered: the answer with the status and headers
/// that the scorer chose, and with headers about the call. An answer with a status of 500 or more
/// counts as a failure of the scorer, as it did for Azure ML's former inference server.
///
/// An answer whose status does not allow a body has none, whatever the scorer returned.
#[must_use]
pub fn scored(ids: &Ids, mut scored: Scored) -> Response<Bytes> {
    let status = scored.status();
    if scored.has_no_body() {
        scored.payload = Payload::default();
    }
    let mut answer = ids.answer(
        // A chosen status is one from 200 to 599.
        StatusCode::from_u16(status).unwrap_or_default(),
        &scored.payload.content_type,
        scored.payload.body,
        status >= 500,
    );
    if let Some(http) = &scored.http {
        for (name, value) in http.headers() {
            answer.headers_mut().append(name, value.clone());
        }
    }
    let run_us = scored.run_time.as_micros();
    if let Ok(value) = HeaderValue::from_str(&format!("{}.{:03}", run_us / 1000, run_us % 1000)) {
        answer.headers_mut().insert(RUN_FN_EXEC_MS, value);
    }
    if let Some(status) = scored.cache {
        answer
            .headers_mut()
            .insert(CACHE_STATUS, HeaderValue::from_static(status.header()));
    }
    for (name, value) in scored.attributes {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Returns the response to a call that failed: a JSON body with the message, the code, the id of
/// the request, and the pointer if the failure has one.
#[must_use]
pub fn failed(ids: &Ids, disposition: &Disposition) -> Response<Bytes> {
    failed_with(ids, disposition, &[])
}

/// Returns the response to a call that failed: a JSON body with the message, the code, the id of
/// the request, and the pointer if the failure has one. `more` are further fields of the body.
#[must_use]
pub fn failed_with(ids: &Ids, disposition: &Disposition, more: &[(&str, &str)]) -> Response<Bytes> {
    let mut body =
        json!({"message": disposition.message, "code": disposition.code, "id": ids.request});
    let pointer = disposition
        .pointer
        .as_deref()
        .map(|pointer| ("pointer", pointer));
    if let Some(body) = body.as_object_mut() {
        body.extend(
            pointer
                .iter()
                .chain(more)
                .map(|(name, text)| ((*name).to_owned(), (*text).into())),
        );
    }
    // Each disposition has a valid status; a test checks all of them.
    let status = StatusCode::from_u16(disposition.status).unwrap_or_default();
    let mut answer = ids.answer(
        status,
        "application/json",
        body.to_string().into(),
        disposition.scorer_at_fault,
    );
    if let Some(after) = disposition.retry_after {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    answer
}

/// Checks that the content type of an answer that a scorer returned can be a response header. An
/// empty answer whose status or headers the scorer chose may lack a content type.
///
/// # Errors
/// Fails if the content type is not a media type, or is too long. The scorer is at fault.
pub fn check_content_type(scored: &Scored) -> Result<(), ScoreFailure> {
    let payload = &scored.payload;
    let is_empty = payload.content_type.is_empty() && payload.body.is_empty();
    if payload.content_type == "application/json" || (is_empty && scored.http.is_some()) {
        return Ok(());
    }
    match payload.content_type.parse::<mime::Mime>() {
        Ok(_) if payload.content_type.len() <= CONTENT_TYPE_BYTES => Ok(()),
        parsed => {
            let shown = quoted(&payload.content_type, NAME_BYTES);
            Err(ScoreFailure::InvalidOutput(match parsed {
                Ok(_) => {
                    format!("the media type `{shown}` has more than {CONTENT_TYPE_BYTES} bytes")
                }
                Err(_) => format!("`{shown}` is not a media type"),
            }))
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
