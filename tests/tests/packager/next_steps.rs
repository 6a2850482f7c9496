//! The lines `next: …` that commands print: each one is run as it is printed.
//!
//! Owns the programs that stand for `cargo`, `scorebox` and `docker` in such a line. Must not know
//! what the next command does.

use std::path::Path;
use std::process::Command;

use scorebox_tests::app::copy;
use scorebox_tests::host::Host;
use scorebox_tests::packaging::{package, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, require};
use tempfile::TempDir;

/// Files that print such a line. A new one needs a test here.
const PRINTING: [&str; 5] = [
    "xtask/packager/src/build.rs",
    "xtask/packager/src/convert/estimator.rs",
    "xtask/packager/src/new.rs",
    "xtask/packager/src/package.rs",
    "xtask/src/setup.rs",
];

/// A folder for `PATH` with the programs that a printed line may start.
struct Programs(TempDir);

impl Programs {
    fn new() -> Self {
        let programs = Self(tempfile::tempdir().expect("a folder"));
        // `cargo xtask` would build the program first.
        let xtask = place::xtask().display().to_string();
        let trials = place::trials().display().to_string();
        programs.write(
            "cargo",
            &format!(
                "test \"$1\" = xtask || exit 99; shift\n\
                 case \"$1\" in demo) exec '{trials}' \"$@\" --help;; esac\n\
                 exec '{xtask}' \"$@\" $MORE"
            ),
        );
        let host = place::host().display().to_string();
        programs.write("scorebox", &format!("exec '{host}' \"$@\" $MORE"));
        programs
    }

    /// Writes an executable script. Another process writes it, because a child that another test
    /// forks meanwhile would keep the file open for writing.
    fn write(&self, name: &str, text: &str) {
        let mut write = Command::new("sh");
        write
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"",
                "sh",
            ])
            .arg(self.0.path().join(name))
            .arg(text);
        assert!(write.status().expect("sh runs").success());
    }

    /// Returns a command by which a shell runs a line as it is printed. `more` has words that the
    /// test needs and nobody else, such as the host program of the tests.
    fn shell(&self, line: &str, more: &str) -> Command {
        let mut shell = Command::new("sh");
        shell
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display()))
            .env("SCOREBOX_CACHE", place::compiled())
            .env("MORE", more)
            .args(["-c", line]);
        shell
    }

    fn run(&self, line: &str, more: &str) -> Finished {
        run::finish(&mut self.shell(line, more), b"")
    }
}

/// Returns the lines that a command printed after `next: `.
#[track_caller]
fn next(outcome: &Finished) -> Vec<String> {
    let lines = outcome.stderr.lines();
    let lines = lines.filter_map(|line| line.strip_prefix("next: "));
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{}", outcome.stderr);
    lines
}

/// Returns the only line that a command printed after `next: `.
#[track_caller]
fn next_line(outcome: &Finished) -> String {
    let mut lines = next(outcome);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

/// Returns the words that make `package` use the host of the tests, and write to a folder.
fn with_host(layout: &Path) -> String {
    format!(
        "--host {} --layout {}",
        place::image_host().display(),
        layout.display()
    )
}

#[test]
fn every_place_that_prints_a_next_step_is_known() {
    let mut found = Vec::new();
    let mut folders = [
        "xtask/src",
        "xtask/packager/src",
        "xtask/trials/src",
        "host/src",
    ]
    .map(|folder| place::workspace().join(folder))
    .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && std::fs::read_to_string(&path)
                    .expect("a text")
                    .contains("\"next: ")
            {
                let file = path.strip_prefix(place::workspace()).expect("it is below");
                found.push(file.display().to_string());
            }
        }
    }
    found.sort();
    assert_eq!(found, PRINTING);
}

#[test]
fn a_build_is_followed_by_a_packaging() {
    let programs = Programs::new();
    // A shell would split this name.
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("my scorer's");
    copy(project().path(), &folder);
    let mut build = Command::new(place::xtask());
    build
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    build.args(["build", "--cpu", "x86-64-v2", "--manifest"]);
    build
        .arg(folder.join("scorebox.toml"))
        .arg("--app")
        .arg(dir.path().join("app"));
    let built = run::finish(&mut build, b"").ended(0);
    let line = next_line(&built);
    assert!(line.ends_with(" --cpu x86-64-v2"), "{line}");
    let layout = dir.path().join("layout");
    programs.run(&line, &with_host(&layout)).ended(0);
    assert!(layout.join("index.json").is_file());
}

#[test]
fn a_new_folder_is_followed_by_a_packaging() {
    let programs = Programs::new();
    let dir = tempfile::tempdir().expect("a folder");
    let mut new = Command::new(place::xtask());
    new.env_clear()
        .args(["new", "--template", "onnx"])
        .arg(dir.path().join("my scorers/risk"));
    let created = run::finish(&mut new, b"").ended(0);
    let line = next_line(&created);
    let layout = dir.path().join("layout");
    let more = format!(
        "--host {} --engine-library {} --layout {}",
        place::image_host_with_graphs().display(),
        place::engine_library().display(),
        layout.display()
    );
    programs.run(&line, &more).ended(0);
    assert!(layout.join("index.json").is_file());
}

