//! Envelopes of blobs.
//!
//! Owns the bytes, content types and attributes of blobs, and the byte order mark before JSON in blobs
//! and messages.

use scorebox_tests::functions::values::{base64, blob, envelope, wrapped};
use serde_json::json;

use super::{HOST, JSON, OCTETS, invoke, mirror, seen};

#[track_caller]
fn check_blob(
    function: &str,
    name: &str,
    content_type: &str,
    body: &[u8],
    attributes: &[(&str, &str)],
) {
    let bound = invoke(function, name);
    assert_eq!(
        bound.json("output"),
        seen("blob", content_type, body, 1, attributes),
        "{function} {name}"
    );
    assert_eq!((bound.logs.len(), bound.response), (0, None), "{name}");
}

#[test]
fn blobs_arrive_as_bytes_whatever_they_look_like() {
    let uri = "https://acct.blob.core.windows.net/input/a.json";
    for function in ["blob", "blob-binary", "blob-text"] {
        let attributes = [
            ("uri", uri),
            ("etag", "0x8D1"),
            ("path.blobname", "a"),
            ("metadata.owner", "ml"),
        ];
        check_blob(function, "blob", JSON, b"{\"data\":[[1,2]]}", &attributes);
        check_blob(
            function,
            "blob-null",
            OCTETS,
            b"\x9e\xe9\x65",
            &[("path.blobname", "a")],
        );
        check_blob(function, "blob-1234", OCTETS, b"\xd7\x6d\xf8", &[]);
        check_blob(function, "blob-empty", OCTETS, b"", &[]);
        check_blob(function, "blob-escaped", OCTETS, b"\xfb\xef\xff", &[]);
    }
}

#[test]
fn a_blob_without_a_type_is_what_its_name_says_and_its_signature_stays_out() {
    let uri = "https://acct.blob.core.windows.net/input/a.bin";
    check_blob(
        "blob",
        "blob-signed-uri",
        OCTETS,
        &[1, 2, 3],
        &[("uri", uri)],
    );
    let uri = "https://acct.blob.core.windows.net/input/A.JSON";
    check_blob("blob", "blob-json-by-name", JSON, b"{}", &[("uri", uri)]);
}

#[test]
fn json_in_blobs_and_messages_may_begin_with_a_byte_order_mark() {
    let shared = HOST.get(mirror);
    let marked = "\u{feff}{\"a\":1}";
    let labelled = json!({"ContentType": wrapped(JSON)});
    let properties = json!({"Properties": {"ContentType": JSON}});
    for (function, body) in [
        ("blob", blob("blob", marked.as_bytes(), properties)),
        (
            "one-binary",
            envelope("msg", base64(marked), labelled.clone()),
        ),
        (
            "one-text",
            envelope("msg", wrapped(marked), labelled.clone()),
        ),
    ] {
        let bound = shared.1.invoke(function, &body);
        let bound = bound.unwrap_or_else(|failed| panic!("{function}: {failed:?}"));
        assert_eq!(
            bound.json("output")["body"],
            json!(b"{\"a\":1}"),
            "{function}"
        );
    }
    let labelled = json!({"ContentTypeArray": wrapped(vec![JSON])});
    let bodies = wrapped(vec![base64(marked)]);
    let bound = shared
        .1
        .invoke("many-binary", &envelope("msgs", bodies, labelled));
    let bound = bound.unwrap_or_else(|failed| panic!("{failed:?}"));
    assert_eq!(bound.json("output")["body"], json!(b"{\"a\":1}"));
    // Other content is not text, so its first bytes are its own.
    let octets = blob("blob", marked.as_bytes(), json!({}));
    let bound = shared.1.invoke("blob", &octets).expect("it is answered");
    assert_eq!(bound.json("output")["body"], json!(marked.as_bytes()));
}
