//! Calls for blobs and messages: the payload of each, and its attributes from the metadata.
//!
//! Owns which metadata fields of the platform a scorer sees, and the names of their attributes.
//! Must not know the form of a value.

use bytes::Bytes;
use serde_json::Value as Json;

use super::call::Call;
use crate::call::{Attribute, Payload, Source, Value};
use crate::functions::bindings::TriggerBinding;
use crate::functions::metadata::{Metadata, scalar};
use crate::trigger::http::is_credential;

/// Metadata fields of a Service Bus message that a scorer sees, each with the name of its
/// attribute. `LockToken` is missing because it is a credential.
const MESSAGE_FIELDS: [(&str, &str); 11] = [
    ("MessageId", "message-id"),
    ("CorrelationId", "correlation-id"),
    ("Subject", "subject"),
    ("ReplyTo", "reply-to"),
    ("To", "to"),
    ("SessionId", "session-id"),
    ("ReplyToSessionId", "reply-to-session-id"),
    ("PartitionKey", "partition-key"),
    ("DeadLetterSource", "dead-letter-source"),
    ("SequenceNumber", SEQUENCE_NUMBER),
    ("EnqueuedTimeUtc", ENQUEUED_TIME),
];

/// Metadata fields of a message of a storage queue that a scorer sees, each with the name of its
/// attribute. `PopReceipt` is missing because it is a credential.
const QUEUE_FIELDS: [(&str, &str); 4] = [
    ("Id", "message-id"),
    ("InsertionTime", ENQUEUED_TIME),
    ("ExpirationTime", "expiration-time"),
    ("NextVisibleTime", "next-visible-time"),
];

const SEQUENCE_NUMBER: &str = "sequence-number";

const ENQUEUED_TIME: &str = "enqueued-time";

/// Metadata fields of a blob that the Functions host adds itself. All other metadata fields are the
/// values of placeholders in the trigger's path.
const BLOB_FIELDS: [&str; 6] = [
    "Uri",
    "Properties",
    "Metadata",
    "sys",
    "RetryContext",
    "BlobTrigger",
];

pub(super) fn blob(metadata: &Metadata<'_>, body: Bytes) -> Call {
    // The query of the URI would hold a signature, which is a credential.
    let uri = metadata
        .text("Uri")
        .map(|uri| uri.split('?').next().unwrap_or_default().to_owned());
    let properties = metadata.object("Properties");
    let property = |name: &str| {
        properties
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.text())
    };
    let is_json = uri
        .as_deref()
        .is_some_and(|uri| uri.to_ascii_lowercase().ends_with(".json"));
    let content_type = property("ContentType");
    let content_type = match content_type.as_deref() {
        // Storage gives this type to every upload without a content type.
        None | Some("" | "application/octet-stream") if is_json => "application/json",
        Some(content_type) => content_type,
        None => "",
    };
    let mut attributes = Vec::new();
    attributes.extend(uri.map(|uri| ("uri".to_owned(), uri.into())));
    attributes.extend(property("ETag").map(|etag| ("etag".to_owned(), etag.as_ref().into())));
    attributes.extend(
        metadata
            .texts_except(&BLOB_FIELDS)
            .map(|(name, value)| (format!("path.{}", name.to_ascii_lowercase()), value.into())),
    );
    attributes.extend(named("metadata", metadata.object("Metadata")));
    let payload = Payload {
        content_type: content_type.to_owned(),
        body,
    };
    Call {
        source: Source::Blob,
        payload,
        attributes,
        attempt: 1,
    }
}

/// Returns the call for one message: of a storage queue if `trigger` is a queue trigger, and of
/// Service Bus otherwise.
pub(super) fn message(trigger: &TriggerBinding, metadata: &Metadata<'_>, body: Bytes) -> Call {
    let is_queue = matches!(trigger, TriggerBinding::Queue { .. });
    let (source, fields, count) = if is_queue {
        (
            Source::StorageQueue,
            QUEUE_FIELDS.as_slice(),
            "DequeueCount",
        )
    } else {
        (
            Source::ServiceBus,
            MESSAGE_FIELDS.as_slice(),
            "DeliveryCount",
        )
    };
    let field = |(name, attribute): &(&str, &str)| {
        let text = metadata.text(name)?;
        Some(((*attribute).to_owned(), field_value(attribute, text)))
    };
    let mut attributes: Vec<_> = fields.iter().filter_map(field).collect();
    if !is_queue {
        attributes.extend(named("property", metadata.object("ApplicationProperties")));
    }
    let attempt = metadata
        .text(count)
        .and_then(|count| count.parse().ok())
        .unwrap_or(1)
        .max(1);
    // A storage queue keeps no content type.
    let content_type = metadata.text("ContentType").filter(|_| !is_queue);
    let payload = Payload {
        content_type: content_type.unwrap_or_default(),
        body,
    };
    Call {
        source,
        payload,
        attributes,
        attempt,
    }
}

