//! Contents of an envelope, decoded: a call, or an HTTP request.
//!
//! Owns what a decoded envelope holds. Must not know the form of an envelope.

use bytes::Bytes;
use http::header::HeaderMap;

use crate::call::{Attribute, HttpRequest, Payload, Source};

/// HTTP request that the Functions host wrapped in an envelope.
#[derive(Debug)]
pub struct HttpCall {
    /// Headers of the request, as the client sent them to the Functions host.
    pub headers: HeaderMap,
    /// Body of the request. The Functions host writes bodies of `application/octet-stream` and
    /// `multipart/*` to the envelope as base64. The Functions host writes any other body as text,
    /// which does not keep every byte.
    pub body: Bytes,
    /// Attributes of the call: the values of the route parameters and of the input bindings.
    pub attributes: Vec<Attribute>,
    /// Request line of the request. `None` if the envelope does not have a valid URL and method.
    pub http: Option<HttpRequest>,
}

/// Call of the scorer for one blob or one message.
#[derive(Debug)]
pub struct Call {
    /// Kind of the call: a blob, or a message of Service Bus or of a storage queue.
    pub source: Source,
    /// Content of the blob or message, with its media type.
    pub payload: Payload,
    /// Attributes of the call, which the scorer can read: facts about the blob or message that the
    /// Functions host reported, and the values of the function's input bindings. The names are in
    /// lower case.
    pub attributes: Vec<Attribute>,
    /// Number of the delivery of the blob or message. 1 for the first delivery, and if the platform
    /// does not report a number.
    pub attempt: u32,
}

/// Error for a request body that is not a valid invocation. The text is the reason, which is only
/// logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);
