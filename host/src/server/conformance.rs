//! Checks of a request against the rules of HTTP that the HTTP library leaves to its user.
//!
//! Owns the rules for `Host` (RFC 9112, section 3.2) and for transfer codings (section 6.1). Must
//! not know routes or bodies.

use http::Version;
use http::header::{HOST, HeaderMap, TRANSFER_ENCODING};

use crate::error::RequestFailure;

/// Checks the `Host` header and the transfer codings of a request.
///
/// # Errors
/// Fails if the request has several `Host` headers or an invalid one, or if an HTTP/1.1 request has
/// none. Also fails if the body has several transfer codings, or another one than `chunked`.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), RequestFailure> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_right = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        // HTTP/1.0 has no `Host`, and HTTP/2 has `:authority`.
        (None, _) => version != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if !is_right {
        return Err(RequestFailure::BadHost);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    is_chunked
        .then_some(())
        .ok_or(RequestFailure::TransferCoding)
}

/// Returns true if `value` is the name or the address of a server, with or without a port. Also
/// returns true for an empty value, which a client sends if the target of its request does not name
/// a server.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => match rest.split_at(end) {
                (address, [_, rest @ ..]) => (address, rest),
                (_, []) => return false,
            },
            None => return false,
        },
        _ => value.split_at(
            value
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(value.len()),
        ),
    };
    let is_address = value.starts_with(b"[");
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || b"-._~%!$&'()*+,;=".contains(byte)
            || *byte == b':' && is_address
    };
    is_port && host.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(version: Version, headers: &[(&'static str, &str)]) -> Result<(), RequestFailure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        check(version, &map)
    }

    #[test]
    fn http_1_1_needs_exactly_one_valid_host() {
        let host = |value: &str| checked(Version::HTTP_11, &[("host", value)]);
        for valid in [
            "",
            "x",
            "example.com",
            "example.com:",
            "a_b:80",
            "127.0.0.1:8080",
            "[::1]",
            "[fe80::1]:80",
            "x%20y",
        ] {
            assert_eq!(host(valid), Ok(()), "{valid}");
        }
        for invalid in [
            "a b", "a:b", "a@b", "a/b", "http://a", "[::1", "[::1]80", "::1", "a:80:80", "a, b",
            "ä", "a?b",
        ] {
            // A comma is a character of a name, but the space after it is not.
            assert_eq!(host(invalid), Err(RequestFailure::BadHost), "{invalid}");
        }
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let both = checked(version, &[("host", "a"), ("host", "a")]);
            assert_eq!(both, Err(RequestFailure::BadHost), "{version:?}");
        }
        assert_eq!(checked(Version::HTTP_11, &[]), Err(RequestFailure::BadHost));
        assert_eq!(checked(Version::HTTP_10, &[]), Ok(()));
        assert_eq!(checked(Version::HTTP_2, &[]), Ok(()));
    }

    #[test]
    fn chunked_is_the_only_transfer_coding() {
        let coded = |values: &[&str]| {
            let coded = values.iter().map(|value| ("transfer-encoding", *value));
            let headers: Vec<_> = std::iter::once(("host", "x")).chain(coded).collect();
            checked(Version::HTTP_11, &headers)
        };
        assert_eq!(coded(&["chunked"]), Ok(()));
        assert_eq!(coded(&[" Chunked "]), Ok(()));
        for others in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked", "chunked"],
            &[""],
        ] {
            assert_eq!(
                coded(others),
                Err(RequestFailure::TransferCoding),
                "{others:?}"
            );
        }
    }
}
