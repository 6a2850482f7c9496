//! Tests of the forms that consist of rows: what is read for columns and matrices.
//!
//! Owns the ports and the checks. The error messages are in `misfits`.

mod cells;
mod facts;
mod misfits;

use super::super::azure_ml;
use super::*;
use crate::model::Dtype;

/// Returns ports of one column each, in both shapes that a column may have.
fn columns() -> Vec<Port> {
    vec![
        Port::new("age", Dtype::I64, vec![None, Some(1)]),
        Port::new("income", Dtype::F32, vec![None]),
        Port::new("city", Dtype::Text, vec![None, Some(1)]),
    ]
}

/// Returns the port of a matrix with named columns.
fn matrix_port(dtype: Dtype) -> Vec<Port> {
    let mut port = Port::new("X", dtype, vec![None, Some(3)]);
    port.facts.columns = ["width", "age", "weight"].map(str::to_owned).to_vec();
    vec![port]
}

fn lists(ports: &[Port]) -> PortLists<'_> {
    PortLists {
        inputs: ports,
        outputs: &[],
        requests: Requests::default(),
    }
}

/// Checks that a body is read as the same tensors as `expected`, a body in Azure ML's format.
#[track_caller]
fn equal(ports: &[Port], body: &str, expected: &str) {
    let expected = azure_ml::read(ports, Requests::default(), expected.as_bytes()).unwrap();
    let found = read(lists(ports), body.as_bytes());
    assert_eq!(found, Ok(expected), "{body}");
}

