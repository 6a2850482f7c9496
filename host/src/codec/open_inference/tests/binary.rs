//! Tests of binary data in requests.

use super::*;

#[test]
fn binary_data_must_add_up() {
    let x = |size: &str| {
        with_x(&format!(
            r#""name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {{"binary_data_size": {size}}}"#
        ))
    };
    let bytes: Vec<u8> = [1f32, f32::NAN]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let send = |json: &str, bytes: &[u8], length: &str| {
        let body = [json.as_bytes(), bytes].concat();
        read(both(&x_and_n()), &body, Some(length)).map(|(tensors, _)| tensors)
    };
    let json = x("8");
    let tensors = send(&json, &bytes, &json.len().to_string()).unwrap();
    assert_eq!(tensors[0].data, bytes);
    let check = |json: &str, bytes: &[u8], length: String, pointer: &str, expected: &str| match send(
        json, bytes, &length,
    ) {
        Err(ScoreFailure::NotConforming {
            message,
            pointer: found,
        }) => {
            assert_eq!(found, pointer, "{message}");
            assert!(message.contains(expected), "{message}");
        }
        other => panic!("{other:?}"),
    };
    let length = || json.len().to_string();
    let size = "/inputs/0/parameters/binary_data_size";
    check(&json, &bytes[..7], length(), size, "has only 7 bytes left");
    check(
        &json,
        &[&bytes[..], b"x"].concat(),
        length(),
        "",
        "ends with 1 byte that no input takes",
    );
    check(
        &json,
        &bytes,
        (json.len() + 9).to_string(),
        "",
        "not a number up to",
    );
    check(&json, &bytes, "-1".to_owned(), "", "not a number up to");
    check(&json, &bytes, (json.len() - 1).to_string(), "", "not JSON");
    check(&x("9"), &bytes, length(), size, "[1, 2] of FP32 takes 8");
    check(
        &x("-8"),
        &bytes,
        (json.len() + 1).to_string(),
        size,
        "a negative number",
    );
}

#[test]
fn a_boolean_is_0_or_1_in_binary_data_too() {
    let ports = [port("b", Dtype::Bool, &[None])];
    let json = r#"{"inputs": [{"name": "b", "shape": [1], "datatype": "BOOL", "parameters": {"binary_data_size": 1}}]}"#;
    let send = |byte: u8| {
        read(
            both(&ports),
            &[json.as_bytes(), &[byte]].concat(),
            Some(&json.len().to_string()),
        )
    };
    assert!(send(1).is_ok());
    let Err(ScoreFailure::NotConforming { pointer, .. }) = send(2) else {
        panic!()
    };
    assert_eq!(pointer, "/inputs/0");
}
