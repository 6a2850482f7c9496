//! What the platform says about a call, beside its value.
//!
//! Owns the forms that metadata have, and which of them a message cannot forge: the Functions host lays the members of a
//! text message that looks like a JSON object over its own metadata, names compared without case
//! (`Utility.ApplyBindingData`). Must not know bindings or payloads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

/// The metadata of one invocation, read as far as they are asked for.
#[derive(Debug, Default)]
pub struct Metadata<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    forged: Forged,
}

/// Which fields the sender of a message may have written.
#[derive(Debug, Default)]
enum Forged {
    All,
    Named(BTreeSet<String>),
    #[default]
    None,
}

impl<'a> Metadata<'a> {
    /// Reads the fields; metadata that are no object have none.
    #[must_use]
    pub fn new(raw: Option<&'a RawValue>) -> Self {
        let fields = raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        Self { fields, forged: Forged::None }
    }

    /// Distrusts what a text message may have laid over the fields.
    #[must_use]
    pub fn under(self, message: &str) -> Self {
        let forged = if !message.trim_start().starts_with('{') {
            Forged::None
        } else {
            // What this reader takes for no object, the host's more lenient one may.
            match serde_json::from_str::<BTreeMap<String, &RawValue>>(message) {
                Ok(members) => Forged::Named(members.into_keys().map(|name| name.to_lowercase()).collect()),
                Err(_) => Forged::All,
            }
        };
        Self { forged, ..self }
    }

    fn field(&self, name: &str) -> Option<&'a RawValue> {
        match &self.forged {
            Forged::All => None,
            Forged::Named(names) if names.contains(&name.to_lowercase()) => None,
            Forged::Named(_) | Forged::None => self.fields.get(name).copied(),
        }
    }

    /// A field as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name).and_then(text)
    }

    /// All fields that are text, but for some.
    pub fn texts_except(&self, names: &[&str]) -> impl Iterator<Item = (String, String)> {
        let others = self.fields.keys().filter(|name| !names.contains(&name.as_str()));
        others.filter_map(|name| Some((name.clone(), self.text(name)?)))
    }

    /// A field that is an object, its values as text.
    #[must_use]
    pub fn object(&self, name: &str) -> Vec<(String, String)> {
        let object = self.field(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        object.as_ref().map(pairs).unwrap_or_default()
    }

    /// A field of a batch, `<name>Array`: one value for each message, or nothing if their number is another.
    #[must_use]
    pub fn array(&self, name: &str, messages: usize) -> Vec<Value> {
        let raw = self.field(&format!("{name}Array"));
        let outer = raw.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let array = match outer {
            Some(Value::String(text)) => serde_json::from_str(&text).ok(),
            other => other,
        };
        match array {
            Some(Value::Array(values)) if values.len() == messages => values,
            _ => Vec::new(),
        }
    }
}

/// A value that was written as text, once wrapped or not at all: old documentation shows the latter. Numbers keep all of
/// their digits.
#[must_use]
pub fn text(raw: &RawValue) -> Option<String> {
    let raw = raw.get();
    if !raw.starts_with('"') {
        return (!raw.starts_with(['{', '[']) && raw != "null").then(|| raw.to_owned());
    }
    let text: String = serde_json::from_str(raw).ok()?;
    match text.as_str() {
        "null" => None,
        quoted if quoted.starts_with('"') => Some(serde_json::from_str(quoted).unwrap_or(text)),
        _ => Some(text),
    }
}

/// The members of an object whose values are text, numbers or truth values.
#[must_use]
pub fn pairs(object: &Value) -> Vec<(String, String)> {
    let members = object.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), scalar(value)?))).collect()
}

/// A value as text, if it is a single one.
#[must_use]
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(_) | Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn text_is_unwrapped_once() {
        #[track_caller]
        fn check(written: &str, expected: Option<&str>) {
            assert_eq!(text(&raw(written)).as_deref(), expected, "{written}");
        }
        check(r#""\"m-1\"""#, Some("m-1"));
        check(r#""\"\\\"x\\\"\"""#, Some("\"x\""));
        check(r#""42""#, Some("42"));
        check(r#""9223372036854775807""#, Some("9223372036854775807"));
        check("9007199254740993", Some("9007199254740993"));
        check(r#""m-1""#, Some("m-1"));
        check(r#""null""#, None);
        check("null", None);
        check(r#""2024-05-01T12:34:56""#, Some("2024-05-01T12:34:56"));
    }

    #[test]
    fn what_a_message_may_have_written_is_not_read() {
        let fields = raw(r#"{"MessageId": "\"real\"", "DeliveryCount": "3"}"#);
        let id = |message: &str| Metadata::new(Some(&fields)).under(message).text("MessageId");
        assert_eq!(id("plain").as_deref(), Some("real"));
        assert_eq!(id(r#"["MessageId"]"#).as_deref(), Some("real"));
        assert_eq!(id(r#"{"a": 1}"#).as_deref(), Some("real"));
        assert_eq!(id(r#"{"messageID": "x"}"#), None);
        assert_eq!(id("{'MessageId': 'x'}"), None);
        let count = Metadata::new(Some(&fields)).under(r#"{"MessageId": "x"}"#).text("DeliveryCount");
        assert_eq!(count.as_deref(), Some("3"));
    }
}
