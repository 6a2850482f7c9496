//! `cargo xtask inspect`: the documents that are attached to an image, and the detection of every
//! alteration.
//!
//! Owns the keys, and the commands that the parts share. Must not know how alterations are found.

mod alterations;
mod attachments;
mod bundles;
mod signatures;

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_tests::place;
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Creates a key pair for one test, and returns the files of the private and the public key.
fn keys(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (private, public) = (
        dir.join(format!("{name}.key")),
        dir.join(format!("{name}.pub")),
    );
    let mut make = run::tool("openssl");
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
    let mut export = run::tool("openssl");
    export
        .args(["pkey", "-pubout", "-in"])
        .arg(&private)
        .arg("-out")
        .arg(&public);
    run::finish(&mut export, b"").ended(0);
    (private, public)
}

fn inspect(image: &str, key: Option<&Path>) -> Finished {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .args(["inspect", image, "--plain-http", "--output", "json"]);
    command.args(key.map(|_| "--key")).args(key);
    run::finish(&mut command, b"")
}

/// Returns the names of the checks that are wrong.
fn wrong(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().expect("checks").iter();
    checks
        .filter(|check| check["verdict"] == "wrong")
        .filter_map(|check| check["what"].as_str())
        .collect()
}

fn push<'a>(command: &'a mut Command, registry: &Registry, key: &Path) -> &'a mut Command {
    command
        .args(["--push", "--plain-http", "--registry", &registry.name])
        .arg("--sign-key")
        .arg(key)
}

/// Writes a blob into a layout and returns its digest.
fn put(layout: &Path, bytes: &[u8]) -> String {
    let hex = hex::encode(Sha256::digest(bytes));
    std::fs::write(layout.join("blobs/sha256").join(&hex), bytes).expect("a file");
    format!("sha256:{hex}")
}
