//! Tests of `functions_app`.

use std::path::Path;

use super::*;

fn manifest(rest: &str) -> Manifest {
    let text = format!("[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n{rest}");
    Manifest::parse(Path::new("scorebox.toml"), &text).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn each_trigger_has_its_function() {
    let manifest = manifest(
        r#"
        [limits]
        deadline = "10m"
        [[trigger]]
        kind = "http"
        [[trigger]]
        kind = "blob"
        path = "incoming/{name}.json"
        output = { blob = "scored/{name}_out.json" }
        [[trigger]]
        kind = "service-bus"
        topic = "applications"
        subscription = "scoring"
        connection = "Bus"
        cardinality = "many"
        park = { queue = "parked" }
        [stores.default]
        "#,
    );
    let files = files(&manifest);
    let names = [
        "applications-scoring/function.json",
        "host.json",
        "incoming/function.json",
        "score/function.json",
    ];
    assert_eq!(files.keys().collect::<Vec<_>>(), names);
    let http = json(&files["score/function.json"]);
    assert_eq!(http["bindings"][0]["route"], "score");
    assert_eq!(http["bindings"][0]["authLevel"], "function");
    assert_eq!(http["bindings"][0]["methods"], json!(["post"]));
    let blob = json(&files["incoming/function.json"]);
    let connection = "TriggerConnectionString";
    assert_eq!(
        blob["bindings"],
        json!([
            {"type": "blobTrigger", "direction": "in", "name": "blob", "path": "incoming/{name}.json",
             "source": "EventGrid", "connection": connection},
            {"type": "blob", "direction": "out", "name": "output", "path": "scored/{name}_out.json",
             "connection": connection},
        ])
    );
    let bus = json(&files["applications-scoring/function.json"]);
    assert_eq!(
        bus["bindings"],
        json!([
            {"type": "serviceBusTrigger", "direction": "in", "name": "message", "connection": "Bus",
             "dataType": "binary", "cardinality": "many", "isSessionsEnabled": false,
             "topicName": "applications", "subscriptionName": "scoring"},
            {"type": "serviceBus", "direction": "out", "name": "park", "connection": "Bus", "queueName": "parked"},
        ])
    );
    let host = json(&files["host.json"]);
    assert_eq!(
        host["customHandler"]["description"]["defaultExecutablePath"],
        "/usr/bin/scorebox"
    );
    assert_eq!(host["customHandler"]["enableForwardingHttpRequest"], true);
    assert_eq!(host["extensionBundle"]["version"], "[4.*, 5.0.0)");
    assert_eq!(host["functionTimeout"], "00:20:00");
    let settings = settings(&manifest, Connections::Strings);
    let names: Vec<_> = settings
        .iter()
        .map(|setting| setting.name.as_str())
        .collect();
    assert!(
        names.ends_with(&["Bus", connection, "SCOREBOX_REDIS_URL"]),
        "{names:?}"
    );
}

#[test]
fn what_a_scan_cannot_promise_and_an_envelope_costs_is_said() {
    let warned = |rest: &str| warnings(&manifest(rest)).join("\n");
    assert_eq!(warned(""), "");
    let blob = "[[trigger]]\nkind = \"blob\"\npath = \"incoming/{name}\"\n";
    assert_eq!(warned(blob), "");
    let scan = format!("{blob}source = \"scan\"\n");
    let source = json(&files(&manifest(&scan))["incoming/function.json"]);
    assert_eq!(source["bindings"][0]["source"], "LogsAndContainerScan");
    for part in ["incoming", "for good", "ten minutes", "fix: ", "event-grid"] {
        assert!(warned(&scan).contains(part), "{part}: {}", warned(&scan));
    }
    let http = "[[trigger]]\nkind = \"http\"\n";
    assert_eq!(warned(http), "");
    let wrapped = warned(&format!("{http}forwarding = false\n"));
    for part in ["score", "379", "1,112", "fix: remove `forwarding = false`"] {
        assert!(wrapped.contains(part), "{part}: {wrapped}");
    }
}

#[test]
fn http_alone_needs_no_bundle_and_may_be_wrapped() {
    let host = |rest: &str| json(&files(&manifest(rest))["host.json"]);
    assert_eq!(host("")["extensionBundle"], Value::Null);
    let wrapped = host("[[trigger]]\nkind = \"http\"\nforwarding = false");
    assert_eq!(
        wrapped["customHandler"]["enableForwardingHttpRequest"],
        false
    );
    assert_eq!(wrapped["functionTimeout"], "00:05:00");
}

#[test]
fn a_storage_queue_has_its_function_and_the_app_its_settings() {
    let manifest = manifest(
        r#"
        [[trigger]]
        kind = "queue"
        queue = "requests"
        output = { queue = "scores" }
        park = { queue = "rejected" }
        max_delivery_count = 3
        visibility_timeout = "90s"
        [[trigger]]
        kind = "blob"
        path = "incoming/{name}"
        "#,
    );
    let files = files(&manifest);
    let connection = "TriggerConnectionString";
    assert_eq!(
        json(&files["requests/function.json"])["bindings"],
        json!([
            {"type": "queueTrigger", "direction": "in", "name": "message", "queueName": "requests",
             "connection": connection, "dataType": "binary"},
            {"type": "queue", "direction": "out", "name": "output", "queueName": "scores", "connection": connection},
            {"type": "queue", "direction": "out", "name": "park", "queueName": "rejected", "connection": connection},
        ])
    );
    let host = json(&files["host.json"]);
    let queues =
        json!({"maxDequeueCount": 3, "messageEncoding": "base64", "visibilityTimeout": "00:01:30"});
    assert_eq!(host["extensions"]["queues"], queues);
    assert_eq!(host["extensionBundle"]["version"], "[4.*, 5.0.0)");
    // The account with the blobs and the queues has one setting.
    let names = |connections| {
        let settings = settings(&manifest, connections).into_iter();
        let names = settings.map(|setting| setting.name);
        let names: Vec<_> = names.filter(|name| name.starts_with(connection)).collect();
        names
    };
    assert_eq!(names(Connections::Strings), [connection]);
    let identity = ["blobServiceUri", "queueServiceUri"];
    assert_eq!(
        names(Connections::Identity),
        identity.map(|name| format!("{connection}__{name}"))
    );
}

#[test]
fn a_connection_that_two_services_share_is_for_an_identity() {
    let manifest = manifest(
        r#"
        [[trigger]]
        kind = "queue"
        queue = "requests"
        connection = "Both"
        [[trigger]]
        kind = "service-bus"
        queue = "applications"
        connection = "Both"
        "#,
    );
    let settings = settings(&manifest, Connections::Strings);
    let names: Vec<_> = settings
        .iter()
        .map(|setting| setting.name.as_str())
        .collect();
    let expected = ["Both__fullyQualifiedNamespace", "Both__queueServiceUri"];
    assert!(names.ends_with(&expected), "{names:?}");
}
