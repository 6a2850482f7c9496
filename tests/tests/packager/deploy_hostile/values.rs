//! Hostile values in the manifest and in flags: none of them runs anything.
//!
//! Owns the values, and the form of a refusal.

use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use scorebox_tests::run::Finished;
use scorebox_tests::{extent, place, require, run};

use super::{FIELDS, FLAGS, Rig, checked};

/// Values that have an effect if they are not quoted: they create the file `FILE`, or end a
/// literal, a line or a comment.
pub const HOSTILE: [&str; 28] = [
    "$(touch FILE)",
    "`touch FILE`",
    "x$(touch${IFS}FILE)",
    "X:-$(touch FILE)",
    "X}$(touch FILE)",
    "X:?`touch FILE`",
    "a;touch FILE",
    "a\ntouch FILE",
    "a\r\ntouch FILE\r\n",
    "a & touch FILE &",
    "a|touch FILE",
    "a' ; touch FILE ; '",
    "a\" ; touch FILE ; \"",
    "a\\' ; touch FILE #",
    "'''",
    "'''\nresource evil 'x' = {}\n'''",
    "a'\nparam evil string = 'x",
    "${evil()}",
    "\\${evil()}",
    "$HOME",
    "-x",
    "--output=$(touch FILE)",
    "a b",
    "*",
    "~root",
    "a\u{2028}touch FILE\u{2029}",
    "\u{202e}a\u{1b}[2J",
    "",
];

const TARGETS: [(&str, &str); 6] = [
    ("premium", "identity"),
    ("premium", "credentials"),
    ("dedicated", "identity"),
    ("dedicated", "credentials"),
    ("container-apps", "identity"),
    ("container-apps", "credentials"),
];

/// Number of parts that the values are divided into in the short form of the test. The short form
/// tries one part on each field and flag, and another part on the next one, so that every value is
/// tried somewhere.
const PARTS: usize = 4;

/// Returns true if the value with this number is tried on the field or flag with this number.
pub fn is_tried(value: usize, turn: usize) -> bool {
    extent::is_whole() || value % PARTS == turn % PARTS
}

/// Asserts that the outcome is a refusal of the project or the command line: few lines, with a fix,
/// and nothing unescaped.
#[track_caller]
pub fn is_a_refusal(said: &Finished, what: &str) {
    let is_usage = said.status.code() == Some(2);
    assert!(
        is_usage || (said.status.code() == Some(3) && said.stderr.contains("fix: ")),
        "{what}: {said:?}"
    );
    assert_eq!(said.stdout, "", "{what}");
    if !is_usage {
        assert_eq!(
            said.stderr.trim_end().lines().count(),
            2,
            "{what}: {}",
            said.stderr
        );
        let is_raw =
            |c: char| c != '\n' && (c.is_control() || "\u{2028}\u{2029}\u{202e}".contains(c));
        assert!(!said.stderr.contains(is_raw), "{what}: {:?}", said.stderr);
    }
}

#[test]
fn shellcheck_finds_nothing_in_any_script() {
    require!("shellcheck");
    let rig = Rig::new();
    let manifest = rig.manifest("", "");
    for (target, pull) in TARGETS {
        let said = rig.deploy(&manifest, target, pull, "", "").ended(0);
        checked(&said.stdout, &format!("{target} {pull}"));
    }
}

#[test]
fn no_value_of_the_manifest_runs_anything() {
    let rig = Rig::new();
    let marker = rig.file().display().to_string();
    for (turn, (field, _)) in FIELDS.into_iter().enumerate() {
        let values = HOSTILE.into_iter().chain(["a\0b"]).enumerate();
        for (_, value) in values.filter(|(number, _)| is_tried(*number, turn)) {
            let what = format!("{field} = {value:?}");
            let manifest = rig.manifest(field, &value.replace("FILE", &marker));
            let said = rig.deploy(&manifest, "premium", "identity", "", "");
            match said.status.code() {
                Some(0) => rig.is_harmless(&said, &what),
                _ => is_a_refusal(&said, &what),
            }
            // Names of variables, settings, functions and containers must be words.
            if ["VARIABLE", "CONNECTION", "FUNCTION", "CONTAINER"].contains(&field)
                && !value.is_empty()
            {
                assert_eq!(said.status.code(), Some(3), "{what}: {}", said.stdout);
            }
        }
    }
}

#[test]
fn no_flag_runs_anything() {
    let rig = Rig::new();
    let marker = rig.file().display().to_string();
    let manifest = rig.manifest("", "");
    for (turn, (flag, _)) in FLAGS.into_iter().enumerate() {
        let values = HOSTILE.into_iter().enumerate();
        for (_, value) in values.filter(|(number, _)| is_tried(*number, turn)) {
            let what = format!("{flag} {value:?}");
            let value = value.replace("FILE", &marker);
            for target in ["premium", "container-apps"] {
                let said = rig.deploy(&manifest, target, "credentials", flag, &value);
                match said.status.code() {
                    Some(0) => rig.is_harmless(&said, &what),
                    _ => is_a_refusal(&said, &what),
                }
            }
        }
    }
    // A value that is not valid text cannot be a name either.
    let mut deploy = Command::new(place::xtask());
    deploy
        .env_clear()
        .args(["deploy", "x", "--target", "premium", "--group"]);
    deploy.arg(std::ffi::OsStr::from_bytes(b"\xff$(id)")).args([
        "--location",
        "x",
        "--name",
        "x",
        "--manifest",
        "x",
    ]);
    run::finish(&mut deploy, b"").ended(2);
}
