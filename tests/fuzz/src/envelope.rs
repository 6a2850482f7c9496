//! Rules for any bytes as an invocation: the host finds nothing, or exactly what a second, simpler
//! reader finds in them.
//!
//! Owns that reader, which has no fast path, and is lenient only where the documentation is. Must
//! not know how the host reads.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use scorebox_host::call::Payload;
use scorebox_host::functions::answer::Answer;
use scorebox_host::functions::bindings::{
    DataType, Function, InputBinding, OutputBinding, OutputKind, TriggerBinding,
};
use scorebox_host::functions::envelope::{Event, decode};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Decoder of base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Form that a function's binding gives its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A blob, or one message as bytes: base64.
    Bytes,
    /// One message as text: JSON within JSON.
    Text,
    /// Many messages as bytes: a list of base64.
    ManyBytes,
    /// Many messages as text, or as any other JSON.
    ManyTexts,
    /// An HTTP request: an object.
    Request,
}

/// Functions of every form: their name, the name of their trigger, and the form.
pub const FUNCTIONS: [(&str, &str, Form); 11] = [
    ("blob", "blob", Form::Bytes),
    ("one", "msg", Form::Text),
    ("one-text", "msg", Form::Text),
    ("one-binary", "msg", Form::Bytes),
    ("queue", "message", Form::Text),
    ("queue-binary", "message", Form::Bytes),
    ("many", "msgs", Form::ManyTexts),
    ("many-text", "msgs", Form::ManyTexts),
    ("many-binary", "msgs", Form::ManyBytes),
    ("request", "req", Form::Request),
    ("inputs", "req", Form::Request),
];

/// Result of reading a body as an invocation with the simple reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deserved {
    /// A body that is not an invocation, so the host must not read it as one.
    Nothing,
    /// Payloads that the invocation asks to score, in their order.
    Payloads(Vec<Vec<u8>>),
    /// A body that this reader cannot judge, e.g. JSON that is deeper than it reads.
    Unknown,
}

/// Reads a body as an invocation of a function, in a simple and slow way.
#[must_use]
pub fn deserved(trigger: &str, form: Form, body: &[u8]) -> Deserved {
    let envelope: Value = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(_) if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => {
            return Deserved::Unknown;
        }
        Err(_) => return Deserved::Nothing,
    };
    match value(&envelope, trigger, form) {
        Some(payloads) => Deserved::Payloads(payloads),
        // The host takes such a value as its original text, which this reader does not keep.
        None if matches!(form, Form::Text | Form::ManyTexts) => Deserved::Unknown,
        None if form == Form::Request => Deserved::Unknown,
        None => Deserved::Nothing,
    }
}

fn value(envelope: &Value, trigger: &str, form: Form) -> Option<Vec<Vec<u8>>> {
    let value = envelope.get("Data")?.get(trigger)?;
    match form {
        Form::Bytes => Some(vec![BASE64.decode(value.as_str()?).ok()?]),
        Form::Text => {
            let text = value.as_str()?;
            let inner = if text.starts_with('"') {
                serde_json::from_str(text).unwrap_or(text.to_owned())
            } else {
                text.to_owned()
            };
            Some(vec![inner.into_bytes()])
        }
        Form::ManyBytes | Form::ManyTexts => {
            let list: Vec<Value> = match value {
                Value::String(text) => serde_json::from_str(text).ok()?,
                Value::Array(list) => list.clone(),
                _ => return None,
            };
            let element = |element: &Value| match form {
                Form::ManyBytes => BASE64.decode(element.as_str()?).ok(),
                _ => element.as_str().map(|text| text.as_bytes().to_vec()),
            };
            list.iter().map(element).collect()
        }
        Form::Request => {
            let request = value.as_object()?;
            let is_object = |name: &str| request.get(name).is_none_or(Value::is_object);
            if !is_object("Headers")
                || !(is_object("Params") || request.get("Params").is_some_and(Value::is_null))
            {
                return None;
            }
            let headers = request.get("Headers").and_then(Value::as_object);
            // This reader accepts one plain content type, or none. Other headers are left to the
            // host's own reader.
            let mut types = headers
                .into_iter()
                .flatten()
                .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let content_type = match (types.next(), types.next()) {
                (None, _) => "",
                (Some((_, Value::Array(values))), None) if values.len() == 1 => {
                    values.first()?.as_str()?
                }
                _ => return None,
            };
            let body = match request.get("Body") {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::String(text)) if content_type == "application/octet-stream" => {
                    BASE64.decode(text).ok()?
                }
                Some(Value::String(text))
                    if matches!(content_type, "" | "application/json" | "text/plain") =>
                {
                    text.as_bytes().to_vec()
                }
                _ => return None,
            };
            Some(vec![body])
        }
    }
}

