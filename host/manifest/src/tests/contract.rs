//! Tests of the section `[contract]`, and of the facts that both a manifest and a scorer state.

use super::{minimal, parse};
use crate::{InputFacts, InputSection};

#[test]
fn an_unstable_feature_is_allowed_by_its_name_only() {
    #[track_caller]
    fn refuses(text: &str, problem: &str) {
        let message = parse(&minimal(text)).unwrap_err();
        let expected = format!("app/scorebox.toml: {problem}");
        assert!(message.starts_with(&expected), "{message}");
    }
    let allows = |text: &str| parse(&minimal(text)).unwrap().unstable.inputs;
    assert!(allows("[contract]\nunstable = [\"inputs\"]"));
    assert!(!allows("[contract]\nunstable = []"));
    assert!(!allows("[contract]"));
    let fix = "  fix: write `unstable = [\"inputs\"]`";
    refuses(
        "[contract]\nunstable = [\"inputs\", \"in\\nput\"]",
        &format!("`contract.unstable`: `in\\nput` is not an unstable feature\n{fix}"),
    );
    refuses(
        "[contract]\nunstable = \"inputs\"",
        &format!("`contract.unstable`: \"inputs\" is not a list of features\n{fix}"),
    );
    refuses(
        "[contract]\nunstable = [true]",
        &format!("`contract.unstable`: true is not a text\n{fix}"),
    );
    refuses(
        "[contract]\nstable = [\"inputs\"]",
        "`contract.stable` is not a setting\n  fix: the nearest is `contract.unstable`",
    );
    refuses(
        "[[contract]]\nunstable = [\"inputs\"]",
        "`contract` is not written as a section\n  fix: write a line `[contract]`",
    );
}

#[test]
fn a_manifest_wins_over_the_scorer_in_the_facts_that_it_states() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let stated = InputFacts {
        missing: true,
        boolean: false,
        columns: names(&["a", "b"]),
    };
    assert_eq!(InputSection::default().over(&stated), stated);
    let section = InputSection {
        missing: Some(false),
        boolean: Some(true),
        columns: names(&["c"]),
    };
    let expected = InputFacts {
        missing: false,
        boolean: true,
        columns: names(&["c"]),
    };
    assert_eq!(section.over(&stated), expected);
}
