//! Tests that hold the readers to the rules without libFuzzer: the corpus of each target, and
//! random changes of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::mutation::{Chance, mutated};
use super::*;

/// Number of changes of each file of a corpus.
const CHANGES: usize = 300;

/// Maximum time for the changes of one target. On a slow machine fewer changes are tried.
const TIME: Duration = Duration::from_secs(2);

/// Minimum number of files in a corpus.
const LEAST_FILES: usize = 10;

/// Checks every file in the folders of a target, and random changes of each file. The folders are
/// relative to this package.
fn check(folders: &[&str], check: fn(&[u8])) {
    let mut seeds = Vec::new();
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder)
            .expect("the folder is there")
            .flatten()
        {
            let bytes = std::fs::read(entry.path()).expect("a file can be read");
            seeds.push((entry.file_name().to_string_lossy().into_owned(), bytes));
        }
    }
    seeds.sort();
    assert!(seeds.len() >= LEAST_FILES, "{} files", seeds.len());
    for (name, bytes) in &seeds {
        checked(name, bytes, check);
    }
    let started = Instant::now();
    let mut chance = Chance::new(20);
    for change in 0..CHANGES {
        for (name, bytes) in &seeds {
            let (_, other) = &seeds[chance.below(seeds.len())];
            let bytes = mutated(bytes, other, &mut chance);
            checked(&format!("change {change} of {name}"), &bytes, check);
            if started.elapsed() > TIME {
                return;
            }
        }
    }
}

/// Checks an input, and shows it if it breaks a rule.
fn checked(name: &str, bytes: &[u8], check: fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        let shown = &bytes[..bytes.len().min(4096)];
        eprintln!("{name}, {} bytes: {}", bytes.len(), shown.escape_ascii());
        resume_unwind(panic);
    }
}

#[test]
fn azure_ml_keeps_the_rules() {
    check(&["corpus/azure_ml"], azure_ml::check);
}

#[test]
fn envelopes_keep_the_rules() {
    check(&["corpus/envelope", "../data/envelopes"], envelope::check);
}

#[test]
fn function_json_keeps_the_rules() {
    check(&["corpus/function_json"], function_json::check);
}

#[test]
fn manifests_keep_the_rules() {
    check(&["corpus/manifest"], manifest::check);
}

#[test]
fn open_inference_keeps_the_rules() {
    check(&["corpus/open_inference"], open_inference::check);
}

#[test]
fn binary_open_inference_keeps_the_rules() {
    check(
        &["corpus/open_inference_binary"],
        open_inference::check_binary,
    );
}

#[test]
fn redis_replies_keep_the_rules() {
    check(&["corpus/redis_replies"], redis_replies::check);
}

#[test]
fn safetensors_keep_the_rules() {
    check(&["corpus/safetensors"], safetensors::check);
}

#[test]
fn challenges_keep_the_rules() {
    check(&["corpus/challenge"], challenge::check);
}

#[test]
fn arrays_keep_the_rules() {
    check(&["corpus/numpy", "../data/numpy"], numpy::check);
}
