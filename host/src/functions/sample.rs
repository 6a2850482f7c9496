//! Sample envelopes for a trial on a local machine, in the form that the Functions host sends.
//!
//! Owns the Functions host's side of the protocol: each value is written by the type of its
//! binding, with the metadata of that kind of trigger. Must not know files, nor what happens to an
//! envelope.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::bindings::{DataType, Function, TriggerBinding};

/// Sample input of a function: a blob, a message, or the body of a request.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Name of the sample, with the folders that it is in, such as `incoming/a.json`.
    pub name: String,
    /// Media type of the sample. Empty if the sample does not have a media type.
    pub content_type: String,
    /// Content of the sample.
    pub body: Vec<u8>,
}

/// Reason why the Functions host would not send an envelope for a sample.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The name of the sample is not the name of a blob that the trigger watches.
    #[error("{name}: the name does not match the trigger's path `{path}`")]
    OtherPath {
        /// Name of the sample.
        name: String,
        /// Path of the trigger, with its placeholders.
        path: String,
    },
    /// The sample is not JSON, but it is a message of a batch whose messages must be JSON.
    #[error(
        "{name}: the message is not JSON ({source}); for a batch without a `dataType`, the \
         Functions host fails before it calls the scorer"
    )]
    NotJson {
        /// Name of the sample.
        name: String,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
}

/// Returns the envelopes that the Functions host would send for samples: one for each sample, or
/// one for all samples if the function takes batches. `attempt` is the number of the delivery.
///
/// # Errors
/// Fails if the Functions host would not send an envelope for a sample.
pub fn envelopes(
    function: &Function,
    samples: &[Sample],
    attempt: u32,
) -> Result<Vec<String>, SampleError> {
    if let TriggerBinding::ServiceBus {
        many: true,
        data_type,
    } = &function.trigger
    {
        return Ok(vec![batch(function, samples, *data_type, attempt)?]);
    }
    let one = |sample: &Sample| {
        let (value, metadata) = match &function.trigger {
            TriggerBinding::Blob { path } => blob(path, sample)?,
            TriggerBinding::Http => (request(function, sample), Map::new()),
            TriggerBinding::Queue { data_type } => queue_message(sample, *data_type, attempt),
            TriggerBinding::ServiceBus { data_type, .. } => message(sample, *data_type, attempt),
            TriggerBinding::WarmUp => (json!({}), Map::new()),
        };
        Ok(envelope(function, value, metadata))
    };
    samples.iter().map(one).collect()
}

fn envelope(function: &Function, value: Value, mut metadata: Map<String, Value>) -> String {
    let about = json!({"MethodName": function.name, "UtcNow": now(), "RandGuid": uuid::Uuid::new_v4().to_string()});
    metadata.insert("sys".to_owned(), about);
    json!({"Data": {&function.trigger_name: value}, "Metadata": metadata}).to_string()
}

fn blob(path: &str, sample: &Sample) -> Result<(Value, Map<String, Value>), SampleError> {
    let names = names(path, &sample.name).ok_or_else(|| SampleError::OtherPath {
        name: sample.name.clone(),
        path: path.to_owned(),
    })?;
    let mut metadata = Map::new();
    for (name, value) in names {
        metadata.insert(name, wrapped(value));
    }
    let container = path.split('/').next().unwrap_or_default();
    let tail = tail(path, &sample.name);
    metadata.insert(
        "Uri".to_owned(),
        wrapped(format!(
            "https://local.blob.core.windows.net/{container}/{tail}"
        )),
    );
    let content_type = if sample.content_type.is_empty() {
        "application/octet-stream"
    } else {
        sample.content_type.as_str()
    };
    let properties =
        json!({"ContentLength": sample.body.len(), "ContentType": content_type, "ETag": "0x1"});
    metadata.insert("Properties".to_owned(), properties);
    metadata.insert("Metadata".to_owned(), json!({}));
    Ok((BASE64.encode(&sample.body).into(), metadata))
}

