//! `cargo xtask test`: runs every check and test, and prints one line with the numbers of tests at
//! the end.
//!
//! Owns the order of the steps, the areas of the whole-system tests, and the addition of the
//! numbers. Must not know what a test does: each test starts its own servers.

mod places;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{toolchain, tools, workspace};

use self::places::{ImageHosts, PACK_VARIABLE, Places};
use crate::known_name::{self, NameError};
use crate::{fuzz, tidy};

/// Name of the environment variable with the path of a file for skipped tests. A test that cannot
/// run appends a line with its reason to the file.
const SKIPPED_VARIABLE: &str = "SCOREBOX_SKIPPED_FILE";

/// Name of the environment variable that decides how many of their cases long tests run. If its
/// value is 1, a long test runs all of its cases. Otherwise, it runs only some of them.
const LONG_VARIABLE: &str = "SCOREBOX_LONG";

/// Duration of the fuzzing step of `test --long`, for all targets together.
const LONG_FUZZ_TIME: Duration = Duration::from_secs(600);

/// Duration of the fuzzing step without `--long`, for all targets together. This time is enough to
/// fuzz the code that the first inputs reach. `cargo xtask fuzz` runs longer.
const FUZZ_TIME: Duration = Duration::from_secs(30);

/// Folder of the whole-system tests, relative to the workspace's root. It contains one test program
/// for each area.
const AREAS: &str = "tests/tests";

/// Flags of `cargo xtask test`.
#[derive(Debug, Args)]
#[command(
    after_help = "The tests read the paths of these things from the environment: \
                  SCOREBOX_WORKSPACE, SCOREBOX_HOST_PROGRAM, SCOREBOX_IMAGE_HOST_PROGRAM, \
                  SCOREBOX_GRAPHS_HOST_PROGRAM, SCOREBOX_PYTHON_HOST_PROGRAM, \
                  SCOREBOX_PYTHON_PACK, SCOREBOX_ENGINE_LIBRARY, SCOREBOX_XTASK, SCOREBOX_TRIALS, \
                  SCOREBOX_CHORES, SCOREBOX_PROGRAMS, SCOREBOX_APPS. A test that cannot run \
                  appends its reason, one line, to the file named by \
                  SCOREBOX_SKIPPED_FILE.\n\nExamples:\n  cargo xtask test\n  \
                  cargo xtask test redis\n  cargo xtask test redis serving --only faults:: stops::\n  \
                  cargo xtask test --long"
)]
pub struct TestArgs {
    /// Areas of the whole-system tests to run, and no other check: functions, redis, packager,
    /// serving, models, meta. Each is a folder of tests/tests with one test program. Without an
    /// area, all tests and all other checks run.
    #[arg(value_name = "AREA", value_parser = area)]
    pub areas: Vec<String>,
    /// Run only the tests whose path contains one of these texts, and no other check. The path of a
    /// test is MODULE::NAME without the area, so `stores::` runs a whole module. Write the areas
    /// before this flag, since it takes every word that follows.
    #[arg(long, value_name = "FILTER", num_args = 1..)]
    pub only: Vec<String>,
    /// Run all cases of each long test: every damaged model, a hundred thousand requests, twenty
    /// stops, ten minutes of fuzzing. Without this flag, a long test runs only some of its cases.
    #[arg(long)]
    pub long: bool,
}

