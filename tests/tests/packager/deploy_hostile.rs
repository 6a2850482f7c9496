//! `cargo xtask deploy` with hostile values in every field that a user can fill.
//!
//! Owns the fields and their valid values, a call with one of them replaced, and two checks of the
//! output: ShellCheck and a strict parser of Bicep. Must not know Azure, nor which values are
//! refused: a refusal says how to fix it, and any output runs nothing.

mod bicep;
mod others;
mod settings;
mod values;

use std::path::Path;
use std::process::Command;

use scorebox_tests::run::Finished;
use scorebox_tests::{place, require, run};
use tempfile::TempDir;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Flags with valid values.
const FLAGS: [(&str, &str); 9] = [
    ("IMAGE", "contoso.azurecr.io/scoring/risk"),
    ("--group", "scoring"),
    ("--location", "westeurope"),
    ("--name", "contoso-risk"),
    ("--storage-account", "contosorisk"),
    ("--plan", "contoso-plan"),
    ("--sku", "EP1"),
    ("--environment", "contoso-env"),
    ("--base", "functions"),
];

/// Placeholders in the manifest with valid values.
const FIELDS: [(&str, &str); 17] = [
    ("NAME", "risk"),
    ("VERSION", "1.0.0"),
    ("LABEL", "run"),
    ("CONFIG", "threshold"),
    ("ROUTE", "score"),
    ("FUNCTION", "watch"),
    ("CONTAINER", "incoming"),
    ("BLOB", "x"),
    ("OUTPUT", "scored"),
    ("CONNECTION", "Storage"),
    ("QUEUE", "applications"),
    ("PARK", "parked"),
    ("VARIABLE", "SCORING_REDIS_URL"),
    ("REGISTRY", "contoso.azurecr.io"),
    ("REPOSITORY", "scoring/risk"),
    ("TAG", "blue"),
    ("LICENSE", "MIT"),
];

const MANIFEST: &str = r#"
[scorer]
name = "NAME"
version = "VERSION"
component = "risk.wasm"
labels = { "LABEL" = "7" }
[config]
"CONFIG" = "0.5"
[[trigger]]
kind = "http"
route = "ROUTE"
[[trigger]]
kind = "blob"
function = "FUNCTION"
path = "CONTAINER/BLOB{name}.json"
source = "event-grid"
connection = "CONNECTION"
output = { blob = "OUTPUT/{name}.json" }
[[trigger]]
kind = "service-bus"
queue = "QUEUE"
connection = "Bus"
park = { queue = "PARK" }
[stores.default]
url = "env:VARIABLE"
[package]
base = "functions"
registry = "REGISTRY"
repository = "REPOSITORY"
tag = "TAG"
license = "LICENSE"
"#;

/// Returns true if a flag with a valid value has an effect on a target. `deploy` refuses a flag
/// without an effect.
fn has_effect(flag: &str, target: &str) -> bool {
    let is_container_app = ["container-apps", "plain-container-app"].contains(&target);
    match flag {
        "--plan" | "--sku" => !is_container_app,
        "--environment" => is_container_app,
        "--storage-account" => !target.starts_with("plain-"),
        _ => true,
    }
}

struct Rig {
    dir: TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        // This `az` answers queries, and ignores every other call.
        let script = "printf '#!/bin/sh\\ncase \"$*\" in *\"--query properties.provisioningState\"*) echo Succeeded;; *--query*) echo answer;; esac\\n' > \"$1\" && chmod 755 \"$1\"";
        let made = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(bin.join("az"))
            .status()
            .expect("sh runs");
        assert!(made.success());
        Self { dir }
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.dir.path().join("bin").display())
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("made")
    }

    /// Writes a manifest with another value in one field, and returns its path.
    fn manifest(&self, field: &str, value: &str) -> std::path::PathBuf {
        let mut text = MANIFEST.to_owned();
        for (name, usual) in FIELDS.into_iter().filter(|(name, _)| *name != field) {
            text = text.replace(name, &escaped(usual));
        }
        // The field is filled last, because the value may contain another field's name.
        if !field.is_empty() {
            text = text.replace(field, &escaped(value));
        }
        let path = self.dir.path().join("scorebox.toml");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Runs a call with another value for one flag.
    fn deploy(
        &self,
        manifest: &Path,
        target: &str,
        pull: &str,
        flag: &str,
        value: &str,
    ) -> Finished {
        let mut deploy = Command::new(place::xtask());
        deploy
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path());
        deploy
            .args(["deploy", "--target", target, "--pull", pull, "--bicep"])
            .arg(self.dir.path().join("app.bicep"));
        deploy.arg("--manifest").arg(manifest);
        for (name, usual) in FLAGS {
            if name != flag && !has_effect(name, target) {
                continue;
            }
            let value = if name == flag { value } else { usual };
            match name {
                "IMAGE" => deploy.arg(format!("{value}@{DIGEST}")),
                _ => deploy.arg(format!("{name}={value}")),
            };
        }
        run::finish(&mut deploy, b"")
    }

    /// Runs the script that was written, and checks it and the Bicep file.
    #[track_caller]
    fn is_harmless(&self, said: &Finished, what: &str) {
        assert!(
            !self.file().exists(),
            "{what}: a command ran while the script was written"
        );
        let mut sh = Command::new("sh");
        sh.arg("-s")
            .env_clear()
            .env("PATH", self.path())
            .current_dir(self.dir.path());
        for name in [
            "Storage",
            "Bus",
            "SCORING_REDIS_URL",
            "EVENT_STORAGE_ID",
            "BLOBS_KEY",
            "KEY_1",
            "SCOREBOX_KEY_2",
        ] {
            sh.env(name, "value");
        }
        sh.env("SCOREBOX_REGISTRY_USERNAME", "u")
            .env("SCOREBOX_REGISTRY_PASSWORD", "p");
        let ran = run::finish(&mut sh, said.stdout.as_bytes());
        assert!(
            !self.file().exists(),
            "{what}: the script ran a command\n{}",
            said.stdout
        );
        // If the value was accepted as a variable's name, that variable is not set. Then the script
        // stops with an error about the parameter.
        assert!(
            ran.stderr.contains("parameter")
                || ran.stderr.is_empty()
                || ran
                    .stderr
                    .starts_with("a key of the server is printed by: az "),
            "{what}: {}\n{}",
            ran.stderr,
            said.stdout
        );
        checked(&said.stdout, what);
        let bicep =
            std::fs::read_to_string(self.dir.path().join("app.bicep")).expect("it was written");
        bicep::read(&bicep).unwrap_or_else(|problem| panic!("{what}: {problem}\n{bicep}"));
    }
}

/// Escapes a text for a TOML string in double quotes.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\';
    text.chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                format!("\\U{:08x}", u32::from(c))
            }
        })
        .collect()
}

/// Checks a script with ShellCheck. Reports the part of the test as skipped if it is not installed.
#[track_caller]
fn checked(script: &str, what: &str) {
    require!("shellcheck");
    // SC1003 asks if a quote after a backslash is meant to be escaped. A hostile value that contains
    // `\'` is quoted correctly, and still looks like this mistake.
    let said = run::finish(
        run::tool("shellcheck").args(["--shell=sh", "--severity=style", "--exclude=SC1003", "-"]),
        script.as_bytes(),
    );
    assert_eq!(said.stdout, "", "{what}: {script}");
}
