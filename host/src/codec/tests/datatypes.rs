//! Tests of requests whose datatypes are not those of the ports: in JSON, and in binary data.

use proptest::prelude::*;

use super::values::{bytes_of, read_body, refused, with_facts};
use super::*;

/// Encodes a request of the Open Inference Protocol with the binary data `bytes` of the datatype
/// `datatype` for the port `x`, and decodes it. Returns the data of the tensor, or the message and
/// the JSON pointer of the failure.
fn read_binary(port: &Port, datatype: &str, bytes: &[u8]) -> Result<Vec<u8>, (String, String)> {
    let mut dtypes = Dtype::ALL.into_iter();
    let dtype = dtypes.find(|dtype| open_inference::datatype(*dtype) == datatype);
    let width = dtype.unwrap().bytes();
    let json = format!(
        "{{\"inputs\": [{{\"name\": \"x\", \"shape\": [{}], \"datatype\": \"{datatype}\", \"parameters\": {{\"binary_data_size\": {}}}}}]}}",
        bytes.len() / width,
        bytes.len()
    );
    let body = [json.as_bytes(), bytes].concat();
    let format = BodyFormat::OpenInference;
    read_body(port, false, format, OCTET_STREAM, body, Some(json.len()))
}

/// Decodes `data`, a JSON list, for the port `x` in two requests, with the datatype before and
/// after the data. Returns the data of the tensor, or the message and the JSON pointer of the
/// failure.
#[track_caller]
fn read_declared(port: &Port, datatype: &str, data: &str) -> Result<Vec<u8>, (String, String)> {
    let count = data.split(',').count();
    let orders = [
        format!("\"datatype\": \"{datatype}\", \"data\": {data}"),
        format!("\"data\": {data}, \"datatype\": \"{datatype}\""),
    ];
    let [before, after] = orders.map(|fields| {
        let body = format!("{{\"inputs\": [{{\"name\": \"x\", \"shape\": [{count}], {fields}}}]}}");
        read_body(port, false, BodyFormat::OpenInference, JSON, body, None)
    });
    assert_eq!(before, after, "{datatype} {data}");
    before
}

#[test]
fn an_input_of_numbers_takes_every_datatype_that_keeps_the_values() {
    let float = port("x", Dtype::F32, &[None]);
    let double = port("x", Dtype::F64, &[None]);
    let whole = port("x", Dtype::I64, &[None]);
    let f32s = bytes_of(&[1f32, 0.1].map(f32::to_le_bytes));
    assert_eq!(read_declared(&float, "FP64", "[1, 0.1]"), Ok(f32s));
    let f32s = bytes_of(&[1f32, -3.0].map(f32::to_le_bytes));
    assert_eq!(read_declared(&float, "INT64", "[1, -3.0]"), Ok(f32s));
    let i64s = bytes_of(&[1i64, -3].map(i64::to_le_bytes));
    assert_eq!(read_declared(&whole, "FP64", "[1.0, -3]"), Ok(i64s));
    // A whole number that a float type can only hold rounded is refused, unless the caller states a
    // float datatype.
    assert_eq!(
        read_declared(&double, "FP32", "[9007199254740993]"),
        Ok(9_007_199_254_740_992f64.to_le_bytes().to_vec())
    );
    for text in ["9007199254740993", "9007199254740993.0"] {
        let found = read_declared(&double, "INT64", &format!("[1, {text}]"));
        refused(
            found,
            "/data/1",
            "f64 cannot hold 9007199254740993 exactly.",
        );
    }
    refused(
        read_declared(&float, "UINT64", "[16777217]"),
        "/data/0",
        "f32 cannot hold 16777217 exactly.",
    );
    refused(
        read_declared(&double, "INT32", "[1, 1.5]"),
        "/data/1",
        "1.5 is not a whole number.",
    );
    let half = port("x", Dtype::F16, &[None]);
    refused(
        read_declared(&half, "INT32", "[65536]"),
        "/data/0",
        "65536 does not fit f16.",
    );
    refused(
        read_declared(&float, "FP64", "[1e39]"),
        "/data/0",
        "1e39 does not fit f32.",
    );
    refused(
        read_declared(&whole, "FP64", "[1.5]"),
        "/data/0",
        "1.5 is not a whole number.",
    );
    // Booleans are accepted as numbers only if the manifest says so. Numbers are never accepted as
    // booleans.
    refused(
        read_declared(&float, "BOOL", "[1]"),
        "/datatype",
        "The datatype of this input is FP32. BOOL is taken if scorebox.toml has `inputs.x.boolean`.",
    );
    let flag = with_facts(Dtype::F32, false, true);
    let f32s = bytes_of(&[1f32, 0.0].map(f32::to_le_bytes));
    assert_eq!(read_declared(&flag, "BOOL", "[true, false]"), Ok(f32s));
    let boolean = port("x", Dtype::Bool, &[None]);
    refused(
        read_declared(&boolean, "UINT8", "[true]"),
        "/datatype",
        "The datatype of this input is BOOL.",
    );
    refused(
        read_declared(&float, "BYTES", "[1]"),
        "/datatype",
        "The datatype of this input is FP32.",
    );
    let text = port("x", Dtype::Text, &[None]);
    refused(
        read_declared(&text, "FP32", "[\"a\"]"),
        "/datatype",
        "The datatype of this input is BYTES.",
    );
}

