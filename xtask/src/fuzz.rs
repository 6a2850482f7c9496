//! `cargo xtask fuzz`: fuzzing guided by code coverage, for a bounded time.
//!
//! Owns the build with counters, the corpus and the bounds of a run. Must not know what a target
//! checks.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use scorebox_workspace::commands::SELECTION;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

/// The only fuzz target. Its corpus begins with the files in `SEEDS`.
const TARGET: &str = "envelope";
const SEEDS: [&str; 2] = ["tests/fuzz/corpus/envelope", "tests/data/envelopes"];

/// Maximum time for a single input. An input that takes longer, or needs more memory than
/// `MEMORY_MIB`, is a finding.
const INPUT_TIMEOUT: Duration = Duration::from_secs(5);
const MEMORY_MIB: u32 = 2048;

/// Flags of `fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Duration of the run, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
}

/// Runs `cargo xtask fuzz`.
pub fn run(args: &FuzzArgs) -> Result<(), Failure> {
    fuzz(Duration::from_secs(args.seconds))
}

/// Builds the fuzz target and runs it for the given time. Fails if an input breaks a rule.
pub fn fuzz(time: Duration) -> Result<(), Failure> {
    let root = workspace::root();
    let program = build()?;
    let dir = workspace::target().join("fuzz").join(TARGET);
    let (corpus, findings) = (dir.join("corpus"), dir.join("findings"));
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "be made", error))?;
    }
    eprintln!("running {TARGET} for {} s", time.as_secs());
    let status = Command::new(&program)
        .current_dir(&root)
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-timeout={}", INPUT_TIMEOUT.as_secs()))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(&corpus)
        .args(SEEDS)
        .status()
        .map_err(|error| {
            Failure::other(
                format!("{}: {error}", program.display()),
                "see that it can be run",
            )
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::other(
        format!("the target {TARGET} found an input that breaks a rule ({status})"),
        format!(
            "the input is in {}; fix what it breaks, and put it into {} under a name that says \
             what it is",
            findings.display(),
            SEEDS.first().copied().unwrap_or_default()
        ),
    ))
}

/// Builds the fuzz target and returns the path of the program.
///
/// The packages of every build for developers are selected along with the target, so that the
/// dependencies keep the features that they were compiled with already.
fn build() -> Result<PathBuf, Failure> {
    eprintln!("building the fuzz target {TARGET}");
    let target = [
        "-p",
        "scorebox-fuzz",
        "--features",
        "scorebox-fuzz/libfuzzer",
        "--bin",
        TARGET,
    ];
    let arguments = [&SELECTION[..], &target].concat();
    let built = workspace::build(&workspace::root(), &arguments)?;
    let program = built
        .into_iter()
        .filter(|artifact| artifact.name == TARGET)
        .find_map(|artifact| artifact.executable);
    program.ok_or_else(|| {
        Failure::toolchain(
            format!("cargo built no program `{TARGET}`"),
            "see tests/fuzz/Cargo.toml",
        )
    })
}
