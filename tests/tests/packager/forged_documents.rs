//! `cargo xtask inspect` on images with an altered configuration, manifest or index, in which every
//! digest fits.
//!
//! Owns the altered copies, and how the parts run `inspect`. Must not know how alterations are
//! found.

mod bounds;
mod configuration;
mod readers;

use std::path::Path;
use std::process::Command;

use scorebox_tests::forgery::Forgery;
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};

fn inspect(layout: &Path, output: &str) -> Finished {
    let mut command = Command::new(place::xtask());
    run::finish(
        command
            .env_clear()
            .arg("inspect")
            .arg(layout)
            .args(["--output", output]),
        b"",
    )
}

/// Packages the example, and passes a function that makes altered copies.
fn with_original(work: impl FnOnce(&dyn Fn(&str) -> Forgery)) {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let original = dir.path().join("original");
    packaged(&mut package(project.path(), &original));
    work(&|name| Forgery::begin(&original, &dir.path().join(name.replace('/', "-"))));
}

fn add_variable(image: &mut Forgery, variable: &str) {
    image.config["config"]["Env"]
        .as_array_mut()
        .expect("a list")
        .push(variable.into());
}

fn comment(image: &mut Forgery, layer: &str, comment: &str) {
    let number = image.layer(layer);
    image.config["history"][number]["comment"] = format!("{layer}: {comment}").into();
}

#[track_caller]
fn assert_wrong(name: &str, found: &Finished, what: &str, part: &str) {
    assert_eq!(
        found.status.code(),
        Some(7),
        "{name}: {}{}",
        found.stdout,
        found.stderr
    );
    let report = found.json();
    let checks = report["checks"].as_array().expect("checks").iter();
    let mut wrong = checks.filter(|check| check["verdict"] == "wrong" && check["what"] == what);
    let is_told = wrong.any(|check| {
        check["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains(part))
    });
    assert!(is_told, "{name}: no `{part}` in `{what}`: {}", found.stderr);
}
