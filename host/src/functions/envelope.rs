//! Decoder of envelopes: from the body of an invocation to the calls that are to be scored.
//!
//! Owns the three forms of a value (object, base64, JSON text within a JSON string), and which of
//! them the type of a binding prescribes. The value itself is never used to find its form: a blob
//! of three bytes may arrive as `null` or `1234`. Must not know how a call ends.

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::bindings::{DataType, Function, TriggerBinding};
use super::metadata::{self, Metadata, scalar, text};
use crate::scorer::{Payload, Source};
use crate::text::{REASON_BYTES, displayed};
use crate::trigger::http::is_credential;

/// Content of an invocation: calls, an HTTP request, or a warm-up.
#[derive(Debug)]
pub enum Event {
    /// Calls without a waiting caller: a blob, a message, or a batch of messages, which may be
    /// empty.
    Calls(Vec<Call>),
    /// An HTTP request whose caller waits for the response.
    Http(HttpCall),
    /// A call of the platform that warms up a new instance.
    WarmUp,
}

/// HTTP request from an envelope.
#[derive(Debug)]
pub struct HttpCall {
    /// Headers as they were sent to the Functions host.
    pub headers: HeaderMap,
    /// Body of the request, as far as the envelope keeps it.
    pub body: Bytes,
    /// Values of the route and of input bindings.
    pub attributes: Vec<(String, String)>,
}

/// Blob or message that is to be scored.
#[derive(Debug)]
pub struct Call {
    /// Kind of the call: a blob or a Service Bus message.
    pub source: Source,
    /// Content of the blob or message, with its media type.
    pub payload: Payload,
    /// Attributes that the platform reported, with lower-case names.
    pub attributes: Vec<(String, String)>,
    /// Number of the delivery. It is 1 for the first one, and if the platform does not report it.
    pub attempt: u32,
}

/// Reason why a body is not an invocation. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

/// Memory that holds an envelope. A large blob is decoded in place, so that the memory becomes the
/// payload.
pub trait Buffer: AsRef<[u8]> {
    /// Returns the bytes, for changes in place.
    fn as_mut(&mut self) -> &mut [u8];
    /// Drops all bytes but the first `length`.
    fn truncate(&mut self, length: usize);
    /// Turns the bytes into the body of a payload, without a copy.
    fn into_bytes(self) -> Bytes;
}

impl Buffer for Vec<u8> {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }

    fn truncate(&mut self, length: usize) {
        Self::truncate(self, length);
    }

    fn into_bytes(self) -> Bytes {
        self.into()
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Data", borrow)]
    data: BTreeMap<String, &'a RawValue>,
    #[serde(rename = "Metadata", borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    params: Option<BTreeMap<String, Value>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Fields of an SDK message that a scorer sees, each with the name of its attribute. `LockToken` is
/// missing because it is a credential.
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

const ENQUEUED_TIME: &str = "enqueued-time";

/// Metadata fields that the Functions host itself adds next to the names from a blob's path.
const BLOB_FIELDS: [&str; 6] = [
    "Uri",
    "Properties",
    "Metadata",
    "sys",
    "RetryContext",
    "BlobTrigger",
];

/// Base64 decoder that accepts text with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes an invocation of a function.
///
/// # Errors
/// Fails if the body is not what the Functions host sends for this function's bindings.
pub fn decode(function: &Function, mut body: impl Buffer) -> Result<Event, Malformed> {
    if function.trigger == TriggerBinding::WarmUp {
        return Ok(Event::WarmUp);
    }
    let (mut event, encoded) = read(function, body.as_ref())?;
    // The buffer of a large blob is reused for its decoded bytes. Both together would take more
    // than twice the blob's size.
    if let (Event::Calls(calls), Some(range)) = (&mut event, encoded)
        && let [call] = calls.as_mut_slice()
    {
        let length = decoded_in_place(body.as_mut(), range).ok_or_else(|| not_base64(function))?;
        body.truncate(length);
        call.payload.body = body.into_bytes();
    }
    Ok(event)
}

/// Reads all of an invocation but a base64 value that can be decoded in place. Returns the position
/// of that value.
fn read(function: &Function, body: &[u8]) -> Result<(Event, Option<Range<usize>>), Malformed> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
        Malformed(format!(
            "it is no invocation: {}",
            displayed(&error, REASON_BYTES)
        ))
    })?;
    let value = envelope.data.get(&function.trigger_name).ok_or_else(|| {
        Malformed(format!(
            "`Data` has no `{}`, the trigger of {}",
            function.trigger_name, function.name
        ))
    })?;
    let metadata = Metadata::new(envelope.metadata);
    let inputs = function.inputs.iter().filter_map(|input| {
        let raw = envelope.data.get(&input.name)?;
        let value = text(raw).or_else(|| {
            raw.get()
                .starts_with(['{', '['])
                .then(|| raw.get().to_owned())
        })?;
        Some((format!("input.{}", input.name.to_ascii_lowercase()), value))
    });
    let inputs: Vec<_> = inputs.collect();
    let one = |mut call: Call, place| {
        call.attributes.extend(inputs.clone());
        Ok((Event::Calls(vec![call]), place))
    };
    match &function.trigger {
        TriggerBinding::WarmUp => Ok((Event::WarmUp, None)),
        TriggerBinding::Http => {
            let mut call = http_call(value)?;
            call.attributes.extend(inputs);
            Ok((Event::Http(call), None))
        }
        TriggerBinding::Blob { .. } => {
            let (bytes, place) = binary(function, value, body)?;
            one(blob(&metadata, bytes), place)
        }
        TriggerBinding::ServiceBus {
            many: false,
            data_type: DataType::Binary,
        } => {
            let (bytes, place) = binary(function, value, body)?;
            one(message(&metadata, bytes), place)
        }
        TriggerBinding::ServiceBus {
            many: false,
            data_type: DataType::Text | DataType::Unspecified,
        } => {
            let text = once_wrapped(value);
            one(
                message(&metadata.under(&text), text.clone().into_bytes().into()),
                None,
            )
        }
        TriggerBinding::ServiceBus {
            many: true,
            data_type,
        } => {
            let bodies = bodies(function, value, *data_type)?;
            let mut calls = batch(&metadata, bodies);
            calls
                .iter_mut()
                .for_each(|call| call.attributes.extend(inputs.clone()));
            Ok((Event::Calls(calls), None))
        }
    }
}

