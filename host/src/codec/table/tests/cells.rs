//! Tests of single values of rows: numbers, missing values and booleans.

use super::*;

#[test]
fn numbers_are_rounded_as_in_nested_lists() {
    let numbers = [
        "0",
        "-0",
        "-0.0",
        "1",
        "0.1",
        "-2.5",
        "1e3",
        "1E-3",
        "16777217",
        "16777217.0",
        "0.30000000000000004",
        "5.9604644775390625e-8",
        "1.00000005960464477539",
        "65519.99",
        "2049",
        "2049.0",
        "1e-45",
        "3.4028235e38",
        "123456789012345678",
        "9007199254740993",
        "12345678901234567890",
        "18446744073709551615",
        "-9223372036854775808",
        "-9223372036854775809",
        "0.1000000014901161193847656250001",
    ];
    for dtype in [
        Dtype::F64,
        Dtype::F32,
        Dtype::F16,
        Dtype::Bf16,
        Dtype::I64,
        Dtype::U64,
        Dtype::U8,
        Dtype::Bool,
    ] {
        let ports = [Port::new("x", dtype, vec![None])];
        for number in numbers
            .iter()
            .chain(&["true", "null", "\"1\"", "-1", "256", "1e400", "1.5"])
        {
            let nested = azure_ml::read(
                &ports,
                Requests::default(),
                format!("{{\"x\": [{number}]}}").as_bytes(),
            );
            let rows = read(lists(&ports), format!("[{{\"x\": {number}}}]").as_bytes());
            assert_eq!(
                rows.is_ok(),
                nested.is_ok(),
                "{number} as {dtype:?}: {rows:?}"
            );
            if nested.is_ok() {
                assert_eq!(rows, nested, "{number} as {dtype:?}");
            }
        }
    }
}

#[test]
fn a_cell_may_be_what_the_manifest_allows() {
    let mut ports = columns();
    ports[1].facts.missing = true;
    ports[0].facts.boolean = true;
    ports[2].facts.missing = true;
    let mut lists = lists(&ports);
    lists.requests.nan_literals = true;
    let read = |body: &str| read(lists, body.as_bytes()).map(|tensors| tensors[1].data.clone());
    let nan: Vec<u8> = f32::NAN.to_le_bytes().into();
    for cell in ["null", "NaN"] {
        let records = format!("[{{\"age\": true, \"income\": {cell}, \"city\": null}}]");
        assert_eq!(read(&records).as_ref(), Ok(&nan), "{cell}");
        let rows = format!("{{\"instances\": [[1.0, {cell}, \"NaN\"]]}}");
        assert_eq!(read(&rows).as_ref(), Ok(&nan), "{cell}");
    }
    let infinity: Vec<u8> = f32::NEG_INFINITY.to_le_bytes().into();
    assert_eq!(read(r#"[[7, -Infinity, "a"]]"#), Ok(infinity));
    let mut matrix = matrix_port(Dtype::F32);
    matrix[0].facts.missing = true;
    equal(
        &matrix,
        r#"[{"width": null, "age": 2, "weight": 3}]"#,
        r#"{"X": [[null, 2, 3]]}"#,
    );
    refused(
        &columns(),
        "[[true, 1, \"\"]]",
        "/0/0",
        "`inputs.age.boolean`",
    );
    let unset = self::lists(&ports);
    refused_with(
        unset,
        "[[1, NaN, \"\"]]",
        "",
        "JSON has no NaN (line 1, column 6)",
    );
}
