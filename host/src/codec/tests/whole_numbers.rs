//! Tests of whole numbers: a value is accepted no matter how it is written.

use proptest::prelude::*;

use super::values::{read_body, read_items, refused};
use super::*;

#[test]
fn a_whole_number_counts_by_its_value() {
    let check = |dtype: Dtype, text: &str, expected: &[u8]| {
        let found = read_items(&port("x", dtype, &[None]), false, text);
        assert_eq!(found.as_deref(), Ok(expected), "{dtype:?} {text}");
    };
    for (dtype, width) in [
        (Dtype::I8, 1),
        (Dtype::U16, 2),
        (Dtype::I32, 4),
        (Dtype::U64, 8),
    ] {
        let one = &1u64.to_le_bytes()[..width];
        for text in ["1", "1.0", "1e0", "100e-2", "0.1E+1"] {
            check(dtype, text, one);
        }
        for text in ["-0", "-0.0", "0e9", "0e-99999999999999999999"] {
            check(dtype, text, &vec![0; width]);
        }
        check(dtype, "1,1.0", &[one, one].concat());
    }
    check(
        Dtype::I64,
        "9007199254740993.0",
        &9_007_199_254_740_993i64.to_le_bytes(),
    );
    check(Dtype::I64, "9223372036854775807.0", &i64::MAX.to_le_bytes());
    check(
        Dtype::I64,
        "-9223372036854775808e0",
        &i64::MIN.to_le_bytes(),
    );
    check(
        Dtype::U64,
        "18446744073709551615.0",
        &u64::MAX.to_le_bytes(),
    );
    check(Dtype::I32, "1e3", &1000i32.to_le_bytes());
    let refuse = |dtype: Dtype, text: &str, expected: &str| {
        let found = read_items(&port("x", dtype, &[None]), false, &format!("7,{text}"));
        refused(found, "/1", expected);
    };
    refuse(Dtype::I64, "1.5", "1.5 is not a whole number.");
    refuse(
        Dtype::I64,
        "0.99999999999999999999999",
        "is not a whole number.",
    );
    refuse(
        Dtype::I64,
        "1e-99999999999999999999",
        "is not a whole number.",
    );
    refuse(Dtype::U8, "300", "300 does not fit u8.");
    refuse(Dtype::U8, "3e2", "300 does not fit u8.");
    refuse(Dtype::U8, "-1.0", "-1 does not fit u8.");
    refuse(
        Dtype::I64,
        "9223372036854775808",
        "9223372036854775808 does not fit i64.",
    );
    refuse(
        Dtype::I64,
        "9223372036854775808.0",
        "9223372036854775808 does not fit i64.",
    );
    refuse(
        Dtype::U64,
        "18446744073709551616",
        "18446744073709551616 does not fit u64.",
    );
    refuse(Dtype::U64, "1e100", "1e100 does not fit u64.");
    refuse(Dtype::I64, "1e400", "1e400 does not fit i64.");
    refuse(Dtype::U8, "-1e999", "-1e999 does not fit u8.");
    let long = format!("{}.5", "9".repeat(100_000));
    let (port, body) = (
        port("x", Dtype::I64, &[None]),
        format!("{{\"x\": [{long}]}}"),
    );
    let found = read_body(&port, false, BodyFormat::Labelled, JSON, body, None);
    let (message, _) = found.unwrap_err();
    assert!(message.len() < 200, "{message}");
}

/// Returns one whole number in several forms of JSON: with a point, with an exponent, and with
/// both.
fn forms(number: i128, zeros: usize) -> Vec<String> {
    let text = number.to_string();
    let mut forms = vec![
        text.clone(),
        format!("{text}.{}", "0".repeat(zeros + 1)),
        format!("{text}e0"),
    ];
    // JSON has no zero before other digits.
    if number != 0 {
        forms.push(format!("{text}{}e-{zeros}", "0".repeat(zeros)));
    }
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text.as_str()), |digits| ("-", digits));
    let (first, rest) = digits.split_at(1);
    if !rest.is_empty() {
        forms.push(format!("{sign}{first}.{rest}E+{}", rest.len()));
    }
    forms
}

proptest! {
    #[test]
    fn every_form_of_a_whole_number_is_that_number(signed: i64, unsigned: u64, shift in 0u32..64, zeros in 0usize..30) {
        let (signed, unsigned) = (signed >> shift, unsigned >> shift);
        for text in forms(signed.into(), zeros) {
            let found = read_items(&port("x", Dtype::I64, &[None]), false, &text);
            prop_assert_eq!(found, Ok(signed.to_le_bytes().to_vec()), "{}", text);
        }
        for text in forms(unsigned.into(), zeros) {
            let found = read_items(&port("x", Dtype::U64, &[None]), false, &text);
            prop_assert_eq!(found, Ok(unsigned.to_le_bytes().to_vec()), "{}", text);
            let narrow = read_items(&port("x", Dtype::U8, &[None]), false, &text);
            prop_assert_eq!(narrow.ok(), u8::try_from(unsigned).ok().map(|number| vec![number]));
        }
    }
}
