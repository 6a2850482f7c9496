//! Facts that a component states about its inputs, in its signature.
//!
//! Owns their way to the report and to callers, and the refusals. Must not know the wire formats:
//! the tests of the facts themselves state them in the manifest.

use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::packaging::build;
use scorebox_tests::place;
use scorebox_tests::programs;
use scorebox_tests::run;
use serde_json::{Value, json};

const COMPONENT: i32 = 4;

/// Returns an app of the program `census` in which `to` replaces each `from` in the component.
fn changed(from: &str, to: &str, manifest: &str) -> App {
    assert_eq!(from.len(), to.len(), "the component must keep its layout");
    let mut component = std::fs::read(place::program(programs::CENSUS)).unwrap();
    let places: Vec<usize> = component
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty(), "`{from}` is not in the component");
    for place in places {
        component[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    App::made("census", &component, manifest)
}

/// Asserts that `serve` and `check` refuse an app for the same reason.
#[track_caller]
fn refuses(app: &Path, parts: &[&str]) {
    refused(app, &[]).ended(COMPONENT).said(parts);
    run::finish(&mut scorebox("check", app), b"")
        .ended(COMPONENT)
        .said(parts);
}

/// Returns the inputs in the report of `check`.
#[track_caller]
fn inputs(app: &Path) -> Value {
    let mut check = scorebox("check", app);
    let report = run::finish(check.args(["--output", "json"]), b"").ended(0);
    report.json()["signature"]["inputs"].clone()
}

#[test]
fn what_a_component_states_is_in_its_contract_and_the_manifest_wins() {
    let people = json!({
        "name": "people", "dtype": "f64", "shape": [null, 2],
        "missing": true, "columns": ["age", "income"],
    });
    let member = json!({"name": "member", "dtype": "i64", "shape": [null], "boolean": true});
    let app = App::of(programs::CENSUS);
    assert_eq!(inputs(&app), json!([people, member]));

    let sections = "[inputs.people]\nmissing = false\ncolumns = [\"a\", \"b\", \"c\"]\n";
    let app = App::with(programs::CENSUS, sections);
    let people = json!({
        "name": "people", "dtype": "f64", "shape": [null, 3], "columns": ["a", "b", "c"],
    });
    assert_eq!(inputs(&app), json!([people, member]));

    // A fact that the section does not state stays the one of the component.
    let sections = "[inputs.people]\ncolumns = [\"a\", \"b\"]\n";
    let app = App::with(programs::CENSUS, sections);
    assert_eq!(inputs(&app)[0]["missing"], true);
}

#[test]
fn callers_get_what_a_component_states() {
    let app = App::of(programs::CENSUS);
    let output = tempfile::tempdir().unwrap();
    let place = output.path().join("app");
    build(&app, &place).ended(0);
    let body = json!({"people": [[30, null], [40, 1200.5]], "member": [true, 0]});
    // The built app starts from a snapshot of its memory.
    for app in [app.path(), &place] {
        let host = Host::start(app);
        let answer = host.score(&body).expect(200).json();
        assert_eq!(answer, json!({"known": [1, 2], "members": [1, 0]}));
        let model = host.get("/v2/models/census").expect(200).json();
        let people = json!({"missing": true, "columns": ["age", "income"]});
        assert_eq!(model["inputs"][0]["parameters"], people);
        assert_eq!(model["inputs"][0]["shape"], json!([-1, 2]));
        assert_eq!(model["inputs"][1]["parameters"], json!({"boolean": true}));
    }
    let sections = "[inputs.people]\nmissing = false\n";
    let host = Host::start(&App::with(programs::CENSUS, sections));
    host.score(&body)
        .expect_error(400, "not-conforming", &["`inputs.people.missing`"]);
}

#[test]
fn facts_that_are_wrong_are_refused() {
    let way = |way: u8, manifest: &str| {
        let to = format!("the way to state facts is {way}");
        changed("the way to state facts is 0", &to, manifest)
    };
    refuses(
        &way(1, ""),
        &[
            "invalid contract: `inputs.member.missing`: the input is i64, which has no missing value",
            "fix: correct the contract that the scorer states",
        ],
    );
    refuses(&way(2, ""), &["describe failed", "fix:"]);
    refuses(
        &way(3, "[limits]\ninit_deadline = \"1s\"\n"),
        &["describe failed", "fix:"],
    );
}
