//! A call of a scorer: its payload, its source, the facts that go with it, and its answer.
//!
//! Owns the words that triggers, the server and the scorer share. Must not know how a call arrives,
//! or how it is executed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::capability::Lines;

/// Bytes with a media type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// Media type of the body; empty if the sender gave none.
    pub content_type: String,
    /// Bytes of the payload.
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

/// One call of the scorer, with the facts that the scorer may ask for.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Id of the delivery; no other delivery has it.
    pub id: String,
    /// Kind of event that made the host call the scorer.
    pub source: Source,
    /// Number of the delivery attempt; 1 for the first delivery.
    pub attempt: u32,
    /// Attributes of the call, with lower-case names and without credentials.
    pub attributes: Vec<(String, String)>,
    /// Address that the call came from. It distinguishes callers, so that no single caller can
    /// occupy all instances.
    pub caller: Option<IpAddr>,
    /// Moment at which the client stops waiting for the answer, if it is known. `limits.deadline`
    /// applies in any case.
    pub latest: Option<Instant>,
    /// Collector of this call's log lines. `None` if they are wanted only in the log.
    pub lines: Option<Lines>,
}

impl Invocation {
    /// Returns a first delivery of which only the id and the source are known.
    #[must_use]
    pub fn new(id: impl Into<String>, source: Source) -> Self {
        Self {
            id: id.into(),
            source,
            attempt: 1,
            attributes: Vec::new(),
            caller: None,
            latest: None,
            lines: None,
        }
    }
}

/// An answer of the scorer, with the time that it took and where it came from.
#[derive(Debug)]
pub struct Scored {
    /// Payload that the scorer answered with.
    pub payload: Payload,
    /// Attributes of the answer that accompany the body in some forms; names are lower-case.
    pub attributes: Vec<(&'static str, String)>,
    /// Time that the component or graph computed, without the wait for an instance.
    pub run_time: Duration,
    /// Origin of the answer. `None` if there is no prediction cache.
    pub cache: Option<CacheStatus>,
}

/// Origin of an answer, in the words of RFC 9211.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// The answer was in the cache.
    Hit,
    /// The answer was computed for this call.
    Miss,
    /// The answer was computed for another call that came a little earlier.
    Collapsed,
}

impl CacheStatus {
    /// Returns the value of the header `Cache-Status`.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Hit => "scorebox; hit",
            Self::Miss => "scorebox; fwd=miss",
            Self::Collapsed => "scorebox; fwd=miss; collapsed",
        }
    }
}
