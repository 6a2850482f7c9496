//! Function apps that tests write by hand: a component, `host.json`, and the bindings of each
//! function.
//!
//! Owns the form of these files. Must not know the purpose of a function.

use serde_json::{Value, json};

use crate::app::App;
use crate::place;
use crate::programs::Program;

/// Creates a function app with the component of a test program. `functions` has the name and the
/// bindings of each function. The members of `host` are added to the smallest valid `host.json`.
#[must_use]
pub fn function_app(
    program: Program,
    manifest: &str,
    host: Value,
    functions: &[(&str, Value)],
) -> App {
    laid_out(App::with(program, manifest), host, functions)
}

/// Creates a function app with the component of the example `echo`. `functions` has the name and
/// the bindings of each function. The members of `host` are added to the smallest valid
/// `host.json`.
#[must_use]
pub fn echoing_app(manifest: &str, host: Value, functions: &[(&str, Value)]) -> App {
    let component =
        std::fs::read(place::example("echo").join("component.wasm")).expect("the example is built");
    laid_out(App::made("echo", &component, manifest), host, functions)
}

/// Adds functions and a `host.json` to an app. `functions` has the name and the bindings of each
/// function. The members of `host` are added to the smallest valid `host.json`.
#[must_use]
pub fn laid_out(app: App, host: Value, functions: &[(&str, Value)]) -> App {
    let mut file = json!({"version": "2.0", "customHandler": {"description": {"defaultExecutablePath": "scorebox"}}});
    let members = file.as_object_mut().expect("an object");
    members.extend(host.as_object().expect("an object").clone());
    app.write("host.json", file.to_string().as_bytes());
    for (name, bindings) in functions {
        app.write(
            &format!("{name}/function.json"),
            json!({ "bindings": bindings }).to_string().as_bytes(),
        );
    }
    app
}

/// Returns the bindings of a function: a Service Bus trigger with the name `name`, a cardinality
/// and a `dataType`, an output, and the bindings `more`.
#[must_use]
pub fn messages(name: &str, cardinality: &str, data_type: Option<&str>, more: &[Value]) -> Value {
    let mut trigger = json!({
        "type": "serviceBusTrigger", "direction": "in", "name": name, "queueName": "in", "connection": "Bus",
        "cardinality": cardinality,
    });
    if let Some(data_type) = data_type {
        trigger["dataType"] = data_type.into();
    }
    let output = json!({
        "type": "serviceBus", "direction": "out", "name": "output", "queueName": "out", "connection": "Bus",
    });
    [trigger, output]
        .into_iter()
        .chain(more.iter().cloned())
        .collect()
}

/// Returns the bindings of a function: a trigger on a queue of a storage account with the name
/// `message` and a `dataType`, an output, and the bindings `more`.
#[must_use]
pub fn queue(data_type: Option<&str>, more: &[Value]) -> Value {
    let mut trigger = json!({
        "type": "queueTrigger", "direction": "in", "name": "message", "queueName": "requests", "connection": "Storage",
    });
    if let Some(data_type) = data_type {
        trigger["dataType"] = data_type.into();
    }
    let output = queue_output("output", "scores");
    [trigger, output]
        .into_iter()
        .chain(more.iter().cloned())
        .collect()
}

/// Returns an output binding with the name `name` that sends messages to a queue of a storage
/// account.
#[must_use]
pub fn queue_output(name: &str, queue: &str) -> Value {
    json!({"type": "queue", "direction": "out", "name": name, "queueName": queue, "connection": "Storage"})
}

/// Returns an output binding to which the host writes parked messages.
#[must_use]
pub fn park() -> Value {
    json!({"type": "serviceBus", "direction": "out", "name": "park", "queueName": "parked", "connection": "Bus"})
}

/// Returns the bindings of a function: a blob trigger with a `dataType`, an output, and the
/// bindings `more`.
#[must_use]
pub fn blobs(data_type: Option<&str>, more: &[Value]) -> Value {
    let mut trigger = json!({
        "type": "blobTrigger", "direction": "in", "name": "blob", "path": "in/{blobname}.json", "connection": "Storage",
    });
    if let Some(data_type) = data_type {
        trigger["dataType"] = data_type.into();
    }
    let output = json!({
        "type": "blob", "direction": "out", "name": "output", "path": "out/{blobname}.json", "connection": "Storage",
    });
    [trigger, output]
        .into_iter()
        .chain(more.iter().cloned())
        .collect()
}

/// Returns the bindings of a function: an HTTP trigger, an HTTP output with the name `output`, and
/// the bindings `more`.
#[must_use]
pub fn requests(output: &str, more: &[Value]) -> Value {
    let bindings = [
        json!({"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "function"}),
        json!({"type": "http", "direction": "out", "name": output}),
    ];
    bindings.into_iter().chain(more.iter().cloned()).collect()
}
