//! Logins to registries: every way to log in, against a fake registry that enforces the rules, and
//! every refusal.
//!
//! Owns the users, and the commands that the parts share. Must not know how credentials are found
//! or shown.

mod files;
mod refusals;
mod sources;
mod tokens;

use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_tests::double::{Double, Rules, User};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use tempfile::TempDir;

const PASSWORD: &str = "pa:ss-s3cret";
const ENTRA: &str = "entra-s3cret";

/// OCI layout of a small image, which is packaged once.
static LAYOUT: LazyLock<TempDir> = LazyLock::new(|| {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    packaged(&mut package(project.path(), &dir.path().join("layout")));
    dir
});

fn users() -> Vec<User> {
    vec![
        User {
            name: "ci",
            password: PASSWORD,
            rights: vec![("scoring/digits", "pull,push"), ("base/it", "pull")],
        },
        User {
            name: "reader",
            password: PASSWORD,
            rights: vec![("*", "pull")],
        },
    ]
}

fn registry() -> Double {
    let entra = Some((ENTRA, "ci"));
    Double::start(Rules {
        users: users(),
        entra,
        ..Rules::default()
    })
}

/// Returns a command with only these variables in its environment.
fn xtask(words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .args(words)
        .envs(variables.iter().copied());
    command
}

fn push(double: &Double, words: &[&str], variables: &[(&str, &str)], input: &str) -> Finished {
    let layout = LAYOUT.path().join("layout").display().to_string();
    let mut command = xtask(
        &["push", &layout, "--plain-http", "--registry", &double.name],
        variables,
    );
    let outcome = run::finish(
        command.args(["--repository", "scoring/digits"]).args(words),
        input.as_bytes(),
    );
    no_secrets(&outcome);
    outcome
}

fn login(double: &Double, words: &[&str], variables: &[(&str, &str)], input: &str) -> Finished {
    let mut command = xtask(
        &["login", "--plain-http", "--registry", &double.name],
        variables,
    );
    let outcome = run::finish(
        command.args(["--repository", "scoring/digits"]).args(words),
        input.as_bytes(),
    );
    no_secrets(&outcome);
    outcome
}

#[track_caller]
fn no_secrets(outcome: &Finished) {
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(
            !text.contains(&BASE64_STANDARD.encode(format!("ci:{PASSWORD}"))),
            "{text}"
        );
    }
}

#[track_caller]
fn is_pushed(double: &Double) {
    let digest = double
        .tag("scoring/digits", "1.0.0")
        .expect("the tag is there");
    assert!(double.is_whole("scoring/digits", &digest));
    assert_eq!(double.violations(), Vec::<String>::new());
}

/// Returns a folder with Docker's configuration.
fn docker(config: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("config.json"), config).expect("a file");
    dir
}
