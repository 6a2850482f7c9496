//! The parts of an HTTP answer that a scorer chooses: its status and headers.
//!
//! Owns the rules for the status and the headers: which headers a scorer may set, and the limits on
//! them. A value of [`HttpAnswer`] follows the rules, so it can be sent without another check. Must
//! not know how an answer is sent, or what a status means for the settlement of a message.

use http::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};

use crate::text::{NAME_BYTES, quoted};

/// Name of the header with which Azure ML marks an answer whose script is at fault. Only the host
/// sets this header. If a script sets it, its answer is sent without the header.
#[cfg(feature = "python")]
pub(crate) const FAULT_OF_SCRIPT: &str = "x-ms-run-function-failed";

/// Maximum number of headers that a scorer may set.
const HEADERS: usize = 32;

/// Maximum size of the names and values of all headers that a scorer sets, in bytes. Proxies refuse
/// answers with more: nginx has 4 to 8 KiB for the head of an answer by default.
const BYTES: usize = 8 << 10;

/// Prefixes of the names of headers that a scorer may set, except those in [`RESERVED`].
const PREFIXES: [&str; 2] = ["x-", "access-control-"];

/// Names of headers that a scorer may set, in addition to names that begin with one of
/// [`PREFIXES`].
///
/// Other standard headers are left out. They describe the connection, the framing or the coding of
/// the body, which the host decides, or they are not for an application to set.
const NAMES: [&str; 20] = [
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-location",
    "content-security-policy",
    "deprecation",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "preference-applied",
    "referrer-policy",
    "retry-after",
    "server-timing",
    "sunset",
    "vary",
    "warning",
    "www-authenticate",
];

/// Prefixes of the names of headers that only the host, a platform or a proxy sets. Some make a
/// proxy act: `x-accel-redirect` makes nginx send another file, and
/// `x-envoy-immediate-health-check-fail` makes the ingress of Container Apps drop the replica.
const RESERVED: [&str; 13] = [
    "x-ms-",
    "x-azure-",
    "x-functions-",
    "x-appservice-",
    "x-arr-",
    "x-accel-",
    "x-sendfile",
    "x-lighttpd-",
    "x-litespeed-",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
    "x-request-id",
];

/// Reason why the status and headers that a scorer chose are not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpAnswerError {
    /// The status is outside the range from 200 to 599. Holds the status.
    #[error("the status {0} is not one from 200 to 599, which an answer may have")]
    Status(u16),
    /// There are more than 32 headers. Holds their number.
    #[error("the answer has {0} headers, and at most {HEADERS} are sent")]
    TooMany(usize),
    /// The names and values of the headers have more than 8 KiB in total.
    #[error("the names and values of the headers have more than {BYTES} bytes")]
    TooLarge,
    /// The name of a header is empty, or has characters that a name may not have. Holds the name.
    #[error("`{0}` is not the name of a header")]
    Name(String),
    /// A value has line breaks, other control characters except tabs, or characters outside ASCII.
    /// Holds the name of the header. Line breaks and NUL would let a value begin another header, or
    /// another answer.
    #[error(
        "the value of the header `{0}` is not printable ASCII; escape what a caller sent, e.g. with percent-encoding"
    )]
    Value(String),
    /// The answer sets a cookie, but the setting `answers.cookies` does not allow cookies.
    #[error("the answer sets a cookie, which the setting `answers.cookies` does not allow")]
    Cookie,
    /// A scorer may not set a header with this name. Holds the name.
    #[error(
        "a scorer may not set the header `{0}`: choose a name that begins with `x-`, or one of those that the contract \
         lists"
    )]
    Reserved(String),
}

/// Status and headers of an HTTP answer, as a scorer chose them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    status: u16,
    headers: HeaderMap,
    bytes: usize,
}

impl HttpAnswer {
    /// Checks the status and the headers that a scorer chose. Returns `None` if the scorer chose
    /// nothing, or only the status 200, so that the answer has the status 200 and only the host's
    /// headers. `allows_cookies` is the setting `answers.cookies`.
    ///
    /// # Errors
    /// Fails if the status is not from 200 to 599, if a scorer may not set one of the headers, if a
    /// name or a value is invalid, or if the headers are too many or too large.
    pub fn new(
        status: Option<u16>,
        headers: Vec<(String, String)>,
        allows_cookies: bool,
    ) -> Result<Option<Self>, HttpAnswerError> {
        let status = status.unwrap_or(200);
        if !(200..=599).contains(&status) {
            return Err(HttpAnswerError::Status(status));
        }
        if status == 200 && headers.is_empty() {
            return Ok(None);
        }
        if headers.len() > HEADERS {
            return Err(HttpAnswerError::TooMany(headers.len()));
        }
        let mut answer = Self {
            status,
            headers: HeaderMap::with_capacity(headers.len()),
            bytes: 0,
        };
        for (name, value) in headers {
            answer.bytes += name.len() + value.len();
            if answer.bytes > BYTES {
                return Err(HttpAnswerError::TooLarge);
            }
            let shown = || quoted(&name, NAME_BYTES);
            let checked = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| HttpAnswerError::Name(shown()))?;
            if !may_be_set(&checked, allows_cookies) {
                return Err(refusal(&checked));
            }
            // `HeaderValue` accepts bytes outside ASCII, but clients decode these in different
            // ways.
            let value = HeaderValue::from_str(&value)
                .ok()
                .filter(|_| value.is_ascii())
                .ok_or_else(|| HttpAnswerError::Value(shown()))?;
            answer.headers.append(checked, value);
        }
        Ok(Some(answer))
    }

    /// Returns the status of the HTTP answer, from 200 to 599.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers that the scorer set.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the names and values of the headers as texts.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
    }

    /// Returns the size of the names and values of the headers, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns true if an answer with this status does not have a body (RFC 9110, sections 15.3.5,
    /// 15.3.6 and 15.4.5).
    #[must_use]
    pub fn has_no_body(&self) -> bool {
        matches!(self.status, 204 | 205 | 304)
    }
}

