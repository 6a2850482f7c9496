//! Tests of decimal numbers: each format rounds a number once, as Rust does.

use half::{bf16, f16};
use proptest::prelude::*;

use super::values::{read_items, refused};
use super::*;

/// Decodes the decimal `text` as an element of a float port, in each JSON format and nesting.
/// Returns the bytes of the element for each of them.
#[track_caller]
fn read_everywhere(dtype: Dtype, text: &str) -> Vec<Vec<u8>> {
    let element = dtype.bytes();
    let datatype = open_inference::datatype(dtype);
    let forms = [
        (
            vec![None],
            BodyFormat::Labelled,
            format!("{{\"x\": [0, {text}]}}"),
        ),
        (
            vec![None, Some(2)],
            BodyFormat::Labelled,
            format!("{{\"x\": [[0, {text}]]}}"),
        ),
        (vec![], BodyFormat::Labelled, format!("{{\"x\": {text}}}")),
        (
            vec![None, Some(2)],
            BodyFormat::OpenInference,
            inference("[1, 2]", datatype, &format!("[{text}, {text}]")),
        ),
        (
            vec![None, Some(2)],
            BodyFormat::OpenInference,
            inference("[1, 2]", datatype, &format!("[[{text}, {text}]]")),
        ),
    ];
    let read_one = |(shape, format, body): &(Vec<Option<u64>>, BodyFormat, String)| {
        let ports = [port("x", dtype, shape)];
        let (tensors, _) = read(
            signature(&ports, &ports),
            *format,
            &payload(JSON, body.as_str()),
            &[],
        )
        .unwrap();
        let data = &tensors[0].data;
        assert_eq!(data.len() % element, 0);
        data[data.len() - element..].to_vec()
    };
    forms.iter().map(read_one).collect()
}

fn inference(shape: &str, datatype: &str, data: &str) -> String {
    // The data comes first, as a caller may send it, so it is read before its shape is known.
    format!(
        "{{\"inputs\": [{{\"data\": {data}, \"name\": \"x\", \"shape\": {shape}, \"datatype\": \"{datatype}\"}}]}}"
    )
}

#[test]
fn a_decimal_next_to_a_tie_is_rounded_once_in_every_form() {
    #[track_caller]
    fn check(text: &str) {
        let expected: f32 = text.parse().unwrap();
        for found in read_everywhere(Dtype::F32, text) {
            assert_eq!(found, expected.to_le_bytes(), "{text}");
        }
    }
    check("1.00000005960464477540");
    check("1.00000005960464477539");
    check("-1.00000005960464477540");
    check("1.000000059604644775390625");
    check("340282356779733661637539395458142568447.9");
    check("9007199791611905");
    check("16777217.0");
    check("0.1");
    for found in read_everywhere(Dtype::F16, "2049.00000000000000000001") {
        assert_eq!(found, f16::from_f32(2050.0).to_le_bytes());
    }
    for found in read_everywhere(Dtype::Bf16, "257.00000000000000000001") {
        assert_eq!(found, bf16::from_f32(258.0).to_le_bytes());
    }
    // An invalid element after a number that must be read by its digits is reported as usual.
    let ports = [port("x", Dtype::F32, &[None])];
    let body = payload(JSON, "{\"x\": [16777217.0, null]}");
    let Err(ScoreFailure::NotConforming { pointer, .. }) =
        read(signature(&ports, &ports), BodyFormat::Labelled, &body, &[])
    else {
        panic!()
    };
    assert_eq!(pointer, "/x/1");
}

#[test]
fn a_number_that_no_type_holds_is_named_with_its_place() {
    for dtype in [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64] {
        for number in ["1e400", "-1e309"] {
            let found = read_items(&port("x", dtype, &[None]), false, &format!("1,{number}"));
            let expected = format!("{number} does not fit {}.", dtype.name());
            refused(found, "/1", &expected);
        }
    }
    let text = read_items(&port("x", Dtype::Text, &[None]), false, "1e400");
    refused(
        text,
        "/0",
        "Here is a number, where a text element belongs.",
    );
    let text = read_items(&port("x", Dtype::Bool, &[None]), false, "true,1e400");
    refused(
        text,
        "/1",
        "Here is a number, where a bool element belongs.",
    );
}

proptest! {
    #[test]
    fn random_doubles_are_read_as_rust_reads_them(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = format!("{number:e}");
        for found in read_everywhere(Dtype::F64, &text) {
            prop_assert_eq!(found, number.to_le_bytes());
        }
    }

    #[test]
    fn random_decimals_are_read_as_rust_reads_them(digits in "[1-9][0-9]{0,30}", exponent in -40i32..8) {
        let text = format!("{digits}e{exponent}");
        let expected: f32 = text.parse().unwrap();
        prop_assume!(expected.is_finite());
        for found in read_everywhere(Dtype::F32, &text) {
            prop_assert_eq!(found, expected.to_le_bytes());
        }
    }
}
