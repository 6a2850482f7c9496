//! Parked messages and blobs: which failures park them, at which delivery, and with which record.
//!
//! Owns the records, and the whole way of a message through all its deliveries.

use scorebox_tests::functions::delivery::Delivered;
use scorebox_tests::functions::values::{
    base64, blob, envelope, message_metadata, text_message, wrapped,
};
use serde_json::{Value, json};

use super::{bound, comes_again, failures, host, message};

#[test]
fn what_can_never_be_scored_is_parked_and_all_else_comes_again() {
    for (deed, status, code, never) in failures() {
        let body = message(deed.to_string().as_bytes(), 1);
        comes_again("bare", &body, status, code);
        if never {
            let record = bound("parks", &body).json("park");
            assert_eq!(record["problem"]["code"], code, "{record}");
            assert_eq!(record["body"], deed.to_string(), "{code}");
        } else {
            comes_again("parks", &body, status, code);
        }
    }
}

#[test]
fn the_last_delivery_parks_whatever_was_wrong() {
    for (deed, _, code, _) in failures() {
        let body = message(deed.to_string().as_bytes(), 10);
        let record = bound("parks", &body).json("park");
        assert_eq!(
            (&record["problem"]["code"], &record["attempt"]),
            (&json!(code), &json!(10)),
            "{record}"
        );
    }
    let deed = br#"{"do": "trap"}"#;
    comes_again("parks", &message(deed, 9), 500, "trapped");
    // The delivery count in the manifest's entry for the queue is used.
    comes_again("thrice", &message(deed, 2), 500, "trapped");
    assert_eq!(
        bound("thrice", &message(deed, 3)).json("park")["attempt"],
        3
    );
    // Without an output for parked messages, Service Bus dead-letters the message.
    comes_again("bare", &message(deed, 10), 500, "trapped");
}

#[test]
fn a_parked_message_says_what_was_wrong_with_what() {
    // The log must be that of this test's host.
    let shared = host();
    let deed = r#"{"do": "reject", "code": "too-young", "message": "applicants are 18", "detail": "for the log"}"#;
    let bound = bound("parks", &message(deed.as_bytes(), 2));
    let mut record = bound.json("park");
    let id = record["id"].take();
    assert!(
        id.as_str()
            .is_some_and(|id| id.starts_with("00000000-0000-4000-8000-")),
        "{id}"
    );
    let expected = json!({
        "problem": {"code": "too-young", "message": "applicants are 18"},
        "id": null,
        "function": "parks",
        "attempt": 2,
        "attributes": {
            "message-id": "m-1", "sequence-number": "9007199254740993", "enqueued-time": "2024-05-01T12:34:56Z",
            "property.k": "1",
        },
        "body": deed,
    });
    assert_eq!(record, expected);
    assert!(bound.of("output").is_empty());
    assert_eq!(bound.logs, ["too-young applicants are 18"]);
    // Details for operators are only in the log.
    shared.1.wait_for_log("for the log");
}

#[test]
fn bytes_and_other_types_are_parked_as_they_are() {
    let record = bound("parks", &message(b"\xff\xfe", 1)).json("park");
    assert_eq!(
        (&record["body_base64"], &record["body"]),
        (&json!("//4="), &Value::Null)
    );
    let mut metadata = message_metadata("m-1", 1);
    metadata["ContentType"] = wrapped("image/png");
    let record = bound("parks", &envelope("msg", base64("{}"), metadata)).json("park");
    assert_eq!(
        record["problem"]["code"], "unsupported-media-type",
        "{record}"
    );
    assert_eq!(record["content_type"], "image/png");
}

#[test]
fn the_attempt_reaches_the_scorer_and_cannot_be_forged() {
    let deed = br#"{"do": "attributes"}"#;
    let seen = bound("parks", &message(deed, 4)).json("output");
    assert_eq!(
        (&seen["attempt"], &seen["source"]),
        (&json!(4), &json!("service-bus")),
        "{seen}"
    );
    assert!(
        seen["deadline_ms"]
            .as_u64()
            .is_some_and(|ms| (1..=600).contains(&ms)),
        "{seen}"
    );
    // A sender that claims the last delivery does not get its message parked.
    let forged = r#"{"do": "trap", "DeliveryCount": 10}"#;
    comes_again(
        "text",
        &text_message("msg", forged, message_metadata("m-1", 1)),
        500,
        "trapped",
    );
}

#[test]
fn a_blob_is_tried_again_unless_there_is_a_place_for_its_problem() {
    let reject = br#"{"do": "reject", "code": "no", "message": "not this one"}"#;
    let metadata = json!({"blobname": wrapped("a"), "Uri": wrapped("https://acct.blob.core.windows.net/in/a.json")});
    comes_again(
        "bare-blobs",
        &blob("blob", reject, metadata.clone()),
        422,
        "no",
    );
    let found = bound("blobs", &blob("blob", reject, metadata.clone()));
    let mut record = found.json("park");
    record["id"].take();
    // The blob itself stays in its container.
    let expected = json!({
        "problem": {"code": "no", "message": "not this one"}, "id": null, "function": "blobs", "attempt": 1,
        "attributes": {"uri": "https://acct.blob.core.windows.net/in/a.json", "path.blobname": "a"},
    });
    assert_eq!(record, expected);
    comes_again(
        "blobs",
        &blob("blob", br#"{"do": "trap"}"#, metadata.clone()),
        500,
        "trapped",
    );
    assert_eq!(
        bound("blobs", &blob("blob", br#"{"do": "count"}"#, metadata))
            .of("park")
            .len(),
        0
    );
}

#[test]
fn nothing_is_lost_whatever_happens_to_it() {
    let shared = host();
    let host = &shared.1;
    let trap = json!({"do": "trap"});
    let reject = json!({"do": "reject", "code": "no", "message": "no"});
    let good = json!({"do": "config", "name": "x"});

    let (attempt, bound) = host.deliver_message("parks", &trap).completed();
    assert_eq!(
        (attempt, &bound.json("park")["problem"]["code"]),
        (10, &json!("trapped"))
    );
    assert!(matches!(
        host.deliver_message("bare", &trap),
        Delivered::Kept(10)
    ));
    let (attempt, bound) = host.deliver_message("parks", &reject).completed();
    assert_eq!((attempt, bound.of("park").len()), (1, 1));
    assert!(matches!(
        host.deliver_message("bare", &reject),
        Delivered::Kept(10)
    ));

    // The good messages of a batch are delivered as often as the bad one, but their answers are
    // sent once.
    let (attempt, bound) = host
        .deliver_batch("batch", &[good.clone(), trap.clone(), good.clone()])
        .completed();
    assert_eq!(
        (attempt, bound.of("output").len(), bound.of("park").len()),
        (10, 2, 1)
    );
    let (attempt, bound) = host
        .deliver_batch("batch", &[good.clone(), reject.clone()])
        .completed();
    assert_eq!(
        (attempt, bound.of("output").len(), bound.of("park").len()),
        (1, 1, 1)
    );
    assert!(matches!(
        host.deliver_batch("bare-batch", &[good, reject.clone()]),
        Delivered::Kept(10)
    ));

    assert!(matches!(
        host.deliver_blob("blobs", &trap),
        Delivered::Kept(5)
    ));
    assert!(matches!(
        host.deliver_blob("bare-blobs", &reject),
        Delivered::Kept(5)
    ));
    assert_eq!(host.deliver_blob("blobs", &reject).completed().0, 1);
}
