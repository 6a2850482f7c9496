//! Queues of a storage account as triggers: the scorer's input, the settlement of failures, and
//! where answers go.
//!
//! Owns the functions on queues. The forms of the envelopes were recorded on a real Functions host.
//! Must not know Service Bus.

use std::sync::Arc;

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, queue, queue_output};
use scorebox_tests::functions::delivery::Delivered;
use scorebox_tests::functions::outputs::{Bound, Failed};
use scorebox_tests::functions::values::{
    base64, blob, envelope, message_metadata, queue_metadata, text_message,
};
use scorebox_tests::host::scorebox;
use scorebox_tests::shared::Shared;
use scorebox_tests::{programs, run};
use serde_json::{Value, json};

static MIRROR: Shared<(App, FunctionsHost)> = Shared::new();
static WAYWARD: Shared<(App, FunctionsHost)> = Shared::new();

fn functions() -> Vec<(&'static str, Value)> {
    let park = queue_output("park", "rejected");
    vec![
        ("binary", queue(Some("binary"), &[])),
        ("text", queue(Some("string"), &[])),
        ("plain", queue(None, &[])),
        ("parks", queue(Some("binary"), std::slice::from_ref(&park))),
        ("parks-text", queue(None, &[park])),
        ("one", messages("msg", "one", Some("binary"), &[])),
        ("blobs", blobs(None, &[])),
    ]
}

fn mirror() -> Arc<(App, FunctionsHost)> {
    MIRROR.get(|| {
        let app = function_app(programs::MIRROR, "", json!({}), &functions());
        let host = FunctionsHost::start(&app);
        (app, host)
    })
}

fn wayward() -> Arc<(App, FunctionsHost)> {
    WAYWARD.get(|| {
        let limits = "[limits]\ndeadline = \"600ms\"\n";
        let app = function_app(programs::WAYWARD, limits, json!({}), &functions());
        let host = FunctionsHost::start(&app);
        (app, host)
    })
}

#[track_caller]
fn bound(shared: &(App, FunctionsHost), function: &str, body: &[u8]) -> Bound {
    let bound = shared.1.invoke(function, body);
    bound.unwrap_or_else(|failed| panic!("{function}: {failed:?}\n{}", shared.1.log()))
}

/// Returns an envelope with one binary message.
fn binary(body: &[u8], dequeue_count: u32) -> Vec<u8> {
    envelope(
        "message",
        base64(body),
        queue_metadata("q-1", dequeue_count),
    )
}

/// Returns the answer in which the scorer repeats a message.
fn seen(body: &[u8], attempt: u32, attributes: Value) -> Value {
    json!({
        "body": body, "content_type": "application/octet-stream", "source": "storage-queue", "attempt": attempt,
        "attributes": attributes,
    })
}

#[test]
fn messages_arrive_as_they_were_sent() {
    let attributes = json!([
        ["message-id", "q-1"],
        ["enqueued-time", "2026-11-26T15:45:02+00:00"],
        ["expiration-time", "2026-12-03T15:45:02+00:00"],
        ["next-visible-time", "2026-11-26T15:55:04+00:00"],
    ]);
    let shared = mirror();
    let bodies: [&[u8]; 6] = [
        b"plain",
        b"1234",
        b"{\"data\":[[1,2.50]],\"when\":\"2026-11-26T10:00:00Z\"}",
        b"\xff\xfe\x00",
        b"",
        b"{\"Id\":\"forged\",\"DequeueCount\":5}",
    ];
    for body in bodies {
        let found = bound(&shared, "binary", &binary(body, 2)).json("output");
        assert_eq!(found, seen(body, 2, attributes.clone()));
    }
    for function in ["text", "plain"] {
        for body in ["plain", "1234", "2026-11-26T10:00:00.5+02:00", "\"x\"", ""] {
            let sent = text_message("message", body, queue_metadata("q-1", 3));
            let found = bound(&shared, function, &sent).json("output");
            assert_eq!(
                found,
                seen(body.as_bytes(), 3, attributes.clone()),
                "{body}"
            );
        }
    }
}

#[test]
fn what_a_text_message_writes_over_its_metadata_is_not_believed() {
    let shared = mirror();
    let forged = "{\"Id\":\"forged\",\"dequeuecount\":5}";
    for text in [forged.to_owned(), format!("\u{feff}{forged}")] {
        let mut metadata = queue_metadata("q-1", 1);
        metadata["Id"] = "\"forged\"".into();
        metadata["DequeueCount"] = "5".into();
        let sent = envelope("message", json!(json!(text).to_string()), metadata);
        let found = bound(&shared, "plain", &sent).json("output");
        assert_eq!(found["attempt"], 1, "{found}");
        let names = found["attributes"].as_array().expect("a list");
        assert!(!names.iter().any(|pair| pair[0] == "message-id"), "{found}");
    }
}

