//! Checks of altered images with `cargo xtask inspect`.
//!
//! Owns the packaging of the original and the comparison with the expected report. Must not know
//! what was altered.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use self::Outcome::{NeedsKey, Right, Wrong};
use crate::forgery::Forgery;
use crate::packaging::{package, packaged, project};
use crate::place;
use crate::run::{self, Finished};

/// The expected report of `inspect` on an altered image, without a key.
pub enum Outcome {
    /// The check with this name fails. The second text is a part of the reason.
    Wrong(&'static str, &'static str),
    /// The check with this name needs a public key. Without a key, no check fails. With a key,
    /// `inspect` refuses the image.
    NeedsKey(&'static str),
    /// No check fails: the image is unusual, but a container runtime treats it like the original.
    Right,
}

/// Alteration of an image: its name, the function that alters the image, and the expected report.
pub type Case = (&'static str, fn(&mut Forgery), Outcome);

fn inspect(layout: &Path, key: Option<&Path>) -> Finished {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .arg("inspect")
        .arg(layout)
        .args(["--output", "json"]);
    command.args(key.map(|_| "--key")).args(key);
    run::finish(&mut command, b"")
}

/// Alters the image of an example in each of the given ways, and asserts the report of `cargo xtask
/// inspect`.
///
/// # Panics
/// Panics if a report is not the expected one.
pub fn judge(cases: &[Case]) {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (original, key) = (dir.path().join("original"), dir.path().join("key"));
    packaged(&mut package(project.path(), &original));
    let (private, mut make) = (dir.path().join("private"), run::tool("openssl"));
    make.args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
    ])
    .arg(&private);
    run::finish(&mut make, b"").ended(0);
    run::finish(
        run::tool("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&private)
            .arg("-out")
            .arg(&key),
        b"",
    )
    .ended(0);
    let mut failed = Vec::new();
    for (number, (name, forge, outcome)) in cases.iter().enumerate() {
        let layout = dir.path().join(number.to_string());
        let mut forgery = Forgery::begin(&original, &layout);
        forge(&mut forgery);
        forgery.finish();
        let found = inspect(&layout, None);
        let report = found.json();
        let checks = report["checks"].as_array().expect("checks");
        let is = |check: &Value, what: &str, verdict: &str, part: &str| {
            let text = |key: &str| check[key].as_str().unwrap_or_default();
            text("what") == what && text("verdict") == verdict && text("problem").contains(part)
        };
        let is_right = match outcome {
            Wrong(what, part) => {
                found.status.code() == Some(7)
                    && checks.iter().any(|check| is(check, what, "wrong", part))
            }
            NeedsKey(what) => {
                found.status.code() == Some(0)
                    && checks.iter().any(|check| is(check, what, "open", "--key"))
                    && inspect(&layout, Some(&key)).status.code() == Some(7)
            }
            Right => found.status.code() == Some(0),
        };
        if !is_right {
            let bad: Vec<_> = checks
                .iter()
                .filter(|check| check["verdict"] != "ok")
                .collect();
            failed.push(format!(
                "{name}: exit {:?}\n  {}\n  {bad:?}",
                found.status.code(),
                found.stderr
            ));
        }
        std::fs::remove_dir_all(&layout).expect("it can be removed");
    }
    assert!(
        failed.is_empty(),
        "{} of {} are not found:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}
