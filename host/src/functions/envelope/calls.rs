//! Calls for blobs and messages: the payload of each, and its attributes from the metadata.
//!
//! Owns which fields of the platform a scorer sees, and under which names. Must not know the form
//! of a value.

use bytes::Bytes;
use serde_json::Value;

use super::call::Call;
use crate::call::{Payload, Source};
use crate::functions::bindings::TriggerBinding;
use crate::functions::metadata::{self, Metadata, scalar};
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
    ("SequenceNumber", "sequence-number"),
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
            .map(|(_, v)| v)
    };
    let is_json = uri
        .as_deref()
        .is_some_and(|uri| uri.to_ascii_lowercase().ends_with(".json"));
    let content_type = match property("ContentType").map(String::as_str) {
        // Storage gives this type to every upload without a content type.
        None | Some("" | "application/octet-stream") if is_json => "application/json",
        Some(content_type) => content_type,
        None => "",
    };
    let mut attributes = Vec::new();
    attributes.extend(uri.map(|uri| ("uri".to_owned(), uri)));
    attributes.extend(property("ETag").map(|etag| ("etag".to_owned(), etag.clone())));
    attributes.extend(
        metadata
            .texts_except(&BLOB_FIELDS)
            .map(|(name, value)| (format!("path.{}", name.to_ascii_lowercase()), value)),
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

/// Returns the call for one message of Service Bus, or of a storage queue if `trigger` is one.
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
        Some(((*attribute).to_owned(), utc(attribute, text)))
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
    let (counts, content_types, properties) = (
        array("DeliveryCount"),
        array("ContentType"),
        array("ApplicationProperties"),
    );
    let call = |(index, body): (usize, Bytes)| {
        let at = |values: &[Value]| values.get(index).and_then(scalar);
        let field = |(attribute, values): &(&str, Vec<Value>)| {
            Some(((*attribute).to_owned(), utc(attribute, at(values)?)))
        };
        let mut attributes: Vec<_> = fields.iter().filter_map(field).collect();
        attributes.extend(named(
            "property",
            properties
                .get(index)
                .map(metadata::pairs)
                .unwrap_or_default(),
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

/// Returns the value `text` of a message's attribute. Adds `Z` for UTC to the attribute
/// [`ENQUEUED_TIME`] if its value does not have a time zone, because the platform writes the time
/// with or without a time zone.
fn utc(attribute: &str, mut text: String) -> String {
    if attribute == ENQUEUED_TIME && !text.ends_with('Z') && !text.contains('+') {
        text.push('Z');
    }
    text
}

/// Returns attributes whose names the sender chose, such as message properties. Each name gets the
/// prefix `kind` and a dot, so that it differs from the names that the platform chose. Credentials
/// are left out.
fn named(kind: &str, pairs: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    let lower = pairs
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value));
    lower
        .filter(|(name, _)| !is_credential(name))
        .map(move |(name, value)| (format!("{kind}.{name}"), value))
}
