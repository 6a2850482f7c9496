//! Tests of the section `[server]`.

use super::{minimal, parse};

#[test]
fn keys_are_names_of_variables() {
    let variables = |text: &str| parse(&minimal(text)).unwrap().server.key_variables;
    assert!(variables("").is_empty());
    assert!(variables("[server]").is_empty());
    assert_eq!(
        variables("[server]\nkeys = [\"env:SCOREBOX_KEY_1\", \"env:SCOREBOX_KEY_2\"]"),
        ["SCOREBOX_KEY_1", "SCOREBOX_KEY_2"]
    );
}

#[test]
fn what_may_be_a_key_is_never_shown() {
    #[track_caller]
    fn refuses(keys: &str, problem: &str) {
        let message = parse(&minimal(&format!("[server]\nkeys = {keys}"))).unwrap_err();
        assert!(
            message.contains(&format!("`server.keys`: {problem}")),
            "{message}"
        );
        assert!(message.contains("fix: write `keys = [\"env:"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    refuses("\"env:hunter2\"", "a text is not a list");
    refuses("[]", "the list has 0 entries");
    refuses("true", "true is not a list");
    let other = "an entry is not `env:`";
    refuses("[\"hunter2\"]", other);
    refuses("[\"env:hunter2 \"]", other);
    refuses("[\"env:\"]", other);
    refuses("[7]", other);
    refuses("[\"env:K\", \"env:K\"]", "`env:K` is listed twice");
    let many: Vec<_> = (0..17).map(|number| format!("\"env:K{number}\"")).collect();
    refuses(&format!("[{}]", many.join(", ")), "the list has 17 entries");
}

#[test]
fn a_variable_is_a_key_or_the_address_of_a_store() {
    let text = "[stores.default]\nurl = \"env:SHARED\"\n[server]\nkeys = [\"env:SHARED\"]";
    let message = parse(&minimal(text)).unwrap_err();
    assert!(
        message.contains("`env:SHARED`") && message.contains("stores.default.url"),
        "{message}"
    );
}