/// Returns the end of a sample's name that is used as the name of the blob. This end has as many
/// segments as the trigger's path `path` has below its container.
fn tail<'a>(path: &str, name: &'a str) -> &'a str {
    let parts = path.matches('/').count();
    let start = name
        .rmatch_indices('/')
        .nth(parts.saturating_sub(1))
        .map_or(0, |(at, _)| at + 1);
    name.get(start..).unwrap_or(name)
}

/// Returns the placeholders in the trigger's path `path`, such as `{name}`, each with its value in
/// the sample's name `name`. Returns `None` if the name does not match the path. Each placeholder
/// takes as much text as it can.
fn names(path: &str, name: &str) -> Option<Vec<(String, String)>> {
    let pattern = path.split_once('/')?.1;
    let mut found = Vec::new();
    fits(pattern, tail(path, name), &mut found).then(|| found.into_iter().rev().collect())
}

/// Returns true if a text matches a pattern with placeholders. If it does, adds the names and
/// values of the placeholders to `found`, the last placeholder first.
fn fits(pattern: &str, text: &str, found: &mut Vec<(String, String)>) -> bool {
    let Some((literal, rest)) = pattern.split_once('{') else {
        return pattern == text;
    };
    let (Some(text), Some((name, rest))) = (text.strip_prefix(literal), rest.split_once('}'))
    else {
        return false;
    };
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    for end in ends.rev() {
        if let Some((value, after)) = text.split_at_checked(end)
            && fits(rest, after, found)
        {
            found.push((name.to_owned(), value.to_owned()));
            return true;
        }
    }
    false
}

fn message(sample: &Sample, data_type: DataType, attempt: u32) -> (Value, Map<String, Value>) {
    let mut metadata = object([
        ("MessageId", wrapped(uuid::Uuid::new_v4().to_string())),
        ("DeliveryCount", wrapped(attempt)),
        ("SequenceNumber", wrapped(1)),
        ("EnqueuedTimeUtc", now().trim_end_matches('Z').into()),
        ("LockToken", wrapped(uuid::Uuid::new_v4().to_string())),
        ("ApplicationProperties", json!({})),
        ("UserProperties", json!({})),
    ]);
    if !sample.content_type.is_empty() {
        metadata.insert(
            "ContentType".to_owned(),
            wrapped(sample.content_type.as_str()),
        );
    }
    (message_value(sample, data_type, &mut metadata), metadata)
}

fn queue_message(
    sample: &Sample,
    data_type: DataType,
    attempt: u32,
) -> (Value, Map<String, Value>) {
    let time = || Value::from(now().replace('Z', "+00:00"));
    let mut metadata = object([
        ("DequeueCount", wrapped(attempt)),
        ("ExpirationTime", time()),
        ("Id", wrapped(uuid::Uuid::new_v4().to_string())),
        ("InsertionTime", time()),
        ("NextVisibleTime", time()),
        ("PopReceipt", wrapped("MDE=")),
    ]);
    (message_value(sample, data_type, &mut metadata), metadata)
}

/// Returns the value of one message in an envelope. If a text message holds a JSON object, the
/// members of the object overwrite members of the metadata.
fn message_value(sample: &Sample, data_type: DataType, metadata: &mut Map<String, Value>) -> Value {
    match data_type {
        DataType::Binary => BASE64.encode(&sample.body).into(),
        DataType::Text | DataType::Unspecified => {
            let text = String::from_utf8_lossy(&sample.body);
            overlay(&text, metadata);
            wrapped(text.into_owned())
        }
    }
}

/// Overwrites the metadata of a message with the members of the JSON object that the message holds,
/// except nulls and lists, as the Functions host does. Does nothing if `text`, the content of the
/// message, is not a JSON object.
fn overlay(text: &str, metadata: &mut Map<String, Value>) {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return;
    };
    for (name, value) in members {
        let value = match value {
            Value::Null | Value::Array(_) => continue,
            Value::Object(_) => value,
            single => wrapped(single),
        };
        metadata.retain(|other, _| !other.eq_ignore_ascii_case(&name));
        metadata.insert(name, value);
    }
}