#[track_caller]
fn refused_with(ports: PortLists<'_>, body: &str, pointer: &str, expected: &str) {
    match read(ports, body.as_bytes()) {
        Err(ScoreFailure::NotConforming {
            message,
            pointer: found,
        }) => {
            assert_eq!(found, pointer, "{body}: {message}");
            assert!(message.contains(expected), "{body}: {message}");
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[track_caller]
fn refused(ports: &[Port], body: &str, pointer: &str, expected: &str) {
    refused_with(lists(ports), body, pointer, expected);
}

const TWO: &str = r#"{"age": [[30], [31]], "income": [1.5, 2], "city": [["Bonn"], ["Ulm"]]}"#;

#[test]
fn every_form_of_rows_gives_the_tensors_of_nested_lists() {
    let (ports, check) = (columns(), equal);
    let records =
        r#"[{"age": 30, "income": 1.5, "city": "Bonn"}, {"city": "Ulm", "age": 31, "income": 2}]"#;
    let rows = r#"[[30, 1.5, "Bonn"], [31, 2, "Ulm"]]"#;
    let split = r#"{"columns": ["city", "age", "income"], "index": [7, 8], "data": [["Bonn", 30, 1.5], ["Ulm", 31, 2]]}"#;
    for rows in [records, rows] {
        check(&ports, rows, TWO);
        check(&ports, &format!("{{\"data\": {rows}}}"), TWO);
        check(&ports, &format!("{{\"instances\": {rows}}}"), TWO);
        check(&ports, &format!("{{\"dataframe_records\": {rows}}}"), TWO);
        check(&ports, &format!("{{\"input_data\": {rows}}}"), TWO);
        let automated = format!(
            "{{\"Inputs\": {{\"data\": {rows}}}, \"GlobalParameters\": {{\"method\": \"predict\"}}}}"
        );
        check(&ports, &automated, TWO);
    }
    check(&ports, split, TWO);
    check(&ports, &format!("{{\"dataframe_split\": {split}}}"), TWO);
    check(
        &ports,
        &format!("{{\"params\": 1, \"input_data\": {split}}}"),
        TWO,
    );
    check(&ports, &format!("{{\"inputs\": {TWO}}}"), TWO);
    check(
        &ports,
        &format!("{{\"inputs\": {rows}, \"params\": {{}}}}"),
        TWO,
    );
    for records in ["[]", records] {
        refused(
            &ports,
            &format!("{{\"inputs\": {records}}}"),
            "/inputs",
            "Send records at `instances`.",
        );
    }
    check(
        &ports,
        r#"{"age": [30, 31], "income": [1.5, 2], "city": ["Bonn", "Ulm"]}"#,
        TWO,
    );
    // The names may come after the rows, in the order of the model or in another.
    check(
        &ports,
        r#"{"data": [[30, 1.5, "Bonn"], [31, 2, "Ulm"]], "columns": ["age", "income", "city"]}"#,
        TWO,
    );
    check(
        &ports,
        r#"{"index": null, "data": [["Bonn", 30, 1.5], ["Ulm", 31, 2]], "columns": ["city", "age", "income"]}"#,
        TWO,
    );
    check(
        &ports,
        &format!("{{\"index\": [[]], \"data\": {records}}}"),
        TWO,
    );
    let none = r#"{"age": [], "income": [], "city": []}"#;
    for body in [
        "[]",
        " [ ] ",
        r#"{"instances": []}"#,
        r#"{"columns": ["age", "city", "income"], "data": []}"#,
        r#"{"data": [], "columns": ["age", "city", "income"]}"#,
        r#"{"dataframe_split": {"data": [], "columns": ["age", "income", "city"], "index": {}}}"#,
    ] {
        check(&ports, body, none);
    }
    // A cell of a column with two dimensions may be a list of one element.
    check(
        &ports,
        r#"[{"age": [30], "income": 1.5, "city": ["Bonn"]}, {"age": 31, "income": 2e0, "city": "U\u006cm"}]"#,
        TWO,
    );
}

#[test]
fn a_matrix_with_named_columns_takes_rows() {
    for dtype in [
        Dtype::F32,
        Dtype::F64,
        Dtype::I64,
        Dtype::U8,
        Dtype::I16,
        Dtype::F16,
    ] {
        let (ports, check) = (matrix_port(dtype), equal);
        let expected = r#"{"X": [[1, 2, 3], [4, 5, 6]]}"#;
        for body in [
            r#"[{"width": 1, "age": 2, "weight": 3}, {"weight": 6, "width": 4, "age": 5}]"#,
            r#"{"data": [{"width": 1, "age": 2, "weight": 3}, {"width": 4, "age": 5, "weight": 6}]}"#,
            r#"{"columns": ["weight", "width", "age"], "data": [[3, 1, 2], [6, 4, 5]]}"#,
            r#"{"data": [[3, 1, 2], [6, 4, 5]], "columns": ["weight", "width", "age"]}"#,
            r#"{"data": [[1, 2, 3], [4, 5, 6]], "columns": ["width", "age", "weight"]}"#,
            r#"{"width": [1, 4], "weight": [3, 6], "age": [2, 5]}"#,
            r#"{"inputs": {"width": [1, 4], "weight": [3, 6], "age": [2, 5]}}"#,
            r#"{"instances": [[1, 2, 3], [4, 5, 6]]}"#,
            "[[1, 2, 3], [4, 5, 6]]",
            r#"{"data": [[1, 2, 3], [4, 5, 6]]}"#,
        ] {
            check(&ports, body, expected);
        }
        check(&ports, "[]", r#"{"X": []}"#);
    }
    equal(
        &matrix_port(Dtype::Text),
        r#"[{"width": "a", "weight": "", "age": "ü"}, {"width": "d", "weight": "f", "age": "e"}]"#,
        r#"{"X": [["a", "ü", ""], ["d", "e", "f"]]}"#,
    );
}

#[test]
fn a_single_input_takes_nested_rows() {
    let wide = vec![Port::new("x", Dtype::F32, vec![None, Some(2)])];
    let expected = r#"{"x": [[0.1, 2], [3, 4]]}"#;
    for body in [
        r#"{"instances": [[0.1, 2], [3, 4]]}"#,
        r#"{"signature_name": "s", "instances": [[0.1, 2], [3, 4]]}"#,
        r#"{"inputs": [[0.1, 2], [3, 4]]}"#,
        r#"{"inputs": {"x": [[0.1, 2], [3, 4]]}}"#,
        r#"{"data": [[0.1, 2], [3, 4]], "index": [0, 1]}"#,
        r#"[{"x": [0.1, 2]}, {"x": [3, 4]}]"#,
        "[[0.1, 2], [3, 4]]",
    ] {
        equal(&wide, body, expected);
    }
    let texts = vec![Port::new("text", Dtype::Text, vec![None, Some(1)])];
    for body in [
        r#"{"instances": ["a", "b"]}"#,
        r#"{"instances": [["a"], ["b"]]}"#,
        r#"[{"text": "a"}, {"text": "b"}]"#,
        r#"{"columns": ["text"], "data": [["a"], ["b"]]}"#,
        r#"{"data": ["a", "b"]}"#,
    ] {
        equal(&texts, body, r#"{"text": [["a"], ["b"]]}"#);
    }
    let named = vec![Port::new("data", Dtype::F32, vec![None, Some(2)])];
    equal(
        &named,
        r#"{"data": [[1, 2]], "index": [0]}"#,
        r#"{"data": [[1, 2]]}"#,
    );
    refused(
        &wide,
        r#"{"columns": ["a", "b"], "data": []}"#,
        "/columns",
        "does not name its columns",
    );
    refused(
        &wide,
        r#"{"data": [[1, 2]], "columns": []}"#,
        "/columns",
        "does not name its columns",
    );
    refused(&wide, "[[1]]", "/0", "1 element, where 2 belong");
    refused(
        &wide,
        r#"[{"x": 1}]"#,
        "/0/x",
        "a number, where a list, dimension 1 of [N, 2]",
    );
}

#[test]
fn unknown_columns_are_ignored_if_the_manifest_says_so() {
    let ports = columns();
    let mut lists = lists(&ports);
    lists.requests.ignores_unknown_columns = true;
    let expected = azure_ml::read(&ports, Requests::default(), TWO.as_bytes()).unwrap();
    for body in [
        r#"[{"id": {"a": [1]}, "age": 30, "income": 1.5, "city": "Bonn"}, {"id": 1, "age": 31, "x": null, "income": 2, "city": "Ulm"}]"#,
        r#"{"columns": ["id", "age", "x", "income", "city"], "data": [[1, 30, [], 1.5, "Bonn"], [2, 31, "", 2, "Ulm"]]}"#,
    ] {
        assert_eq!(
            read(lists, body.as_bytes()).as_ref(),
            Ok(&expected),
            "{body}"
        );
    }
    refused_with(
        lists,
        r#"[{"id": 1, "age": 1, "income": 2}]"#,
        "/0",
        "the column `city`",
    );
    refused_with(lists, r#"[{"id": }]"#, "", "not JSON");
}

#[test]
fn unknown_keys_beside_whole_columns_are_ignored_at_any_place() {
    let ports = columns();
    let mut inputs = lists(&ports);
    inputs.requests.ignores_unknown_columns = true;
    let expected = azure_ml::read(&ports, Requests::default(), TWO.as_bytes()).unwrap();
    let values = [
        r#""age": [30, 31]"#,
        r#""income": [1.5, 2]"#,
        r#""city": ["Bonn", "Ulm"]"#,
    ];
    for place in 0..=values.len() {
        let mut keys = values.to_vec();
        keys.insert(place, r#""id": {"a": [1]}"#);
        let body = format!("{{{}}}", keys.join(", "));
        assert_eq!(
            read(inputs, body.as_bytes()).as_ref(),
            Ok(&expected),
            "{body}"
        );
    }
    refused_with(
        inputs,
        r#"{"id": [1], "age": [1], "income": [2]}"#,
        "",
        "`city`",
    );

    let ports = matrix_port(Dtype::I64);
    let mut matrix = lists(&ports);
    matrix.requests.ignores_unknown_columns = true;
    let expected = azure_ml::read(&ports, Requests::default(), br#"{"X": [[1, 2, 3]]}"#).unwrap();
    for body in [
        r#"{"id": 7, "age": [2], "width": [1], "weight": [3]}"#,
        r#"{"age": [2], "id": [7], "width": [1], "weight": [3]}"#,
        r#"{"id": 7, "X": [[1, 2, 3]]}"#,
        r#"{"X": [[1, 2, 3]], "id": 7}"#,
    ] {
        assert_eq!(
            read(matrix, body.as_bytes()).as_ref(),
            Ok(&expected),
            "{body}"
        );
    }
    // The key `columns` may follow the rows, and is not ignored.
    let split = r#"{"data": [[2, 1, 3]], "columns": ["age", "width", "weight"]}"#;
    assert_eq!(read(matrix, split.as_bytes()).as_ref(), Ok(&expected));
}

#[test]
fn names_of_inputs_and_columns_win_over_the_keys_of_forms() {
    let ports =
        ["instances", "columns", "data"].map(|name| Port::new(name, Dtype::I64, vec![None]));
    equal(
        &ports,
        r#"[{"data": 3, "columns": 2, "instances": 1}]"#,
        r#"{"instances": [1], "columns": [2], "data": [3]}"#,
    );
    let mut matrix = matrix_port(Dtype::I64);
    matrix[0].facts.columns[1] = "data".to_owned();
    let expected = r#"{"X": [[1, 2, 3]]}"#;
    for body in [
        r#"{"data": [2], "width": [1], "weight": [3]}"#,
        r#"{"data": [[1, 2, 3]]}"#,
        r#"{"data": [{"data": 2, "width": 1, "weight": 3}]}"#,
        r#"{"X": [[1, 2, 3]]}"#,
    ] {
        equal(&matrix, body, expected);
    }
}

#[test]
fn many_columns_are_found_in_any_order() {
    let ports: Vec<_> = (0..500)
        .map(|index| Port::new(format!("column {index}"), Dtype::I64, vec![None]))
        .collect();
    let row = |row: usize, order: &mut dyn Iterator<Item = usize>| {
        let cells: Vec<_> = order
            .map(|index| format!("\"column {index}\": {}", index * 10 + row))
            .collect();
        format!("{{{}}}", cells.join(", "))
    };
    let body = format!(
        "[{}, {}, {}]",
        row(0, &mut (0..500)),
        row(1, &mut (0..500).rev()),
        row(2, &mut (0..500).map(|index| index * 7 % 500)),
    );
    let tensors = read(lists(&ports), body.as_bytes()).unwrap();
    for (index, tensor) in tensors.iter().enumerate() {
        let expected: Vec<u8> = (0..3)
            .flat_map(|row| (index as i64 * 10 + row).to_le_bytes())
            .collect();
        assert_eq!((&tensor.data, &tensor.shape), (&expected, &vec![3]));
    }
}

#[test]
fn ignored_keys_are_read_no_further_than_the_deadline() {
    use std::time::{Duration, Instant};

    let ports = columns();
    let mut lists = lists(&ports);
    lists.requests.ignores_unknown_columns = true;
    let keys: String = (0..20_000)
        .map(|key| format!("\"key {key}\": 0, "))
        .collect();
    let names: String = (0..20_000).map(|key| format!("\"key {key}\", ")).collect();
    let zeros = "0, ".repeat(20_000);
    let listed = format!(r#""age", "income", "city"], "data": [[{zeros}30, 1.5, "Bonn"]]}}"#);
    let columns = r#""age": [30], "income": [1.5], "city": ["Bonn"]}"#;
    let record = r#""age": 30, "income": 1.5, "city": "Bonn"}]"#;
    // Each `start` is a body that is cut off. If the deadline were not checked, it would be refused
    // as invalid JSON.
    for (start, end) in [
        (format!("{{{keys}"), columns),
        (format!("{{\"age\": [30], {keys}"), &columns[13..]),
        (format!("[{{{keys}"), record),
        (format!("{{\"columns\": [{names}"), &listed),
    ] {
        let whole = format!("{start}{end}");
        let until = |deadline, body: &str| {
            super::super::reading_until(deadline, || read(lists, body.as_bytes()))
        };
        let in_time = until(Instant::now() + Duration::from_secs(60), &whole);
        assert!(in_time.is_some_and(|read| read.is_ok()), "{}", &start[..40]);
        assert!(until(Instant::now(), &start).is_none(), "{}", &start[..40]);
    }
}

#[test]
fn rows_are_read_no_further_than_the_deadline() {
    use std::time::{Duration, Instant};

    let ports = columns();
    let row = r#"{"age": 30, "income": 1.5, "city": "Bonn"}"#;
    let body = format!("[{}{row}]", format!("{row},").repeat(50_000));
    let read = || read(lists(&ports), body.as_bytes());
    let until = super::super::reading_until;
    let read_in_time = until(Instant::now() + Duration::from_secs(60), read);
    assert!(read_in_time.is_some_and(|read| read.is_ok()));
    assert!(until(Instant::now(), read).is_none());
}
