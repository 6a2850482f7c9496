//! Errors of `cargo xtask` about typical mistakes: problem, place and fix.
//!
//! Owns the list of mistakes. Must not know how they are found.

use std::path::Path;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::snapshot::{Snapshots, Transcript};
use scorebox_tests::{place, programs};

use crate::deploy::{TRIGGERS, deploy, project as deployable};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Address on which nothing listens: a port that needs rights to be used.
const SILENT: &str = "127.0.0.1:1";

fn xtask(words: &[&str]) -> Command {
    let mut command = Command::new(place::xtask());
    command.env_clear().args(words);
    command
}

#[test]
fn errors_of_package() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let layout = folder.path().join("layout");
    let mut cases = Transcript::default();
    let mut run = |subject: &str, app: &App, flags: &[&str]| {
        cases.run(subject, package(app, &layout).args(flags), b"");
    };
    let plain = App::of(programs::MIRROR);
    run("The base is not known.", &plain, &["--base", "debian"]);
    run("The CPU is not known.", &plain, &["--cpu", "arm"]);
    run("A flag is misspelled.", &plain, &["--pushh"]);
    run("Nothing says where to push.", &plain, &["--push"]);
    let pickle = App::with(programs::MIRROR, "model = \"model\"\n");
    pickle.write("model/model.pkl", b"anything");
    run("The model is a pickle.", &pickle, &[]);
    let missing = App::with(programs::MIRROR, "model = \"model\"\n");
    run("The model is missing.", &missing, &[]);
    let damaged = App::with(programs::MIRROR, "model = \"model\"\n");
    damaged.write("model/w.safetensors", b"not a model");
    run("The model is damaged.", &damaged, &[]);
    run(
        "The component imports what no host has.",
        &App::of(programs::IMPORTER),
        &[],
    );
    run(
        "The component has another world.",
        &App::of(programs::STRANGER),
        &[],
    );
    run(
        "The store is not in the manifest.",
        &App::of(programs::KEYS),
        &[],
    );
    run(
        "The component is not WebAssembly.",
        &App::made("text", b"#!/bin/sh\n", ""),
        &[],
    );
    let removed = App::of(programs::MIRROR);
    removed.remove("component.wasm");
    run("The component is missing.", &removed, &[]);
    let misspelled = App::with(programs::MIRROR, "[limits]\nmemroy = \"64MiB\"\n");
    run("A setting is misspelled.", &misspelled, &[]);
    check("package", &cases, folder.path());
}

#[test]
fn errors_of_inspect() {
    let (project, folder) = (
        project(),
        tempfile::tempdir().expect("a folder can be made"),
    );
    let layout = folder.path().join("layout");
    packaged(&mut package(project.path(), &layout));
    let mut cases = Transcript::default();
    let mut run = |subject: &str, image: &str, flags: &[&str]| {
        cases.run(subject, xtask(&["inspect", image]).args(flags), b"");
    };
    let path = layout.display().to_string();
    run("There is no such folder.", "nowhere", &[]);
    run("The reference has no registry.", "digits:1.0", &[]);
    run(
        "The registry does not answer.",
        &format!("{SILENT}/digits:1.0"),
        &["--plain-http"],
    );
    run(
        "The key is missing.",
        &path,
        &["--key", "/nowhere/scorebox.pub"],
    );
    let key = folder.path().join("key.pub");
    std::fs::write(&key, "not a key").expect("a file can be written");
    run(
        "The key is not a key.",
        &path,
        &["--key", &key.display().to_string()],
    );
    run(
        "The folder is not a layout.",
        &folder.path().display().to_string(),
        &[],
    );
    check("inspect", &cases, folder.path());
}

#[test]
fn errors_of_push_and_login() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let nowhere = folder.path().join("nowhere").display().to_string();
    let mut cases = Transcript::default();
    let mut run = |subject: &str, words: &[&str]| cases.run(subject, &mut xtask(words), b"");
    run("The registry is missing.", &["login"]);
    run(
        "The registry does not answer.",
        &["login", "--registry", SILENT, "--plain-http"],
    );
    run(
        "The registry is a URL.",
        &["login", "--registry", "https://contoso.azurecr.io"],
    );
    run(
        "The repository has capital letters.",
        &[
            "login",
            "--registry",
            SILENT,
            "--plain-http",
            "--repository",
            "Scoring/Digits",
        ],
    );
    run(
        "The user has no password.",
        &[
            "login",
            "--registry",
            SILENT,
            "--plain-http",
            "--username",
            "ci",
        ],
    );
    run(
        "The password from standard input is empty.",
        &[
            "login",
            "--registry",
            SILENT,
            "--plain-http",
            "--username",
            "ci",
            "--password-stdin",
        ],
    );
    run(
        "The manifest is missing.",
        &["login", "--manifest", &nowhere],
    );
    run(
        "The repository is missing.",
        &["push", &nowhere, "--registry", SILENT],
    );
    run(
        "The layout is missing.",
        &[
            "push",
            &nowhere,
            "--registry",
            SILENT,
            "--repository",
            "digits",
            "--plain-http",
        ],
    );
    check("push-login", &cases, folder.path());
}

