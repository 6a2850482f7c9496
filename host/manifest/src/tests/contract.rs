//! Tests of the sections `[contract]` and `[answers]`, and of the facts that both a manifest and a
//! scorer state.

use super::{minimal, parse};
use crate::{InputFacts, InputSection};

#[track_caller]
fn refuses(text: &str, problem: &str) {
    let message = parse(&minimal(text)).unwrap_err();
    let expected = format!("app/scorebox.toml: {problem}");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn no_feature_of_the_contract_is_unstable() {
    for text in ["[contract]\nunstable = []", "[contract]"] {
        assert!(parse(&minimal(text)).is_ok(), "{text}");
    }
    refuses(
        "[contract]\nunstable = [\"inputs\"]",
        "`contract.unstable`: `inputs` is not unstable any more\n  fix: remove the line, and build the scorer \
         against scorebox:scoring@0.2.0",
    );
    let fix = "  fix: remove the line";
    refuses(
        "[contract]\nunstable = [\"in\\nput\"]",
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
fn cookies_are_allowed_by_a_word_and_not_with_a_prediction_cache() {
    let allows = |text: &str| parse(&minimal(text)).unwrap().answers.cookies;
    assert!(allows("[answers]\ncookies = true"));
    assert!(!allows("[answers]\ncookies = false"));
    assert!(!allows("[answers]"));
    refuses(
        "[answers]\ncookies = \"yes\"",
        "`answers.cookies`: \"yes\" is neither true nor false\n  fix: write `cookies = true`",
    );
    refuses(
        "[answers]\ncookie = true",
        "`answers.cookie` is not a setting\n  fix: the nearest is `answers.cookies`",
    );
    let cache = "[stores.default]\nurl = \"env:URL\"\n[prediction_cache]\nstore = \"default\"\n";
    refuses(
        &format!("{cache}[answers]\ncookies = true"),
        "`answers.cookies` does not go with [prediction_cache]",
    );
    assert!(!allows(&format!("{cache}[answers]\ncookies = false")));
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
