//! The catch-up script of `cargo xtask deploy`: it hands over exactly the blobs that were missed.
//!
//! Owns the manifest of an app with blob triggers. `rig` has a fake `az` and a fake Functions host, and
//! `blobs` has odd names. Must not know Azure.

mod blobs;
mod rig;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use scorebox_tests::{require, run};
use serde_json::Value;

use self::blobs::{BLOBS, fill};
use self::rig::{EARLY, LATE, Rig};
use crate::deploy::{deploy, project};

/// A trigger that writes an output and parks, one that writes nothing, and one that leaves no trace.
const TRIGGERS: &str = r#"
[[trigger]]
kind = "blob"
function = "watch"
path = "incoming/{name}.json"
source = "event-grid"
output = { blob = "scored/{name}.json" }
park = { blob = "rejected/of/{Name}.txt" }

[[trigger]]
kind = "blob"
function = "count"
path = "%IN%/{name}.json"
source = "scan"

[[trigger]]
kind = "blob"
function = "silent"
path = "incoming/{name}"
source = "event-grid"
output = { blob = "scored/{rand-guid}" }

[package]
base = "functions"
"#;

#[test]
fn exactly_the_missed_ones_of_a_thousand_blobs_are_handed_over() {
    require!("curl");
    let rig = Rig::new(202);
    let (watch, count) = fill(&rig);
    assert!(watch.len() > 50 && count.len() > 150);
    let dry = rig.run(&["--dry-run"]).ended(0);
    assert_eq!(dry.stdout.lines().count(), watch.len() + count.len());
    let shown: BTreeSet<_> = dry
        .stdout
        .lines()
        .map(|line| {
            let (function, input) = line.split_once('\t').expect("two parts");
            let input: Value = serde_json::from_str(input).expect("JSON");
            (
                function.to_owned(),
                input["input"].as_str().expect("a text").to_owned(),
            )
        })
        .collect();
    let of = |function: &str, blobs: &[String]| -> BTreeSet<_> {
        blobs
            .iter()
            .map(|blob| (function.to_owned(), blob.clone()))
            .collect()
    };
    assert_eq!(shown, &of("watch", &watch) | &of("count", &count));
    assert!(rig.taken("watch").is_empty() && rig.taken("count").is_empty());
    let said = rig.run(&[]).ended(0);
    let sorted = |mut blobs: Vec<String>| {
        blobs.sort();
        blobs
    };
    assert_eq!(sorted(rig.taken("watch")), sorted(watch));
    assert_eq!(sorted(rig.taken("count")), sorted(count));
    assert!(rig.taken("silent").is_empty());
    assert!(said.stderr.contains("silent: left out"), "{}", said.stderr);
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(!rig.project.path().join("made").exists());
    // What was handed over is not handed over again.
    rig.run(&[]).ended(0);
    assert!(rig.taken("watch").is_empty() && rig.taken("count").is_empty());
    // Of a function without a trace, each blob is handed over once.
    rig.run(&["--all"]).ended(0);
    assert_eq!(rig.taken("silent").len(), BLOBS + 3);
    rig.run(&["--all"]).ended(0);
    assert!(rig.taken("silent").is_empty());
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    require!("curl");
    let rig = Rig::new(401);
    fill(&rig);
    let refused = rig.run(&[]).ended(1);
    refused.said(&["status 401", "fix: ", "MASTER_KEY"]);
    // Nothing counts as handed over.
    let state = std::fs::read_to_string(rig.project.path().join("catch-up.handed"));
    assert_eq!(state.expect("it is there"), "");
    let good = Rig::new(202);
    let (watch, _) = fill(&good);
    let handed =
        |path: &Path| std::fs::read_to_string(path.join("catch-up.handed")).expect("it is there");
    good.run(&[]).ended(0);
    let whole = handed(good.project.path());
    // A run that ended early has written down a part.
    let half: String = whole
        .lines()
        .take(20)
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(good.project.path().join("catch-up.handed"), half).expect("a file");
    good.taken("watch");
    good.run(&[]).ended(0);
    assert_eq!(good.taken("watch").len(), watch.len() - 20);
}

#[test]
fn a_function_that_failed_gets_its_blob_again() {
    require!("curl");
    let rig = Rig::new(202);
    rig.list("incoming", [("0x1".to_owned(), EARLY, "a.json".to_owned())]);
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("watch"), ["incoming/a.json"]);
    assert_eq!(rig.taken("count"), ["incoming/a.json"]);
    let file = rig.project.path().join("catch-up.handed");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let old: Vec<_> = text
        .lines()
        .map(|line| {
            let mut fields: Vec<_> = line.split('\t').collect();
            fields[1] = "1000";
            fields.join("\t")
        })
        .collect();
    std::fs::write(&file, old.join("\n") + "\n").expect("a file");
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("watch"), ["incoming/a.json"]);
    // An admin call leaves no receipt, so it must be remembered for good.
    assert!(rig.taken("count").is_empty());
    // A new version of the blob is another blob.
    rig.list("incoming", [("0x2".to_owned(), LATE, "a.json".to_owned())]);
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("count"), ["incoming/a.json"]);
}

