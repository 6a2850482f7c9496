//! Metadata of a call: the information that the platform sends in addition to the value of the
//! trigger.
//!
//! Owns the forms of metadata, and which fields a message cannot forge. If a text message looks
//! like a JSON object, the Functions host writes the members of the message over its own metadata,
//! and compares names without case (`Utility.ApplyBindingData`). Must not know bindings or
//! payloads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::{self, Attribute};

/// Metadata in the envelope of one invocation. A field is parsed when its value is requested.
#[derive(Debug, Default)]
pub struct Metadata<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    forged: Forged,
}

/// Metadata fields that the sender of a message may have forged, and that are therefore ignored.
#[derive(Debug, Default)]
enum Forged {
    All,
    Named(BTreeSet<String>),
    #[default]
    None,
}

impl<'a> Metadata<'a> {
    /// Parses the metadata of an invocation. `raw` is the value of `Metadata` in the envelope. If
    /// it is missing or not a JSON object, the result has no fields.
    #[must_use]
    pub fn new(raw: Option<&'a RawValue>) -> Self {
        let fields = raw
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        Self {
            fields,
            forged: Forged::None,
        }
    }

    /// Marks the fields that the text message `message` may have overwritten as forged, so that
    /// they are ignored.
    #[must_use]
    pub fn under(self, message: &str) -> Self {
        // White space and a byte order mark before an object do not hide it.
        let is_space = |c: char| c.is_whitespace() || c == '\u{feff}';
        let message = message.trim_start_matches(is_space);
        let forged = if !message.starts_with('{') {
            Forged::None
        } else {
            // The more lenient JSON reader of the Functions host may accept an object that this
            // reader refuses.
            match serde_json::from_str::<BTreeMap<String, &RawValue>>(message) {
                Ok(members) => {
                    // The names are inserted one by one, because `collect` would add code that
                    // sorts.
                    let mut names = BTreeSet::new();
                    for name in members.keys() {
                        names.insert(name.to_lowercase());
                    }
                    Forged::Named(names)
                }
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

    /// Returns the value of the metadata field `name` as text. Returns `None` if the field is
    /// missing or forged, or if its value is null, a list or an object.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name).and_then(text)
    }

    /// Returns the names of all metadata fields that have a value as text, each with this text.
    /// Leaves out the fields in `names`.
    pub fn texts_except(&self, names: &[&str]) -> impl Iterator<Item = (String, String)> {
        let others = self
            .fields
            .keys()
            .filter(|name| !names.contains(&name.as_str()));
        others.filter_map(|name| Some((name.clone(), self.text(name)?)))
    }

    /// Returns the members of the metadata field `name` whose values are texts, numbers, booleans
    /// or null, with the values in their types. The list is empty if the field is not an object.
    #[must_use]
    pub fn object(&self, name: &str) -> Vec<Attribute> {
        self.field(name)
            .map(|raw| pairs(raw.get()))
            .unwrap_or_default()
    }

    /// Returns the members of each object in the metadata field `<name>Array` of a batch, which has
    /// one object for each message. The list is empty if the field does not have exactly `messages`
    /// objects.
    #[must_use]
    pub fn objects(&self, name: &str, messages: usize) -> Vec<Vec<Attribute>> {
        let Some(raw) = self.field(&format!("{name}Array")) else {
            return Vec::new();
        };
        let inner: Option<String> = serde_json::from_str(raw.get()).ok();
        let list = inner.as_deref().unwrap_or_else(|| raw.get());
        match serde_json::from_str::<Vec<&RawValue>>(list) {
            Ok(objects) if objects.len() == messages => {
                objects.iter().map(|object| pairs(object.get())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the values of the metadata field `<name>Array` of a batch, which has one value for
    /// each message. The list is empty if the field does not have exactly `messages` values.
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

/// Returns a metadata value as text, or `None` if the value is null, a list or an object. A text in
/// the metadata is usually a JSON string within a JSON string, but old documentation shows texts
/// that are plain JSON strings. Numbers keep all of their digits.
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

/// Returns the members of the JSON object `object` whose values are texts, numbers, booleans or
/// null, with the values in their types. The list is empty if the text is not an object.
#[must_use]
pub fn pairs(object: &str) -> Vec<Attribute> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object).unwrap_or_default();
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name, call::Value::of_json(value.get())?)))
        .collect()
}

/// Returns a JSON text, number or boolean as text, or `None` for any other JSON value.
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
    fn whole_numbers_of_properties_keep_their_digits() {
        let digits = "123456789012345678901234567890";
        let object = format!(r#"{{"a": {digits}, "b": [1], "c": 1}}"#);
        let expected = vec![
            ("a".to_owned(), call::Value::Decimal(digits.to_owned())),
            ("c".to_owned(), call::Value::Integer(1)),
        ];
        let list = format!("[{object}, {{}}]");
        let text = serde_json::to_string(&list).unwrap();
        for array in [&list, &text] {
            let fields = format!(r#"{{"One": {object}, "ManyArray": {array}}}"#);
            let fields = raw(&fields);
            let metadata = Metadata::new(Some(&fields));
            assert_eq!(metadata.object("One"), expected);
            let objects = metadata.objects("Many", 2);
            assert_eq!(objects, [expected.clone(), Vec::new()]);
            assert!(metadata.objects("Many", 1).is_empty());
            assert!(metadata.object("Many").is_empty());
        }
    }

    #[test]
    fn what_a_message_may_have_written_is_not_read() {
        let fields = raw(r#"{"MessageId": "\"real\"", "DeliveryCount": "3"}"#);
        let id = |message: &str| {
            Metadata::new(Some(&fields))
                .under(message)
                .text("MessageId")
        };
        assert_eq!(id("plain").as_deref(), Some("real"));
        assert_eq!(id(r#"["MessageId"]"#).as_deref(), Some("real"));
        assert_eq!(id(r#"{"a": 1}"#).as_deref(), Some("real"));
        assert_eq!(id(r#"{"messageID": "x"}"#), None);
        assert_eq!(id("{'MessageId': 'x'}"), None);
        assert_eq!(id("\u{feff} {\"MessageId\": \"x\"}"), None);
        let count = Metadata::new(Some(&fields))
            .under(r#"{"MessageId": "x"}"#)
            .text("DeliveryCount");
        assert_eq!(count.as_deref(), Some("3"));
    }
}