/// Decodes a base64 value, or returns its position if it can be decoded in place.
fn binary(
    function: &Function,
    raw: &RawValue,
    body: &[u8],
) -> Result<(Bytes, Option<Range<usize>>), Malformed> {
    let quoted = raw.get();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .ok_or_else(|| not_base64(function))?;
    if inner.contains('\\') {
        let text: String = serde_json::from_str(quoted).map_err(|_| not_base64(function))?;
        let bytes = BASE64.decode(text).map_err(|_| not_base64(function))?;
        return Ok((bytes.into(), None));
    }
    // The text is borrowed from the body, so the distance of their addresses is its position.
    let start = (inner.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    Ok((Bytes::new(), Some(start..start + inner.len())))
}

fn not_base64(function: &Function) -> Malformed {
    Malformed(format!(
        "`Data.{}` is not base64, as its binding wants it",
        function.trigger_name
    ))
}

/// Decodes a part of a buffer into the beginning of the buffer, and returns the number of decoded
/// bytes. `None` if the part is not base64.
fn decoded_in_place(buffer: &mut [u8], range: Range<usize>) -> Option<usize> {
    const CHARACTERS: usize = 4 << 10;
    let (mut read, mut written) = (range.start, 0);
    let mut characters = [0; CHARACTERS];
    let mut bytes = [0; CHARACTERS / 4 * 3 + 3];
    while read < range.end {
        let end = range.end.min(read + CHARACTERS);
        let piece = characters.get_mut(..end - read)?;
        piece.copy_from_slice(buffer.get(read..end)?);
        // Padding may only end the text, so no piece but the last may have it.
        if end < range.end && piece.contains(&b'=') {
            return None;
        }
        let count = BASE64.decode_slice(&*piece, &mut bytes).ok()?;
        // The decoded bytes are shorter than the text read so far, so they never overwrite unread
        // text.
        buffer
            .get_mut(written..written + count)?
            .copy_from_slice(bytes.get(..count)?);
        (read, written) = (end, written + count);
    }
    Some(written)
}

/// Unwraps text that was written as JSON within a JSON string. Any other value is returned as it
/// is.
fn once_wrapped(raw: &RawValue) -> String {
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) if text.starts_with('"') => serde_json::from_str(&text).unwrap_or(text),
        Ok(text) => text,
        Err(_) => raw.get().to_owned(),
    }
}

/// Returns the messages of a batch.
fn bodies(
    function: &Function,
    raw: &RawValue,
    data_type: DataType,
) -> Result<Vec<Bytes>, Malformed> {
    let wrong = || {
        Malformed(format!(
            "`Data.{}` is not a list of messages, as its binding wants it",
            function.trigger_name
        ))
    };
    let text: String;
    let list = if raw.get().starts_with('[') {
        raw.get()
    } else {
        text = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
        &text
    };
    let elements: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| wrong())?;
    let element = |raw: &RawValue| match (data_type, serde_json::from_str::<String>(raw.get())) {
        (DataType::Binary, Ok(text)) => BASE64
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| not_base64(function)),
        (DataType::Binary, Err(_)) => Err(not_base64(function)),
        (DataType::Text | DataType::Unspecified, Ok(text)) => Ok(text.into()),
        // Without a `dataType`, the Functions host sends the JSON value that the message holds.
        (DataType::Text | DataType::Unspecified, Err(_)) => {
            Ok(Bytes::copy_from_slice(raw.get().as_bytes()))
        }
    };
    elements.into_iter().map(element).collect()
}

