//! Attributes of a call: facts that the platform or the caller states, each with a name and a typed
//! value.
//!
//! Owns the types of values, and the text of each value. Must not know where an attribute comes
//! from.

use std::borrow::Cow;

/// An attribute of a call: a lower-case name and a value.
pub type Attribute = (String, Value);

/// Value of an attribute, with the type that the platform reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The attribute is present and does not have a value.
    Null,
    /// A boolean: true or false.
    Boolean(bool),
    /// A whole number that an `i64` can hold.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Number(f64),
    /// A whole number that an `i64` cannot hold, in decimal digits.
    Decimal(String),
    /// A text of any length.
    Text(String),
    /// A time that the platform states, in the form of RFC 3339 with its zone.
    Time(String),
}

impl Value {
    /// Parses `json`, the valid JSON of a string, a number, a boolean or null. A whole number keeps
    /// all of its digits. Returns `None` for a list, an object, and a number that no `f64` holds.
    #[must_use]
    pub fn of_json(json: &str) -> Option<Self> {
        use serde_json::Value as Json;

        let is_whole = json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && !json.contains(['.', 'e', 'E']);
        if is_whole {
            let whole = json.parse().map(Self::Integer);
            return Some(whole.unwrap_or_else(|_| Self::Decimal(json.to_owned())));
        }
        Some(match serde_json::from_str(json).ok()? {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Boolean(value),
            Json::Number(number) => Self::Number(number.as_f64()?),
            Json::String(text) => Self::Text(text),
            Json::Array(_) | Json::Object(_) => return None,
        })
    }

    /// Returns the value as text, in the form in which a component for version 0.1.0 of the
    /// contract gets it. Returns `None` for null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Integer(value) => value.to_string().into(),
            // JSON's form keeps the fraction of a whole number: `1.0`.
            Self::Number(value) => serde_json::Value::from(*value).to_string().into(),
            Self::Decimal(text) | Self::Text(text) | Self::Time(text) => Cow::Borrowed(text),
        })
    }

    /// Returns the value as text. Returns `None` for null. Unlike [`Value::text`], does not copy a
    /// value that is a text already.
    #[must_use]
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Decimal(text) | Self::Text(text) | Self::Time(text) => Some(text),
            other => other.text().map(Cow::into_owned),
        }
    }

    /// Returns the text of a [`Value::Text`], and an empty text for any other value. Headers and
    /// route parameters are always texts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_types_and_every_value_but_null_has_a_text() {
        #[track_caller]
        fn check(json: &str, expected: Option<Value>, text: Option<&str>) {
            let found = Value::of_json(json);
            assert_eq!(found, expected, "{json}");
            let found = found.and_then(|value| {
                let text = value.text().map(Cow::into_owned);
                assert_eq!(value.into_text(), text, "{json}");
                text
            });
            assert_eq!(found.as_deref(), text, "{json}");
        }
        check("null", Some(Value::Null), None);
        check("true", Some(Value::Boolean(true)), Some("true"));
        check("1", Some(Value::Integer(1)), Some("1"));
        check("-9", Some(Value::Integer(-9)), Some("-9"));
        check("1.0", Some(Value::Number(1.0)), Some("1.0"));
        check("2.5e-7", Some(Value::Number(2.5e-7)), Some("2.5e-7"));
        check("\"1\"", Some("1".into()), Some("1"));
        check("\"\"", Some("".into()), Some(""));
        let digits = "18446744073709551615";
        check(digits, Some(Value::Decimal(digits.into())), Some(digits));
        let digits = "-123456789012345678901234567890";
        check(digits, Some(Value::Decimal(digits.into())), Some(digits));
        let least = "-9223372036854775808";
        check(least, Some(Value::Integer(i64::MIN)), Some(least));
        check("1e999", None, None);
        check("[1]", None, None);
        check("{}", None, None);
    }
}
