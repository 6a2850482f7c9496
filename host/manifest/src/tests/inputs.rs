//! Tests of the sections `[inputs.<name>]` and `[requests]`.

use super::{minimal, parse};

#[test]
fn a_fact_of_an_input_that_cannot_be_is_answered_with_its_key_and_a_fix() {
    #[track_caller]
    fn check(text: &str, problem: &str, fix: &str) {
        let message = parse(&minimal(text)).unwrap_err();
        let expected = format!("app/scorebox.toml: {problem}\n  fix: {fix}");
        assert!(message.starts_with(&expected), "{message}");
    }
    let input = |line: &str| format!("[inputs.age]\n{line}");
    check(
        &input("mising = true"),
        "`inputs.age.mising` is not a setting",
        "the nearest is `inputs.<name>.missing`",
    );
    check(
        &input("missing = \"yes\""),
        "`inputs.age.missing`: \"yes\" is neither true nor false",
        "write `missing = true`, or remove the line",
    );
    check(
        &input("boolean = 1"),
        "`inputs.age.boolean`: 1 is neither true nor false",
        "write `boolean = true`",
    );
    check(
        &input("columns = \"age\""),
        "`inputs.age.columns`: \"age\" is not a list of names",
        "name each column once",
    );
    check(
        &input("columns = []"),
        "`inputs.age.columns`: a list of 0 is not a list of names",
        "name each column once",
    );
    check(
        &input("columns = [1]"),
        "`inputs.age.columns`: 1 is not a text",
        "name each column once",
    );
    check(
        &input("columns = [\"a\", \"b\", \"a\"]"),
        "`inputs.age.columns`: there are two columns `a`",
        "name each column once",
    );
    check(
        &input("columns = [\"\"]"),
        "`inputs.age.columns`: a name is empty",
        "write the name",
    );
    check(
        &input("columns = [\"a\\nb\"]"),
        "`inputs.age.columns`: `a\\nb` is not one line of at most 1024 bytes",
        "remove line feeds",
    );
    check(
        "[inputs.\"\"]\nmissing = true",
        "`inputs.\"\"`: a name is empty",
        "write the name",
    );
    check(
        "[inputs]\nage = true",
        "`inputs.age` is a section, and not a setting",
        "write a line `[inputs.age]`",
    );
    check(
        "[[inputs.age]]\nmissing = true",
        "`inputs.age` is a section, and not a setting",
        "write a line `[inputs.age]`",
    );
    for text in [
        "[[inputs.\"sepal length (cm)\"]]\nmissing = true",
        "[inputs]\n\"sepal length (cm)\" = true",
    ] {
        check(
            text,
            "`inputs.\"sepal length (cm)\"` is a section, and not a setting",
            "write a line `[inputs.\"sepal length (cm)\"]`",
        );
    }
    check(
        "[inputs.'a \"b\" \\']\nboolean = 1",
        "`inputs.\"a \\\"b\\\" \\\\\".boolean`: 1 is neither true nor false",
        "write `boolean = true`",
    );
    check(
        "[[requests]]\nnan_literals = true",
        "`requests` is not written as a section",
        "write a line `[requests]`",
    );
    check(
        "[requests]\nunknown_columns = \"drop\"",
        "`requests.unknown_columns`: \"drop\" is neither \"refuse\" nor \"ignore\"",
        "write `unknown_columns = \"ignore\"`",
    );
    check(
        "[requests]\nnan_literals = \"NaN\"",
        "`requests.nan_literals`: \"NaN\" is neither true nor false",
        "write `nan_literals = true`",
    );
    let names: Vec<_> = (0..10_001).map(|index| format!("\"{index}\"")).collect();
    check(
        &input(&format!("columns = [{}]", names.join(", "))),
        "`inputs.age.columns`: 10001 names are more than 10000",
        "name each column once",
    );
    let sections = |count: u32| -> String {
        (0..count)
            .map(|index| format!("[inputs.i{index}]\nmissing = true\n"))
            .collect()
    };
    check(
        &sections(1001),
        "there are more than 1000 sections [inputs.<name>]",
        "state the facts",
    );
    assert_eq!(parse(&minimal(&sections(1000))).unwrap().inputs.len(), 1000);
}
