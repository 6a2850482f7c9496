//! Tests of `signature`.

use super::*;

fn shape(content_types: &[&str], schema: Option<&str>) -> wit::Shape {
    wit::Shape {
        content_types: content_types.iter().map(|&text| text.to_owned()).collect(),
        json_schema: schema.map(str::to_owned),
        examples: vec![],
    }
}

#[test]
fn the_door_checks_media_type_and_schema() {
    let schema =
        r#"{"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}"#;
    let input = shape(&["application/json"], Some(schema));
    let described = wit::Signature {
        input,
        output: shape(&[], None),
        deterministic: true,
    };
    let Ok(signature) = PayloadSignature::from_wit(described) else {
        panic!()
    };
    let admit = |content_type: &str, body: &'static str| {
        signature.admit(&Payload {
            content_type: content_type.into(),
            body: body.as_bytes().into(),
        })
    };
    assert_eq!(
        admit("application/json; charset=utf-8", r#"{"key": "a"}"#),
        Ok(())
    );
    assert!(matches!(
        admit("text/plain", "a"),
        Err(ScoreFailure::Unsupported { .. })
    ));
    let Err(ScoreFailure::Unsupported { content_type, .. }) = admit("text/\u{1b}[2J", "a") else {
        panic!()
    };
    assert_eq!(content_type, "text/\\u{1b}[2J");
    let label = |content_type: &str| {
        signature
            .labelled(Payload {
                content_type: content_type.into(),
                body: "a".into(),
            })
            .content_type
    };
    assert_eq!(label("application/x-www-form-urlencoded"), JSON);
    assert_eq!(label("image/png"), "image/png");
    assert_eq!(label(""), JSON);
    let pointer = |result| match result {
        Err(ScoreFailure::NotConforming { pointer, .. }) => pointer,
        other => panic!("{other:?}"),
    };
    assert_eq!(pointer(admit("application/json", r#"{"key": 1}"#)), "/key");
    assert_eq!(pointer(admit("application/json", "{")), "");
}

#[test]
fn a_contract_that_cannot_be_is_refused() {
    #[track_caller]
    fn check(input: wit::Shape, expected: &str) {
        let described = wit::Signature {
            input,
            output: shape(&[], None),
            deterministic: true,
        };
        let message = PayloadSignature::from_wit(described)
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
    check(shape(&["json"], None), "not a media type");
    check(shape(&[], Some("{")), "not JSON");
    check(shape(&[], Some(r#"{"type": 3}"#)), "not a JSON Schema");
}

#[test]
fn json_is_utf_8_without_its_mark() {
    let described = wit::Signature {
        input: shape(&["application/json"], None),
        output: shape(&[], None),
        deterministic: true,
    };
    let Ok(signature) = PayloadSignature::from_wit(described) else {
        panic!()
    };
    let payload = |content_type: &str, body: &'static [u8]| {
        signature.labelled(Payload {
            content_type: content_type.into(),
            body: body.into(),
        })
    };
    for label in [JSON, "", "text/plain; charset=utf-8"] {
        let marked = payload(label, b"\xEF\xBB\xBF{}");
        assert_eq!(
            (&marked.body[..], signature.admit(&marked)),
            (&b"{}"[..], Ok(()))
        );
    }
    assert_eq!(payload("image/png", b"\xEF\xBB\xBF").body.len(), 3);
    for label in [
        "application/json; charset=utf-16",
        "text/plain; charset=latin1",
    ] {
        let Err(ScoreFailure::Unsupported { accepted, .. }) =
            signature.admit(&payload(label, b"{}"))
        else {
            panic!("{label}")
        };
        assert_eq!(accepted, ["application/json in UTF-8"]);
    }
    let Err(ScoreFailure::NotConforming { message, .. }) =
        signature.admit(&payload(JSON, b"{\0}\0"))
    else {
        panic!()
    };
    assert!(message.contains("UTF-16"), "{message}");
}