fn may_be_set(name: &HeaderName, allows_cookies: bool) -> bool {
    if name == SET_COOKIE {
        return allows_cookies;
    }
    let name = name.as_str();
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    NAMES.contains(&name) || begins(&PREFIXES) && !begins(&RESERVED)
}

fn refusal(name: &HeaderName) -> HttpAnswerError {
    if name == SET_COOKIE {
        return HttpAnswerError::Cookie;
    }
    HttpAnswerError::Reserved(quoted(name.as_str(), NAME_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        headers.iter().map(owned).collect()
    }

    fn answer(
        status: Option<u16>,
        headers: &[(&str, &str)],
    ) -> Result<Option<HttpAnswer>, HttpAnswerError> {
        HttpAnswer::new(status, owned(headers), false)
    }

    #[track_caller]
    fn refuses(status: Option<u16>, headers: &[(&str, &str)], part: &str) {
        let message = answer(status, headers).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn a_status_is_from_200_to_599() {
        assert_eq!(answer(None, &[]), Ok(None));
        assert_eq!(answer(Some(200), &[]), Ok(None));
        for status in [201, 204, 299, 302, 404, 499, 500, 599] {
            let found = answer(Some(status), &[]).unwrap().unwrap();
            assert_eq!(found.status(), status);
        }
        for status in [0, 1, 99, 100, 101, 199, 600, 999, 1200, u16::MAX] {
            refuses(Some(status), &[], "is not one from 200 to 599");
        }
    }

    #[test]
    fn allowed_headers_are_kept_in_lower_case_and_may_repeat() {
        let sent = [("X-Model", "7"), ("etag", "\"a\""), ("x-model", "8\t, 9")];
        let found = answer(None, &sent).unwrap().unwrap();
        let texts: Vec<_> = found.texts().collect();
        let expected = [("x-model", "7"), ("x-model", "8\t, 9"), ("etag", "\"a\"")];
        assert_eq!(texts, expected);
        assert_eq!((found.status(), found.bytes()), (200, 8 + 7 + 12));
        for name in NAMES {
            assert!(answer(None, &[(name, "a")]).is_ok(), "{name}");
        }
        assert!(answer(None, &[("access-control-allow-origin", "*")]).is_ok());
        assert!(answer(None, &[("x-empty", "")]).is_ok());
    }

    #[test]
    fn headers_of_the_host_and_of_the_connection_are_refused() {
        for name in [
            "connection",
            "Keep-Alive",
            "proxy-connection",
            "te",
            "trailer",
            "TRANSFER-ENCODING",
            "upgrade",
            "host",
            "content-length",
            "content-encoding",
            "content-type",
            "content-range",
            "date",
            "server",
            "cache-status",
            "alt-svc",
            "clear-site-data",
            "strict-transport-security",
            "proxy-authenticate",
            "authorization",
            "traceid",
            "x",
            "x-request-id",
            "X-Ms-Request-Id",
            "x-ms-run-function-failed",
            "x-azure-ref",
            "x-functions-key",
            "x-accel-redirect",
            "x-sendfile",
            "x-envoy-immediate-health-check-fail",
            "x-forwarded-for",
        ] {
            refuses(None, &[(name, "a")], "may not set the header");
        }
        refuses(None, &[("Set-Cookie", "a=b")], "`answers.cookies`");
        let cookies = owned(&[("set-cookie", "a=b"), ("set-cookie", "c=d")]);
        let found = HttpAnswer::new(None, cookies, true).unwrap().unwrap();
        assert_eq!(found.texts().count(), 2);
    }

    #[test]
    fn no_name_and_no_value_can_split_an_answer() {
        for value in [
            "a\r\nx-b: c",
            "a\nx-b: c",
            "a\rb",
            "\r\n\r\nHTTP/1.1 200 OK",
            "a\0b",
            "a\u{7f}b",
            "é",
            "\u{560d}\u{560a}",
            "\u{2028}",
        ] {
            refuses(None, &[("x-a", value)], "is not printable ASCII");
        }
        for name in [
            "",
            " ",
            "x a",
            "x-a:",
            "x-a\r\nx-b",
            "x-a\n",
            "x-a\0",
            "x-é",
            ":status",
            "x-(a)",
        ] {
            refuses(None, &[(name, "a")], "is not the name of a header");
        }
    }

    #[test]
    fn headers_are_bounded() {
        let many = vec![("x-a", "1"); HEADERS];
        assert!(answer(None, &many).is_ok());
        refuses(None, &vec![("x-a", "1"); HEADERS + 1], "has 33 headers");
        let value = "v".repeat(BYTES - 3);
        assert!(answer(None, &[("x-a", &value)]).is_ok());
        refuses(None, &[("x-ab", &value)], "more than 8192 bytes");
        // The longest name is still refused, and not sent.
        let name = format!("x-{}", "a".repeat(1 << 20));
        refuses(None, &[(&name, "")], "more than 8192 bytes");
    }

    #[test]
    fn some_answers_do_not_have_a_body() {
        let bodiless = |status| answer(Some(status), &[]).unwrap().unwrap().has_no_body();
        assert!([204, 205, 304].into_iter().all(bodiless));
        assert!(![201, 206, 302, 404].into_iter().any(bodiless));
    }
}
