//! Keys of the server: the check that a request carries one of them.
//!
//! Owns the form of a key, the parts of a request that may carry one, and the comparison with the
//! server's keys. Must not know which paths need a key, or where the keys come from. Only digests
//! of the keys are kept, so that no message can show a key.

use std::fmt;

use http::Uri;
use http::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::error::RequestFailure;

/// Minimum length of a key, in characters. 32 hexadecimal digits have 128 random bits.
const LEAST_CHARACTERS: usize = 32;

/// Maximum length of a key, in characters. Proxies limit the length of a header.
const MOST_CHARACTERS: usize = 1024;

/// Header in which callers of a function app send a key.
const FUNCTIONS_KEY: &str = "x-functions-key";

/// Parameter of the query in which callers of a function app send a key.
const CODE: &[u8] = b"code";

/// Keys of the server, one of which a call must carry. Without keys, calls need none.
#[derive(Clone, Default)]
pub struct Keys {
    digests: Vec<[u8; 32]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.digests.len())
    }
}

impl Keys {
    /// Returns true if calls need no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Adds a key. Only the digest of the key is kept.
    ///
    /// # Errors
    /// Fails if the key has fewer than 32 or more than 1024 characters, or other characters than
    /// visible ASCII. The error says what is wrong, and does not show the key.
    pub fn add(&mut self, key: &str) -> Result<(), &'static str> {
        let problem = match key.len() {
            0 => "is empty",
            bytes if bytes < LEAST_CHARACTERS => "has fewer than 32 characters",
            bytes if bytes > MOST_CHARACTERS => "has more than 1024 characters",
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "has a character that is not a visible ASCII character"
            }
            _ => {
                self.digests.push(Sha256::digest(key).into());
                return Ok(());
            }
        };
        Err(problem)
    }

    /// Checks that a request carries one of the keys, as `Authorization: Bearer KEY`, as
    /// `x-functions-key: KEY`, or as `?code=KEY`. One of the three suffices, because a gateway may
    /// add an `Authorization` header of its own.
    ///
    /// The time for the check depends on the length of the keys that the request carries and on the
    /// number of the server's keys, but not on their values.
    ///
    /// # Errors
    /// Fails if the request does not carry one of the keys.
    #[inline(never)]
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), RequestFailure> {
        let bearer = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let bearer = bearer.and_then(bearer_token);
        let header = headers.get(FUNCTIONS_KEY).map(|value| value.as_bytes());
        let code = uri.query().and_then(code);
        let mut is_one = Choice::from(0);
        let mut is_sent = false;
        for sent in [bearer, header, code.as_deref()].into_iter().flatten() {
            is_sent = true;
            is_one |= self.contains(sent);
        }
        match bool::from(is_one) {
            true => Ok(()),
            false => Err(RequestFailure::Unauthorized { is_sent }),
        }
    }

    /// Returns 1 if `sent` is one of the keys, and 0 otherwise. Compares `sent` with every key,
    /// even after an equal one, so that the time does not depend on which key is equal.
    fn contains(&self, sent: &[u8]) -> Choice {
        let digest: [u8; 32] = Sha256::digest(sent).into();
        let mut is_one = Choice::from(0);
        for own in &self.digests {
            is_one |= own.ct_eq(&digest);
        }
        is_one
    }
}

/// Returns the token in the value of the header `Authorization`, or `None` if the value does not
/// begin with the scheme `Bearer` and a space. The case of the scheme is ignored (RFC 9110, section
/// 11.1).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then_some(token.trim_ascii())
}

/// Returns the decoded value of the first parameter `code` in a query. Returns `None` if the query
/// does not have this parameter.
///
/// A `+` stands for itself: a key never has a space, but keys of function apps may have a `+`.
fn code(query: &str) -> Option<Vec<u8>> {
    for parameter in query.as_bytes().split(|byte| *byte == b'&') {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=');
        if parts.next() == Some(CODE) {
            return Some(decoded(parts.next().unwrap_or_default()));
        }
    }
    None
}

