//! References of images that are wrong, and the part of each that the error names.
//!
//! Owns the wrong parts, and every command that takes a reference or a part of one.

use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, programs, require};
use tempfile::TempDir;

use crate::deploy::{TRIGGERS, project as deployable};

/// Address on which nothing listens: a port that needs rights to be used.
const SILENT: &str = "127.0.0.1:1";

fn xtask(words: &[&str]) -> Finished {
    let mut command = Command::new(place::xtask());
    run::finish(command.env_clear().args(words), b"")
}

/// Returns a folder with the file scorebox.toml of a scorer, which is refused before it is built.
fn manifest(lines: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("scorebox.toml");
    std::fs::write(
        &file,
        format!("[scorer]\nname = \"risk\"\ncomponent = \"c.wasm\"\n{lines}"),
    )
    .expect("a file");
    let file = file.display().to_string();
    (dir, file)
}

/// A wrong text, with a part of the error and a part of its fix.
type Row = (&'static str, &'static str, &'static str);

/// Wrong registries, with a part of the error and of its fix.
const REGISTRIES: [Row; 6] = [
    ("https://r.io/v2/", "begins with `https://`", "`r.io`"),
    (
        "r.io/scoring",
        "has a path, `/scoring`",
        "the name of the repository",
    ),
    ("contoso", "neither a dot nor a port", "contoso.azurecr.io"),
    ("r.io:http", "has the port `http`", "1 to 65535"),
    ("me@r.io", "has a user name", "--username"),
    ("r_1.io", "has `_` as its character 2", "host name"),
];
/// Wrong repositories, with a part of the error and of its fix.
const REPOSITORIES: [Row; 5] = [
    (
        "Scoring/Digits",
        "the capital letter `S` as its character 1",
        "`scoring/digits`",
    ),
    ("a//b", "has an empty part", "lower-case letters"),
    ("a..b", "has `..`", "lower-case letters"),
    ("ab-", "has the part `ab-`", "lower-case letters"),
    ("ri$k", "has `$` as its character 3", "lower-case letters"),
];
/// Wrong tags, with a part of the error and of its fix.
const TAGS: [Row; 3] = [
    ("1.0+5", "has `+` as its character 4", "`1.0_5`"),
    (".1", "begins with `.`", "letters, digits"),
    ("1~0", "has `~` as its character 2", "letters, digits"),
];
/// Wrong digests, with a part of the error and of its fix.
const DIGESTS: [Row; 3] = [
    ("sha256:0a", "has 2 digits", "64 hexadecimal digits"),
    ("sha512:0a", "is of the algorithm `sha512`", "sha256:"),
    (
        "sha256:0G",
        "has the capital letter `G`",
        "64 hexadecimal digits",
    ),
];

#[track_caller]
fn refused(words: &[&str], part: &str, text: &str, problem: &str, fix: &str) {
    let outcome = xtask(words).ended(3);
    assert_eq!(outcome.stdout, "", "{words:?}");
    let (said, advice) = outcome.stderr.split_once("fix: ").expect("a fix");
    assert!(
        said.contains(part) && said.contains(text),
        "{words:?}: {said}"
    );
    assert!(said.contains(problem), "{words:?}: {said}");
    assert!(advice.contains(fix), "{words:?}: {advice}");
}

#[test]
fn a_wrong_part_given_by_a_flag_is_named() {
    let (_dir, file) = manifest("");
    let layout = tempfile::tempdir().expect("a folder");
    packaged(&mut package(project().path(), &layout.path().join("l")));
    let layout = layout.path().join("l").display().to_string();
    for (text, problem, fix) in REGISTRIES {
        let check = |words: &[&str]| refused(words, "registry `", text, problem, fix);
        check(&["login", "--registry", text]);
        check(&["push", &layout, "--registry", text, "--repository", "risk"]);
        check(&["package", "--manifest", &file, "--registry", text]);
    }
    for (text, problem, fix) in REPOSITORIES {
        let check = |words: &[&str]| refused(words, "repository `", text, problem, fix);
        check(&["login", "--registry", SILENT, "--repository", text]);
        check(&["push", &layout, "--registry", SILENT, "--repository", text]);
        check(&["package", "--manifest", &file, "--repository", text]);
    }
    for (text, problem, fix) in TAGS {
        let check = |words: &[&str]| refused(words, "tag `", text, problem, fix);
        let place = ["--registry", SILENT, "--repository", "risk", "--tag", text];
        check(&[&["push", &layout][..], &place].concat());
        check(&["package", "--manifest", &file, "--tag", text]);
    }
}

#[test]
fn a_wrong_part_in_the_manifest_is_named() {
    let all: [(&str, &[Row]); 3] = [
        ("registry", &REGISTRIES),
        ("repository", &REPOSITORIES),
        ("tag", &TAGS),
    ];
    for (key, rows) in all {
        for (text, problem, fix) in rows {
            let (_dir, file) = manifest(&format!("[package]\n{key} = \"{text}\"\n"));
            let part = format!("`package.{key}`: `");
            refused(&["package", "--manifest", &file], &part, text, problem, fix);
        }
    }
}

#[test]
fn a_wrong_part_of_a_reference_is_named_by_every_command_that_takes_one() {
    let deployable = deployable(TRIGGERS);
    let deployed = deployable
        .path()
        .join("scorebox.toml")
        .display()
        .to_string();
    let (_dir, file) = manifest("");
    let mut rows: Vec<(String, &str, &str, &str, &str)> = Vec::new();
    for (text, problem, fix) in REGISTRIES {
        // These two have another meaning as the start of a reference.
        if !text.contains('/') && text != "contoso" && !text.contains('@') {
            rows.push((format!("{text}/risk:1"), "registry `", text, problem, fix));
        }
    }
    for (text, problem, fix) in REPOSITORIES {
        rows.push((format!("r.io/{text}:1"), "repository `", text, problem, fix));
    }
    for (text, problem, fix) in TAGS {
        rows.push((format!("r.io/risk:{text}"), "tag `", text, problem, fix));
    }
    for (text, problem, fix) in DIGESTS {
        rows.push((format!("r.io/risk@{text}"), "digest `", text, problem, fix));
    }
    rows.push((
        "https://r.io/risk:1".to_owned(),
        "",
        "https://",
        "begins with",
        "`r.io/risk:1`",
    ));
    rows.push((
        "risk:1".to_owned(),
        "",
        "risk:1",
        "read as `docker.io/library/risk:1`",
        "in full",
    ));
    for (reference, part, text, problem, fix) in &rows {
        let check = |words: &[&str]| refused(words, part, text, problem, fix);
        check(&["inspect", reference]);
        check(&["package", "--manifest", &file, "--base", reference]);
        check(&[
            "deploy",
            reference,
            "--manifest",
            &deployed,
            "--target",
            "premium",
            "--group",
            "g",
            "--location",
            "westeurope",
            "--name",
            "risk",
        ]);
        let (_dir, file) = manifest(&format!("[package]\nbase = \"{reference}\"\n"));
        check(&["package", "--manifest", &file]);
    }
}

#[test]
fn a_version_with_build_metadata_gives_a_tag_that_a_registry_takes() {
    require!("docker-registry", "skopeo");
    let registry = Registry::start();
    let app = App::with(programs::MIRROR, "version = \"0.1.0+build.7\"\n");
    let layout = tempfile::tempdir().expect("a folder");
    let mut command = package(app.path(), &layout.path().join("l"));
    command.args(["--push", "--plain-http", "--registry", &registry.name]);
    command.args(["--repository", "risk"]);
    let pushed = run::finish(&mut command, b"").ended(0).said(&[
        "tag: 0.1.0_build.7, because no tag can have the `+` of the version 0.1.0+build.7",
        "risk:0.1.0_build.7",
    ]);
    let name = format!("docker://{}/risk:0.1.0_build.7", registry.name);
    let mut inspect = run::tool("skopeo");
    let seen = run::finish(inspect.args(["inspect", "--tls-verify=false", &name]), b"")
        .ended(0)
        .json();
    let digest = seen["Digest"].as_str().expect("a digest");
    assert!(
        pushed.stdout.trim_end().ends_with(digest),
        "{}",
        pushed.stdout
    );
    // The image keeps the version as it is.
    let label = &seen["Labels"]["dev.scorebox.scorer.version"];
    assert_eq!(label, "0.1.0+build.7");

    let spaced = App::with(programs::MIRROR, "version = \"May 2026\"\n");
    let mut command = package(spaced.path(), &layout.path().join("m"));
    run::finish(&mut command, b"").ended(3).said(&[
        "tag `May 2026` has a space as its character 4",
        "write it into `package.tag` or after --tag",
        "`scorer.version`",
    ]);
    let mut command = package(spaced.path(), &layout.path().join("m"));
    run::finish(command.args(["--tag", "may-2026"]), b"").ended(0);
}
