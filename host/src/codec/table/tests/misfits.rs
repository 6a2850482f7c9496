//! Tests of rows that are refused: the text of each error message, and its JSON pointer to the
//! wrong part of the body.
//!
//! Owns the refused rows. Must not know which rows are accepted.

use super::*;

#[test]
fn a_row_that_does_not_fit_is_named_by_its_pointer() {
    let (ports, check) = (columns(), refused);
    let good = r#"{"age": 30, "income": 1.5, "city": "Bonn"}"#;
    let second = |row: &str| format!("[{good}, {row}]");
    check(
        &ports,
        &second(r#"{"agee": 30, "income": 1.5, "city": "Bonn"}"#),
        "/1/agee",
        "Here is `agee`, which is not a column of this model. Did you mean `age`?",
    );
    check(
        &ports,
        &second(r#"{"income": 1.5, "city": "Bonn"}"#),
        "/1",
        "This row does not have the column `age`. The columns are `age`, `income`, `city`.",
    );
    check(
        &ports,
        &second(r#"{"age": 1, "income": 1.5, "city": "Bonn", "\u0061ge": 2}"#),
        "/1/age",
        "This column is given twice.",
    );
    check(
        &ports,
        &second("7"),
        "/1",
        "a number, where a row as an object",
    );
    check(
        &ports,
        &second("[1, 2, 3]"),
        "/1",
        "a list, where a row as an object",
    );
    check(&ports, &second("null"), "/1", "null, where");
    check(
        &ports,
        r#"[{"age": "x", "income": 1, "city": ""}]"#,
        "/0/age",
        "a string, where an i64 element",
    );
    check(
        &ports,
        r#"[{"age": 1, "income": {}, "city": ""}]"#,
        "/0/income",
        "an object, where an f32 element",
    );
    check(
        &ports,
        r#"[{"age": [1, 2], "income": 1, "city": ""}]"#,
        "/0/age",
        "2 elements, where 1 belong",
    );
    check(
        &ports,
        r#"[{"age": 1, "income": 1, "city": 5}]"#,
        "/0/city",
        "a number, where a text element",
    );
    check(
        &ports,
        r#"{"instances": [[1, 2]]}"#,
        "/instances/0",
        "This row has 2 values, where 3 belong. The columns are",
    );
    check(
        &ports,
        "[[1, 2, \"a\", 4]]",
        "/0",
        "This row has 4 values, where 3 belong.",
    );
    check(
        &ports,
        "[[1, true, \"a\"]]",
        "/0/1",
        "a boolean, where an f32 element",
    );
    check(&ports, "[1]", "/0", "a number, where a row as a list");
    check(
        &ports,
        r#"{"instances": 1}"#,
        "/instances",
        "a number, where a list of rows",
    );
    check(
        &ports,
        r#"{"instances": {}}"#,
        "/instances",
        "an object, where a list of rows",
    );
    check(
        &ports,
        r#"{"Inputs": []}"#,
        "/Inputs",
        "a list, where an object",
    );
    check(
        &ports,
        r#"{"Inputs": {"columns": []}}"#,
        "/Inputs/columns",
        "The keys are `data`.",
    );
    check(
        &ports,
        r#"{"Inputs": {}}"#,
        "/Inputs",
        "There are no rows here. Send [{\"age\": i64,",
    );
    check(
        &ports,
        r#"{"Inputs": {"data": [{"age": 1}]}}"#,
        "/Inputs/data/0",
        "the column `income`",
    );
    check(&ports, r#"{"params": {}}"#, "", "There are no rows here.");
    check(
        &ports,
        r#"{"instances": [], "inputs": []}"#,
        "/inputs",
        "The rows are given twice.",
    );
    check(
        &ports,
        r#"{"instances": [], "instances": []}"#,
        "/instances",
        "given twice",
    );
    check(
        &ports,
        r#"{"instances": [], "columns": []}"#,
        "/columns",
        "This key does not belong here.",
    );
    check(
        &ports,
        r#"{"columns": ["age", "age"], "data": []}"#,
        "/columns/1",
        "given twice",
    );
    check(
        &ports,
        r#"{"columns": ["age", 1], "data": []}"#,
        "/columns/1",
        "a number, where the name of a column",
    );
    check(
        &ports,
        r#"{"columns": ["age", "citi"]}"#,
        "/columns/1",
        "Did you mean `city`?",
    );
    check(
        &ports,
        r#"{"columns": ["age", "city"]}"#,
        "/columns",
        "This list does not have the column `income`.",
    );
    check(
        &ports,
        r#"{"columns": 1}"#,
        "/columns",
        "a number, where a list of column names",
    );
    check(
        &ports,
        r#"{"data": [[1, 2, "x"]], "columns": ["city", "income", "age"]}"#,
        "/data/0/0",
        "a number, where a text element",
    );
    let matrix = matrix_port(Dtype::F32);
    check(
        &matrix,
        r#"{"width": [1], "weight": [3, 6], "age": [2]}"#,
        "/weight",
        "2 values",
    );
    check(
        &matrix,
        r#"{"width": [1], "wait": [3]}"#,
        "/wait",
        "Did you mean `width`?",
    );
    check(
        &matrix,
        r#"[{"width": 1, "age": [2], "weight": 3}]"#,
        "/0/age",
        "a list, where an f32 element",
    );
    check(
        &matrix,
        r#"{"inputs": {"width": [1], "weight": [3, 6], "age": [2]}}"#,
        "/inputs/weight",
        "This column has 2 values, and the column `width` has 1.",
    );
    check(
        &matrix,
        r#"{"inputs": {"width": [1]}}"#,
        "/inputs",
        "does not have the column `age`",
    );
    let fixed = [Port::new("x", Dtype::F32, vec![Some(1), Some(1)])];
    check(
        &fixed,
        r#"[{"x": 1}, {"x": 2}]"#,
        "",
        "The body has 2 rows, where 1 belongs; the input `x` is [1, 1].",
    );
    check(
        &fixed,
        r#"{"instances": [{"x": 1}, {"x": 2}]}"#,
        "/instances",
        "The body has 2 rows, where 1 belongs",
    );
    check(
        &fixed,
        r#"{"instances": [[1], [2]]}"#,
        "/instances",
        "2 elements, where 1 belong",
    );
    check(
        &fixed,
        r#"{"x": [1]}"#,
        "/x/0",
        "a list, dimension 1 of [1, 1]",
    );
}

#[test]
fn text_that_is_not_json_is_called_so() {
    let (ports, check) = (columns(), refused);
    for body in [
        "[",
        "[{",
        "[{]",
        "[,]",
        "[{\"age\"}]",
        "[{\"age\":}]",
        "[{\"age\":1,}]",
        "[{\"age\":1 \"city\":2}]",
        "[] x",
        "[[1,]]",
        "{\"instances\": [}",
        "{\"instances\": [] ",
        "{\"instances\" []}",
        "[{\"age\": 01}]",
        "[{\"age\": 1.}]",
        "[{\"age\": tru}]",
        "[{\"age\": \"\\x\"}]",
        "[{\"age\": [1}]",
        "[{age: 1}]",
        "[NaN]",
    ] {
        check(&ports, body, "", "The body is not JSON: ");
    }
    // The line and the column are those of `serde_json`, also for an error within a string.
    for body in [
        r#"[{"age": 1, "city": "\ud834"}]"#,
        "[{\"age\": 1,\n \"city\": \"ab\\ud834 \"}]",
        r#"[[1, 2, "\udd1e"]]"#,
        r#"{"ag\ud834e": [1]}"#,
        "[[1,\n2, x]]",
        "{\"GlobalParameters\": [1,\n2, x]}",
    ] {
        let error = serde_json::from_str::<serde_json::Value>(body).unwrap_err();
        check(&ports, body, "", &format!("The body is not JSON: {error}."));
    }
    // A name with a quote must not be compared with raw text.
    let quoted = [
        Port::new("a\"b", Dtype::I64, vec![None]),
        Port::new("c", Dtype::I64, vec![None]),
    ];
    check(&quoted, r#"[{"a"b": 1, "c": 2}]"#, "/0/a", "not a column");
    equal(
        &quoted,
        r#"[{"a\"b": 1, "c": 2}, {"a\"b": 3, "c": 4}]"#,
        r#"{"a\"b": [1, 3], "c": [2, 4]}"#,
    );
    let deep = format!("[{{\"age\": {}", "[".repeat(100_000));
    assert!(read(lists(&ports), deep.as_bytes()).is_err());
    let deep = format!("{{\"index\": {}", "[".repeat(100_000));
    assert!(read(lists(&ports), deep.as_bytes()).is_err());
}
