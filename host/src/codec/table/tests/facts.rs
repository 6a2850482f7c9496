//! Tests of what the manifest and the model state about columns: missing values, booleans, optional
//! inputs, and the advice about words that are not JSON.
//!
//! Owns these facts. Must not know the forms of bodies, except where a form leaves a column out.

use super::*;

/// Returns ports of the columns `age` and `city`, and of inputs that a call may leave out: the
/// column `plan` and the number `limit`, which has no rows.
fn with_optional() -> Vec<Port> {
    let mut ports = vec![
        Port::new("age", Dtype::I64, vec![None, Some(1)]),
        Port::new("plan", Dtype::Text, vec![None, Some(1)]),
        Port::new("limit", Dtype::F32, Vec::new()),
        Port::new("city", Dtype::Text, vec![None]),
    ];
    ports[1].optional = true;
    ports[2].optional = true;
    ports
}

#[test]
fn an_optional_column_is_in_all_rows_or_in_none() {
    let (ports, check) = (with_optional(), equal);
    let without = r#"{"age": [30, 31], "city": ["Bonn", "Ulm"]}"#;
    for body in [
        r#"[{"age": 30, "city": "Bonn"}, {"city": "Ulm", "age": 31}]"#,
        r#"[[30, "Bonn"], [31, "Ulm"]]"#,
        r#"{"columns": ["city", "age"], "data": [["Bonn", 30], ["Ulm", 31]]}"#,
        r#"{"data": [["Bonn", 30], ["Ulm", 31]], "columns": ["city", "age"]}"#,
        r#"{"inputs": {"age": [30, 31], "city": ["Bonn", "Ulm"]}}"#,
        r#"{"instances": [{"age": 30, "city": "Bonn"}, {"age": 31, "city": "Ulm"}]}"#,
        r#"{"dataframe_split": {"data": [[30, "Bonn"], [31, "Ulm"]]}}"#,
        // Rows that are objects name their columns themselves, so the list `columns` does not make
        // `plan` required.
        r#"{"columns": ["age", "plan", "city"], "data": [{"age": 30, "city": "Bonn"}, {"age": 31, "city": "Ulm"}]}"#,
    ] {
        check(&ports, body, without);
    }
    check(&ports, "[]", r#"{"age": [], "city": []}"#);
    let with = r#"{"age": [30, 31], "city": ["Bonn", "Ulm"], "plan": ["pro", ""]}"#;
    for body in [
        r#"[{"plan": "pro", "age": 30, "city": "Bonn"}, {"city": "Ulm", "age": 31, "plan": ""}]"#,
        r#"{"columns": ["plan", "city", "age"], "data": [["pro", "Bonn", 30], ["", "Ulm", 31]]}"#,
        r#"{"inputs": {"plan": ["pro", ""], "age": [30, 31], "city": ["Bonn", "Ulm"]}}"#,
    ] {
        check(&ports, body, with);
    }
    refused(
        &ports,
        r#"[{"age": 30, "city": "Bonn"}, {"age": 31, "city": "Ulm", "plan": "pro"}]"#,
        "/1/plan",
        "The rows before do not have this column. Send it in all rows or in none.",
    );
    refused(
        &ports,
        r#"[{"age": 30, "city": "Bonn", "plan": "pro"}, {"age": 31, "city": "Ulm"}]"#,
        "/1",
        "This row does not have the column `plan`.",
    );
    refused(
        &ports,
        r#"[{"age": 30, "city": "Bonn", "limit": 1}]"#,
        "/0/limit",
        "not a column",
    );
    refused(&ports, r#"[{"plan": "pro"}]"#, "/0", "the column `age`");
}

#[test]
fn the_only_input_that_must_be_there_may_have_names() {
    let mut ports = matrix_port(Dtype::F32);
    let mut weights = Port::new("weights", Dtype::F32, vec![Some(3)]);
    weights.optional = true;
    ports.push(weights);
    let expected = r#"{"X": [[1, 2, 3]]}"#;
    for body in [
        r#"[{"age": 2, "width": 1, "weight": 3}]"#,
        r#"{"width": [1], "age": [2], "weight": [3]}"#,
        r#"{"data": [[1, 2, 3]]}"#,
        "[[1, 2, 3]]",
    ] {
        equal(&ports, body, expected);
    }
    equal(
        &ports,
        r#"{"data": [[1, 2, 3]], "weights": [1, 1, 1]}"#,
        r#"{"X": [[1, 2, 3]], "weights": [1, 1, 1]}"#,
    );
    // An optional input may be called `data`.
    ports[1].name = "data".to_owned();
    equal(
        &ports,
        r#"{"data": [1, 1, 1], "X": [[1, 2, 3]]}"#,
        r#"{"X": [[1, 2, 3]], "data": [1, 1, 1]}"#,
    );
}

#[test]
fn messages_about_a_column_of_a_matrix_name_the_setting_of_the_matrix() {
    let check = refused;
    let ports = matrix_port(Dtype::F32);
    let cell = |cell: &str| format!(r#"[{{"width": 1, "age": {cell}, "weight": 3}}]"#);
    check(&ports, &cell("null"), "/0/age", "`inputs.X.missing`");
    check(&ports, &cell("true"), "/0/age", "`inputs.X.boolean`");
    let lists = r#"{"inputs": {"width": [null]}}"#;
    check(&ports, lists, "/inputs/width/0", "`inputs.X.missing`");
    let whole = matrix_port(Dtype::I64);
    check(
        &whole,
        &cell("null"),
        "/0/age",
        "null, where an i64 element",
    );
    let mut both = matrix_port(Dtype::F32);
    both[0].facts.missing = true;
    both[0].facts.boolean = true;
    equal(
        &both,
        r#"[{"width": true, "age": null, "weight": false}]"#,
        r#"{"X": [[1, null, 0]]}"#,
    );
    equal(
        &both,
        r#"{"columns": ["age", "width", "weight"], "data": [[null, true, 2]]}"#,
        r#"{"X": [[1, null, 2]]}"#,
    );
}

#[test]
fn the_advice_about_a_word_fits_its_column() {
    let mut ports = columns();
    ports[1].facts.missing = true;
    let check = |body: &str, part: &str| refused(&ports, body, "", part);
    let row = r#"[{"age": 1, "income": NaN, "city": ""}]"#;
    check(
        row,
        "JSON has no NaN (line 1, column 23). Send null for a missing number.",
    );
    check("[[1, NaN, \"\"]]", "Send null for a missing number.");
    check(
        r#"{"columns": ["income", "age", "city"], "data": [[1, NaN, ""]]}"#,
        "The input `age` is of i64, which has no missing value.",
    );
    check(
        r#"{"instances": [{"age": 1, "income": -Infinity, "city": ""}]}"#,
        "JSON has no Infinity (line 1, column 38). It is taken if",
    );
    check(
        r#"{"inputs": {"city": ["Bonn", NaN]}}"#,
        "The input `city` takes no missing text. Null is taken for one if scorebox.toml has \
         `inputs.city.missing`",
    );
    refused(
        &matrix_port(Dtype::F32),
        r#"[{"width": NaN}]"#,
        "",
        "The input `X` takes no missing number. Null is taken for one if scorebox.toml has \
         `inputs.X.missing`",
    );
}
