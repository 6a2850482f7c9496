//! Tests that cannot run on this machine.
//!
//! Owns how a missing program is reported: a line in the file that `cargo xtask test` names, or a
//! failure in continuous integration, which must have every program. Must not know the tests.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// Environment variable with the path of the file to which a test that cannot run appends the
/// reason.
const SKIPPED_VARIABLE: &str = "SCOREBOX_SKIPPED_FILE";

/// Names of the tests of this process that were reported as skipped.
static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Returns from the test, or from a function that is a part of the test, unless each of the given
/// programs is installed. The missing program is reported.
#[macro_export]
macro_rules! require {
    ($($program:expr),+ $(,)?) => {
        $(
            if $crate::place::tool($program).is_none() {
                return $crate::skip::skip(&format!("{}: there is no program `{}`", module_path!(), $program));
            }
        )+
    };
}

/// Reports that a test does not run, or that a part of it does not run. A test counts once as
/// skipped, with the first reason.
///
/// # Panics
/// Panics in continuous integration, where no test may be skipped.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {reason}");
    assert!(
        std::env::var_os("CI").is_none_or(|value| value != "true"),
        "may not be skipped here: {line}"
    );
    eprintln!("skipped: {line}");
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !reported.insert(test) {
        return;
    }
    if let Some(file) = std::env::var_os(SKIPPED_VARIABLE) {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file);
        // One call writes the whole line, so that lines of tests at the same time do not mix.
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .expect("SCOREBOX_SKIPPED_FILE can be written");
    }
}
