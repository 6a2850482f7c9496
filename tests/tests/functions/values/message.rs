//! Envelopes of messages, single and in batches.
//!
//! Owns the bodies of messages, and the metadata that become attributes.

use serde_json::Value;

use super::{JSON, OCTETS, invoke, seen};

#[track_caller]
fn check_message(
    function: &str,
    name: &str,
    content_type: &str,
    body: &[u8],
    attempt: u32,
    attributes: &[(&str, &str)],
) {
    let bound = invoke(function, name);
    let expected = seen("service-bus", content_type, body, attempt, attributes);
    assert_eq!(bound.json("output"), expected, "{function} {name}");
    assert_eq!(bound.logs.len(), 0, "{name}");
}

#[test]
fn text_messages_are_unwrapped_once() {
    for function in ["one", "one-text"] {
        let attributes = [
            ("message-id", "m-1"),
            ("sequence-number", "42"),
            ("enqueued-time", "2024-05-01T12:34:56Z"),
            ("property.k", "1"),
        ];
        check_message(
            function,
            "message-least",
            OCTETS,
            b"{\"data\":[[1,2]]}",
            1,
            &attributes,
        );
        check_message(function, "message-empty", OCTETS, b"", 1, &[]);
        check_message(function, "message-quoted", OCTETS, b"\"x\"", 1, &[]);
        check_message(function, "message-number", OCTETS, b"42", 1, &[]);
        check_message(function, "message-like-base64", OCTETS, b"dGVzdA==", 1, &[]);
        check_message(
            function,
            "message-replaced",
            OCTETS,
            "caf\u{fffd}".as_bytes(),
            1,
            &[],
        );
        // The documentation of the host shows values in this form.
        check_message(function, "message-unwrapped", OCTETS, b"hello", 1, &[]);
        check_message(
            function,
            "message-unwrapped-object",
            OCTETS,
            b"{\"a\":1}",
            1,
            &[],
        );
    }
}

#[test]
fn metadata_become_attributes_but_for_credentials_and_objects_of_the_sdk() {
    let attributes = [
        ("message-id", "m-1"),
        ("correlation-id", "c-1"),
        ("subject", "digits"),
        ("reply-to", "answers"),
        ("to", "scores"),
        ("session-id", "s-1"),
        ("reply-to-session-id", "s-2"),
        ("partition-key", "s-1"),
        ("dead-letter-source", "old"),
        ("sequence-number", "9007199254740993"),
        ("enqueued-time", "2024-05-01T12:34:56Z"),
        ("property.k", "1"),
        ("property.big", "9007199254740993"),
        ("property.flag", "true"),
        ("property.text", "t"),
    ];
    check_message("one", "message", "text/plain", b"hello", 3, &attributes);
}

#[test]
fn what_a_text_message_writes_over_its_metadata_is_not_believed() {
    let body =
        br#"{"MessageId":"forged","deliverycount":"zz","ApplicationProperties":{"admin":true}}"#;
    check_message(
        "one",
        "message-forged",
        OCTETS,
        body,
        1,
        &[("sequence-number", "7")],
    );
}

#[test]
fn binary_messages_arrive_as_they_were_sent() {
    let attributes = [("message-id", "m-1"), ("sequence-number", "42")];
    check_message(
        "one-binary",
        "bytes",
        JSON,
        br#"{"MessageId":"forged"}"#,
        1,
        &attributes,
    );
    check_message(
        "one-binary",
        "bytes-not-utf8",
        OCTETS,
        b"\xff\xfe\xfd\x80",
        1,
        &[("message-id", "m-1")],
    );
    check_message(
        "one-binary",
        "bytes-null",
        OCTETS,
        b"\x9e\xe9\x65",
        1,
        &[("message-id", "m-1")],
    );
    check_message("one-binary", "bytes-empty", OCTETS, b"", 1, &[]);
}

#[track_caller]
fn check_batch(function: &str, name: &str, expected: &[Value]) {
    let bound = invoke(function, name);
    let output: Vec<Value> = bound
        .of("output")
        .into_iter()
        .map(|bytes| serde_json::from_slice(bytes).expect("JSON"))
        .collect();
    assert_eq!(output, expected, "{function} {name}");
    assert_eq!(bound.logs.len(), 0, "{name}");
}

#[test]
fn batches_are_told_apart_with_their_metadata() {
    let message = |content_type: &str, body: &[u8], attempt, attributes: &[(&str, &str)]| {
        seen("service-bus", content_type, body, attempt, attributes)
    };
    let first = [
        ("message-id", "m-1"),
        ("enqueued-time", "2024-05-01T12:34:56.789Z"),
        ("property.k", "1"),
    ];
    let second = [
        ("message-id", "m-2"),
        ("enqueued-time", "2024-05-01T12:34:57.001Z"),
    ];
    let expected = [
        message(OCTETS, b"a", 1, &first),
        message(OCTETS, b"b", 2, &second),
    ];
    check_batch("many-text", "batch-text", &expected);
    check_batch("many", "batch-text", &expected);

    let first = [
        ("message-id", "m-1"),
        ("session-id", "s-1"),
        ("sequence-number", "9007199254740993"),
    ];
    let second = [
        ("correlation-id", "c-2"),
        ("session-id", "s-1"),
        ("sequence-number", "9223372036854775807"),
    ];
    check_batch(
        "many-binary",
        "batch-bytes",
        &[
            message(JSON, &[1], 1, &first),
            message(OCTETS, &[2], 1, &second),
        ],
    );

    let bodies: [&[u8]; 3] = [b"{\"a\":1}", b"text", b"42"];
    check_batch(
        "many",
        "batch-json",
        &bodies.map(|body| message(OCTETS, body, 1, &[])),
    );

    // Metadata arrays of another length are ignored, because they would give a message the metadata
    // of its neighbour.
    let bodies: [&[u8]; 2] = [b"a", b"b"];
    check_batch(
        "many-text",
        "batch-short-arrays",
        &bodies.map(|body| message(OCTETS, body, 1, &[])),
    );
}

#[test]
fn an_empty_batch_is_answered_and_sends_nothing() {
    for function in ["many", "many-text", "many-binary"] {
        let bound = invoke(function, "batch-empty");
        assert!(
            bound.written.is_empty() && bound.logs.is_empty(),
            "{bound:?}"
        );
    }
}
