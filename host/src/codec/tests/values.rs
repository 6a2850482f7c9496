//! Tests of elements in other forms than numbers of the port's type: missing values and booleans.

use proptest::prelude::*;

use super::*;
use crate::tensor::InputFacts;

pub(super) fn missing(dtype: Dtype) -> Port {
    with_facts(dtype, true, false)
}

pub(super) fn with_facts(dtype: Dtype, missing: bool, boolean: bool) -> Port {
    let mut port = port("x", dtype, &[None]);
    port.facts = InputFacts {
        missing,
        boolean,
        columns: Vec::new(),
    };
    port
}

/// Decodes `elements`, the items of a JSON list, for the port `x` in each format, and checks that
/// the formats agree. `words` is true if `NaN` and `Infinity` are allowed. Returns the data of the
/// tensor, or the message and the JSON pointer of the failure.
#[track_caller]
pub(super) fn read_items(
    port: &Port,
    words: bool,
    elements: &str,
) -> Result<Vec<u8>, (String, String)> {
    let datatype = open_inference::datatype(port.dtype);
    let count = elements.split(',').count();
    let azure = format!("{{\"x\": [{elements}]}}");
    let open = format!(
        "{{\"inputs\": [{{\"name\": \"x\", \"shape\": [{count}], \"datatype\": \"{datatype}\", \"data\": [{elements}]}}]}}"
    );
    let azure = read_body(port, words, BodyFormat::Labelled, JSON, azure, None);
    let open = read_body(port, words, BodyFormat::OpenInference, JSON, open, None);
    match (&azure, &open) {
        (Ok(a), Ok(b)) => assert_eq!(a, b, "{elements}"),
        (Err((_, a)), Err((_, b))) if a.is_empty() => assert_eq!(a, b, "{elements}"),
        (Err((message_a, a)), Err((message_b, b))) => {
            assert_eq!(message_a, message_b, "{elements}");
            let item = |pointer: &str| pointer.rsplit('/').next().map(str::to_owned);
            assert_eq!(item(a), item(b), "{elements}");
        }
        other => panic!("{elements}: {other:?}"),
    }
    azure
}

pub(super) fn read_body(
    port: &Port,
    words: bool,
    format: BodyFormat,
    label: &str,
    body: impl Into<Vec<u8>>,
    json_length: Option<usize>,
) -> Result<Vec<u8>, (String, String)> {
    let ports = PortLists {
        inputs: std::slice::from_ref(port),
        outputs: &[],
        requests: Requests {
            nan_literals: words,
            ..Requests::default()
        },
    };
    let length = json_length.map(|length| length.to_string());
    let headers: Vec<_> = length
        .iter()
        .map(|length| (JSON_LENGTH.to_owned(), length.as_str().into()))
        .collect();
    match read(ports, format, &payload(label, body), &headers) {
        Ok((mut tensors, _)) => {
            let tensor = tensors.remove(0);
            assert_eq!(tensor.fits(port), Ok(()));
            Ok(tensor.data)
        }
        Err(ScoreFailure::NotConforming { message, pointer }) => Err((message, pointer)),
        Err(other) => panic!("{other:?}"),
    }
}

pub(super) fn bytes_of<const N: usize>(numbers: &[[u8; N]]) -> Vec<u8> {
    numbers.concat()
}

#[track_caller]
pub(super) fn refused(result: Result<Vec<u8>, (String, String)>, pointer: &str, expected: &str) {
    let (message, found) = result.unwrap_err();
    assert!(found.ends_with(pointer), "{found}: {message}");
    assert!(message.contains(expected), "{message}");
}