#[test]
fn placeholders_take_as_much_as_the_functions_host_gives_them() {
    require!("curl");
    let rig = Rig::new(202);
    let text = "[[trigger]]\nkind = \"blob\"\nfunction = \"parts\"\npath = \"inbox/{dir}/{name}-{end}.json\"\n\
                output = { blob = \"out/{end}/{NAME}/{dir}\" }\n[package]\nbase = \"functions\"\n";
    let project = project(text);
    let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
    run::finish(deploy.arg(rig.project.path().join("catch-up.sh")), b"").ended(0);
    let blob = |name: &str| ("0x1".to_owned(), EARLY, name.to_owned());
    rig.list(
        "inbox",
        [
            "a/b/c-d-e.json",
            "a/-.json",
            "/x-.json",
            "a-b.json",
            "a/b.json",
        ]
        .map(blob),
    );
    rig.list("out", ["e/c-d/a/b", "//a"].map(blob));
    rig.run(&[]).ended(0);
    assert_eq!(rig.taken("parts"), ["inbox//x-.json"]);
}

#[test]
fn an_output_that_blobs_share_proves_nothing() {
    require!("curl");
    let rig = Rig::new(202);
    // Two blobs of different days have one output, so only receipts could tell.
    let text = "[[trigger]]\nkind = \"blob\"\nfunction = \"days\"\npath = \"incoming/{day}/{name}.json\"\n\
                source = \"event-grid\"\noutput = { blob = \"out/{name}\" }\n[package]\nbase = \"functions\"\n";
    let project = project(text);
    let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
    run::finish(deploy.arg(rig.project.path().join("catch-up.sh")), b"").ended(0);
    let blob = |name: &str| ("0x1".to_owned(), EARLY, name.to_owned());
    rig.list("incoming", ["1/a.json", "2/a.json"].map(blob));
    rig.list("out", ["a"].map(blob));
    let said = rig.run(&[]).ended(0);
    assert!(said.stderr.contains("days: left out"), "{}", said.stderr);
    assert!(rig.taken("days").is_empty());
}

#[test]
fn the_own_storage_account_needs_no_connection_and_a_folder_is_no_blob() {
    require!("curl");
    let rig = Rig::new(202);
    for connection in ["AzureWebJobsStorage", "Storage"] {
        let text = format!(
            "[[trigger]]\nkind = \"blob\"\nfunction = \"own\"\npath = \"incoming/{{name}}.json\"\nsource = \"scan\"\n\
             connection = \"{connection}\"\n[package]\nbase = \"functions\"\n"
        );
        let project = project(&text);
        let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
        run::finish(deploy.arg(rig.project.path().join("catch-up.sh")), b"").ended(0);
        let odd = "a\u{85}\u{7f}\u{202e}\u{2066}b.json".to_owned();
        let line = |mark: &str, name: &str| format!("0x{connection}\t{EARLY}\t{mark}\t{name}\n");
        let lines = [
            line("", &odd),
            line("hdi_isfolder", "folder.json"),
            line("other,Hdi_isfolder", "folder2.json"),
        ];
        std::fs::write(rig.project.path().join("lists/incoming"), lines.concat()).expect("a file");
        let shown = rig.run(&["--dry-run"]).ended(0).stdout;
        assert!(shown.contains("a\\u0085\\u007f\\u202e\\u2066b"), "{shown}");
        rig.run(&[]).ended(0);
        assert_eq!(
            rig.taken("own"),
            [format!("incoming/{odd}")],
            "{connection}"
        );
    }
}

#[test]
fn what_cannot_be_caught_up_is_refused() {
    let check = |manifest: &str, parts: &[&str]| {
        let project = project(&format!("{manifest}\n[package]\nbase = \"functions\"\n"));
        let mut deploy = deploy(project.path(), "premium", &["--catch-up"]);
        let file = project.path().join("catch-up.sh");
        run::finish(deploy.arg(&file), b"")
            .ended(3)
            .said(parts)
            .said(&["fix: "]);
        assert!(!file.exists());
    };
    check("", &["no trigger of this app starts on blobs"]);
    let blob =
        |path: &str| format!("[[trigger]]\nkind = \"blob\"\npath = \"{path}\"\nsource = \"scan\"");
    check(&blob("incoming/100%/{name}"), &["has no second one"]);
    check(&blob("incoming/%PATH%/{name}"), &["`PATH`"]);
    check(&blob("incoming/%A B%/{name}"), &["`A B`"]);
}

#[test]
fn the_script_says_what_it_needs() {
    let rig = Rig::new(202);
    let help = rig.run(&["--help"]).ended(0);
    assert!(
        help.stdout.contains("--dry-run") && help.stdout.contains("--all"),
        "{}",
        help.stdout
    );
    rig.run(&["--dry"]).ended(2).said(&["usage: "]);
    let mut sh = Command::new("sh");
    sh.arg(rig.project.path().join("catch-up.sh"))
        .current_dir(rig.project.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let said = run::finish(&mut sh, b"");
    assert!(!said.status.success());
    said.said(&["TriggerConnectionString", "connection string"]);
    // The hint is there if the script was not asked for.
    let said = run::finish(&mut deploy(rig.project.path(), "premium", &[]), b"").ended(0);
    said.said(&["--catch-up FILE"]);
}

#[test]
fn shellcheck_finds_nothing_in_the_script() {
    require!("shellcheck");
    for (target, connections) in [("premium", "strings"), ("container-apps", "identity")] {
        let project = project(TRIGGERS);
        let file = project.path().join("catch-up.sh");
        let mut deploy = deploy(
            project.path(),
            target,
            &["--connections", connections, "--catch-up"],
        );
        run::finish(deploy.arg(&file), b"").ended(0);
        let mut shellcheck = run::tool("shellcheck");
        let said = run::finish(
            shellcheck
                .args(["--shell=sh", "--severity=style"])
                .arg(&file),
            b"",
        );
        assert_eq!(said.stdout, "");
    }
}