#[test]
fn errors_of_deploy() {
    let project = deployable(TRIGGERS);
    let mut cases = Transcript::default();
    let mut run = |subject: &str, target: &str, flags: &[&str]| {
        cases.run(subject, &mut deploy(project.path(), target, flags), b"");
    };
    run(
        "The plan has a forbidden character.",
        "premium",
        &["--plan", "a;b"],
    );
    run(
        "The storage account has capital letters.",
        "premium",
        &["--storage-account", "Contoso"],
    );
    run(
        "The environment holds a command.",
        "container-apps",
        &["--environment", "$(id)"],
    );
    run(
        "The environment has no effect.",
        "premium",
        &["--environment", "contoso-env"],
    );
    run("The variables are missing.", "premium", &["--run"]);
    run("The option is not known.", "premium", &["--pull", "key"]);
    let mut command = deploy(project.path(), "kubernetes", &[]);
    cases.run("The target is not known.", &mut command, b"");
    let manifest = project.path().join("scorebox.toml").display().to_string();
    let rest = [
        "--manifest",
        &manifest,
        "--target",
        "premium",
        "--group",
        "g",
    ];
    let rest = [&rest[..], &["--location", "l", "--name", "nn"]].concat();
    let mut deploy_image = |subject: &str, image: &str| {
        cases.run(subject, xtask(&["deploy", image]).args(&rest), b"");
    };
    deploy_image("The image has no digest.", "contoso.azurecr.io/risk:1");
    deploy_image("The image is not a reference.", "risk");
    let scratch = deployable("");
    let mut command = deploy(scratch.path(), "premium", &[]);
    cases.run("The base has no Functions host.", &mut command, b"");
    let mut command = deploy(scratch.path(), "plain-container-app", &[]);
    cases.run("Nothing guards the app.", &mut command, b"");
    let mut command = deploy(project.path(), "plain-web-app", &["--base", "scratch"]);
    cases.run("A trigger needs the Functions host.", &mut command, b"");
    let mut command = deploy(project.path(), "plain-web-app", &[]);
    cases.run("The base has the Functions host.", &mut command, b"");
    let mut command = xtask(&["deploy", &format!("ghcr.io/contoso/risk@{DIGEST}")]);
    cases.run("An identity cannot pull here.", command.args(&rest), b"");
    let file = scratch.path().join("catch-up.sh").display().to_string();
    let more = ["--base", "functions", "--catch-up", &file];
    let mut command = deploy(scratch.path(), "premium", &more);
    cases.run("No trigger starts on blobs.", &mut command, b"");
    check("deploy", &cases, project.path());
}

#[test]
fn errors_of_build_and_convert() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a file can be written");
        file.display().to_string()
    };
    let mut cases = Transcript::default();
    let mut run = |subject: &str, words: &[&str]| cases.run(subject, &mut xtask(words), b"");
    let nowhere = folder.path().join("nowhere").display().to_string();
    run(
        "The manifest is missing.",
        &["build", "--manifest", &nowhere],
    );
    let unfinished = file("unfinished.toml", "[scorer\n");
    run(
        "The manifest is not TOML.",
        &["build", "--manifest", &unfinished],
    );
    let nameless = file("nameless.toml", "[scorer]\ncomponent = \"c.wasm\"\n");
    run(
        "The scorer has no name.",
        &["build", "--manifest", &nameless],
    );
    run("The command is misspelled.", &["packge"]);
    run("The output is missing.", &["convert", &nowhere]);
    let output = folder.path().join("output").display().to_string();
    let mut convert = |subject: &str, model: &str| {
        run(subject, &["convert", model, "--output", &output]);
    };
    convert("The model is missing.", &nowhere);
    convert("The array is damaged.", &file("a.npy", "not an array"));
    convert(
        "The archive of arrays is damaged.",
        &file("a.npz", "not an archive"),
    );
    check("build-convert", &cases, folder.path());
}

/// Compares the errors of a command with their snapshot. Temporary folders are left out.
#[track_caller]
fn check(name: &str, cases: &Transcript, folder: &Path) {
    let mut snapshots = Snapshots::of(&format!("packager/errors-{name}"))
        .replace(&folder.display().to_string(), "[FOLDER]")
        .replace(&place::image_host().display().to_string(), "[HOST]")
        .replace(&place::workspace().display().to_string(), "[WORKSPACE]")
        .filter(
            r"(\[WORKSPACE\])?/[^ `']*/\.staging-[A-Za-z0-9]{6}",
            "[STAGED]",
        )
        .filter(r"/[^ `']*/\.tmp[A-Za-z0-9]{6}", "[PROJECT]");
    snapshots.check(name, cases.text());
    snapshots.finish();
}
