//! A single value of JSON: a boolean, a whole number, a string, or `null`.
//!
//! Owns which value is accepted where one of these is expected, and the error message about any
//! other value. Must not know ports or formats.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::reading::Reader;

/// JSON value at a position where a boolean, a non-negative integer or a string is expected. `None`
/// stands for `null`, and `Other` names the kind of any other value.
pub(super) enum Scalar<'de> {
    Boolean(bool),
    Count(u64),
    Text(Cow<'de, str>),
    None,
    Other(&'static str),
}

impl<'de> Scalar<'de> {
    pub(super) fn boolean<E: de::Error>(self, reader: &mut Reader) -> Result<Option<bool>, E> {
        match self {
            Self::Boolean(value) => Ok(Some(value)),
            Self::None => Ok(None),
            other => Err(other.unexpected("a boolean", reader)),
        }
    }

    pub(super) fn count<E: de::Error>(self, reader: &mut Reader) -> Result<Option<u64>, E> {
        match self {
            Self::Count(value) => Ok(Some(value)),
            Self::None => Ok(None),
            other => Err(other.unexpected("a whole number from 0", reader)),
        }
    }

    pub(super) fn text<E: de::Error>(
        self,
        reader: &mut Reader,
    ) -> Result<Option<Cow<'de, str>>, E> {
        match self {
            Self::Text(value) if reader.word(&value).is_some() => {
                Err(Self::Other("a number").unexpected("a string", reader))
            }
            Self::Text(value) => Ok(Some(value)),
            Self::None => Ok(None),
            other => Err(other.unexpected("a string", reader)),
        }
    }

    fn unexpected<E: de::Error>(&self, wanted: &str, reader: &mut Reader) -> E {
        let found = match self {
            Self::Boolean(_) => "a boolean",
            Self::Count(_) => "a number",
            Self::Text(_) => "a string",
            Self::None => "null",
            Self::Other(found) => found,
        };
        reader.misfit(format!("Here is {found}, where {wanted} belongs."))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Boolean(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Count(value))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("a negative number"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar<'de>, E> {
        // The value of a number decides, and not its form: `1.0` and `1e3` are whole.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the float is whole, not negative, and below 2^64"
        )]
        if value >= 0.0 && value.fract() == 0.0 && value < 18_446_744_073_709_551_616.0 {
            return Ok(Scalar::Count(value as u64));
        }
        Ok(Scalar::Other(
            "a number with a fraction or beyond all bounds",
        ))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}