fn http_call(raw: &RawValue) -> Result<HttpCall, Malformed> {
    let request: Request<'_> = serde_json::from_str(raw.get()).map_err(|error| {
        Malformed(format!(
            "the request is none: {}",
            displayed(&error, REASON_BYTES)
        ))
    })?;
    let mut headers = HeaderMap::new();
    for (name, values) in &request.headers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            continue;
        };
        let values = match values {
            Value::Array(values) => values.iter().filter_map(scalar).collect(),
            value => Vec::from_iter(scalar(value)),
        };
        for value in values
            .into_iter()
            .filter_map(|value| HeaderValue::try_from(value).ok())
        {
            headers.append(name.clone(), value);
        }
    }
    let params = request.params.unwrap_or_default();
    let attributes = params
        .iter()
        .filter_map(|(name, value)| Some((route_attribute(name), scalar(value)?)))
        .collect();
    let body = match request.body {
        None => Bytes::new(),
        Some(raw) => match serde_json::from_str::<Option<String>>(raw.get()) {
            Ok(None) => Bytes::new(),
            Ok(Some(text)) if is_encoded(&headers) => BASE64
                .decode(text)
                .map_err(|_| {
                    Malformed("`Body` is not base64, as its content type wants it".to_owned())
                })?
                .into(),
            Ok(Some(text)) => text.into(),
            // Old documentation shows JSON that is not wrapped in a string.
            Err(_) => Bytes::copy_from_slice(raw.get().as_bytes()),
        },
    };
    Ok(HttpCall {
        headers,
        body,
        attributes,
    })
}

/// Returns the name of the attribute for a value of a route.
#[must_use]
pub fn route_attribute(name: &str) -> String {
    format!("route.{}", name.to_ascii_lowercase())
}

/// True for the content types whose bodies the Functions host writes as base64.
fn is_encoded(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/octet-stream" || essence.starts_with("multipart/")
}

fn blob(metadata: &Metadata<'_>, body: Bytes) -> Call {
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

fn message(metadata: &Metadata<'_>, body: Bytes) -> Call {
    let field = |(name, attribute): (&str, &str)| {
        Some((attribute.to_owned(), utc(attribute, metadata.text(name)?)))
    };
    let mut attributes: Vec<_> = MESSAGE_FIELDS.into_iter().filter_map(field).collect();
    attributes.extend(named("property", metadata.object("ApplicationProperties")));
    let attempt = metadata
        .text("DeliveryCount")
        .and_then(|count| count.parse().ok())
        .unwrap_or(1)
        .max(1);
    let payload = Payload {
        content_type: metadata.text("ContentType").unwrap_or_default(),
        body,
    };
    Call {
        source: Source::ServiceBus,
        payload,
        attributes,
        attempt,
    }
}

fn batch(metadata: &Metadata<'_>, bodies: Vec<Bytes>) -> Vec<Call> {
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

/// Marks the time of a message as UTC. The platform writes it with or without a mark.
fn utc(attribute: &str, mut text: String) -> String {
    if attribute == ENQUEUED_TIME && !text.ends_with('Z') && !text.contains('+') {
        text.push('Z');
    }
    text
}

/// Returns the pairs that a sender may name freely, under a prefix that separates them from the
/// platform's names. Credentials are left out.
fn named(kind: &str, pairs: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
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

    #[test]
    fn base64_is_decoded_where_it_stands() {
        for length in [0, 1, 2, 3, 4, 3071, 3072, 3073, 6144, 100_000] {
            let bytes: Vec<u8> = (0..length)
                .map(|index: usize| (index % 251) as u8)
                .collect();
            let text = BASE64.encode(&bytes);
            let mut buffer = format!("{{\"x\":\"{text}\"}}").into_bytes();
            let written = decoded_in_place(&mut buffer, 6..6 + text.len()).unwrap();
            assert_eq!(buffer[..written], bytes, "{length}");
        }
        let early = format!("{}QQ=={}", "A".repeat(4092 - 4), "A".repeat(8));
        assert_eq!(
            decoded_in_place(&mut early.clone().into_bytes(), 0..early.len()),
            None
        );
        assert_eq!(decoded_in_place(&mut b"A\xffAA".to_vec(), 0..4), None);
    }
}
