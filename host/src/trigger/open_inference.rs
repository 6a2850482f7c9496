//! HTTP requests to the Open Inference Protocol's own routes.
//!
//! Owns what differs there from the routes of Azure ML: the label of bodies, and the form of errors. Must not know the
//! routes, nor how a body is read.

use bytes::Bytes;
use http::Response;

use super::http::{self as http_trigger, Ids};
use crate::error::Disposition;
use crate::scorer::Payload;
use crate::scorer::tensor_body::open_inference::MEDIA_TYPE;

/// The payload of a request: of the protocol, whatever its label says. Clients label binary data as they like.
#[must_use]
pub fn payload(body: Bytes) -> Payload {
    Payload { content_type: MEDIA_TYPE.to_owned(), body }
}

/// The answer to a call that failed: the one of all other routes, with the field that the protocol asks for.
#[must_use]
pub fn failed(ids: &Ids, disposition: &Disposition) -> Response<Bytes> {
    http_trigger::failed_with(ids, disposition, &[("error", &disposition.message)])
}