#[test]
fn null_is_nan_or_the_empty_text_where_an_element_may_be_missing() {
    let f32s = bytes_of(&[1f32, f32::NAN].map(f32::to_le_bytes));
    assert_eq!(read_items(&missing(Dtype::F32), false, "1,null"), Ok(f32s));
    let f64s = bytes_of(&[f64::NAN, 0.1].map(f64::to_le_bytes));
    assert_eq!(
        read_items(&missing(Dtype::F64), false, "null,0.1"),
        Ok(f64s)
    );
    for dtype in [Dtype::F16, Dtype::Bf16] {
        let data = read_items(&missing(dtype), false, "null").unwrap();
        let bits = u16::from_le_bytes(data.try_into().unwrap());
        let is_nan = match dtype {
            Dtype::F16 => half::f16::from_bits(bits).is_nan(),
            _ => half::bf16::from_bits(bits).is_nan(),
        };
        assert!(is_nan, "{dtype:?}");
    }
    let texts = read_items(&missing(Dtype::Text), false, "\"a\",null,\"\"");
    assert_eq!(texts, Ok(b"\x01\0\0\0a\0\0\0\0\0\0\0\0".to_vec()));
    // A missing value may follow a number that can only be rounded from its digits.
    let doubtful = bytes_of(&[16_777_216f32, f32::NAN].map(f32::to_le_bytes));
    assert_eq!(
        read_items(&missing(Dtype::F32), false, "16777217.0,null"),
        Ok(doubtful)
    );
}