#[test]
fn a_packaging_is_followed_by_a_push_and_a_push_by_a_container() {
    require!("docker-registry", "skopeo");
    let (programs, registry) = (Programs::new(), Registry::start());
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    // No registry is known, so its place is shown, and nothing else is missing.
    let layout = dir.path().join("an image");
    let packaged = run::finish(&mut package(project.path(), &layout), b"").ended(0);
    let line = next_line(&packaged);
    assert_eq!(line.matches("HOST[:PORT]").count(), 1, "{line}");
    let line = line.replace("HOST[:PORT]", &registry.name);
    let pushed = programs.run(&line, "--plain-http").ended(0);
    assert!(
        pushed
            .stdout
            .starts_with(&format!("{}/digits@sha256:", registry.name))
    );

    // With all that it was told, the line needs no change.
    let mut command = package(project.path(), &dir.path().join("other"));
    command.args([
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        "a/b",
    ]);
    command.args(["--trust-realm", "auth.example.com:8443"]);
    let packaged = run::finish(&mut command, b"").ended(0);
    let line = next_line(&packaged);
    assert!(
        line.ends_with(" --plain-http --trust-realm auth.example.com:8443"),
        "{line}"
    );
    let pushed = programs.run(&line, "").ended(0);
    assert_eq!(pushed.stdout, packaged.stdout);

    let mut command = package(project.path(), &dir.path().join("third"));
    command.args(["--push", "--plain-http", "--registry", &registry.name]);
    let pushed = run::finish(&mut command, b"").ended(0);
    let line = next_line(&pushed);
    // Of docker there is only a name here; skopeo reads the image that it is to run.
    programs.write(
        "docker",
        "test \"$1 $2 $3 $4\" = 'run --rm -p 8080:8080' && test $# = 5 || exit 98\n\
         exec skopeo inspect --tls-verify=false \"docker://$5\"",
    );
    let seen = programs.run(&line, "").ended(0).json();
    let digest = seen["Digest"].as_str().expect("a digest");
    assert!(pushed.stdout.trim_end().ends_with(digest));
}

#[test]
fn a_password_and_a_certificate_are_asked_for_again() {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let certificate = dir.path().join("root.pem");
    let authorities = "etc/ssl/certs/ca-certificates.crt";
    let mut command = package(project.path(), &dir.path().join("first"));
    run::finish(&mut command, b"").ended(0);
    let pem = scorebox_tests::packaging::file(&dir.path().join("first"), authorities);
    std::fs::write(&certificate, pem).expect("a file");
    let mut command = package(project.path(), &dir.path().join("image"));
    command.args([
        "--registry",
        "r.io",
        "--username",
        "ci",
        "--password-stdin",
        "--ca-file",
    ]);
    let packaged = run::finish(command.arg(&certificate), b"s3cret").ended(0);
    let line = next_line(&packaged);
    let end = format!(
        " --username ci --password-stdin --ca-file {}",
        certificate.display()
    );
    assert!(line.ends_with(&end) && !line.contains("s3cret"), "{line}");
    // The command line is understood: what fails is the registry, which is a host of nobody.
    let line = line.replace("r.io", "127.0.0.1:1");
    let programs = Programs::new();
    let mut shell = programs.shell(&line, "--plain-http");
    run::finish(&mut shell, b"s3cret").ended(6);
}

#[test]
fn the_setup_is_followed_by_the_demo() {
    let mut setup = Command::new(place::chores());
    let setup = run::finish(setup.arg("setup").current_dir(place::workspace()), b"").ended(0);
    let line = next_line(&setup);
    // The demo takes minutes. Its help shows that there is such a command.
    let help = Programs::new().run(&line, "").ended(0);
    assert!(
        help.stdout.contains("score 200 handwritten digits"),
        "{}",
        help.stdout
    );
}

/// Follows what `convert` printed: serves the project, and packages it.
pub fn after_conversion(converted: &Finished) {
    let programs = Programs::new();
    let lines = next(converted);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (serve, package) = (&lines[0], &lines[1]);
    let mut shell = programs.shell(&format!("exec {serve}"), "--port 0");
    shell.env("SCOREBOX_ENGINE_LIBRARY", place::engine_library());
    let host = Host::spawn(shell);
    host.log.wait_for_message("ready");
    drop(host);
    let layout = tempfile::tempdir().expect("a folder");
    let more = format!(
        "--host {} --engine-library {} --layout {}",
        place::image_host_with_graphs().display(),
        place::engine_library().display(),
        layout.path().join("layout").display()
    );
    programs.run(package, &more).ended(0);
}