fn batch(
    function: &Function,
    samples: &[Sample],
    data_type: DataType,
    attempt: u32,
) -> Result<String, SampleError> {
    let value = |sample: &Sample| match data_type {
        DataType::Binary => Ok(Value::from(BASE64.encode(&sample.body))),
        DataType::Text => Ok(String::from_utf8_lossy(&sample.body).into()),
        DataType::Unspecified => {
            serde_json::from_slice(&sample.body).map_err(|source| SampleError::NotJson {
                name: sample.name.clone(),
                source,
            })
        }
    };
    let values: Vec<Value> = samples.iter().map(value).collect::<Result<_, _>>()?;
    let ids: Vec<_> = samples
        .iter()
        .map(|_| uuid::Uuid::new_v4().to_string())
        .collect();
    let types: Vec<_> = samples
        .iter()
        .map(|sample| Some(&sample.content_type).filter(|text| !text.is_empty()))
        .collect();
    let metadata = object([
        ("MessageIdArray", wrapped(ids)),
        ("DeliveryCountArray", wrapped(vec![attempt; samples.len()])),
        ("ContentTypeArray", wrapped(json!(types))),
        (
            "ApplicationPropertiesArray",
            wrapped(vec![json!({}); samples.len()]),
        ),
    ]);
    Ok(envelope(function, wrapped(values), metadata))
}

fn request(function: &Function, sample: &Sample) -> Value {
    let mut request = json!({
        "Url": format!("http://localhost/api/{}", function.name),
        "Method": "POST",
        "Query": {},
        "Headers": {"Content-Length": [sample.body.len().to_string()]},
        "Params": {},
        "Identities": [],
    });
    let is_encoded = sample.content_type.starts_with("application/octet-stream")
        || sample.content_type.starts_with("multipart/");
    let body = if is_encoded {
        BASE64.encode(&sample.body)
    } else {
        String::from_utf8_lossy(&sample.body).into_owned()
    };
    if let Some(headers) = request.get_mut("Headers").and_then(Value::as_object_mut)
        && !sample.content_type.is_empty()
    {
        headers.insert("Content-Type".to_owned(), json!([sample.content_type]));
    }
    if let Some(request) = request.as_object_mut().filter(|_| !sample.body.is_empty()) {
        request.insert("Body".to_owned(), body.into());
    }
    request
}

/// Returns a JSON object with the members `members`. The members are inserted one by one, because
/// `from_iter` would add code that sorts.
fn object<const COUNT: usize>(members: [(&str, Value); COUNT]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    object
}

/// Returns a JSON string that holds the JSON of a value as its text.
fn wrapped(value: impl Into<Value>) -> Value {
    value.into().to_string().into()
}

/// Returns the current time in UTC as an RFC 3339 text, in whole seconds.
fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_blobs_are_taken_apart() {
        #[track_caller]
        fn check(path: &str, name: &str, expected: Option<&[(&str, &str)]>) {
            let expected = expected.map(|pairs| {
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(names(path, name), expected, "{path} {name}");
        }
        check("in/{name}", "a.json", Some(&[("name", "a.json")]));
        check("in/{name}.json", "/tmp/in/a.json", Some(&[("name", "a")]));
        check(
            "in/{blobname}.{ext}",
            "a.b.txt",
            Some(&[("blobname", "a.b"), ("ext", "txt")]),
        );
        check(
            "in/day-{day}/{name}",
            "x/day-1/a",
            Some(&[("day", "1"), ("name", "a")]),
        );
        check("in/{name}.json", "a.txt", None);
        check("in/{name}", "", None);
        check("in/fixed", "fixed", Some(&[]));
    }
}
