//! Tests of the encoding of text: UTF-8 with and without a byte order mark, and everything else.

use super::values::{missing, read_body, refused};
use super::*;

#[test]
fn a_byte_order_mark_is_skipped_in_every_form() {
    let marked = |body: &str| [b"\xEF\xBB\xBF", body.as_bytes()].concat();
    let azure = r#"{"x": [[49, 50]]}"#;
    let open =
        r#"{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "UINT8", "data": [49, 50]}]}"#;
    let body = |answer: Result<Written, ScoreFailure>| answer.unwrap().payload.body;
    for text in [azure, open] {
        let plain = body(echo(JSON, text, &[]));
        assert_eq!(body(echo(JSON, marked(text), &[])), plain, "{text}");
    }
    let by_route = echo_as(BodyFormat::OpenInference, "", marked(open), &[]);
    assert_eq!(body(by_route), body(echo(JSON, open, &[])));
    // The length of the JSON includes the byte order mark.
    let binary = r#"{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "UINT8",
                     "parameters": {"binary_data_size": 2}}]}"#;
    let length = marked(binary).len().to_string();
    let sent = [marked(binary), b"12".to_vec()].concat();
    let answer = echo(OCTET_STREAM, sent, &[(JSON_LENGTH, &length)]);
    assert_eq!(body(answer), body(echo(JSON, open, &[])));
    // In raw bytes, a byte order mark is three numbers. JSON may have only one mark.
    assert!(echo(OCTET_STREAM, marked("1"), &[]).is_ok());
    assert!(echo(JSON, marked(&format!("\u{feff}{azure}")), &[]).is_err());
}

#[test]
fn text_in_another_encoding_is_refused_by_its_name() {
    let azure = r#"{"x": [[49, 50]]}"#;
    let wide: Vec<u8> = azure.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (label, format) in [
        ("application/json; charset=utf-16", BodyFormat::Labelled),
        ("text/plain; charset=\"ISO-8859-1\"", BodyFormat::Labelled),
        (
            "application/json; charset=utf-16",
            BodyFormat::OpenInference,
        ),
    ] {
        let Err(ScoreFailure::Unsupported { accepted, .. }) = echo_as(format, label, azure, &[])
        else {
            panic!("{label}")
        };
        assert_eq!(accepted, ["application/json in UTF-8"], "{label}");
    }
    assert!(echo("application/json; charset=\"UTF8\"", azure, &[]).is_ok());
    for format in [BodyFormat::Labelled, BodyFormat::OpenInference] {
        let refused = echo_as(format, JSON, wide.clone(), &[]);
        let Err(ScoreFailure::NotConforming { message, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(
            message.contains("UTF-16") && message.contains("in UTF-8"),
            "{message}"
        );
    }
}

#[test]
fn a_body_that_is_not_utf_8_says_where() {
    let port = missing(Dtype::Text);
    for words in [false, true] {
        let azure = b"{\"x\": [\"Z\xfcrich\"]}".to_vec();
        let open = b"{\"inputs\": [{\"name\": \"x\", \"shape\": [1], \"datatype\": \"BYTES\", \"data\": [\"Z\xfcrich\"]}]}".to_vec();
        for (format, body) in [
            (BodyFormat::Labelled, azure),
            (BodyFormat::OpenInference, open),
        ] {
            let at = body.iter().position(|byte| *byte == 0xfc).unwrap();
            let found = read_body(&port, words, format, JSON, body, None);
            let expected =
                format!("The body is not UTF-8: a wrong byte follows the first {at} bytes.");
            refused(found, "", &expected);
        }
    }
}
