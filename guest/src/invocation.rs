//! Facts about a call: its attributes with their types, its HTTP request and its deadline.
//!
//! Owns the functions that read these facts. Must not know payloads.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::{AttributeValue, HttpRequest, Invocation, Source};

impl Invocation {
    /// Returns the value of the first attribute `name` of the call as a text, e.g. of an HTTP
    /// header. Returns `None` if there is no such attribute, or if it is null. `name` must be in
    /// lower case, as all names of attributes are.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// assert_eq!(call.attribute("retries").as_deref(), Some("2"));
    /// assert_eq!(call.attribute("x-tenant"), None);
    /// ```
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name)?.to_text()
    }

    /// Returns the value of the first attribute `name` of the call with its type, e.g. of a
    /// property of a message. Returns `None` if there is no such attribute.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// assert!(matches!(call.value("retries"), Some(AttributeValue::Integer(2))));
    /// ```
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes
            .iter()
            .find(|(attribute, _)| attribute == name)
            .map(|(_, value)| value)
    }

    /// Returns the value of the first parameter `name` in the query of the call's HTTP request.
    /// Returns `None` if there is no such parameter, or if the call has no request line.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// assert_eq!(call.parameter("version").as_deref(), Some("7"));
    /// ```
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.http.as_ref()?.parameter(name)
    }

    /// Returns the time from the start of `run` until the deadline, at which the host interrupts
    /// the scorer. Returns `None` if there is no deadline.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// // Choose a cheaper answer if time is short.
    /// let is_short = call.deadline().is_some_and(|deadline| deadline.as_millis() < 100);
    /// # assert!(!is_short);
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline_ms.map(|ms| Duration::from_millis(ms.into()))
    }
}

impl AttributeValue {
    /// Returns the value as a text: the text itself, or a number, a boolean or a time as text.
    /// Returns `None` for null.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// assert_eq!(AttributeValue::Integer(2).to_text().as_deref(), Some("2"));
    /// assert_eq!(AttributeValue::Null.to_text(), None);
    /// ```
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(value) => value.to_string().into(),
            Self::Integer(value) => value.to_string().into(),
            // JSON's form keeps the fraction of a whole number: `1.0`.
            Self::Number(value) => serde_json::Number::from_f64(*value)
                .map_or_else(|| value.to_string(), |number| number.to_string())
                .into(),
            Self::Decimal(text) | Self::Text(text) | Self::Time(text) => text.as_str().into(),
        })
    }
}

impl HttpRequest {
    /// Returns the value of the first parameter `name` in the query, percent-decoded. Returns
    /// `None` if there is no such parameter. Names are case-sensitive.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// let request = call.http.unwrap();
    /// assert_eq!(request.parameter("best").as_deref(), Some("3"));
    /// ```
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = self.parameters();
        parameters.find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Returns the parameters in the query in their order, each with its name and its value, both
    /// percent-decoded. A parameter without `=` has an empty value.
    ///
    /// ```
    /// # use scorebox_guest::{AttributeValue, testing};
    /// # let mut call = testing::request("POST", "/score?version=7&best=3");
    /// # call.attributes.push(("retries".to_owned(), AttributeValue::Integer(2)));
    /// let request = call.http.unwrap();
    /// let names: Vec<_> = request.parameters().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["version", "best"]);
    /// ```
    pub fn parameters(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
    }
}

/// Decodes a name or a value of a query: `+` becomes a space, and `%` with two hexadecimal digits
/// becomes a byte. Bytes that are not UTF-8 become replacement characters.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut found) = (text.as_bytes(), Vec::with_capacity(text.len()));
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let pair = (digit(bytes.get(index + 1)), digit(bytes.get(index + 2)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                found.extend(u8::try_from(high * 16 + low));
                index += 2;
            }
            (b'+', _) => found.push(b' '),
            (byte, _) => found.push(*byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// Writes the name of the source of a call as in the WIT, e.g. `service-bus`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Blob => "blob",
            Self::ServiceBus => "service-bus",
            Self::StorageQueue => "storage-queue",
            Self::Direct => "direct",
            Self::WarmUp => "warm-up",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_once() {
        let request = |query: &str| HttpRequest {
            method: "GET".to_owned(),
            path: "/score".to_owned(),
            query: query.to_owned(),
        };
        let found: Vec<_> = request("a=1&a=2&b&&c=%26%3d+%2B&%C3%A9=%zz%")
            .parameters()
            .collect();
        let expected = [
            ("a", "1"),
            ("a", "2"),
            ("b", ""),
            ("c", "&= +"),
            ("é", "%zz%"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, expected);
        assert_eq!(request("a=1&a=2").parameter("a").as_deref(), Some("1"));
        assert_eq!(request("A=1").parameter("a"), None);
        assert_eq!(request("").parameters().count(), 0);
    }

    #[test]
    fn every_value_but_null_has_a_text() {
        let check = |value: AttributeValue, expected: Option<&str>| {
            assert_eq!(value.to_text().as_deref(), expected, "{value:?}");
        };
        check(AttributeValue::Null, None);
        check(AttributeValue::Boolean(true), Some("true"));
        check(AttributeValue::Integer(-7), Some("-7"));
        check(AttributeValue::Number(1.0), Some("1.0"));
        check(AttributeValue::Number(f64::NAN), Some("NaN"));
        check(AttributeValue::Text("1".to_owned()), Some("1"));
        let digits = "18446744073709551615";
        check(AttributeValue::Decimal(digits.to_owned()), Some(digits));
    }
}
