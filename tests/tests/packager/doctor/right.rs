//! A right deployment passes without a warning, before and after it was deployed.
//!
//! Owns the whole deployment. Must not know a mistake.

use std::process::Command;

use scorebox_tests::host::Host;
use scorebox_tests::packaging::package;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::registry::Registry;
use scorebox_tests::{place, require, run, wait};

use super::{BUS, Scene, lines, verdicts, written};

/// Arguments of `deploy` that follow the rules.
const DEPLOY: [&str; 11] = [
    "--",
    "--target",
    "premium",
    "--group",
    "scoring",
    "--location",
    "westeurope",
    "--name",
    "contoso-risk",
    "--pull",
    "credentials",
];

#[test]
fn a_right_deployment_passes_without_a_warning() {
    require!("docker-registry", "redis-server");
    let (registry, redis) = (Registry::start(), Redis::start(Kind::Password));
    let scene = Scene::new();
    let url = redis.url();
    let variables = [BUS, ("SCOREBOX_REDIS_URL", url.as_str())];
    let before = [
        "--manifest",
        "PROJECT",
        "--app",
        "APP",
        "--registry",
        &registry.name,
        "--plain-http",
        "--memory",
        "2GiB",
        "--cpus",
        "1",
    ];
    let report = scene
        .doctor(&[&before[..], &DEPLOY].concat(), &variables)
        .ended(0)
        .json();
    for noun in [
        "manifest",
        "component",
        "model",
        "host.json",
        "settings",
        "store",
        "registry login",
        "pull right",
        "push right",
        "names",
        "clock",
        "memory",
        "cpu",
        "host",
    ] {
        let found = verdicts(&report, noun);
        let is_ok = !found.is_empty() && found.iter().all(|verdict| *verdict == "ok");
        assert!(is_ok, "{noun}: {report:#}");
    }
    assert_eq!(report["counts"]["warning"], 0, "{report:#}");

    let mut package = package(&scene.path("project"), &scene.path("layout"));
    package.args([
        "--base",
        "scratch",
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
    ]);
    let image = run::finish(&mut package, b"").ended(0).stdout;
    let host = Host::start_with(&scene.path("app"), &variables);
    let values = format!(
        r#"[{{"name": "Bus", "value": "{}"}}, {{"name": "SCOREBOX_REDIS_URL", "value": "{url}"}},
            {{"name": "AzureWebJobsStorage", "value": "AccountName=s3cret"}},
            {{"name": "FUNCTIONS_EXTENSION_VERSION", "value": "~4"}},
            {{"name": "FUNCTIONS_WORKER_RUNTIME", "value": "custom"}}]"#,
        BUS.1
    );
    let settings = written(scene.0.path(), "settings.json", &values);
    let address = host.url("");
    let after = [
        "--manifest",
        "PROJECT",
        "--image",
        image.trim(),
        "--plain-http",
        "--settings",
        &settings,
        "--url",
        &address,
        "--memory",
        "2GiB",
        "--cpus",
        "1",
    ];
    let report = scene
        .doctor(&[&after[..], &DEPLOY].concat(), &[])
        .ended(0)
        .json();
    let not_ok: Vec<_> = lines(&report)
        .filter(|line| line["verdict"] != "ok")
        .collect();
    assert!(not_ok.is_empty(), "{not_ok:#?}");
    for noun in ["image", "address"] {
        assert!(!verdicts(&report, noun).is_empty(), "{report:#}");
    }
    // An upload was begun to try the right to push, and was canceled.
    let canceled = "DELETE /v2/scoring/digits/blobs/uploads/";
    wait::until("a canceled upload in the log", || {
        registry.log.text().contains(canceled).then_some(())
    });
    assert_eq!(report["tool"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_not_given_is_skipped_with_a_word() {
    let scene = Scene::new();
    let report = scene
        .doctor(&["--app", "APP", "--offline"], &[BUS])
        .ended(0)
        .json();
    for noun in [
        "registry login",
        "pull right",
        "push right",
        "clock",
        "address",
        "store",
    ] {
        assert_eq!(verdicts(&report, noun), ["skipped"], "{noun}: {report:#}");
    }
    let skipped = lines(&report).filter(|line| line["verdict"] == "skipped");
    for line in skipped {
        assert!(
            line["text"].as_str().is_some_and(|text| !text.is_empty()) && line["fix"].is_null()
        );
    }
    // A command that is asked for nothing is a mistake of usage.
    let outcome = scene.doctor(&[], &[]);
    assert_eq!(outcome.status.code(), Some(2));
}

#[test]
fn the_text_has_a_line_for_each_check_and_the_counts() {
    let scene = Scene::new();
    scene.edit("project/scorebox.toml", |text| {
        text.replace("queue =", "quueue =")
    });
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .args(["doctor", "--offline", "--manifest"])
        .arg(scene.path("project"));
    let outcome = run::finish(&mut command, b"").ended(1);
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(
        lines[0].starts_with("problem  manifest        "),
        "{}",
        outcome.stdout
    );
    assert!(
        lines[1].starts_with("                         fix: "),
        "{}",
        outcome.stdout
    );
    let counts = *lines.last().expect("there are lines");
    assert!(counts.contains("1 problem, "), "{counts}");
    outcome.said(&["1 problem found", "fix:"]);
}
