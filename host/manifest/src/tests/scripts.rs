//! Tests of the settings of a script, which exclude a component.

use std::path::{Path, PathBuf};

use super::{PackagedScript, ScriptSection, parse};

const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn script(rest: &str) -> String {
    format!("[scorer]\nname = \"digits\"\nscript = \"score.py\"\n{rest}")
}

#[test]
fn a_script_needs_only_its_name() {
    let manifest = parse(&script("")).unwrap();
    assert!(!manifest.scorer.serves_graph());
    let stores = |rest: &str| parse(&script(rest)).unwrap().stores;
    assert!(!stores("[stores.default]")["default"].commands.is_empty());
    assert!(
        stores("[stores.default]\ncommands = []")["default"]
            .commands
            .is_empty()
    );
    let script = manifest.scorer.script.unwrap();
    assert_eq!(
        (script.entry(), script.folder()),
        ("score.py", Path::new("app"))
    );
    assert_eq!(
        script,
        ScriptSection {
            file: "app/score.py".into(),
            requirements: None,
            accelerate: false,
            tracebacks: false,
            deterministic: false,
        }
    );
}

#[test]
fn every_key_of_a_script_is_read() {
    let text = script(&format!(
        r#"
        requirements = "conda.yml"
        model = "model"
        accelerate = true
        tracebacks = true
        deterministic = true
        [packaged.script]
        digest = "{ZEROS}"
        pack = "{ZEROS}"
        packages = "packages"
        packages_digest = "{ZEROS}"
        state = "app.state"
        state_digest = "{ZEROS}"
        "#
    ));
    let manifest = parse(&text).unwrap();
    let script = manifest.scorer.script.unwrap();
    assert_eq!(script.requirements, Some(PathBuf::from("app/conda.yml")));
    assert!(script.accelerate && script.tracebacks && script.deterministic);
    assert_eq!(
        manifest.packaged.unwrap().script,
        Some(PackagedScript {
            digest: ZEROS.to_owned(),
            pack: ZEROS.to_owned(),
            packages: Some("app/packages".into()),
            packages_digest: Some(ZEROS.to_owned()),
            state: Some("app/app.state".into()),
            state_digest: Some(ZEROS.to_owned()),
        })
    );
}

#[test]
fn keys_that_do_not_fit_a_script_are_refused() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let message = parse(text).unwrap_err();
        for part in expected.iter().chain(&["app/scorebox.toml", "fix: "]) {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
    let component = "[scorer]\nname = \"digits\"\ncomponent = \"digits.wasm\"\n";
    check(
        &format!("{component}script = \"score.py\""),
        &["both name what is served"],
    );
    for key in [
        "requirements = \"r.txt\"",
        "accelerate = true",
        "tracebacks = true",
    ] {
        check(
            &format!("{component}{key}"),
            &["a setting of a script", "score.py"],
        );
    }
    check(
        &script("graph = \"g\"\nmodel = \"m\""),
        &["`scorer.graph`", "remove one"],
    );
    check(
        &script("accelerate = true"),
        &["`scorer.accelerate`", "scorer.model"],
    );
    check(
        &script("requirements = \"Pipfile\""),
        &["`scorer.requirements`", "`Pipfile`"],
    );
    check(
        "[scorer]\nname = \"digits\"\nscript = \"score.ipynb\"",
        &["`scorer.script`", "`score.ipynb`", ".py"],
    );
    check(
        &script("tracebacks = 3"),
        &["`scorer.tracebacks`", ": 3 is neither true nor false"],
    );
    check(
        &script("requirements = [\"a\"]"),
        &["`scorer.requirements`", "a list of 1 is not a text"],
    );
    check(
        &script("[batching]\nmax_rows = 8"),
        &["[batching]", "`scorer.script`"],
    );
    check(
        &script(&format!("[packaged.script]\npack = \"{ZEROS}\"")),
        &["`packaged.script.digest` is missing", "scorebox build"],
    );
    check(
        &script("[packaged.script]\ndigest = \"x\"\npack = \"x\""),
        &["packaged.script.digest", "64 hex digits"],
    );
    check(
        &script(&format!(
            "[packaged.script]\ndigest = \"{ZEROS}\"\npack = \"{ZEROS}\"\npackages = \"p\""
        )),
        &["packages_digest"],
    );
}
