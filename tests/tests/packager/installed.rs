//! The installed tool: a release, what it holds, and that it packages without a compiler.
//!
//! Owns the comparison of the archive with the wheel, and the refusal of parts of another release.

use std::path::Path;
use std::sync::Arc;

use scorebox_tests::release::{Release, Tool};
use scorebox_tests::shared::Shared;
use scorebox_tests::{require, run};
use serde_json::Value;

/// The template of the tests. It needs no other program.
const TEMPLATE: &str = "onnx";

/// Largest size of the wheel, in bytes. Package indexes refuse files above 100 MB, and a wheel that
/// is near that bound soon exceeds it.
const LARGEST_WHEEL_BYTES: u64 = 60_000_000;

/// The unpacked archive of the release, with a packaged project. Tests that change a part of the
/// tool unpack the archive themselves.
struct Archive {
    tool: Tool,
    /// Reference of the image of the project `risk`.
    reference: String,
}

/// Returns the archive that the tests share. The first test that asks unpacks it. Nothing but the
/// tool itself is on PATH: no compiler, no Python and no git.
#[track_caller]
fn archive() -> Arc<Archive> {
    static ARCHIVE: Shared<Archive> = Shared::new();
    ARCHIVE.get(|| {
        let tool = Release::of_the_tests().unpacked();
        Archive {
            reference: packaged(&tool),
            tool,
        }
    })
}

/// Creates a project with the name `risk`, and packages it. Returns the reference of the image.
#[track_caller]
fn packaged(tool: &Tool) -> String {
    let created = tool
        .run(".", &["new", "risk", "--template", TEMPLATE])
        .ended(0);
    assert_eq!(created.stdout, "risk\n");
    let next = created
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("next: "));
    assert_eq!(next, Some("scorebox package --manifest risk/scorebox.toml"));
    let packaged = tool.run("risk", &["package"]).ended(0);
    packaged
        .clone()
        .said(&["next: scorebox push target/images/risk "]);
    assert!(!packaged.stderr.contains("cargo"), "{}", packaged.stderr);
    let layout = tool.work().join("risk/target/images/risk/index.json");
    assert!(layout.is_file());
    packaged.stdout
}

#[test]
fn a_release_is_packaged_with_and_without_pip_alike() {
    require!("python3", "openssl");
    let release = Release::of_the_tests();
    let archive = archive();
    let wheel = release.installed();
    assert_eq!(packaged(&wheel), archive.reference);
    let size = std::fs::metadata(release.file(".whl")).unwrap().len();
    assert!(size <= LARGEST_WHEEL_BYTES, "{size} bytes");

    let inspected = wheel
        .run("risk", &["inspect", "target/images/risk"])
        .ended(0);
    // The crates of the host are known although it was not built here.
    assert!(inspected.stdout.contains(" parts"), "{}", inspected.stdout);
    for tool in [&archive.tool, &wheel] {
        let version = tool.run(".", &["--version"]).ended(0).stdout;
        assert!(version.starts_with("scorebox "), "{version}");
        assert!(version.contains("(commit "), "{version}");
        assert!(version.contains(", engine wasmtime "), "{version}");
    }
}

