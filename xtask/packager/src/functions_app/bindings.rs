//! The bindings of a trigger, which are the content of its `function.json`.
//!
//! Owns the JSON of each kind of binding. Must not know the app settings, nor `host.json`.

use scorebox_host::functions::bindings::PARK;
use scorebox_host::manifest::Trigger;
use scorebox_host::manifest::triggers::{
    BlobSource, BlobTrigger, Entity, HttpTrigger, QueueTrigger, ServiceBusTrigger, Start, Target,
};
use serde_json::{Value, json};

/// Name of the output binding that receives the function's answer.
const OUTPUT: &str = "output";

/// Returns the bindings of a trigger as JSON: the one that starts the function, and those to which
/// its answer, or the record of an input that it can never score, is written.
pub fn bindings(trigger: &Trigger) -> Vec<Value> {
    match &trigger.start {
        Start::Http(http) => http_bindings(http),
        Start::Blob(blob) => blob_bindings(blob),
        Start::Queue(queue) => queue_bindings(queue),
        Start::ServiceBus(service_bus) => service_bus_bindings(service_bus),
    }
}

/// Returns the trigger binding and the output binding of a trigger of the kind `http`.
fn http_bindings(http: &HttpTrigger) -> Vec<Value> {
    let methods: Vec<_> = http
        .methods
        .iter()
        .map(|method| method.to_ascii_lowercase())
        .collect();
    vec![
        json!({
            "type": "httpTrigger",
            "direction": "in",
            "name": "req",
            "authLevel": http.auth_level.to_string(),
            "methods": methods,
            "route": http.route,
        }),
        json!({ "type": "http", "direction": "out", "name": "res" }),
    ]
}

/// Returns the trigger binding and the output bindings of a trigger of the kind `blob`.
fn blob_bindings(blob: &BlobTrigger) -> Vec<Value> {
    let source = match blob.source {
        BlobSource::EventGrid => "EventGrid",
        BlobSource::Scan => "LogsAndContainerScan",
    };
    let trigger = json!({
        "type": "blobTrigger",
        "direction": "in",
        "name": "blob",
        "path": blob.path,
        "source": source,
        "connection": blob.connection,
    });
    let outputs = [(OUTPUT, &blob.output), (PARK, &blob.park)].into_iter().filter_map(|(name, path)| {
        let path = path.as_ref()?;
        // There is no `dataType`, so that the Functions host decodes base64 to bytes.
        Some(json!({
            "type": "blob", "direction": "out", "name": name, "path": path, "connection": blob.connection,
        }))
    });
    std::iter::once(trigger).chain(outputs).collect()
}

/// Returns the trigger binding and the output bindings of a trigger of the kind `queue`.
fn queue_bindings(queue: &QueueTrigger) -> Vec<Value> {
    let trigger = json!({
        "type": "queueTrigger",
        "direction": "in",
        "name": "message",
        "queueName": queue.queue,
        "connection": queue.connection,
        // Bytes reach the scorer as they were sent, and no message can overwrite the metadata with
        // its own members.
        "dataType": "binary",
    });
    let outputs = [(OUTPUT, &queue.output), (PARK, &queue.park)].into_iter();
    let outputs = outputs.filter_map(|(name, target)| {
        Some(json!({
            "type": "queue", "direction": "out", "name": name, "queueName": target.as_ref()?,
            "connection": queue.connection,
        }))
    });
    std::iter::once(trigger).chain(outputs).collect()
}

/// Returns the trigger binding and the output bindings of a trigger of the kind `service-bus`.
fn service_bus_bindings(service_bus: &ServiceBusTrigger) -> Vec<Value> {
    let mut trigger = json!({
        "type": "serviceBusTrigger",
        "direction": "in",
        "name": "message",
        "connection": service_bus.connection,
        // Bytes reach the scorer as they were sent, and no message can overwrite the metadata with
        // its own members.
        "dataType": "binary",
        "cardinality": if service_bus.many { "many" } else { "one" },
        "isSessionsEnabled": service_bus.sessions,
    });
    let entity = match &service_bus.entity {
        Entity::Queue(queue) => vec![("queueName", queue)],
        Entity::Subscription {
            topic,
            subscription,
        } => vec![("topicName", topic), ("subscriptionName", subscription)],
    };
    if let Some(trigger) = trigger.as_object_mut() {
        trigger.extend(
            entity
                .into_iter()
                .map(|(key, name)| (key.to_owned(), name.as_str().into())),
        );
    }
    let outputs = [(OUTPUT, &service_bus.output), (PARK, &service_bus.park)];
    let outputs = outputs.into_iter().filter_map(|(name, target)| {
        let mut output =
            json!({"type": "serviceBus", "direction": "out", "name": name, "connection": service_bus.connection});
        let (key, entity) = match target.as_ref()? {
            Target::Queue(queue) => ("queueName", queue),
            Target::Topic(topic) => ("topicName", topic),
        };
        output.as_object_mut()?.insert(key.to_owned(), entity.as_str().into());
        Some(output)
    });
    std::iter::once(trigger).chain(outputs).collect()
}
