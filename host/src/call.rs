//! A call of a scorer: its payload, its source, the facts that go with it, and its answer.
//!
//! Owns the words that triggers, the server and the scorer share. Must not know how a call arrives,
//! or how it is executed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use crate::capability::{LOGS_BYTES, Lines};

/// Body of a call or of an answer, with its media type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// Media type of the body; empty if the sender gave none.
    pub content_type: String,
    /// Bytes of the payload's body.
    pub body: Bytes,
}

/// Source of a call: the kind of event that made the host call the scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A blob that was created or changed.
    Blob,
    /// A direct call by a developer or a test.
    Direct,
    /// An HTTP request.
    Http,
    /// A Service Bus message.
    ServiceBus,
}

/// Format of the body of a call, as far as the way on which the call arrived says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// The media type and the body itself say which format the body has.
    #[default]
    Labelled,
    /// The body is a request of the Open Inference Protocol. Its media type does not count, because
    /// clients label binary data as they like.
    OpenInference,
}

/// One call of the scorer: its source, its limits and the facts that the scorer may read. The
/// payload is passed separately.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id of this delivery of the event. No other delivery has the same id.
    pub id: String,
    /// Kind of event that made the host call the scorer.
    pub source: Source,
    /// Number of the delivery attempt; 1 for the first delivery.
    pub attempt: u32,
    /// Attributes of the call, such as the headers of a request, as pairs of a lower-case name and
    /// a value. Credentials are left out.
    pub attributes: Vec<(String, String)>,
    /// Format of the payload's body.
    pub format: BodyFormat,
    /// IP address that the call came from. The host distinguishes callers by it, so that no single
    /// caller can occupy all instances. `None` if the address is unknown.
    pub caller: Option<IpAddr>,
    /// Moment at which the client stops waiting for the answer. `None` if it is unknown. The time
    /// limit `limits.deadline` applies in any case.
    pub latest: Option<Instant>,
    /// Collector that also receives the log lines of this call. `None` if they only go to the log.
    pub lines: Option<Lines>,
}

impl Invocation {
    /// Returns the facts of a first delivery of which only the id and the source are known.
    #[must_use]
    pub fn new(id: impl Into<String>, source: Source) -> Self {
        Self {
            id: id.into(),
            source,
            attempt: 1,
            attributes: Vec::new(),
            format: BodyFormat::default(),
            caller: None,
            latest: None,
            lines: None,
        }
    }
}

/// An answer of the scorer, with its run time and its cache status.
#[derive(Debug)]
pub struct Scored {
    /// Payload that the scorer answered with.
    pub payload: Payload,
    /// Attributes of the answer that belong to the body, such as the length of the JSON part of a
    /// binary body. They are pairs of a lower-case name and a value.
    pub attributes: Vec<(&'static str, String)>,
    /// Time that the component or graph ran, without the wait for an instance.
    pub run_time: Duration,
    /// Status of the prediction cache for this answer. `None` if the app has no prediction cache.
    pub cache: Option<CacheStatus>,
}

/// Status of the prediction cache for an answer, in the terms of RFC 9211.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// The answer was in the prediction cache.
    Hit,
    /// The answer was computed for this call.
    Miss,
    /// The answer was computed for an equal call that came a little earlier.
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
