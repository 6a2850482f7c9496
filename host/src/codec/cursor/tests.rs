//! Tests that the cursor reads the same tokens as `serde_json`.
//!
//! Owns unusual texts, some of which are not JSON. Must not know rows.

use super::*;

#[test]
fn strings_end_where_json_says() {
    for text in [
        "",
        "a",
        "abcdefg",
        "abcdefgh",
        "abcdefghi",
        "ü€𝄞 and more",
        "\u{7f}\u{80}",
    ] {
        for end in ["\"", "\\", "\u{1f}", "\0"] {
            let whole = format!("{text}{end}\"\\ and a rest of some length");
            assert_eq!(plain_bytes(whole.as_bytes()), text.len(), "{whole:?}");
        }
        assert_eq!(plain_bytes(text.as_bytes()), text.len());
    }
}

/// Checks that the cursor accepts exactly the values that `serde_json` accepts, and moves past as
/// many bytes.
#[test]
fn tokens_are_those_of_serde_json() {
    let texts = [
        "0",
        "-0",
        "1",
        "-1",
        "01",
        "1.",
        ".5",
        "1.5",
        "-1.50",
        "1e3",
        "1E+3",
        "1e-3",
        "1e",
        "1e+",
        "-",
        "+1",
        "00",
        "123456789012345678",
        "1234567890123456789",
        "0.1234567890123456789",
        "123.4567890123456789",
        "0.3000000000000000",
        "99.99999999999999999",
        "99999999999999999999999",
        "true",
        "false",
        "null",
        "tru",
        "nul",
        "nulL",
        "NaN",
        "\"\"",
        "\"a\"",
        "\"a",
        "\"\\n\"",
        "\"\\x\"",
        "\"\\ud834\\udd1e\"",
        "\"\\ud834\"",
        "\"\t\"",
        "\"\\",
        "\"\\\"\"",
        "",
    ];
    for text in texts {
        let expected = serde_json::from_str::<serde_json::Value>(text);
        let mut cursor = Cursor::new(text);
        let found = cursor.token();
        let is_whole = found.is_ok() && cursor.peek().is_none();
        assert_eq!(is_whole, expected.is_ok(), "{text}");
        match (found, expected) {
            (Ok(Token::Whole(found)), Ok(expected)) => {
                assert_eq!(expected.as_i64(), Some(found))
            }
            (
                Ok(Token::Decimal {
                    value,
                    is_exact,
                    text,
                }),
                Ok(_),
            ) => {
                let nearest = text.parse::<f64>().unwrap();
                let apart = value.to_bits().abs_diff(nearest.to_bits());
                assert!(apart <= if is_exact { 0 } else { 2 }, "{text}");
            }
            (Ok(Token::Text(found)), Ok(expected)) => {
                assert_eq!(expected.as_str(), Some(found.as_ref()));
            }
            _ => {}
        }
    }
}

#[test]
fn a_value_is_skipped_as_a_whole() {
    let mut cursor = Cursor::new(r#" {"a": [1, "]", {}]} , 2"#);
    assert_eq!(cursor.value().ok(), Some(r#"{"a": [1, "]", {}]}"#));
    assert_eq!(cursor.peek(), Some(b','));
    assert!(Cursor::new("[1, 2").value().is_err());
    assert!(Cursor::new("").value().is_err());
}
