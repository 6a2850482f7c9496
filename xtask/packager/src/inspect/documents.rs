//! Strict parser for manifests, image indexes and configs, so that every reader reads the same
//! content.
//!
//! Owns the strictness: no key may occur twice or differ from another only in case. Container
//! runtimes are written in Go, whose JSON parser accepts `"Layers"` for `"layers"` and uses the
//! last of two equal keys. A document with both would have different meanings for different
//! readers. Must not know the meaning of the documents.

use std::collections::BTreeSet;
use std::fmt;

use scorebox_host::text::{NAME_BYTES, quoted};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Names of JSON objects in which the author of a document may choose any keys. The keys in these
/// objects are compared exactly as written, so two keys may differ in case alone.
const FREE: [&str; 5] = ["Labels", "annotations", "ExposedPorts", "Volumes", "data"];

/// Reason why two readers of a document could disagree on its content.
#[derive(Debug, thiserror::Error)]
pub enum DisputedDocument {
    /// The document is not JSON, or a key occurs twice in one object.
    #[error("is not what readers agree on: {0}")]
    Json(#[source] serde_json::Error),
    /// A key has letters beyond ASCII, some of which are case variants of ASCII letters. The text
    /// is the key.
    #[error("holds the key `{}` with letters beyond ASCII", quoted(.0, NAME_BYTES))]
    BeyondAscii(String),
    /// Two keys of one JSON object differ only in case. The text is the second key.
    #[error("holds the key `{}` twice, in different cases", quoted(.0, NAME_BYTES))]
    TwoCases(String),
}

/// Parses a manifest, an image index or a config. Fails if the bytes are not JSON, or if container
/// runtimes could read them differently: if an object has two equal keys, keys that differ only in
/// case, or a key that is not ASCII. In objects with free keys, such as `annotations`, only equal
/// keys are refused.
pub fn read(bytes: &[u8]) -> Result<Value, DisputedDocument> {
    let Strict(document) = serde_json::from_slice(bytes).map_err(DisputedDocument::Json)?;
    check(&document)?;
    Ok(document)
}

/// Fails if a JSON object in the value has keys that some readers mistake for each other: keys that
/// differ only in case, or that have letters beyond ASCII. Objects with a name in `FREE` may have
/// any keys.
fn check(value: &Value) -> Result<(), DisputedDocument> {
    match value {
        Value::Object(object) => {
            let mut seen = BTreeSet::new();
            for (key, value) in object {
                if !key.is_ascii() {
                    return Err(DisputedDocument::BeyondAscii(key.clone()));
                }
                if !seen.insert(key.to_ascii_lowercase()) {
                    return Err(DisputedDocument::TwoCases(key.clone()));
                }
                if !FREE.contains(&key.as_str()) {
                    check(value)?;
                }
            }
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(check),
        _ => Ok(()),
    }
}

/// A JSON value whose objects have no duplicate keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "the key `{}` occurs twice",
                    quoted(&key, NAME_BYTES)
                )));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

/// Returns the number of images in an image index that a container runtime on linux/amd64 may
/// choose. An entry without a platform counts, because containerd opens it.
pub fn candidates(list: &Value) -> usize {
    let entries = list
        .get("manifests")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let is_candidate = |entry: &&Value| {
        let Some(platform) = entry.get("platform").filter(|platform| !platform.is_null()) else {
            return true;
        };
        let text = |key: &str| {
            platform
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        text("os") == "linux"
            && matches!(text("architecture").as_str(), "amd64" | "x86_64" | "x86-64")
    };
    entries.filter(is_candidate).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_another_reader_takes_for_one_are_refused() {
        let text = r#"{"a":1,"b":[{"c":null,"d":-1.5,"e":true}]}"#;
        assert_eq!(
            read(text.as_bytes()).unwrap(),
            json!({ "a": 1, "b": [{ "c": null, "d": -1.5, "e": true }] })
        );
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"layers":[],"Layers":[]}"#,
            r#"{"x":[{"digest":"1","DIGEST":"2"}]}"#,
            r#"{"config":{"Entrypoint":[],"entrypoint":[]}}"#,
            "{\"layer\u{17f}\":[]}",
            r#"{"config":{"Labels":{"a":"1","a":"2"}}}"#,
            "{",
            "[1] 2",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        // Labels belong to the author, and their case is significant.
        assert!(read(r#"{"config":{"Labels":{"a":"1","A":"2","ä":"3"}}}"#.as_bytes()).is_ok());
        assert!(read(&b"[".repeat(1 << 20)).is_err(), "too deep");
    }

    #[test]
    fn every_image_that_a_runtime_may_choose_is_counted() {
        let platform = |os: &str, architecture: &str| json!({ "platform": { "os": os, "architecture": architecture } });
        let list = |entries: Vec<Value>| candidates(&json!({ "manifests": entries }));
        assert_eq!(
            list(vec![
                platform("linux", "arm64"),
                platform("linux", "amd64"),
                platform("unknown", "unknown")
            ]),
            1
        );
        assert_eq!(
            list(vec![
                platform("linux", "amd64"),
                platform("Linux", "x86_64"),
                json!({})
            ]),
            3
        );
    }
}