#[test]
fn binary_data_is_read_by_its_datatype() {
    let float = port("x", Dtype::F32, &[None]);
    let f64s = |numbers: &[f64]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let f32s = |numbers: &[f32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    assert_eq!(
        read_binary(&float, "FP64", &f64s(&[0.1, f64::NAN, f64::NEG_INFINITY])),
        Ok(f32s(&[0.1, f32::NAN, f32::NEG_INFINITY]))
    );
    assert_eq!(
        read_binary(&float, "UINT8", &[0, 255]),
        Ok(f32s(&[0.0, 255.0]))
    );
    assert_eq!(
        read_binary(&float, "INT16", &[0xff, 0xff, 0, 0x80]),
        Ok(f32s(&[-1.0, -32768.0]))
    );
    assert_eq!(
        read_binary(&float, "FP16", &half::f16::from_f32(0.5).to_le_bytes()),
        Ok(f32s(&[0.5]))
    );
    assert_eq!(
        read_binary(&float, "BF16", &half::bf16::NEG_INFINITY.to_le_bytes()),
        Ok(f32s(&[f32::NEG_INFINITY]))
    );
    let narrow = port("x", Dtype::I32, &[None]);
    let i64s = bytes_of(&[i64::from(i32::MIN), 7].map(i64::to_le_bytes));
    let i32s = bytes_of(&[i32::MIN, 7].map(i32::to_le_bytes));
    assert_eq!(read_binary(&narrow, "INT64", &i64s), Ok(i32s));
    let whole = port("x", Dtype::I64, &[None]);
    let i64s = bytes_of(&[-1i64, 1 << 53].map(i64::to_le_bytes));
    assert_eq!(
        read_binary(&whole, "FP64", &f64s(&[-1.0, 9_007_199_254_740_992.0])),
        Ok(i64s)
    );
    let refuse = |port: &Port, datatype: &str, bytes: &[u8], expected: &str| {
        let found = read_binary(port, datatype, bytes);
        let expected = format!("binary {datatype} data does not fit: {expected}");
        refused(found, "/inputs/0", &expected);
    };
    refuse(&float, "FP64", &f64s(&[1e39]), "1e39 does not fit f32.");
    refuse(&whole, "FP64", &f64s(&[1.5]), "1.5 is not a whole number.");
    refuse(
        &whole,
        "FP64",
        &f64s(&[f64::NAN]),
        "NaN is not a whole number.",
    );
    refuse(
        &whole,
        "FP64",
        &f64s(&[f64::INFINITY]),
        "inf is not a whole number.",
    );
    refuse(
        &whole,
        "UINT64",
        &u64::MAX.to_le_bytes(),
        "18446744073709551615 does not fit i64.",
    );
    refuse(
        &float,
        "INT64",
        &16_777_217i64.to_le_bytes(),
        "f32 cannot hold 16777217 exactly.",
    );
    let third = [
        1i64.to_le_bytes(),
        2i64.to_le_bytes(),
        i64::MAX.to_le_bytes(),
    ]
    .concat();
    refused(
        read_binary(&float, "INT64", &third),
        "/inputs/0",
        "Element 2 of",
    );
    let flag = with_facts(Dtype::F64, false, true);
    assert_eq!(read_binary(&flag, "BOOL", &[1, 0]), Ok(f64s(&[1.0, 0.0])));
    refuse(&flag, "BOOL", &[2], "It is neither 0 nor 1.");
    refused(read_binary(&float, "BOOL", &[1]), "/datatype", "is FP32");
    let size = "{\"inputs\": [{\"name\": \"x\", \"shape\": [1], \"datatype\": \"FP64\", \"parameters\": {\"binary_data_size\": 4}}]}";
    let format = BodyFormat::OpenInference;
    let body = [size.as_bytes(), &[0; 4]].concat();
    let found = read_body(&float, false, format, OCTET_STREAM, body, Some(size.len()));
    refused(
        found,
        "/binary_data_size",
        "The input has 4 bytes; [1] of FP64 takes 8.",
    );
}

#[test]
fn a_binary_text_that_is_not_utf_8_is_named_by_its_index() {
    let text = port("x", Dtype::Text, &[None, Some(1)]);
    let json = "{\"inputs\": [{\"name\": \"x\", \"shape\": [2, 1], \"datatype\": \"BYTES\", \"parameters\": {\"binary_data_size\": 12}}]}";
    let body = [json.as_bytes(), b"\x02\0\0\0ok\x02\0\0\0\xff\xd8"].concat();
    let format = BodyFormat::OpenInference;
    let found = read_body(&text, false, format, OCTET_STREAM, body, Some(json.len()));
    refused(found, "/inputs/0", "element 1 of `x` is not UTF-8");
}

proptest! {
    #[test]
    fn a_whole_number_reaches_a_float_only_if_the_float_holds_it(number: i64, shift in 0u32..64) {
        let number = number >> shift;
        let float = port("x", Dtype::F64, &[None]);
        let expected = (i128::from(number) == number as f64 as i128).then(|| (number as f64).to_le_bytes().to_vec());
        prop_assert_eq!(read_declared(&float, "INT64", &format!("[{number}]")).ok(), expected.clone());
        prop_assert_eq!(read_binary(&float, "INT64", &number.to_le_bytes()).ok(), expected);
        let float = port("x", Dtype::F32, &[None]);
        let expected = (i128::from(number) == number as f32 as i128).then(|| (number as f32).to_le_bytes().to_vec());
        prop_assert_eq!(read_declared(&float, "INT64", &format!("[{number}]")).ok(), expected.clone());
        prop_assert_eq!(read_binary(&float, "INT64", &number.to_le_bytes()).ok(), expected);
    }

    #[test]
    fn a_double_in_binary_data_is_rounded_once(bits: u64) {
        let double = f64::from_bits(bits);
        let found = read_binary(&port("x", Dtype::F32, &[None]), "FP64", &double.to_le_bytes());
        let single = double as f32;
        if double.is_finite() && !single.is_finite() {
            prop_assert!(found.is_err());
        } else {
            let data = found.unwrap();
            let found = f32::from_le_bytes(data.try_into().unwrap());
            prop_assert!(found.to_bits() == single.to_bits() || found.is_nan() && double.is_nan());
        }
    }
}
