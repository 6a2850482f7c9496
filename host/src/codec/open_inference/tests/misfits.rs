//! Tests of the positions at which errors in a request are reported.

use super::*;

#[test]
fn a_misfit_is_named_by_its_pointer() {
    #[track_caller]
    fn check(body: &str, pointer: &str, expected: &str) {
        match read(both(&x_and_n()), body.as_bytes(), None) {
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
    let x = |fields: &str| with_x(fields);
    check("", "", "not JSON");
    check("[]", "", "a list, where an object");
    check("{}", "/inputs", "`x` of FP32 and shape [-1, 2] is missing");
    check(r#"{"inputs": null}"#, "/inputs", "missing");
    check(r#"{"inputs": 3}"#, "/inputs", "a number, where a list");
    check(
        r#"{"inputs": [3]}"#,
        "/inputs/0",
        "a number, where an object",
    );
    check(r#"{"inputs": [null]}"#, "/inputs/0", "no name");
    check(r#"{"id": 3}"#, "/id", "where a string");
    check(
        &format!(r#"{{"id": "{}"}}"#, "a".repeat(2000)),
        "/id",
        "1024 bytes",
    );
    check(
        &format!(r#"{{"inputs": [{N}], "inputs": []}}"#),
        "/inputs",
        "twice",
    );
    check(
        &format!(r#"{{"inputs": [{N}, {N}]}}"#),
        "/inputs/1/name",
        "twice",
    );
    check(
        &format!(r#"{{"inputs": [{N}, {N}, {N}]}}"#),
        "/inputs/2",
        "The input `n` is one too many. The scorer has 2 inputs: `x` of FP32 and shape [-1, 2], `n` of",
    );
    let extra = |input: &str| format!(r#"{{"inputs": [{N}, {N}, {input}]}}"#);
    for (name, expected) in [
        (
            "threshold",
            "no input of this name: `threshold`. The inputs are `x` of FP32",
        ),
        (
            "X",
            "no input of this name: `X`. The nearest is `x`. The inputs are",
        ),
        ("\\u001b[2J", "no input of this name: `\\u{1b}[2J`."),
    ] {
        let input = format!(r#"{{"data": [1], "shape": [1], "name": "{name}"}}"#);
        check(&extra(&input), "/inputs/2/name", expected);
    }
    check(&extra("{}"), "/inputs/2", "An input without a name is one");
    check(&extra("7"), "/inputs/2", "a number, where an object");
    let long = format!(r#"{{"name": "{}"}}"#, "y".repeat(5 << 20));
    check(&extra(&long), "/inputs/2/name", "yyy…`. The inputs are");
    check(&format!(r#"{{"inputs": [{N}]}}"#), "/inputs", "`x`");
    check(
        &x(r#""name": "y""#),
        "/inputs/0/name",
        "no input of this name",
    );
    check(&x(r#""name": 3"#), "/inputs/0/name", "where a string");
    check(
        &x(r#""shape": [1, 2], "datatype": "FP32", "data": [1, 2]"#),
        "/inputs/0",
        "no name",
    );
    check(&x(r#""name": "x", "name": "x""#), "/inputs/0/name", "twice");
    check(
        &x(r#""name": "x", "shape": [1, 2], "data": [1, 2]"#),
        "/inputs/0",
        "no datatype",
    );
    let datatype =
        |name: &str| format!(r#""name": "x", "shape": [1, 2], "datatype": {name}, "data": [1, 2]"#);
    check(
        &x(&datatype(r#""BOOL""#)),
        "/inputs/0/datatype",
        "is FP32. BOOL is taken if scorebox.toml has `inputs.x.boolean`.",
    );
    check(
        &x(&datatype(r#""fp32""#)),
        "/inputs/0/datatype",
        "fp32 is not accepted. Tensors are of BOOL, UINT8",
    );
    check(&x(&datatype(r#""BYTES""#)), "/inputs/0/datatype", "is FP32");
    check(
        &x(&datatype(r#""\u001b[2J\u202e""#)),
        "/inputs/0/datatype",
        "\\u{1b}[2J\\u{202e} is not accepted",
    );
    check(&x(&datatype("7")), "/inputs/0/datatype", "where a string");
    let shape = |shape: &str, data: &str| {
        with_x(&format!(
            r#""name": "x", "datatype": "FP32", "shape": {shape}, "data": {data}"#
        ))
    };
    check(
        &x(r#""name": "x", "datatype": "FP32", "data": [1, 2]"#),
        "/inputs/0",
        "no shape",
    );
    check(
        &shape("[2]", "[1, 2]"),
        "/inputs/0/shape",
        "The shape has 1 dimension; the input is [-1, 2]",
    );
    check(
        &shape("[1, 3]", "[1, 2, 3]"),
        "/inputs/0/shape/1",
        "3, where 2 belongs",
    );
    check(
        &shape("[-1, 2]", "[1, 2]"),
        "/inputs/0/shape/0",
        "a negative number",
    );
    check(
        &shape("[1.5, 2]", "[1, 2]"),
        "/inputs/0/shape/0",
        "where a whole number",
    );
    check(
        &shape("[null, 2]", "[1, 2]"),
        "/inputs/0/shape/0",
        "not a dimension",
    );
    check(&shape("3", "[1, 2]"), "/inputs/0/shape", "where a list");
    check(
        &shape("[18446744073709551615, 2]", "[]"),
        "/inputs/0/shape",
        "No body",
    );
    check(
        &shape("[2, 2]", "[1, 2, 3]"),
        "/inputs/0/data",
        "3 elements, where 4 belong; the input is [2, 2]",
    );
    check(
        &shape("[2, 2]", "[[1, 2]]"),
        "/inputs/0/data",
        "1 element, where 2 belong",
    );
    check(
        &shape("[2, 2]", "[[1, 2], [3]]"),
        "/inputs/0/data/1",
        "1 element, where 2 belong",
    );
    check(
        &shape("[2, 2]", "[[1, 2], 3]"),
        "/inputs/0/data/1",
        "a number, where a list, dimension 1 of [2, 2]",
    );
    check(
        &shape("[2, 2]", "[1, [2, 3]]"),
        "/inputs/0/data/1",
        "a list, where an f32 element",
    );
    check(
        &shape("[1, 2]", r#"[1, "2"]"#),
        "/inputs/0/data/1",
        "a string",
    );
    check(
        &shape("[1, 2]", "[1, 1e39]"),
        "/inputs/0/data/1",
        "does not fit f32",
    );
    check(
        &shape("[1, 2]", "7"),
        "/inputs/0/data",
        "a number, where a list",
    );
    check(
        &x(r#""name": "x", "datatype": "FP32", "data": [1, 2], "shape": [2, 2]"#),
        "/inputs/0/data",
        "2 elements",
    );
    check(
        &x(r#""name": "x", "datatype": "FP32", "data": [[]], "shape": [0, 2]"#),
        "/inputs/0/data/0",
        "0 elements",
    );
    check(
        &x(r#""name": "x", "datatype": "FP32", "shape": [1, 2]"#),
        "/inputs/0",
        "no data",
    );
    let late = r#""data": [1, true], "name": "x", "datatype": "FP32", "shape": [1, 2]"#;
    check(&x(late), "/inputs/0/data/1", "a boolean");
    let binary = r#""name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}"#;
    check(
        &x(binary),
        "/inputs/0/parameters/binary_data_size",
        "the header Inference-Header-Content-Length",
    );
    check(
        &x(&format!(r#"{binary}, "data": [1, 2]"#)),
        "/inputs/0/data",
        "has data here too",
    );
    let asked = |outputs: &str| {
        with_x(r#""name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]"#).replacen(
            '{',
            &format!(r#"{{"outputs": {outputs}, "#),
            1,
        )
    };
    check(&asked("{}"), "/outputs", "an object, where a list");
    check(&asked("[{}]"), "/outputs/0", "no name");
    check(
        &asked(r#"[{"name": "z"}]"#),
        "/outputs/0/name",
        "no output of this name",
    );
    check(
        &asked(r#"[{"name": "x"}, {"name": "x"}]"#),
        "/outputs/1/name",
        "twice",
    );
    let wrong = r#"[{"name": "x", "parameters": {"binary_data": 1}}]"#;
    check(
        &asked(wrong),
        "/outputs/0/parameters/binary_data",
        "where a boolean",
    );
    let deep = x(&format!(r#""name": "x", "data": {}"#, "[".repeat(100_000)));
    assert!(read(both(&x_and_n()), deep.as_bytes(), None).is_err());
}

#[test]
fn extensions_that_move_the_elements_elsewhere_are_refused() {
    let request = |input: &str, output: &str, whole: &str| {
        format!(
            r#"{{"parameters": {whole}, "outputs": [{{"name": "x", "parameters": {output}}}], "inputs": [{N}, {{
            "name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], "parameters": {input}}}]}}"#
        )
    };
    let check = |input: &str, output: &str, pointer: &str, part: &str| match read(
        both(&x_and_n()),
        request(input, output, "{}").as_bytes(),
        None,
    ) {
        Err(ScoreFailure::NotConforming {
            message,
            pointer: found,
        }) => assert!(
            found == pointer && message.contains(part),
            "{found}: {message}"
        ),
        other => panic!("{input} {output}: {other:?}"),
    };
    let memory = r#"{"shared_memory_region": "r", "shared_memory_byte_size": 8}"#;
    check(memory, "{}", "/inputs/1/parameters", "Shared memory");
    check("{}", memory, "/outputs/0/parameters", "Shared memory");
    let classes = r#"{"binary_data": true, "classification": 3}"#;
    check("{}", classes, "/outputs/0/parameters", "`class_count`");
    // The values 0 and `null` ask for nothing and are ignored. So are parameters of the request.
    for (output, whole) in [
        (r#"{"classification": 0}"#, "{}"),
        (
            r#"{"classification": null, "shared_memory_region": null}"#,
            "{}",
        ),
        (
            "{}",
            r#"{"classification": 3, "shared_memory_region": "r"}"#,
        ),
    ] {
        let body = request("{}", output, whole);
        assert!(
            read(both(&x_and_n()), body.as_bytes(), None).is_ok(),
            "{body}"
        );
    }
}

#[test]
fn a_message_lists_the_first_of_many_inputs() {
    let ports: Vec<_> = (0..500)
        .map(|index| port(&format!("feature_{index}"), Dtype::F32, &[None]))
        .collect();
    let Err(ScoreFailure::NotConforming { message, .. }) = read(
        both(&ports),
        br#"{"inputs": [{"name": "feature_500"}]}"#,
        None,
    ) else {
        panic!()
    };
    assert!(message.contains("`feature_19` of FP32"), "{message}");
    assert!(message.ends_with(" and 480 more."), "{message}");
}