pub(super) fn batch(metadata: &Metadata<'_>, bodies: Vec<Bytes>) -> Vec<Call> {
    let array = |name: &str| metadata.array(name, bodies.len());
    let fields: Vec<_> = MESSAGE_FIELDS
        .into_iter()
        .map(|(name, attribute)| (attribute, array(name)))
        .collect();
    let (counts, content_types) = (array("DeliveryCount"), array("ContentType"));
    let properties = metadata.objects("ApplicationProperties", bodies.len());
    let call = |(index, body): (usize, Bytes)| {
        let at = |values: &[Json]| values.get(index).and_then(scalar);
        let field = |(attribute, values): &(&str, Vec<Json>)| {
            Some(((*attribute).to_owned(), field_value(attribute, at(values)?)))
        };
        let mut attributes: Vec<_> = fields.iter().filter_map(field).collect();
        attributes.extend(named(
            "property",
            properties.get(index).cloned().unwrap_or_default(),
        ));
        let attempt = at(&counts)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1)
            .max(1);
        let payload = Payload {
            content_type: at(&content_types).unwrap_or_default(),
            body,
        };
        Call {
            source: Source::ServiceBus,
            payload,
            attributes,
            attempt,
        }
    };
    bodies.into_iter().enumerate().map(call).collect()
}

/// Returns the typed value of a message's field, which the platform sends as `text`: a time if the
/// name of the attribute ends in `-time`, a whole number for [`SEQUENCE_NUMBER`], and a text for
/// any other field. A text that is not a time or a whole number stays a text.
fn field_value(attribute: &str, text: String) -> Value {
    match attribute {
        name if name.ends_with("-time") => time(text),
        SEQUENCE_NUMBER => match text.parse() {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(text),
        },
        _ => Value::Text(text),
    }
}

/// Returns a time of the platform with its zone. The platform writes times with or without a zone,
/// and means UTC if there is none. A text that is not a time in the form of RFC 3339 stays a text.
fn time(mut text: String) -> Value {
    let is_time = text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T');
    if !is_time {
        return Value::Text(text);
    }
    let clock = text.get(11..).unwrap_or_default();
    if !clock.contains(['Z', 'z', '+', '-']) {
        text.push('Z');
    }
    Value::Time(text)
}

/// Returns attributes whose names the sender chose, such as message properties. Each name gets the
/// prefix `kind` and a dot, so that it differs from the names that the platform chose. Credentials
/// are left out.
fn named(kind: &str, pairs: Vec<Attribute>) -> impl Iterator<Item = Attribute> {
    let lower = pairs
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value));
    lower
        .filter(|(name, _)| !is_credential(name))
        .map(move |(name, value)| (format!("{kind}.{name}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::metadata;

    #[test]
    fn a_time_has_a_zone() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let found = field_value(ENQUEUED_TIME, text.to_owned());
            assert_eq!(found, Value::Time(expected.to_owned()));
        }
        check("2024-05-01T12:34:56", "2024-05-01T12:34:56Z");
        check("2024-05-01T12:34:56.789", "2024-05-01T12:34:56.789Z");
        check("2024-05-01T12:34:56Z", "2024-05-01T12:34:56Z");
        check("2024-05-01T12:34:56+00:00", "2024-05-01T12:34:56+00:00");
        check("2024-05-01T12:34:56-05:00", "2024-05-01T12:34:56-05:00");
        let other = field_value(ENQUEUED_TIME, "05/01/2024 12:34:56".to_owned());
        assert_eq!(other, "05/01/2024 12:34:56".into());
    }

    #[test]
    fn properties_keep_their_types() {
        let sent = r#"{"N": 1, "f": 1.5, "t": true, "s": "1", "nothing": null, "list": [1], "Api-Key": "s"}"#;
        let mut found: Vec<_> = named("property", metadata::pairs(sent)).collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let expected = [
            ("property.f", Value::Number(1.5)),
            ("property.n", Value::Integer(1)),
            ("property.nothing", Value::Null),
            ("property.s", "1".into()),
            ("property.t", Value::Boolean(true)),
        ];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value))
        );
        let number = field_value(SEQUENCE_NUMBER, "42".to_owned());
        assert_eq!(number, Value::Integer(42));
    }
}
