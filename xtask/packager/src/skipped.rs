//! Unit tests that cannot run on this machine.
//!
//! Owns the report: a line in the file that `cargo xtask test` names, or a failure in continuous
//! integration. Must not know the tests. The module `tests/src/skip.rs` does this for the
//! whole-system tests.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// Names of the tests of this process that were reported as skipped.
static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Reports that the running test, or a part of it, is skipped, with the reason `reason`. A test is
/// counted once, with its first reason.
///
/// # Panics
/// Panics in continuous integration, where no test may be skipped. Also panics if the file with the
/// skipped tests cannot be written.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {reason}");
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "may not be skipped here: {line}");
    eprintln!("skipped: {line}");
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    if reported.insert(test)
        && let Some(file) = std::env::var_os("SCOREBOX_SKIPPED_FILE")
    {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file);
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .expect("SCOREBOX_SKIPPED_FILE can be written");
    }
}