/// Runs `cargo xtask test`, and returns its exit code. The last line on standard output has the
/// numbers of passed, failed and skipped tests.
pub fn run(args: &TestArgs) -> ExitCode {
    let everything = args.areas.is_empty() && args.only.is_empty();
    let programs: Vec<&str> = args
        .areas
        .iter()
        .flat_map(|area| ["--test", area.as_str()])
        .collect();
    let mut failed_steps = Vec::new();
    let mut step = |name: &'static str, outcome: Result<(), Failure>| match outcome {
        Ok(()) => true,
        Err(failure) => {
            eprintln!("step `{name}` failed: {failure}");
            failed_steps.push(name);
            false
        }
    };
    let mut sum = Sum::default();
    let ready = step("setup", toolchain::check(|line| eprintln!("{line}")));
    if ready {
        install_tools();
        // Each host for images is linked on one core for minutes. Meanwhile the other steps check
        // and compile.
        let images = std::thread::spawn(ImageHosts::build);
        if everything {
            step("fmt", cargo(&["fmt", "--all", "--check"], &[]));
            step("tidy", tidy::check());
            let clippy = [
                "clippy",
                "--release",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            step("clippy", cargo(&clippy, &[]));
            let doc = ["doc", "--release", "--no-deps"];
            step("doc", cargo(&doc, &[("RUSTDOCFLAGS", "-D warnings")]));
        }
        match prepare(images, &programs) {
            Err(failure) => {
                step("build", Err(failure));
            }
            Ok((places, images)) => match tests(&places, &images, &programs, args) {
                Err(failure) => {
                    step("test", Err(failure));
                }
                Ok((found, success)) => {
                    sum = found;
                    // A test program that does not compile or crashes does not print a result line.
                    if !success && sum.failed == 0 {
                        step(
                            "test",
                            Err(Failure::other(
                                "cargo test failed",
                                "see what it says above",
                            )),
                        );
                    }
                }
            },
        }
    }
    if ready && everything {
        if tools::find("c++").is_some() || std::env::var_os("CI").is_some() {
            let time = if args.long { LONG_FUZZ_TIME } else { FUZZ_TIME };
            step("fuzz", fuzz::fuzz(&[], time));
        } else {
            println!("skipped: fuzz: no c++ on PATH");
            sum.skipped += 1;
        }
    }
    sum.failed += failed_steps.len() as u64;
    if !failed_steps.is_empty() {
        println!(
            "failed steps, each counted as one failure: {}",
            failed_steps.join(", ")
        );
    }
    println!(
        "{} passed, {} failed, {} skipped",
        sum.passed, sum.failed, sum.skipped
    );
    if sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Parses the name of an area of the whole-system tests on the command line. Fails if there is no
/// area with this name.
pub fn area(name: &str) -> Result<String, NameError> {
    known_name::check(name, "area", areas(&workspace::root().join(AREAS))?)
}

/// Returns the names of the areas of the whole-system tests in the folder `dir`, sorted. An area is
/// a folder with a `main.rs`, or a single file. Fails if the folder cannot be read.
fn areas(dir: &Path) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::file(dir, "be listed", error))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let programs = paths
        .filter(|path| path.join("main.rs").is_file() || path.extension() == Some("rs".as_ref()));
    let mut names: Vec<_> = programs
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Installs the missing programs that the tests use, if this is possible. Otherwise, a test that
/// needs a missing program reports that it is skipped.
fn install_tools() {
    let packages: Vec<_> = tools::missing().iter().map(|tool| tool.package).collect();
    if !packages.is_empty()
        && let Err(failure) = tools::install(&packages)
    {
        eprintln!("{failure}\n  until then, tests that need them are skipped");
    }
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), Failure> {
    let shown = format!("cargo {}", arguments.join(" "));
    eprintln!("running {shown}");
    let mut command = workspace::cargo(&workspace::root());
    let status = command
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .status();
    match status {
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

/// Builds everything that the tests start, and the test programs themselves. `areas` are the
/// arguments of Cargo that select test programs. If `areas` is empty, all test programs are built.
/// `images` is the thread that builds the host programs for images. Fails if a build fails.
fn prepare(
    images: JoinHandle<Result<ImageHosts, Failure>>,
    areas: &[&str],
) -> Result<(Places, ImageHosts), Failure> {
    let places = Places::build()?;
    let build = [&["test", "--release", "--no-run"][..], areas].concat();
    cargo(&build, &[])?;
    let ended = |_| {
        Failure::other(
            "building the hosts of images panicked",
            "see what it says above",
        )
    };
    let images = images.join().map_err(ended)??;
    Ok((places, images))
}

fn tests(
    places: &Places,
    images: &ImageHosts,
    programs: &[&str],
    args: &TestArgs,
) -> Result<(Sum, bool), Failure> {
    let skipped_file = workspace::target().join("skipped-tests.txt");
    std::fs::write(&skipped_file, "")
        .map_err(|error| Failure::file(&skipped_file, "be written", error))?;
    let mut command = workspace::cargo(&workspace::root());
    command
        .args(["test", "--release", "--no-fail-fast"])
        .args(programs)
        .arg("--")
        .args(&args.only)
        .envs(places.variables())
        .envs(images.variables())
        .env(SKIPPED_VARIABLE, &skipped_file)
        .env(LONG_VARIABLE, if args.long { "1" } else { "0" })
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if programs.is_empty() && args.only.is_empty() {
        command.envs(places.pack().map(|pack| (PACK_VARIABLE, pack)));
    }
    eprintln!("running cargo test");
    let (mut sum, success) = stream(command)?;
    let reasons = std::fs::read_to_string(&skipped_file).unwrap_or_default();
    for reason in reasons.lines().filter(|line| !line.trim().is_empty()) {
        println!("skipped: {}", reason.trim().trim_start_matches("skipped: "));
        // A skipped test returned early, and cargo counted it as passed.
        sum.passed = sum.passed.saturating_sub(1);
        sum.skipped += 1;
    }
    Ok((sum, success))
}

/// Runs a command of `cargo test`, and prints its output while it arrives. Returns the numbers of
/// tests that the output states, summed over all test programs, and true if the command succeeded.
/// Fails if Cargo cannot be run.
fn stream(mut command: Command) -> Result<(Sum, bool), Failure> {
    let broken = |error: std::io::Error| {
        Failure::other(format!("cargo test: {error}"), "run the command again")
    };
    let mut child = command.spawn().map_err(broken)?;
    let mut sum = Sum::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(broken)?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            sum.add(&line);
        }
    }
    let status = child.wait().map_err(broken)?;
    Ok((sum, status.success()))
}

/// Numbers of passed, failed and skipped tests, summed over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Sum {
    /// Adds the numbers in `line`, a line that `cargo test` prints for each test program, such as
    /// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in
    /// 0.01s`. Any other line is ignored.
    fn add(&mut self, line: &str) {
        let Some(numbers) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        for part in numbers.split([';', '.']) {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.next() {
                Some("passed") => self.passed += count,
                Some("failed") => self.failed += count,
                Some("ignored") => self.skipped += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod unit;
