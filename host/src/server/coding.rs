//! Content codings, and the content coding of a request's body.
//!
//! Owns the names of the codings, and how the header `Content-Encoding` is read. Must not know how
//! bytes are compressed or decompressed.

use http::header::{CONTENT_ENCODING, HeaderMap};

use crate::error::RequestFailure;
use crate::text::{NAME_BYTES, quoted};

/// Content codings that bodies of requests may have, as the header `Accept-Encoding` lists them.
pub(super) const READ: &str = "gzip, deflate, zstd";

/// Content coding of a body, as HTTP names it (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// The coding `gzip`: the format of RFC 1952.
    Gzip,
    /// The coding `deflate`: the format of RFC 1950. Many clients send the format of RFC 1951 under
    /// this name.
    Deflate,
    /// The coding `zstd`: the format of RFC 8878.
    Zstd,
}

impl Coding {
    /// Returns the content coding of a request's body, or `None` if the body has none.
    ///
    /// # Errors
    /// Fails if the body has an unknown coding, or several codings.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, RequestFailure> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let unknown = || {
            let sent = String::from_utf8_lossy(value.as_bytes());
            RequestFailure::UnknownCoding {
                sent: quoted(&sent, NAME_BYTES),
                read: READ,
            }
        };
        if values.next().is_some() {
            return Err(unknown());
        }
        let name = value.as_bytes().trim_ascii();
        for (known, coding) in [
            (&b"gzip"[..], Some(Self::Gzip)),
            (b"x-gzip", Some(Self::Gzip)),
            (b"deflate", Some(Self::Deflate)),
            (b"zstd", Some(Self::Zstd)),
            (b"identity", None),
            (b"", None),
        ] {
            if name.eq_ignore_ascii_case(known) {
                return Ok(coding);
            }
        }
        Err(unknown())
    }

    /// Returns the name of the coding, as HTTP headers state it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn one_known_coding_is_read_and_anything_else_is_named() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
            }
            Coding::of(&headers)
        };
        for (values, coding) in [
            (&[][..], None),
            (&["identity"], None),
            (&[""], None),
            (&["gzip"], Some(Coding::Gzip)),
            (&["X-GZip"], Some(Coding::Gzip)),
            (&[" deflate "], Some(Coding::Deflate)),
            (&["zstd"], Some(Coding::Zstd)),
        ] {
            assert_eq!(of(values), Ok(coding), "{values:?}");
        }
        for values in [
            &["br"][..],
            &["gzip, gzip"],
            &["gzip", "identity"],
            &["gzip;q=1"],
        ] {
            let Err(RequestFailure::UnknownCoding { sent, read }) = of(values) else {
                panic!("{values:?}")
            };
            assert_eq!((sent.as_str(), read), (values[0], READ));
        }
    }
}