#[test]
fn null_is_refused_where_nothing_may_be_missing() {
    for dtype in Dtype::ALL {
        let found = read_items(&port("x", dtype, &[None]), false, "null");
        let expected = format!("Here is null, where {} element", dtype.with_article());
        refused(found.clone(), "/0", &expected);
        refused(found, "/0", "`inputs.x.missing`");
    }
    // A nested list that is missing is not a missing element.
    let mut matrix = port("x", Dtype::F32, &[None, Some(2)]);
    matrix.facts.missing = true;
    let azure = BodyFormat::Labelled;
    let found = read_body(&matrix, false, azure, JSON, r#"{"x": [null]}"#, None);
    refused(found, "/x/0", "Here is null, where a list, dimension 1");
    let row = read_body(&matrix, false, azure, JSON, r#"{"x": [[null, 1]]}"#, None);
    assert_eq!(row, Ok(bytes_of(&[f32::NAN, 1.0].map(f32::to_le_bytes))));
}

#[test]
fn the_advice_about_a_word_fits_the_input() {
    let literal = "`requests.nan_literals`";
    let null = "Send null for a missing";
    let of = |dtype, missing| {
        let mut port = port("x", dtype, &[None]);
        port.facts.missing = missing;
        port
    };
    for (port, item, parts, absent) in [
        (
            of(Dtype::F32, true),
            "NaN",
            &[null, literal][..],
            "inputs.x.missing",
        ),
        (
            of(Dtype::F64, true),
            "NaN",
            &[null, literal],
            "inputs.x.missing",
        ),
        (
            of(Dtype::F32, false),
            "NaN",
            &["`inputs.x.missing`", literal],
            null,
        ),
        (
            of(Dtype::F32, true),
            "-Infinity",
            &["It is taken", literal],
            "null",
        ),
        (
            of(Dtype::Text, true),
            "NaN",
            &["Send null for a missing text", literal],
            "number",
        ),
        (
            of(Dtype::Text, false),
            "NaN",
            &["takes no missing text", literal],
            "number",
        ),
        (
            of(Dtype::Text, true),
            "Infinity",
            &["`x` takes strings"],
            "requests",
        ),
        (
            of(Dtype::I64, false),
            "NaN",
            &["`x` is of i64, which has no missing"],
            "requests",
        ),
        (
            of(Dtype::U8, false),
            "Infinity",
            &["`x` is of u8, which has no infinity"],
            "requests",
        ),
        (
            of(Dtype::Bool, false),
            "NaN",
            &["which has no missing value"],
            "null",
        ),
    ] {
        let items = format!("{item}, 1");
        let (message, _) = read_items(&port, false, &items).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{:?}: {message}", port.dtype);
        }
        assert!(!message.contains(absent), "{:?}: {message}", port.dtype);
    }
    // Outside the elements there is no advice about missing values.
    let azure = BodyFormat::Labelled;
    let found = read_body(&missing(Dtype::F32), false, azure, JSON, "NaN", None);
    let (message, _) = found.unwrap_err();
    assert!(message.contains("JSON has no NaN"), "{message}");
    assert!(!message.contains("null"), "{message}");
}

#[test]
fn words_are_numbers_if_the_manifest_says_so() {
    let f32s = |numbers: &[f32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let port = missing(Dtype::F32);
    assert_eq!(
        read_items(&port, true, "NaN,-Infinity,Infinity,2.5"),
        Ok(f32s(&[f32::NAN, f32::NEG_INFINITY, f32::INFINITY, 2.5]))
    );
    assert_eq!(
        read_items(&port, true, "NaN,16777217.0"),
        Ok(f32s(&[f32::NAN, 16_777_216.0]))
    );
    let double = read_items(&missing(Dtype::F64), true, "-Infinity,0.1");
    assert_eq!(
        double,
        Ok(bytes_of(&[f64::NEG_INFINITY, 0.1].map(f64::to_le_bytes)))
    );
    assert_eq!(
        read_items(&missing(Dtype::Text), true, "NaN"),
        Ok(vec![0; 4])
    );
    // Without the setting, JSON has no such numbers.
    let message = "JSON has no NaN (line 1, column";
    refused(read_items(&port, false, "1,NaN"), "", message);
    refused(
        read_items(&port, false, "1,NaN"),
        "",
        "`requests.nan_literals`",
    );
    refused(read_items(&port, false, "-Infinity"), "", "no Infinity");
    // NaN is a missing value, and infinity is not.
    let strict = with_facts(Dtype::F32, false, false);
    refused(
        read_items(&strict, true, "1,NaN"),
        "/1",
        "Here is NaN, where an f32 element belongs. Missing values are taken",
    );
    assert_eq!(
        read_items(&strict, true, "Infinity"),
        Ok(f32s(&[f32::INFINITY]))
    );
    for dtype in [Dtype::I64, Dtype::Bool] {
        let port = with_facts(dtype, false, false);
        refused(read_items(&port, true, "NaN"), "/0", "Here is NaN");
        refused(
            read_items(&port, true, "Infinity"),
            "/0",
            "Here is Infinity",
        );
    }
    refused(
        read_items(&missing(Dtype::Text), true, "Infinity"),
        "/0",
        "Here is Infinity",
    );
    // The string `"NaN"` is a text, and not a missing value.
    let text = read_items(&missing(Dtype::Text), true, "\"NaN\",NaN").unwrap();
    assert_eq!(text, b"\x03\0\0\0NaN\0\0\0\0");
    let id = r#"{"id": NaN, "inputs": []}"#;
    let found = read_body(&port, true, BodyFormat::OpenInference, JSON, id, None);
    refused(found, "/id", "Here is a number, where a string belongs.");
}

#[test]
fn booleans_are_1_and_0_if_the_manifest_says_so() {
    let f32s = bytes_of(&[1f32, 0.0, 7.0].map(f32::to_le_bytes));
    let port = with_facts(Dtype::F32, false, true);
    assert_eq!(read_items(&port, false, "true,false,7"), Ok(f32s));
    let i64s = bytes_of(&[1i64, 0].map(i64::to_le_bytes));
    let port = with_facts(Dtype::I64, false, true);
    assert_eq!(read_items(&port, false, "true,false"), Ok(i64s));
    for dtype in [Dtype::F64, Dtype::U8] {
        let found = read_items(&with_facts(dtype, false, false), false, "true");
        refused(found, "/0", "scorebox.toml has `inputs.x.boolean`");
    }
    let text = read_items(&with_facts(Dtype::Text, false, false), false, "true");
    refused(
        text,
        "/0",
        "Here is a boolean, where a text element belongs.",
    );
    let boolean = with_facts(Dtype::Bool, false, false);
    assert_eq!(read_items(&boolean, false, "true,false"), Ok(vec![1, 0]));
    refused(read_items(&boolean, false, "1"), "/0", "Here is a number");
    refused(read_items(&boolean, false, "1.0"), "/0", "Here is a number");
}

proptest! {
    #[test]
    fn random_json_with_words_never_panics(body in "[\\[\\]{}:,\"xNaInfity\\\\e0-9.-]{0,60}") {
        for dtype in [Dtype::F32, Dtype::Text, Dtype::I8] {
            let port = with_facts(dtype, dtype != Dtype::I8, true);
            let _ = read_body(&port, true, BodyFormat::Labelled, JSON, body.clone(), None);
            let wrapped = format!("{{\"x\": [{body}]}}");
            let _ = read_body(&port, true, BodyFormat::Labelled, JSON, wrapped, None);
        }
    }
}
