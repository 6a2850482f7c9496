//! The steps of a call (parse, instantiate, call, render), measured in one process.
//!
//! Owns how `cargo bench` is run. Must not know the steps: `tests/bench/benches/steps.rs` has them.

use std::path::Path;
use std::process::Stdio;

use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

use super::stage::PROFILE;

/// Name of the environment variable with the path of the app folder, for the benchmarks of the
/// steps of a call.
const APP_VARIABLE: &str = "SCOREBOX_BENCH_APP";

/// Runs the benchmarks of the steps of a call (parse, instantiate, call, render) on the app folder
/// `app`. Their table is printed to standard error, because it is not part of the result. Fails if
/// the benchmarks cannot be built or run.
pub fn run(app: &Path) -> Result<(), Failure> {
    // The package is built alone, because Cargo gives a program every feature that any package in
    // the same build asks for. The image's host does not have a compiler, and so the benchmarks
    // must not have one.
    // The profile is that of the image's host, because Cargo's own profile for benchmarks has the
    // levels of optimisation with which developers build.
    let arguments = [
        "bench",
        "--profile",
        PROFILE,
        "-p",
        "scorebox-bench",
        "--bench",
        "steps",
    ];
    let shown = format!("cargo {}", arguments.join(" "));
    eprintln!("running {shown}");
    let mut command = workspace::cargo(&workspace::root());
    command
        .args(arguments)
        .env(APP_VARIABLE, app)
        .stdin(Stdio::null())
        .stdout(std::io::stderr());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::other(
            format!("`{shown}` ended with {status}"),
            "fix the errors shown above",
        )),
        Err(error) => Err(Failure::toolchain(
            format!("`{shown}`: {error}"),
            "run `cargo xtask setup`",
        )),
    }
}
