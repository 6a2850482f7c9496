//! Decoder of envelopes: from the body of an invocation to the calls that are to be scored.
//!
//! Owns which of the three forms of a value (object, base64, JSON text within a JSON string) the
//! type of a binding prescribes. Submodules own the decoding of each form, and the calls that are
//! made from the values. Must not know how a call ends.

mod call;
mod calls;
mod http_request;
mod value;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::call::{Call, HttpCall, Malformed};
pub use self::http_request::route_attribute;

use self::calls::{batch, blob, message};
use self::http_request::http_call;
use self::value::{binary, bodies, decoded_in_place, not_base64, once_wrapped};
use super::bindings::{DataType, Function, TriggerBinding};
use super::metadata::{Metadata, text};
use crate::call::Value;
use crate::text::{REASON_BYTES, displayed};

/// Content of an invocation of a function: calls, an HTTP request, or a warm-up.
#[derive(Debug)]
pub enum Event {
    /// The invocation holds calls without a waiting caller: a blob, a message, or a batch of
    /// messages. A batch may be empty.
    Calls(Vec<Call>),
    /// The invocation holds an HTTP request whose caller waits for the response.
    Http(HttpCall),
    /// The invocation warms up a new instance of the app, and holds nothing to score.
    WarmUp,
}

/// Memory that holds the envelope of an invocation. The base64 of a large blob is decoded in place,
/// so that the same memory then holds the payload.
pub trait Buffer: AsRef<[u8]> {
    /// Returns the bytes of the envelope, so that they can be changed in place.
    fn as_mut(&mut self) -> &mut [u8];
    /// Shortens the buffer to its first `length` bytes.
    fn truncate(&mut self, length: usize);
    /// Converts the buffer to the body of a payload, without copying the bytes.
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

/// Decodes the body of an invocation of a function.
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

/// Decodes an invocation, except for a base64 value that can be decoded in place. For such a value,
/// returns the range of its base64 text in `body`, and a call whose payload is still empty.
///
/// # Errors
/// Fails if the body is not what the Functions host sends for this function's bindings.
fn read(function: &Function, body: &[u8]) -> Result<(Event, Option<Range<usize>>), Malformed> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
        Malformed(format!(
            "it is not an invocation: {}",
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
        let name = format!("input.{}", input.name.to_ascii_lowercase());
        Some((name, Value::Text(value)))
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
        TriggerBinding::Queue {
            data_type: DataType::Binary,
        }
        | TriggerBinding::ServiceBus {
            many: false,
            data_type: DataType::Binary,
        } => {
            let (bytes, place) = binary(function, value, body)?;
            one(message(&function.trigger, &metadata, bytes), place)
        }
        TriggerBinding::Queue {
            data_type: DataType::Text | DataType::Unspecified,
        }
        | TriggerBinding::ServiceBus {
            many: false,
            data_type: DataType::Text | DataType::Unspecified,
        } => {
            let text = once_wrapped(value);
            let metadata = metadata.under(&text);
            one(message(&function.trigger, &metadata, text.into()), None)
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
