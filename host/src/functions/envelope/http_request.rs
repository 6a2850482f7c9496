//! The HTTP request in an envelope.
//!
//! Owns which headers, body and route values a request has, and which content types the Functions
//! host writes as base64. Must not know bindings other than the trigger.

use std::collections::BTreeMap;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::{HttpCall, Malformed};
use super::value::BASE64;
use crate::functions::metadata::scalar;
use crate::text::{REASON_BYTES, displayed};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    params: Option<BTreeMap<String, Value>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

pub(super) fn http_call(raw: &RawValue) -> Result<HttpCall, Malformed> {
    let request: Request<'_> = serde_json::from_str(raw.get()).map_err(|error| {
        Malformed(format!(
            "it does not hold an HTTP request: {}",
            displayed(&error, REASON_BYTES)
        ))
    })?;
    let mut headers = HeaderMap::new();
    for (name, values) in &request.headers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            continue;
        };
        let values = match values {
            Value::Array(values) => values.iter().filter_map(scalar).collect(),
            value => Vec::from_iter(scalar(value)),
        };
        for value in values
            .into_iter()
            .filter_map(|value| HeaderValue::try_from(value).ok())
        {
            headers.append(name.clone(), value);
        }
    }
    let params = request.params.unwrap_or_default();
    let attributes = params
        .iter()
        .filter_map(|(name, value)| Some((route_attribute(name), scalar(value)?)))
        .collect();
    let body = match request.body {
        None => Bytes::new(),
        Some(raw) => match serde_json::from_str::<Option<String>>(raw.get()) {
            Ok(None) => Bytes::new(),
            Ok(Some(text)) if is_encoded(&headers) => BASE64
                .decode(text)
                .map_err(|_| {
                    Malformed("`Body` is not base64, which its content type requires".to_owned())
                })?
                .into(),
            Ok(Some(text)) => text.into(),
            // Old documentation shows JSON that is not wrapped in a string.
            Err(_) => Bytes::copy_from_slice(raw.get().as_bytes()),
        },
    };
    Ok(HttpCall {
        headers,
        body,
        attributes,
    })
}

/// Returns the name of the attribute that holds the value of the route parameter `name`, e.g.
/// `route.id` for `id`.
#[must_use]
pub fn route_attribute(name: &str) -> String {
    format!("route.{}", name.to_ascii_lowercase())
}

/// Returns true if the Functions host writes the body of a request with the given headers as
/// base64. This depends on the content type.
fn is_encoded(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/octet-stream" || essence.starts_with("multipart/")
}
