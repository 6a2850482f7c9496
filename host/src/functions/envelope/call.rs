//! Contents of an envelope, decoded: a call, or an HTTP request.
//!
//! Owns what a decoded envelope holds. Must not know the form of an envelope.

use bytes::Bytes;
use http::header::HeaderMap;

use crate::call::{Payload, Source};

/// HTTP request that the Functions host wrapped in an envelope.
#[derive(Debug)]
pub struct HttpCall {
    /// Headers of the request, as the client sent them to the Functions host.
    pub headers: HeaderMap,
    /// Body of the request, as far as the envelope keeps it. The Functions host writes
    /// `application/octet-stream` and `multipart/*` as base64, and any other body as text.
    pub body: Bytes,
    /// Attributes of the call: the values of the route and of the input bindings.
    pub attributes: Vec<(String, String)>,
}

/// Blob or message that is to be scored.
#[derive(Debug)]
pub struct Call {
    /// Kind of the call: a blob or a Service Bus message.
    pub source: Source,
    /// Content of the blob or message, with its media type.
    pub payload: Payload,
    /// Attributes that the platform reported, with lower-case names.
    pub attributes: Vec<(String, String)>,
    /// Number of the delivery: 1 for the first one, and if the platform does not report a number.
    pub attempt: u32,
}

/// Error for a body that is not an invocation. The text is the reason, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);