#[test]
fn a_receipt_reaches_no_scorer() {
    let shared = mirror();
    for function in ["binary", "plain"] {
        let value = if function == "binary" {
            base64("x")
        } else {
            json!("\"x\"")
        };
        let sent = envelope("message", value, queue_metadata("q-1", 1));
        let found = bound(&shared, function, &sent).json("output").to_string();
        assert!(!found.contains("MjZOb3YyMDI2"), "{found}");
    }
}

#[test]
fn failures_are_parked_or_come_again() {
    let shared = wayward();
    let host = &shared.1;
    let trap = json!({"do": "trap"});
    let reject = json!({"do": "reject", "code": "no", "message": "not this one"});

    let (attempt, found) = host.deliver_from_queue("parks", &trap).completed();
    let record = found.json("park");
    assert_eq!((attempt, &record["attempt"]), (5, &json!(5)), "{record}");
    assert_eq!(record["problem"]["code"], "trapped", "{record}");
    assert_eq!(record["attributes"]["message-id"], "q-1", "{record}");
    assert_eq!(record["body"], trap.to_string(), "{record}");

    let (attempt, found) = host.deliver_from_queue("parks", &reject).completed();
    let counts = (found.of("park").len(), found.of("output").len());
    assert_eq!((attempt, counts), (1, (1, 0)));
    // Without `park` the Functions host moves the message to the poison queue.
    for message in [&trap, &reject] {
        let ended = host.deliver_from_queue("binary", message);
        assert!(matches!(ended, Delivered::Kept(5)), "{ended:?}");
    }
    // A sender cannot claim that a delivery is the last one.
    let forged = r#"{"do": "trap", "DequeueCount": 5}"#;
    let sent = text_message("message", forged, queue_metadata("q-1", 1));
    match host.invoke("parks-text", &sent) {
        Err(Failed::Status(500, _)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_delivery_is_that_of_host_json() {
    let queues = json!({"extensions": {"queues": {"maxDequeueCount": 2}}});
    let app = function_app(programs::WAYWARD, "", queues, &functions());
    let host = FunctionsHost::start(&app);
    let trap = json!({"do": "trap"});
    let (attempt, found) = host.deliver_from_queue("parks", &trap).completed();
    assert_eq!((attempt, &found.json("park")["attempt"]), (2, &json!(2)));
    let ended = host.deliver_from_queue("binary", &trap);
    assert!(matches!(ended, Delivered::Kept(2)), "{ended:?}");
}

#[test]
fn json_with_a_byte_order_mark_is_read_from_blobs_and_messages() {
    let shared = wayward();
    let deed = "\u{feff}{\"do\": \"attributes\"}";
    let uri = json!({"Uri": json!("https://a.blob.core.windows.net/in/a.json").to_string()});
    for (function, sent) in [
        ("binary", binary(deed.as_bytes(), 1)),
        (
            "plain",
            text_message("message", deed, queue_metadata("q-1", 1)),
        ),
        (
            "one",
            envelope("msg", base64(deed), message_metadata("m-1", 1)),
        ),
        ("blobs", blob("blob", deed.as_bytes(), uri)),
    ] {
        let found = bound(&shared, function, &sent).json("output");
        assert_eq!(found["attempt"], 1, "{function}: {found}");
    }
}

#[test]
fn a_queue_is_tried_without_the_functions_host() {
    let app = function_app(programs::WAYWARD, "", json!({}), &functions());
    app.write("a.json", br#"{"do": "attributes"}"#);
    app.write("trap.json", br#"{"do": "trap"}"#);
    let invoke = |arguments: &[&str]| {
        let mut command = scorebox("invoke", &app);
        command.current_dir(app.path()).args(["--trigger", "queue"]);
        run::finish(command.args(arguments), b"")
    };
    for function in ["parks", "parks-text"] {
        let run = |more: &[&str]| invoke(&[&["--function", function], more].concat());
        let answer = run(&["--attempt", "4", "a.json"]).ended(0).json();
        // A text that holds a time is sent as a list of one, which the Functions host leaves alone.
        let text = answer["Outputs"]["output"][0].as_str().expect("a text");
        let found: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(found["attempt"], 4, "{found}");
        run(&["trap.json"]).ended(23);
        run(&["--attempt", "5", "trap.json"]).ended(0);
        let envelope = run(&["--print-envelope", "a.json"]).ended(0).stdout;
        let shared = wayward();
        bound(&shared, function, envelope.trim_end().as_bytes());
    }
}
