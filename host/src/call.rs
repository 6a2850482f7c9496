//! A call of a scorer: its payload, its source, the facts that go with it, and its answer.
//!
//! Owns the types that triggers, the server and the scorer share. Must not know how a call arrives,
//! or how it is executed.
//!
//! | module | owns |
//! |---|---|
//! | `attribute` | facts about a call, with their types |
//! | `http_request` | the request line of an HTTP call, without keys |
//! | `http_answer` | status and headers that a scorer may choose |

mod attribute;
mod http_answer;
mod http_request;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use self::attribute::{Attribute, Value};
#[cfg(feature = "python")]
pub(crate) use self::http_answer::FAULT_OF_SCRIPT;
pub use self::http_answer::{HttpAnswer, HttpAnswerError};
pub use self::http_request::HttpRequest;
pub use crate::capability::{LOGS_BYTES, Lines};

/// Body of a call or of an answer, with its media type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// Media type of the body. Empty if the sender did not state a media type.
    pub content_type: String,
    /// Bytes of the payload's body.
    pub body: Bytes,
}

/// Source of a call: the kind of event that made the host call the scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The call was started by a blob that was created or changed.
    Blob,
    /// The call was started directly by a developer or a test.
    Direct,
    /// The call was started by an HTTP request.
    Http,
    /// The call was started by a Service Bus message.
    ServiceBus,
    /// The call was started by a message of a storage queue.
    StorageQueue,
}

/// Format of a call's body: stated by its media type, or fixed by the route on which the call
/// arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// The media type, the attributes of the call and the body itself determine the format of the
    /// body.
    #[default]
    Labelled,
    /// The body is a request of the Open Inference Protocol. The media type of the body is ignored,
    /// because clients send binary data with various media types. Only JSON in another charset than
    /// UTF-8 is refused.
    OpenInference,
    /// The body is JSON in the format that the prediction routes of KServe's protocol V1 and of
    /// MLflow accept. The answer is a JSON object with the key `predictions`.
    Predict,
}

/// One call of the scorer: its source, its limits and the facts that the scorer may read. The
/// payload is passed separately.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id of this delivery of the event that started the call. An HTTP call has the id that the
    /// client sent, if there is one, so the id may not be unique.
    pub id: String,
    /// Kind of event that made the host call the scorer.
    pub source: Source,
    /// Number of the delivery attempt. 1 for the first delivery.
    pub attempt: u32,
    /// Attributes of the call, such as the headers of a request. Credentials are left out.
    pub attributes: Vec<Attribute>,
    /// Request line of an HTTP call. `None` if the call did not come by HTTP.
    pub http: Option<HttpRequest>,
    /// Format of the payload's body.
    pub format: BodyFormat,
    /// IP address that the call came from. The host distinguishes callers by this address, so that
    /// no single caller can occupy all instances. `None` if the address is unknown.
    pub caller: Option<IpAddr>,
    /// Time at which the client stops waiting for the answer. `None` if this time is unknown. The
    /// time limit `limits.deadline` applies in any case.
    pub latest: Option<Instant>,
    /// Collector that receives a copy of the log lines of this call. `None` if the lines are only
    /// logged.
    pub lines: Option<Lines>,
}

impl Invocation {
    /// Creates the invocation of a first delivery of which only the id and the source are known.
    #[must_use]
    pub fn new(id: impl Into<String>, source: Source) -> Self {
        Self {
            id: id.into(),
            source,
            attempt: 1,
            attributes: Vec::new(),
            http: None,
            format: BodyFormat::default(),
            caller: None,
            latest: None,
            lines: None,
        }
    }
}

/// An answer of the scorer, with the time for which the scorer ran and the status of the prediction
/// cache.
#[derive(Debug)]
pub struct Scored {
    /// Payload that the scorer answered with.
    pub payload: Payload,
    /// Attributes that describe the body of the answer, such as the length of the JSON part of a
    /// binary body. Each is a pair of a lower-case name and a value.
    pub attributes: Vec<(&'static str, String)>,
    /// Status and headers of the HTTP answer that the scorer chose. `None` if it chose neither, or
    /// only the status 200. Then the status is 200.
    pub http: Option<Box<HttpAnswer>>,
    /// Time for which the component, graph or script ran, without the wait for an instance.
    pub run_time: Duration,
    /// Status of the prediction cache for this answer. `None` if the app has no prediction cache.
    pub cache: Option<CacheStatus>,
}

impl Scored {
    /// Returns the status that the scorer chose for the HTTP answer, or 200 if it chose none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.http.as_ref().map_or(200, |http| http.status())
    }

    /// Returns true if an HTTP answer with the status that the scorer chose does not have a body.
    /// The payload may have a body nevertheless, for the other output bindings of an Azure
    /// function.
    #[must_use]
    pub fn has_no_body(&self) -> bool {
        self.http.as_ref().is_some_and(|http| http.has_no_body())
    }

    /// Returns true if the scorer says that there is nothing to write to an output binding of an
    /// Azure function: the payload is empty, and the status is that of an answer without a body.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.has_no_body() && self.payload.body.is_empty()
    }
}

/// Status of the prediction cache for an answer, in the terms of RFC 9211.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// The answer was in the prediction cache.
    Hit,
    /// The answer was computed for this call.
    Miss,
    /// The answer was computed for another call with the same input, which was in progress when
    /// this call arrived.
    Collapsed,
}

impl CacheStatus {
    /// Returns the value of the response header `Cache-Status` for this status.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Hit => "scorebox; hit",
            Self::Miss => "scorebox; fwd=miss",
            Self::Collapsed => "scorebox; fwd=miss; collapsed",
        }
    }
}