/// Returns true if an object anywhere in a document has two members with one name.
#[must_use]
pub fn repeats(body: &[u8]) -> bool {
    struct Unique;

    impl<'de> Deserialize<'de> for Unique {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Self)
        }
    }

    impl<'de> Visitor<'de> for Unique {
        type Value = Self;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON without repeated members")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            let mut names = BTreeSet::new();
            while let Some((name, Self)) = map.next_entry::<String, Self>()? {
                if !names.insert(name) {
                    return Err(A::Error::custom("a repeated member"));
                }
            }
            Ok(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
            while list.next_element::<Self>()?.is_some() {}
            Ok(self)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }
    }

    serde_json::from_slice::<Unique>(body).is_err()
}

/// Returns the host's own description of a function in `FUNCTIONS`.
#[must_use]
pub fn function(name: &str, trigger: &str) -> Function {
    let binding = match name {
        "blob" => TriggerBinding::Blob {
            path: "in/{blobname}".to_owned(),
        },
        "request" | "inputs" => TriggerBinding::Http,
        "queue" => TriggerBinding::Queue {
            data_type: DataType::Unspecified,
        },
        "queue-binary" => TriggerBinding::Queue {
            data_type: DataType::Binary,
        },
        _ => TriggerBinding::ServiceBus {
            many: name.starts_with("many"),
            data_type: match name.split_once('-') {
                Some((_, "binary")) => DataType::Binary,
                Some(_) => DataType::Text,
                None => DataType::Unspecified,
            },
        },
    };
    Function {
        name: name.to_owned(),
        trigger_name: trigger.to_owned(),
        trigger: binding,
        inputs: vec![
            InputBinding {
                name: "object".to_owned(),
            },
            InputBinding {
                name: "text".to_owned(),
            },
        ],
        http: Some("res".to_owned()),
        outputs: Vec::new(),
        park: None,
        max_delivery_count: 10,
        route: None,
    }
}

/// Checks that the host's reader and writer keep the rules, for these bytes and every function.
///
/// # Panics
/// Panics if the reader or the writer breaks a rule.
pub fn check(body: &[u8]) {
    for (name, trigger, form) in FUNCTIONS {
        let read = decode(&function(name, trigger), body.to_vec());
        let read = read.ok().map(|event| match event {
            Event::Calls(calls) => calls
                .into_iter()
                .map(|call| call.payload.body.to_vec())
                .collect(),
            Event::Http(call) => vec![call.body.to_vec()],
            Event::WarmUp => Vec::new(),
        });
        match deserved(trigger, form, body) {
            Deserved::Nothing => assert_eq!(read, None, "{name}"),
            // The host may refuse an object with a repeated member.
            Deserved::Payloads(_) if read.is_none() && repeats(body) => {}
            Deserved::Payloads(expected) => assert_eq!(read, Some(expected), "{name}"),
            Deserved::Unknown => {}
        }
        for payload in read.into_iter().flatten() {
            answered(payload);
        }
    }
}

/// Checks that the Functions host accepts an answer with these bytes, and passes it on unchanged.
fn answered(body: Vec<u8>) {
    for content_type in ["application/json", "text/plain", ""] {
        let payload = Payload {
            content_type: content_type.to_owned(),
            body: body.clone().into(),
        };
        let output = |name: &str, kind| OutputBinding {
            name: name.to_owned(),
            kind,
        };
        let mut answer = Answer::default();
        answer.put(&output("blob", OutputKind::Blob), &payload);
        answer.put(&output("message", OutputKind::Message), &payload);
        answer.put_all(
            &output("messages", OutputKind::Message),
            &[payload.clone(), payload],
        );
        let answer: Value = serde_json::from_str(&answer.to_string()).expect("an answer is JSON");
        let outputs = &answer["Outputs"];
        let blob = outputs["blob"].as_str().expect("a blob is text");
        assert_eq!(BASE64.decode(blob).expect("in base64"), body);
        let is_object_text = |value: &Value| {
            let text = value.as_str().expect("a message is text");
            text.starts_with('{')
                && serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
        };
        let message = &outputs["message"];
        // A message that the Functions host would rewrite is sent as the one element of a list.
        let message = message
            .as_array()
            .and_then(|list| list.first())
            .unwrap_or(message);
        assert!(is_object_text(message), "{message}");
        let messages = outputs["messages"].as_array().expect("many are a list");
        assert!(
            messages.len() == 2 && messages.iter().all(is_object_text),
            "{messages:?}"
        );
    }
}
