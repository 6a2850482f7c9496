//! Rules for requests of the Open Inference Protocol.
//!
//! Owns how bytes become a request with and without binary data. Must not know how tensors are
//! compared.

use crate::readers::{BodyFormat, JSON, OCTET_STREAM};
use crate::tensors::{self, Request};

/// Checks the bytes as a request in JSON.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check(body: &[u8]) {
    tensors::check(&Request {
        format: BodyFormat::OpenInference,
        content_type: JSON,
        json_length: None,
        body: body.to_vec(),
    });
}

/// Checks the bytes as a request with binary data. The first line is the value of the header
/// `inference-header-content-length`, and the rest is the body.
///
/// # Panics
/// Panics if the reader breaks a rule.
pub fn check_binary(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (length, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 1..]));
    let length = String::from_utf8_lossy(length).into_owned();
    let request = Request {
        format: BodyFormat::Labelled,
        content_type: OCTET_STREAM,
        json_length: Some(length),
        body: body.to_vec(),
    };
    for (_, tensors) in tensors::check(&request) {
        let bytes: usize = tensors.iter().map(|tensor| tensor.data.len()).sum();
        // An element of a text takes four bytes more than its text, and one of JSON at least two.
        assert!(bytes <= 8 * body.len(), "{bytes} bytes of {}", body.len());
    }
}
