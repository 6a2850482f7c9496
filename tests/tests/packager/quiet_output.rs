//! Output that nobody reads, and output that cannot be written.
//!
//! Owns the commands of all programs that print, and the pipes without a reader. A command whose
//! reader has gone still does its work, and its exit code says how that went.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use scorebox_tests::app::App;
use scorebox_tests::double::{Double, Rules};
use scorebox_tests::host::scorebox;
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::{place, programs};
use tempfile::TempDir;

use crate::deploy::{TRIGGERS, deploy, project as deployable};

/// Returns a pipe whose reading end is closed already.
fn without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A command, with its name in messages and the exit code that it should have.
struct Case {
    name: String,
    command: Command,
    code: i32,
}

/// Returns one command for each way in which the programs print. They write into the folder `dir`.
fn cases(dir: &Path, double: &Double) -> Vec<Case> {
    let xtask = |program: &Path, words: &[&str]| {
        let mut command = Command::new(program);
        command.env_clear().args(words);
        command
    };
    let path = |name: &str| dir.join(name).display().to_string();
    let (packager, chores, trials) = (place::xtask(), place::chores(), place::trials());
    let layout = path("layout");
    let mut cases = Vec::new();
    let mut add = |name: &str, code: i32, command: Command| {
        cases.push(Case {
            name: name.to_owned(),
            command,
            code,
        });
    };
    let helps: [(&Path, &[&str]); 3] = [
        (
            &packager,
            &["build", "package", "push", "deploy", "convert"],
        ),
        (&chores, &["setup", "test"]),
        (&trials, &["demo", "bench", "soak"]),
    ];
    for (program, commands) in helps {
        for command in commands {
            add(
                &format!("{command} --help"),
                0,
                xtask(program, &[command, "--help"]),
            );
        }
    }
    let deployable_dir = dir.join("deployable");
    add("deploy", 0, deploy(&deployable_dir, "premium", &[]));
    let mut plain = package(&dir.join("project"), &dir.join("again"));
    plain.args(["--output", "json"]);
    add("package", 0, plain);
    let mut build = xtask(
        &packager,
        &["build", "--manifest", &path("project/scorebox.toml")],
    );
    build.args(["--app", &path("app")]);
    add("build", 0, build);
    add("inspect", 0, xtask(&packager, &["inspect", &layout]));
    add(
        "inspect of a forgery",
        7,
        xtask(&packager, &["inspect", &path("forged")]),
    );
    let registry = ["--plain-http", "--registry", &double.name];
    add(
        "login",
        0,
        xtask(&packager, &[&["login"][..], &registry].concat()),
    );
    let push = ["push", &layout, "--repository", "digits"];
    add(
        "push",
        0,
        xtask(&packager, &[&push[..], &registry].concat()),
    );
    let convert = [
        "convert",
        &path("array.npy"),
        "--force",
        "--output",
        &path("converted"),
    ];
    add("convert", 0, xtask(&packager, &convert));
    add("a failure", 3, xtask(&packager, &["inspect", "risk:1"]));
    let mut setup = xtask(&chores, &["setup", "--tests"]);
    setup
        .envs(std::env::vars_os())
        .current_dir(place::workspace());
    add("setup", 0, setup);
    let mirror = dir.join("mirror");
    add("scorebox check", 0, scorebox("check", &mirror));
    let mut json = scorebox("check", &mirror);
    json.args(["--output", "json"]);
    add("scorebox check as JSON", 0, json);
    let mut invoke = scorebox("invoke", &mirror);
    invoke.args(["--input", &path("input.json")]);
    add("scorebox invoke", 0, invoke);
    cases
}

/// Makes what the commands read: a project, layouts, an array and an input.
fn prepare(dir: &Path) {
    let original = project();
    scorebox_tests::app::copy(original.path(), &dir.join("project"));
    packaged(&mut package(original.path(), &dir.join("layout")));
    scorebox_tests::app::copy(&dir.join("layout"), &dir.join("forged"));
    forge(&dir.join("forged"));
    scorebox_tests::app::copy(deployable(TRIGGERS).path(), &dir.join("deployable"));
    let mirror = App::of(programs::MIRROR);
    scorebox_tests::app::copy(mirror.path(), &dir.join("mirror"));
    std::fs::write(dir.join("input.json"), "{}").expect("a file");
    let array = place::workspace().join("tests/data/numpy/version-1.npy");
    std::fs::copy(array, dir.join("array.npy")).expect("a file");
}

/// Flips a bit in the largest blob of a layout.
fn forge(layout: &Path) {
    let blobs = std::fs::read_dir(layout.join("blobs/sha256")).expect("a folder");
    let sizes = blobs.map(|blob| {
        let path = blob.expect("an entry").path();
        (path.metadata().expect("a file").len(), path)
    });
    let (_, largest) = sizes.max().expect("a blob");
    let mut bytes = std::fs::read(&largest).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).expect("a file");
}

fn prepared() -> (TempDir, Double) {
    let dir = tempfile::tempdir().expect("a folder");
    prepare(dir.path());
    (dir, Double::start(Rules::default()))
}

#[test]
fn a_command_whose_reader_has_gone_ends_quietly() {
    let (dir, double) = prepared();
    for Case {
        name,
        mut command,
        code,
    } in cases(dir.path(), &double)
    {
        command.stdin(Stdio::null()).stdout(without_reader());
        let output = command
            .stderr(Stdio::piped())
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        for sign in ["panicked", "Broken pipe", "RUST_BACKTRACE"] {
            assert!(!said.contains(sign), "{name}: {said}");
        }
    }
}

#[test]
fn a_command_ends_as_usual_if_nobody_reads_its_errors() {
    let (dir, double) = prepared();
    for Case {
        name,
        mut command,
        code,
    } in cases(dir.path(), &double)
    {
        command.stdin(Stdio::null()).stderr(without_reader());
        let output = command
            .stdout(Stdio::piped())
            .output()
            .expect("it can be started");
        assert_eq!(output.status.code(), Some(code), "{name}");
        let mut alone = cases(dir.path(), &double)
            .into_iter()
            .find(|case| case.name == name)
            .expect("the same case");
        // Both at once, as in `cargo xtask … 2>&1 | head`.
        alone.command.stdin(Stdio::null());
        alone
            .command
            .stdout(without_reader())
            .stderr(without_reader());
        let status = alone.command.status().expect("it can be started");
        assert_eq!(status.code(), Some(code), "{name}, both");
    }
}

#[test]
fn a_full_disk_is_a_failure_and_says_so() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return scorebox_tests::skip::skip("there is no /dev/full");
    }
    let (dir, double) = prepared();
    let printing = [
        "deploy", "package", "build", "inspect", "login", "push", "convert",
    ];
    for Case {
        name, mut command, ..
    } in cases(dir.path(), &double)
        .into_iter()
        .filter(|case| printing.contains(&case.name.as_str()))
    {
        let file: File = OpenOptions::new().write(true).open(full).expect("a file");
        command.stdin(Stdio::null()).stdout(file);
        let output = command
            .stderr(Stdio::piped())
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.contains("standard output cannot be written: "),
            "{name}: {said}"
        );
        assert!(said.contains("fix: "), "{name}: {said}");
    }
}
