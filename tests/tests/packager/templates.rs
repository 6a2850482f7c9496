//! The templates of `scorebox new`, each of them built, tried and packaged by the installed tool.
//!
//! Owns the programs that a template needs. Must not know the files of a template. A short run
//! tries two templates, and `cargo xtask test --long` tries all.

use std::process::Command;
use std::time::Duration;

use scorebox_tests::release::{Release, Tool};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{extent, place, require, skip};
use serde_json::Value;

/// Timeout for one command, which may fetch a toolchain.
const LIMIT: Duration = Duration::from_secs(1200);

/// Templates of a short run.
const SHORT: [&str; 2] = ["python", "sklearn"];

/// Programs that a template needs, by the name of the template. Others need none.
const PROGRAMS: [(&str, &[&str]); 6] = [
    ("rust", &["cargo"]),
    ("rust-tensors", &["cargo"]),
    ("python", &["python3"]),
    ("javascript", &["node", "npm"]),
    ("c", &["clang"]),
    ("sklearn", &["python3"]),
];

/// Runs a command of the tool with the programs of this machine on `PATH`.
#[track_caller]
fn run_there(tool: &Tool, folder: &str, words: &[&str], input: &[u8]) -> Finished {
    let mut command = tool.command(folder, words);
    with_programs(&mut command);
    run::finish_within(LIMIT, &mut command, input)
}

/// Gives a command the programs of this machine, and the toolchains and caches of its user.
fn with_programs(command: &mut Command) {
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

#[test]
fn every_template_is_built_tried_and_packaged() {
    require!("openssl", "python3");
    let tool = Release::of_the_tests().installed();
    let list = tool.run(".", &["new", "--list"]).ended(0).stdout;
    let names: Vec<_> = list
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(!names.is_empty(), "{list}");
    let of_short = |name: &&str| SHORT.contains(name);
    let short: Vec<_> = match names.iter().any(|name| of_short(&name)) {
        true => names
            .iter()
            .copied()
            .filter(|name| of_short(&name))
            .collect(),
        false => names.iter().copied().take(2).collect(),
    };
    for name in extent::of(short, names) {
        let needs = PROGRAMS.iter().find(|(template, _)| *template == name);
        let missing = needs
            .iter()
            .flat_map(|(_, programs)| programs.iter())
            .find(|program| place::tool(program).is_none());
        match missing {
            Some(program) => skip::skip(&format!("{name}: there is no program `{program}`")),
            None => tries(&tool, name),
        }
    }
}

/// Creates a scorer from a template, builds, checks, calls and packages it.
#[track_caller]
fn tries(tool: &Tool, template: &str) {
    let folder = format!("my-{template}");
    run_there(tool, ".", &["new", &folder, "--template", template], b"").ended(0);
    run_there(tool, &folder, &["build"], b"").ended(0);
    run_there(tool, &folder, &["check"], b"").ended(0);
    let project = tool.work().join(&folder);
    let sample = std::fs::read(project.join("sample.json")).expect("every template has a sample");
    let sample: Value = serde_json::from_slice(&sample).expect("a sample is JSON");
    let body = sample["inputs"].to_string();
    run_there(tool, &folder, &["invoke"], body.as_bytes()).ended(0);
    run_there(tool, &folder, &["package"], b"").ended(0);
    let layout = project.join("target/images").join(&folder);
    assert!(layout.join("index.json").is_file(), "{template}");
}
