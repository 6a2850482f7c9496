//! The request line of an HTTP call: method, path and query.
//!
//! Owns which parameters of a query are keys, and are therefore kept from scorers. Must not know
//! how the request arrived.

use http::Method;
use http::uri::PathAndQuery;

/// Names of query parameters that hold a key, in lower case. No scorer gets these parameters.
///
/// `code` holds a key of a function in Azure Functions, or a key of this server. The other names
/// are those that gateways and OAuth 2.0 (RFC 6750) use. The list has whole names and not parts of
/// names, because a parameter such as `author` may be an input of the scorer.
const KEYS: [&str; 5] = [
    "code",
    "access_token",
    "api_key",
    "apikey",
    "subscription-key",
];

/// Request line of an HTTP call. Copying it costs little, because the copy shares the texts with
/// the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    method: Method,
    target: PathAndQuery,
}

impl HttpRequest {
    /// Creates the request line from the method and the target of a request.
    #[must_use]
    pub fn new(method: Method, target: PathAndQuery) -> Self {
        Self { method, target }
    }

    /// Returns the method, e.g. `POST`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// Returns the path as the client sent it, with its percent-encoding and without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// Returns the query as the client sent it, without `?` and without the parameters that hold a
    /// key. The query is empty if there is none.
    #[must_use]
    pub fn query(&self) -> String {
        let mut kept = String::new();
        for parameter in self.target.query().unwrap_or_default().split('&') {
            let name = parameter.split('=').next().unwrap_or_default();
            if is_key(name) {
                continue;
            }
            if !kept.is_empty() {
                kept.push('&');
            }
            kept.push_str(parameter);
        }
        kept
    }
}

/// Returns true if the name of a query parameter is that of a key, in any case of its letters and
/// with any of them percent-encoded once. White space and NUL around the name are ignored, because
/// some platforms remove them.
fn is_key(name: &str) -> bool {
    let mut decoded = [0; 32];
    let mut length = 0;
    let bytes = name.as_bytes();
    let digit = |index: usize| {
        let byte = bytes.get(index).copied();
        byte.and_then(|byte| char::from(byte).to_digit(16))
    };
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let byte = match (byte, digit(index + 1), digit(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                index += 2;
                u8::try_from(high * 16 + low).unwrap_or_default()
            }
            (b'+', _, _) => b' ',
            _ => byte,
        };
        index += 1;
        if length == 0 && is_blank(byte) {
            continue;
        }
        // No key has more than 32 characters, so only blanks may follow.
        match decoded.get_mut(length) {
            Some(place) => *place = byte.to_ascii_lowercase(),
            None if is_blank(byte) => continue,
            None => return false,
        }
        length += 1;
    }
    let name = decoded.get(..length).unwrap_or_default();
    let end = name.iter().rposition(|byte| !is_blank(*byte));
    let name = name.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
    KEYS.iter().any(|key| key.as_bytes() == name)
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_left_out_however_it_is_written() {
        #[track_caller]
        fn check(query: &str, expected: &str) {
            let target = format!("/api/risk?{query}").parse().unwrap();
            let request = HttpRequest::new(Method::POST, target);
            assert_eq!(request.query(), expected, "{query}");
            assert_eq!(request.path(), "/api/risk");
        }
        check("code=s3cret", "");
        check("a=1&code=s3cret&b=2", "a=1&b=2");
        check("code=s3cret&a=1", "a=1");
        check("CODE=s3cret&Code=s3cret&a=1", "a=1");
        check("%63ode=s3cret&%43%4F%44%45=s3cret&c%6fde=s3cret&a", "a");
        check("code", "");
        check("code=a=b", "");
        check("+code+=s3cret&%20code=s3cret&code%00=s3cret&a=", "a=");
        check(&format!("code{}=s3cret&a=1", "+".repeat(100)), "a=1");
        check(&format!("{}code=s3cret&a=1", "%20".repeat(100)), "a=1");
        check("access_token=s3cret&ApiKey=s3cret&api_key=s3cret", "");
        check("subscription-key=s3cret&x=1", "x=1");
        // Parameters that are not keys stay as they were sent.
        let others = "x=%C3%A9&y=a+b&codes=1&zip_code=2&author=me&x=code&=code&%2563ode=1";
        check(others, others);
        let long = format!("{}=1", "code".repeat(100));
        check(&long, &long);
    }

    #[test]
    fn a_target_without_a_query_has_an_empty_one() {
        let request = HttpRequest::new(Method::GET, PathAndQuery::from_static("/a%20b"));
        let parts = (request.method(), request.path(), request.query());
        assert_eq!(parts, ("GET", "/a%20b", String::new()));
        let request = HttpRequest::new(Method::GET, PathAndQuery::from_static("/?"));
        assert_eq!(request.query(), "");
    }
}
