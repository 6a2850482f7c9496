//! Payloads as Rust types: the conversion of a request's body to a value, and of a value to the
//! body of an answer.
//!
//! Owns the traits of the conversion, and [`Json`]. Must not know what a value means.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Payload, Result};

/// The media type of JSON.
const JSON: &str = "application/json";

/// A type that a scorer can take as its input.
///
/// ```
/// use scorebox_guest::{Error, FromPayload, OrProblem, Payload, Result};
///
/// /// One line of text.
/// struct Line(String);
///
/// impl FromPayload for Line {
///     fn from_payload(payload: Payload) -> Result<Self> {
///         let text = String::from_utf8(payload.body).or_reject("not-text", "send UTF-8")?;
///         Ok(Self(text.trim_end().to_owned()))
///     }
/// }
/// # assert_eq!(Line::from_payload(Payload::new("text/plain", "a\n")).unwrap().0, "a");
/// ```
pub trait FromPayload: Sized {
    /// Reads a value of this type from a payload.
    ///
    /// # Errors
    /// Fails if the payload does not hold a value of this type. The error is [`Error::Rejected`],
    /// because the caller chose the payload.
    fn from_payload(payload: Payload) -> Result<Self>;
}

/// A type that a scorer can return as the body of its answer.
///
/// ```
/// use scorebox_guest::{IntoPayload, Payload, Result};
///
/// /// Rows of comma-separated values.
/// struct Csv(Vec<String>);
///
/// impl IntoPayload for Csv {
///     fn into_payload(self) -> Result<Payload> {
///         Ok(Payload::new("text/csv", self.0.join("\n")))
///     }
/// }
/// # assert_eq!(Csv(vec!["a".to_owned()]).into_payload().unwrap().body, b"a");
/// ```
pub trait IntoPayload {
    /// Writes the value to a payload.
    ///
    /// # Errors
    /// Fails if the value cannot be written, e.g. as JSON. The error is [`Error::Failed`], because
    /// the scorer made the value.
    fn into_payload(self) -> Result<Payload>;
}

/// A value that is sent as JSON. A body that is not JSON of type `T` is rejected as `invalid-json`,
/// with the line and the column of the problem.
///
/// A decimal number is rounded once, to the nearest `f64` or directly to the nearest `f32`. For
/// this, the crate enables serde_json's feature `float_roundtrip`. Without the feature, a number
/// could be off by one unit in the last place. The feature costs 1 to 2 ns for a short decimal, and
/// 12 to 20 ns for a number with 17 digits. A field under `#[serde(flatten)]` or in an untagged enum is read as an `f64` first, so
/// declare the field as `f64` if its last bit matters.
///
/// ```
/// use scorebox_guest::{FromPayload, Json, Payload};
///
/// let Json(features) =
///     Json::<Vec<f32>>::from_payload(Payload::new("application/json", "[1, 2]")).unwrap();
/// assert_eq!(features, [1.0, 2.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(
    /// The value that is read from JSON text or written as JSON text.
    pub T,
);

impl<T: DeserializeOwned> FromPayload for Json<T> {
    fn from_payload(payload: Payload) -> Result<Self> {
        // serde_json's text ends with the line and column.
        serde_json::from_slice(&payload.body)
            .map(Self)
            .map_err(|error| {
                Error::rejected(
                    "invalid-json",
                    format!("the body is not the JSON expected: {error}"),
                )
            })
    }
}

impl<T: Serialize> IntoPayload for Json<T> {
    fn into_payload(self) -> Result<Payload> {
        Ok(Payload::new(JSON, serde_json::to_vec(&self.0)?))
    }
}

impl FromPayload for Payload {
    fn from_payload(payload: Payload) -> Result<Self> {
        Ok(payload)
    }
}

impl IntoPayload for Payload {
    fn into_payload(self) -> Result<Payload> {
        Ok(self)
    }
}

impl Payload {
    /// Returns a payload with the body `body`. `content_type` is its media type, e.g. `image/png`.
    ///
    /// ```
    /// use scorebox_guest::Payload;
    ///
    /// let picture = Payload::new("image/png", [137, 80, 78, 71]);
    /// assert_eq!(picture.body.len(), 4);
    /// ```
    pub fn new(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: content_type.into(),
            body: body.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_json_is_rejected_with_its_place() {
        let check = |body: &str, place: &str| {
            let error = Json::<Vec<u8>>::from_payload(Payload::new(JSON, body)).unwrap_err();
            assert!(
                matches!(&error, Error::Rejected(problem) if problem.code == "invalid-json"),
                "{error:?}"
            );
            assert!(error.problem().message.ends_with(place), "{error:?}");
        };
        check("[1,\n 2", "line 2 column 2");
        check("[1, 256]", "line 1 column 7");
        check("", "line 1 column 0");
    }

    #[test]
    fn every_decimal_becomes_the_nearest_number() {
        fn read<T: DeserializeOwned>(text: &str) -> T {
            Json::<T>::from_payload(Payload::new(JSON, text)).unwrap().0
        }
        // The tie between 1 and the next f32 is 1.000000059604644775390625.
        for text in [
            "1.00000005960464477540",
            "1.00000005960464477539",
            "1.000000059604644775390625",
            "16777217.0",
        ] {
            let both = format!("[{text}, -{text}]");
            let expected: f32 = text.parse().unwrap();
            assert_eq!(read::<Vec<f32>>(&both), [expected, -expected], "{text}");
        }
        let mut state = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let number = f64::from_bits(state);
            if number.is_finite() {
                let text = number.to_string();
                assert_eq!(read::<f64>(&text).to_bits(), state, "{text}");
                let single: f32 = text.parse().unwrap();
                if single.is_finite() {
                    assert_eq!(read::<f32>(&text).to_bits(), single.to_bits(), "{text}");
                }
            }
        }
    }

    #[test]
    fn json_goes_out_as_json() {
        let payload = Json(vec![1, 2]).into_payload().unwrap();
        assert_eq!(
            (payload.content_type.as_str(), payload.body.as_slice()),
            (JSON, b"[1,2]".as_slice())
        );
    }
}