#[test]
fn the_commands_of_the_host_run_on_the_project() {
    require!("openssl");
    let archive = archive();
    let tool = &archive.tool;
    tool.run("risk", &["check"]).ended(0).said(&["app: ."]);
    tool.run("risk", &["build"]).ended(0);
    tool.run("risk", &["check"])
        .ended(0)
        .said(&["app: target/apps/risk"]);
    let mut invoke = tool.command("risk", &["invoke"]);
    let answer = run::finish(&mut invoke, br#"{"X": [[1, 2, 0.5]]}"#).ended(0);
    // The graph has one output, so the answer is its value without a name.
    let probability = answer.json()[0][0].as_f64().unwrap();
    assert!((probability - 0.437_823_5).abs() < 1e-5, "{probability}");
    let mut sample = tool.command("risk", &["sample", "--output", "new.json"]);
    run::finish(&mut sample, br#"{"X": [[1, 2, 0.5]]}"#).ended(0);
    tool.run("risk", &["check", "--sample", "new.json"])
        .ended(0);
    let graph = tool
        .run("risk", &["graph", "model/risk.onnx"])
        .ended(0)
        .json();
    assert_eq!(graph["inputs"][0]["name"], "X");
    let help = tool.run(".", &["serve", "--help"]).ended(0).stdout;
    assert!(help.contains("Usage: scorebox serve"), "{help}");
}

#[test]
fn the_help_and_the_completions_have_the_commands_of_the_host() {
    require!("openssl", "bash");
    let archive = archive();
    let tool = &archive.tool;
    let help = tool.run(".", &["--help"]).ended(0).stdout;
    for command in [
        "new", "build", "check", "serve", "invoke", "graph", "package",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    assert!(!help.contains("cargo"), "{help}");
    let scripts =
        ["bash", "zsh", "fish"].map(|shell| tool.run(".", &["completions", shell]).ended(0).stdout);
    let mut bash = run::tool("bash");
    bash.arg("-n");
    run::finish(&mut bash, scripts[0].as_bytes()).ended(0);
    for command in ["serve", "invoke", "check", "graph"] {
        let help = tool.run(".", &[command, "--help"]).ended(0).stdout;
        let flags = help.lines().filter_map(|line| {
            let (_, flag) = line.trim_start().split_once("--")?;
            let is_flag = line.trim_start().starts_with('-');
            is_flag.then(|| flag.split([' ', '=']).next().unwrap_or_default())
        });
        for flag in flags.filter(|flag| *flag != "help") {
            let fish = format!("-l {flag}");
            assert!(scripts[2].contains(&fish), "{command} --{flag}");
        }
    }
}

#[test]
fn checksums_are_right_and_signed() {
    require!("openssl", "sha256sum", "base64");
    let release = Release::of_the_tests();
    let folder = release.folder();
    let mut sums = run::tool("sha256sum");
    sums.args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(folder);
    run::finish(&mut sums, b"").ended(0);
    let place = tempfile::tempdir().unwrap();
    let public = place.path().join("scorebox.pub");
    let mut openssl = run::tool("openssl");
    openssl
        .args(["pkey", "-pubout", "-in"])
        .arg(release.key())
        .arg("-out")
        .arg(&public);
    run::finish(&mut openssl, b"").ended(0);
    let script = "base64 -d SHA256SUMS.sig > \"$1/signature\" && \
                  openssl dgst -sha256 -verify \"$2\" -signature \"$1/signature\" SHA256SUMS";
    let mut verify = run::tool("sh");
    verify
        .args(["-c", script, "sh"])
        .arg(place.path())
        .arg(&public)
        .current_dir(folder);
    run::finish(&mut verify, b"").ended(0);

    let bill: Value =
        serde_json::from_slice(&std::fs::read(release.file(".cdx.json")).unwrap()).unwrap();
    let parts = bill["components"].as_array().unwrap();
    for name in ["wasmtime", "clap", "bin/scorebox"] {
        assert!(parts.iter().any(|part| part["name"] == name), "{name}");
    }
}

#[test]
fn parts_of_another_release_are_refused() {
    require!("openssl");
    let tool = Release::of_the_tests().unpacked();
    // The project is not packaged here, because no command below gets so far.
    tool.run(".", &["new", "risk", "--template", TEMPLATE])
        .ended(0);
    let old = b"#!/bin/sh\n# 0.0.9 (engine wasmtime 47.0.1, scorebox 1)\nexit 1\n";
    let refused = |part: &str, words: &[&str]| {
        let path = tool.part(part);
        let kept = std::fs::read(&path).unwrap();
        replace(&path, old);
        let refused = tool.run("risk", words).ended(4);
        replace(&path, &kept);
        refused
    };
    let says = [
        "is the host of scorebox 0.0.9 (engine wasmtime 47.0.1, scorebox 1), and this tool is scorebox ",
        "fix: install one release as a whole",
    ];
    refused("scorebox-host", &["check"]).said(&says);
    refused("image-host-graphs", &["package"]).said(&says);

    let list = tool.part("manifest.json");
    let text = std::fs::read_to_string(&list).unwrap();
    let version = serde_json::from_str::<Value>(&text).unwrap()["version"].clone();
    let version = version.as_str().unwrap();
    std::fs::write(&list, text.replace(version, "0.0.9 (engine x)")).unwrap();
    for command in ["package", "check"] {
        tool.run("risk", &[command]).ended(4).said(&[
            "the hosts are those of scorebox 0.0.9 (engine x), and this program is scorebox ",
        ]);
    }
    // The version is still told, because it is asked for in such a case.
    let told = tool.run("risk", &["--version"]).ended(0).stdout;
    assert!(told.contains("commit unknown"), "{told}");
    std::fs::write(&list, &text).unwrap();

    // A new host refuses an old tool, too.
    let mut host = std::process::Command::new(tool.part("scorebox-host"));
    host.arg("--version")
        .env_clear()
        .env("SCOREBOX_TOOL_VERSION", "0.0.9 (engine x)");
    run::finish(&mut host, b"").ended(1).said(&[
        "the host is scorebox ",
        "and the tool that started it is scorebox 0.0.9 (engine x); install both from one release",
    ]);

    // A host that is given by name is looked at before anything is built.
    let host = tool.work().join("host");
    replace(&host, old);
    let host = host.display().to_string();
    tool.run("risk", &["package", "--host", &host])
        .ended(4)
        .said(&["is the host of scorebox 0.0.9"]);
}

/// Replaces a program by another file with these bytes.
fn replace(path: &Path, bytes: &[u8]) {
    // A file that runs cannot be written, so the name is given to a new one. Another process writes
    // it, because a child of another test could keep a file of this process open.
    let (data, new) = (path.with_extension("data"), path.with_extension("new"));
    std::fs::write(&data, bytes).unwrap();
    let mut install = run::tool("install");
    install.args(["-m", "755"]).arg(&data).arg(&new);
    run::finish(&mut install, b"").ended(0);
    std::fs::remove_file(&data).unwrap();
    std::fs::rename(&new, path).unwrap();
}

#[test]
fn a_new_folder_is_refused_if_its_name_or_its_place_does_not_fit() {
    require!("openssl");
    let archive = archive();
    let tool = &archive.tool;
    let list = tool.run(".", &["new", "--list"]).ended(0).stdout;
    assert!(
        list.lines().any(|line| line.starts_with(TEMPLATE)),
        "{list}"
    );
    tool.run(".", &["new", "Risk", "--template", TEMPLATE])
        .ended(3)
        .said(&["`Risk` is not a name of a scorer"]);
    tool.run(".", &["new", "other", "--template", "cobol"])
        .ended(2)
        .said(&["choose one of ", TEMPLATE]);
    tool.run(".", &["new", "other"])
        .ended(2)
        .said(&["--template"]);
    // A shell that is in an empty folder is then in the project.
    std::fs::create_dir(tool.work().join("here")).unwrap();
    tool.run("here", &["new", ".", "--template", TEMPLATE])
        .ended(0);
    assert!(tool.work().join("here/scorebox.toml").is_file());
    std::fs::create_dir(tool.work().join("full")).unwrap();
    std::fs::write(tool.work().join("full/notes"), "x").unwrap();
    tool.run(".", &["new", "full", "--template", TEMPLATE])
        .ended(1)
        .said(&["is there already, and is not empty"]);
}