/// Decodes percent-encoding. A `%` without two hexadecimal digits after it stands for itself.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let digits = (digit(after.first()), digit(after.get(1)));
        rest = after;
        match (byte, digits) {
            (b'%', (Some(high), Some(low))) => {
                // Both digits are below 16.
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = after.get(2..).unwrap_or_default();
            }
            (byte, _) => decoded.push(*byte),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FIRST: &str = "0123456789abcdef0123456789abcdef";
    const SECOND: &str = "s3cret/+==s3cret/+==s3cret/+==s3cret&?%41";

    fn keys() -> Keys {
        let mut keys = Keys::default();
        keys.add(FIRST).unwrap();
        keys.add(SECOND).unwrap();
        keys
    }

    /// Checks a request with these headers and this query against two keys.
    fn check(headers: &[(&'static str, &str)], query: &str) -> Result<(), RequestFailure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let uri: Uri = format!("/score{query}").parse().unwrap();
        keys().check(&map, &uri)
    }

    #[test]
    fn a_key_is_found_in_each_of_its_places() {
        for key in [FIRST, SECOND] {
            for scheme in ["Bearer", "bearer", "BEARER"] {
                let value = format!("{scheme} {key}");
                assert_eq!(check(&[("authorization", &value)], ""), Ok(()), "{value}");
            }
            assert_eq!(check(&[("x-functions-key", key)], ""), Ok(()));
        }
        let encoded = "s3cret%2F%2B%3d%3Ds3cret/+==s3cret/+==s3cret%26?%2541";
        for query in [
            format!("?code={FIRST}"),
            format!("?a=b&code={FIRST}&code=x"),
            format!("?code={encoded}"),
        ] {
            assert_eq!(check(&[], &query), Ok(()), "{query}");
        }
        // One right key suffices.
        let headers = [
            ("authorization", "Bearer of-a-gateway"),
            ("x-functions-key", FIRST),
        ];
        assert_eq!(check(&headers, "?code=wrong"), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        let none = Err(RequestFailure::Unauthorized { is_sent: false });
        let wrong = Err(RequestFailure::Unauthorized { is_sent: true });
        assert_eq!(check(&[], ""), none);
        assert_eq!(
            check(&[("authorization", "Basic dTpw")], "?key=x&cod"),
            none
        );
        assert_eq!(check(&[("authorization", "Bearer")], "?Code=x"), none);
        let longer = format!("{FIRST}0");
        let upper = FIRST.to_uppercase();
        for key in ["", "x", &FIRST[1..], &longer, &upper] {
            assert_eq!(check(&[("x-functions-key", key)], ""), wrong, "{key}");
            let bearer = format!("Bearer {key}");
            assert_eq!(check(&[("authorization", &bearer)], ""), wrong, "{key}");
            assert_eq!(check(&[], &format!("?code={key}")), wrong, "{key}");
        }
        assert_eq!(check(&[], "?code"), wrong);
        assert_eq!(check(&[], "?code=%"), wrong);
        assert_eq!(check(&[], "?code=%4"), wrong);
    }

    #[test]
    fn a_key_that_can_be_guessed_or_cannot_be_sent_is_refused() {
        let mut keys = Keys::default();
        for key in [
            "",
            "short",
            &FIRST[1..],
            &format!("{FIRST} x"),
            &format!("{FIRST}\n"),
            &format!("{FIRST}ä"),
            &"x".repeat(MOST_CHARACTERS + 1),
        ] {
            assert!(keys.add(key).is_err(), "{key:?}");
        }
        assert!(keys.is_empty());
        keys.add(&"x".repeat(MOST_CHARACTERS)).unwrap();
        assert!(!keys.is_empty());
        assert_eq!(format!("{keys:?}"), "1 keys");
    }

    #[test]
    fn a_percent_sign_is_decoded_or_stands_for_itself() {
        for (text, expected) in [
            ("", ""),
            ("%41%2f", "A/"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("a+b", "a+b"),
            ("%2541", "%41"),
        ] {
            assert_eq!(decoded(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
