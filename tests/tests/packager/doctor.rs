//! `cargo xtask doctor`: a right deployment passes, and each planted mistake is named by its line.
//!
//! Owns the deployment that is right, the form of a planted mistake, and how the report is read.
//! The registries, the Redis servers and the hosts are real, except where a part says why not. Must
//! not know how anything is checked.

mod apps;
mod platform;
mod registries;
mod right;
mod services;

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use scorebox_tests::app::copy;
use scorebox_tests::packaging::{build, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use serde_json::Value;
use tempfile::TempDir;

/// Lines of the manifest after those of the example `digits`.
const MORE: &str = r#"
[[trigger]]
kind = "service-bus"
queue = "applications"
connection = "Bus"

[stores.default]

[package]
repository = "scoring/digits"
base = "functions"
"#;

/// Setting of the trigger's connection, in the form of a connection string of Service Bus.
const BUS: (&str, &str) = (
    "Bus",
    "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey=s3cret=",
);

/// Project and built app of a right deployment, in the folders `project` and `app`.
static BUILT: LazyLock<TempDir> = LazyLock::new(|| {
    let (dir, example) = (tempfile::tempdir().expect("a folder"), project());
    let project = dir.path().join("project");
    copy(example.path(), &project);
    let manifest = project.join("scorebox.toml");
    let text = std::fs::read_to_string(&manifest).expect("it has a manifest");
    // What was built before is not a part of a project.
    let mut table: toml::Table = text.parse().expect("TOML");
    table.remove("precompiled");
    table.remove("packaged");
    std::fs::write(&manifest, format!("{table}{MORE}")).expect("a file");
    for file in ["host.json", "component.cwasm"] {
        std::fs::remove_file(project.join(file)).expect("it was built");
    }
    build(&project, &dir.path().join("app")).ended(0);
    dir
});

/// A copy of the right deployment, in which a mistake can be planted.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a folder"));
        copy(BUILT.path(), scene.0.path());
        scene
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Changes the text of a file.
    fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let path = self.path(name);
        let before = std::fs::read_to_string(&path).expect("a text");
        let after = change(before.clone());
        assert_ne!(before, after, "{name} was not changed");
        std::fs::write(path, after).expect("a file can be written");
    }

    /// Runs `doctor` with only these variables in its environment. The words `PROJECT` and `APP`
    /// stand for the folders of this scene.
    fn doctor(&self, words: &[&str], variables: &[(&str, &str)]) -> Finished {
        let mut command = Command::new(place::xtask());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SCOREBOX_CACHE", place::compiled())
            .envs(variables.iter().copied())
            .args(["doctor", "--output", "json"]);
        for word in words {
            match *word {
                "PROJECT" => command.arg(self.path("project")),
                "APP" => command.arg(self.path("app")),
                word => command.arg(word),
            };
        }
        let outcome = run::finish(&mut command, b"");
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(!text.contains("s3cret"), "{text}");
        }
        outcome
    }
}

/// A mistake that is planted, and the line that names it.
struct Mistake<'a> {
    /// Changes the files of the deployment.
    plant: &'a dyn Fn(&Scene),
    /// Arguments of the command.
    words: &'a [&'a str],
    /// Environment variables of the command.
    variables: &'a [(&'a str, &'a str)],
    /// The expected line: its noun and its verdict.
    line: (&'a str, &'a str),
    /// A part of the text of the line.
    text: &'a str,
    /// A part of the fix of the line.
    fix: &'a str,
}

impl Mistake<'_> {
    #[track_caller]
    fn check(&self) {
        let scene = Scene::new();
        (self.plant)(&scene);
        let outcome = scene.doctor(self.words, self.variables);
        finds(&outcome, self.line, self.text, self.fix);
    }
}

fn nothing(_: &Scene) {}

/// Checks that the report has a line with a noun, a verdict, a part of its text and a part of its
/// fix, and that the exit code agrees with the report.
#[track_caller]
fn finds(outcome: &Finished, (noun, verdict): (&str, &str), text: &str, fix: &str) {
    let report = outcome.json();
    let is_passed = report["passed"] == true;
    assert_eq!(
        outcome.status.code(),
        Some(i32::from(!is_passed)),
        "{report:#}"
    );
    assert_eq!(is_passed, report["counts"]["problem"] == 0, "{report:#}");
    let has = |line: &Value, key: &str, part: &str| {
        line[key].as_str().is_some_and(|text| text.contains(part))
    };
    let found = lines(&report).any(|line| {
        line["noun"] == noun
            && line["verdict"] == verdict
            && has(line, "text", text)
            && has(line, "fix", fix)
    });
    assert!(
        found,
        "no {verdict} of {noun} with `{text}` and `{fix}`: {report:#}"
    );
}

fn lines(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().expect("a list").iter()
}

/// Returns the verdicts of all lines with this noun.
fn verdicts<'a>(report: &'a Value, noun: &str) -> Vec<&'a str> {
    lines(report)
        .filter(|line| line["noun"] == noun)
        .map(|line| line["verdict"].as_str().expect("a word"))
        .collect()
}

/// Writes a file in a folder, and returns its path as a text.
fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file can be written");
    path.display().to_string()
}
