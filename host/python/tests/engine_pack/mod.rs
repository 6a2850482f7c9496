//! Engine pack for the tests of this crate.
//!
//! Owns how the pack is found, and the report of a test that cannot run without one. Must not know
//! what a test does with it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use scorebox_python::{Pack, Proof};

/// Returns the pack in the folder that `SCOREBOX_PYTHON_PACK` names. `cargo xtask test` sets the
/// variable if it runs all tests. Without it, the test is reported as skipped.
pub fn pack() -> Option<Arc<Pack>> {
    let Some(folder) = std::env::var_os("SCOREBOX_PYTHON_PACK").map(PathBuf::from) else {
        let reason = "SCOREBOX_PYTHON_PACK names no pack; `cargo xtask setup --python` makes one";
        eprintln!("skipped: {reason}");
        if let Some(file) = std::env::var_os("SCOREBOX_SKIPPED_FILE") {
            let mut file = std::fs::File::options().append(true).open(file).unwrap();
            writeln!(file, "skipped: {reason}").unwrap();
        }
        return None;
    };
    Some(Pack::open(&folder, Proof::Recorded).unwrap())
}
