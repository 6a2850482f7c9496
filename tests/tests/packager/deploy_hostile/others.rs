//! Hostile values in the targets without the Functions host, and in the catch-up script.
//!
//! Owns a manifest with HTTP triggers alone. Must not know which values are refused.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_tests::run::Finished;
use scorebox_tests::{place, run};

use super::values::{HOSTILE, is_a_refusal, is_tried};
use super::{DIGEST, FLAGS, Rig, checked, escaped, has_effect};

const PLAIN: &str = "[scorer]\nname = \"risk\"\ncomponent = \"risk.wasm\"\n\
                     [[trigger]]\nkind = \"http\"\nroute = \"ROUTE\"\n\
                     [stores.default]\nurl = \"env:SCORING_REDIS_URL\"\n\
                     [server]\nkeys = [\"env:KEY\", \"env:SCOREBOX_KEY_2\"]\n";

const TARGETS: [(&str, &str, &str); 4] = [
    ("plain-container-app", "identity", "keys"),
    ("plain-container-app", "credentials", "platform"),
    ("plain-web-app", "identity", "platform"),
    ("plain-web-app", "credentials", "keys"),
];

fn manifest(rig: &Rig, field: &str, value: &str) -> PathBuf {
    let text = PLAIN.replace(field, &escaped(value));
    let path = rig.dir.path().join("scorebox.toml");
    std::fs::write(&path, text).expect("a file");
    path
}

/// Runs a call for a target without the Functions host, with another value for one flag.
fn deploy(
    rig: &Rig,
    manifest: &Path,
    (target, pull, guard): (&str, &str, &str),
    flag: &str,
    value: &str,
) -> Finished {
    let mut deploy = Command::new(place::xtask());
    deploy
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(rig.dir.path())
        .args(["deploy", "--target", target, "--pull", pull])
        .args(["--guarded-by", guard, "--bicep"])
        .arg(rig.dir.path().join("app.bicep"))
        .arg("--manifest")
        .arg(manifest);
    for (name, usual) in FLAGS.into_iter().filter(|(name, _)| *name != "--base") {
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

#[test]
fn nothing_runs_for_a_target_without_the_functions_host() {
    let rig = Rig::new();
    let marker = rig.file().display().to_string();
    for target in TARGETS {
        let said = deploy(&rig, &manifest(&rig, "KEY", "KEY_1"), target, "", "").ended(0);
        rig.is_harmless(&said, &format!("{target:?}"));
    }
    for (turn, field) in ["ROUTE", "KEY"].into_iter().enumerate() {
        let values = HOSTILE.into_iter().enumerate();
        for (_, value) in values.filter(|(number, _)| is_tried(*number, turn)) {
            let what = format!("{field} = {value:?}");
            let manifest = manifest(&rig, field, &value.replace("FILE", &marker));
            let said = deploy(&rig, &manifest, TARGETS[turn], "", "");
            match said.status.code() {
                Some(0) => rig.is_harmless(&said, &what),
                _ => is_a_refusal(&said, &what),
            }
        }
    }
    let manifest = manifest(&rig, "KEY", "KEY_1");
    for (turn, (flag, _)) in FLAGS.into_iter().enumerate() {
        let values = HOSTILE.into_iter().enumerate();
        for (_, value) in values.filter(|(number, _)| is_tried(*number, turn)) {
            let what = format!("{flag} {value:?}");
            let value = value.replace("FILE", &marker);
            let said = deploy(&rig, &manifest, TARGETS[turn % TARGETS.len()], flag, &value);
            match said.status.code() {
                Some(0) => rig.is_harmless(&said, &what),
                _ => is_a_refusal(&said, &what),
            }
        }
    }
}

#[test]
fn no_path_runs_anything_in_the_catch_up_script() {
    let rig = Rig::new();
    let marker = rig.file().display().to_string();
    let script = rig.dir.path().join("catch-up.sh");
    let fields = [
        "BLOB",
        "OUTPUT",
        "CONTAINER",
        "CONNECTION",
        "FUNCTION",
        "NAME",
    ];
    for (turn, field) in fields.into_iter().enumerate() {
        let values = HOSTILE
            .into_iter()
            .chain(["%A%", "a%b", "%$(touch FILE)%"])
            .enumerate();
        for (_, value) in values.filter(|(number, _)| is_tried(*number, turn)) {
            let what = format!("{field} = {value:?}");
            let manifest = rig.manifest(field, &value.replace("FILE", &marker));
            let mut deploy = Command::new(place::xtask());
            deploy
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .args([
                    "deploy",
                    &format!("contoso.azurecr.io/scoring/risk@{DIGEST}"),
                ])
                .args(["--target", "premium", "--group", "g", "--location", "l"])
                .args(["--name", "contoso-risk", "--manifest"])
                .arg(&manifest)
                .arg("--catch-up")
                .arg(&script);
            let said = run::finish(&mut deploy, b"");
            if said.status.code() != Some(0) {
                is_a_refusal(&said, &what);
                continue;
            }
            let text = std::fs::read_to_string(&script).expect("it was written");
            checked(&text, &what);
            let mut sh = Command::new("sh");
            sh.arg(&script)
                .args(["--dry-run", "--all"])
                .env_clear()
                .env("PATH", rig.path())
                .env("Storage", "value")
                .env("A", "value")
                .current_dir(rig.dir.path());
            run::finish(&mut sh, b"");
            assert!(
                !rig.file().exists(),
                "{what}: the script ran a command\n{text}"
            );
        }
    }
}
