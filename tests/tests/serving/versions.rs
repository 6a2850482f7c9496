//! Components of both versions of the contract that the host serves, side by side.
//!
//! Owns what a component of the previous version gets and gives, which is what it always got and
//! gave. The programs `elder…` are built from a kept copy of the previous contract.

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::packaging::build;
use scorebox_tests::programs;
use scorebox_tests::run;
use serde_json::{Value, json};

/// Exit code of a command that fails because of the component.
const COMPONENT: i32 = 4;

fn elder() -> App {
    let app = App::with(programs::ELDER, "model = \"model\"\n[stores.default]\n");
    app.write_digits_model();
    app
}

/// Returns the report of `check` about an app.
#[track_caller]
fn report(app: &App) -> Value {
    let mut check = scorebox("check", app);
    let report = run::finish(check.args(["--output", "json"]), b"");
    report.ended(0).json()
}

#[test]
fn components_of_both_versions_are_served_side_by_side() {
    let (elder, rows) = (elder(), App::of(programs::ELDER_ROWS));
    let current = App::of(programs::CHOOSER);
    for (app, world, version) in [
        (&elder, "scoring", "0.1.0"),
        (&rows, "tensor-scoring", "0.1.0"),
        (&current, "scoring", "0.2.0"),
    ] {
        let report = report(app);
        assert_eq!(
            (&report["world"], &report["wit_version"]),
            (&json!(world), &json!(version))
        );
    }
    let elder = Host::start(&elder);
    let rows = Host::start(&rows);
    let current = Host::start(&current);
    for calls in 1..=3 {
        let headers = [("content-type", "text/plain"), ("x-client", "a")];
        let answer = elder.send("POST", "/score?a=1", &headers, "hi").expect(200);
        let seen = answer.json();
        assert_eq!(
            (&seen["body"], &seen["calls"]),
            (&json!(b"hi"), &json!(calls))
        );
        assert_eq!(seen["content_type"], "text/plain");
        let attributes = seen["attributes"].as_array().unwrap();
        assert!(attributes.contains(&json!(["x-client", "a"])), "{seen}");
        // It reads tensors by the functions of its own version.
        assert_eq!(seen["read"], json!([1, 784]));
        let answer = rows.score(&json!({"x": [1, 2.5]})).expect(200);
        assert_eq!(answer.json(), json!([2.0, 5.0]));
        current
            .score(&json!({"status": 202, "body": "as told"}))
            .expect(202);
    }
    elder
        .post("text/plain", "reject")
        .expect_error(422, "told-to", &["rejected"]);
}

#[test]
fn components_of_the_previous_version_are_built_with_a_snapshot() {
    let output = tempfile::tempdir().unwrap();
    for (name, app, body, expected) in [
        ("elder", elder(), "hi".to_owned(), "calls"),
        (
            "rows",
            App::of(programs::ELDER_ROWS),
            json!({"x": [1]}).to_string(),
            "2",
        ),
    ] {
        let place = output.path().join(name);
        build(&app, &place).ended(0);
        let host = Host::start(&place);
        let answer = host.post("application/json", body).expect(200);
        assert!(answer.text().contains(expected), "{}", answer.text());
    }
}

#[test]
fn an_interface_whose_trial_has_ended_is_refused() {
    let parts = [
        "exports scorebox:scoring/inputs@0.1.0, which was unstable",
        "fix: build it against scorebox:scoring@0.2.0",
    ];
    let app = App::of(programs::ELDER_CENSUS);
    refused(&app, &[]).ended(COMPONENT).said(&parts);
    run::finish(&mut scorebox("check", &app), b"")
        .ended(COMPONENT)
        .said(&parts);
    let output = tempfile::tempdir().unwrap();
    let place = output.path().join("app");
    build(&app, &place).ended(3).said(&parts);
    assert!(!place.exists());
}
