//! HTTP requests to the routes of the Open Inference Protocol.
//!
//! Owns what differs from the routes of Azure ML: the media type of bodies, and the form of errors.
//! Must not know the routes, nor how a body is read.

use bytes::Bytes;
use http::Response;

use super::http::{self as http_trigger, Ids};
use crate::call::Payload;
use crate::error::Disposition;
use crate::scorer::tensor_body::open_inference::MEDIA_TYPE;

/// Returns the payload of a request to the Open Inference Protocol. The media type is always the
/// protocol's own, because clients label binary data as they like.
#[must_use]
pub fn payload(body: Bytes) -> Payload {
    Payload {
        content_type: MEDIA_TYPE.to_owned(),
        body,
    }
}

/// Returns the response to a call that failed. It has the `error` field that the Open Inference
/// Protocol requires, next to the usual fields.
#[must_use]
pub fn failed(ids: &Ids, disposition: &Disposition) -> Response<Bytes> {
    http_trigger::failed_with(ids, disposition, &[("error", &disposition.message)])
}
