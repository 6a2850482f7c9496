//! Envelopes of blobs.
//!
//! Owns the bytes, content types and attributes of blobs.

use super::{JSON, OCTETS, invoke, seen};

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
