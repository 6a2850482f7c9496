//! The HTTP request in an envelope.
//!
//! Owns which headers, body, request line and route values a request has, and which content types
//! the Functions host writes as base64. Must not know bindings other than the trigger.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::{HttpCall, Malformed};
use super::value::BASE64;
use crate::call::HttpRequest;
use crate::functions::metadata::scalar;
use crate::text::{REASON_BYTES, displayed};
use crate::trigger::http as trigger;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    url: Option<Value>,
    method: Option<Value>,
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
        .filter_map(|(name, value)| Some((route_attribute(name), scalar(value)?.into())))
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
    let text = |value: &Option<Value>| value.as_ref()?.as_str().map(str::to_owned);
    let http = text(&request.method).zip(text(&request.url));
    Ok(HttpCall {
        headers,
        body,
        attributes,
        http: http.and_then(|(method, url)| request_line(&method, &url)),
    })
}

/// Returns the request line of a request with the given method and absolute URL. Returns `None` if
/// the method or the URL is not valid. A character that a URL cannot hold is percent-encoded,
/// because the Functions host decodes some of these characters.
fn request_line(method: &str, url: &str) -> Option<HttpRequest> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let mut encoded = String::with_capacity(url.len());
    for byte in url.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=0x20 | 0x7f.. => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    trigger::request_line(&method, &encoded.parse().ok()?)
}

/// Returns the name of the attribute that holds the value of the route parameter `name`, e.g.
/// `route.id` for `id`.
#[must_use]
pub fn route_attribute(name: &str) -> String {
    format!("route.{}", name.to_lowercase())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_line_is_that_of_the_client() {
        #[track_caller]
        fn check(method: &str, url: &str, expected: Option<(&str, &str, &str)>) {
            let found = request_line(method, url);
            let query = found.as_ref().map(HttpRequest::query);
            let parts = found
                .as_ref()
                .zip(query.as_deref())
                .map(|(found, query)| (found.method(), found.path(), query));
            assert_eq!(parts, expected, "{method} {url}");
        }
        check(
            "POST",
            "http://127.0.0.1:7071/api/web/a%20b?x=1&code=k&x=2&y=%C3%A9",
            Some(("POST", "/api/web/a%20b", "x=1&x=2&y=%C3%A9")),
        );
        check("GET", "https://a", Some(("GET", "/", "")));
        // Decoded characters are encoded again.
        check(
            "GET",
            "http://a/b c?d=é",
            Some(("GET", "/b%20c", "d=%C3%A9")),
        );
        check(
            "GET",
            "http://a/{b}?d=|",
            Some(("GET", "/%7Bb%7D", "d=%7C")),
        );
        check("G ET", "http://a/", None);
        check("GET", "", None);
        check("GET", &format!("http://a/{}", "b".repeat(1 << 20)), None);
    }
}
