//! `cargo xtask fuzz`: fuzzing guided by code coverage, for a bounded time.
//!
//! Owns the build with coverage counters, the corpus and the bounds of a run. Must not know what a
//! target checks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use scorebox_workspace::commands::SELECTION;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace;

use crate::known_name::{self, NameError};

/// Folder of the fuzz targets, relative to the workspace's root. Each file in it is one target.
const TARGETS: &str = "tests/fuzz/src/bin";

/// Folder of the corpora, relative to the workspace's root. Each target has a folder with its name,
/// which contains the first inputs of a run.
const CORPORA: &str = "tests/fuzz/corpus";

/// Names of fuzz targets that have additional first inputs, each with the folder of these inputs,
/// relative to the workspace's root.
const MORE_SEEDS: [(&str, &str); 2] = [
    ("envelope", "tests/data/envelopes"),
    ("numpy", "tests/data/numpy"),
];

/// Maximum time for a single input. An input that takes longer, or that needs more memory than
/// `MEMORY_MIB`, is a finding.
const INPUT_TIMEOUT: Duration = Duration::from_secs(5);
const MEMORY_MIB: u32 = 2048;

/// Minimum time for which a fuzz target runs. In less time, libFuzzer only reads the corpus.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// Start of the line in libFuzzer's statistics that states the number of inputs.
const INPUTS: &str = "stat::number_of_executed_units:";

/// Flags of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Targets to run: azure_ml, challenge, envelope, function_json, manifest, numpy,
    /// open_inference, open_inference_binary, redis_replies, safetensors. Each is a program in
    /// tests/fuzz/src/bin. Without a target, all run.
    #[arg(value_name = "TARGET", value_parser = target)]
    pub targets: Vec<String>,
    /// Duration of the run, in seconds. All targets together take this time, in equal parts of at
    /// least a second.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
}

/// Runs `cargo xtask fuzz`: fuzzes the targets that the arguments name. Fails if a target cannot be
/// built or run, or if an input makes a target fail.
pub fn run(args: &FuzzArgs) -> Result<(), Failure> {
    fuzz(&args.targets, Duration::from_secs(args.seconds))
}

/// Builds the fuzz targets with the given names, or all targets if there are no names, and runs
/// them one after the other. `time` is the time for all of them together, but each target runs for
/// at least `LEAST_TIME`.
///
/// Prints one line for each target. Fails if a target cannot be built or run, or if an input makes
/// a target fail, e.g. because an assertion of the target does not hold.
pub fn fuzz(names: &[String], time: Duration) -> Result<(), Failure> {
    let names = if names.is_empty() {
        targets(&workspace::root().join(TARGETS))?
    } else {
        names.to_vec()
    };
    let programs = build(&names)?;
    let each = time / u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut broken = Vec::new();
    for name in &names {
        let program = programs.get(name).ok_or_else(|| {
            Failure::toolchain(
                format!("cargo built no program `{name}`"),
                "see tests/fuzz/Cargo.toml",
            )
        })?;
        if !run_target(name, program, each.max(LEAST_TIME))? {
            broken.push(name.as_str());
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::other(
        format!("an input breaks a rule of {}", broken.join(", ")),
        format!(
            "the input is in the folder that the target's line names; fix what it breaks, and put \
             it into {CORPORA}/TARGET under a name that says what it is"
        ),
    ))
}

/// Parses the name of a fuzz target on the command line. Fails if there is no target with this
/// name.
pub fn target(name: &str) -> Result<String, NameError> {
    known_name::check(name, "target", targets(&workspace::root().join(TARGETS))?)
}

/// Returns the names of the fuzz targets in the folder `dir`, sorted. Fails if the folder cannot be
/// read.
fn targets(dir: &Path) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::file(dir, "be listed", error))?;
    let name = |path: PathBuf| {
        (path.extension() == Some("rs".as_ref()))
            .then(|| Some(path.file_stem()?.to_str()?.to_owned()))
            .flatten()
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| name(entry.ok()?.path()))
        .collect();
    names.sort();
    Ok(names)
}

/// Runs a fuzz target for the given time and prints one line about the run. `program` is the path
/// of the target's program. Returns false if an input made the target fail, e.g. because an
/// assertion did not hold or the input took too long. Fails if the program cannot be run.
fn run_target(name: &str, program: &Path, time: Duration) -> Result<bool, Failure> {
    let dir = workspace::target().join("fuzz").join(name);
    let (corpus, findings) = (dir.join("corpus"), dir.join("findings"));
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "be made", error))?;
    }
    let more = MORE_SEEDS
        .iter()
        .filter(|(target, _)| *target == name)
        .map(|(_, folder)| (*folder).to_owned());
    let failed = |error: std::io::Error| {
        Failure::other(
            format!("{}: {error}", program.display()),
            "see that it can be run",
        )
    };
    eprintln!("running {name} for {} s", time.as_secs());
    let mut child = Command::new(program)
        .current_dir(workspace::root())
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-timeout={}", INPUT_TIMEOUT.as_secs()))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(&corpus)
        .arg(format!("{CORPORA}/{name}"))
        .args(more)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut inputs = None;
    for line in child
        .stderr
        .take()
        .into_iter()
        .flat_map(|from| BufReader::new(from).split(b'\n'))
    {
        let line = line.map_err(failed)?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        if let Some(count) = line.strip_prefix(INPUTS) {
            inputs = Some(count.trim().to_owned());
        }
    }
    let status = child.wait().map_err(failed)?;
    let inputs = inputs.map_or_else(String::new, |inputs| format!("{inputs} inputs, "));
    if status.success() {
        println!("{name}: {} s, {inputs}no finding", time.as_secs());
    } else {
        println!(
            "{name}: {inputs}a finding in {} ({status})",
            findings.display()
        );
    }
    Ok(status.success())
}

/// Builds fuzz targets and returns the paths of their programs. The keys are the names of the
/// targets. Fails if a target cannot be built.
///
/// The build also selects the packages in [`SELECTION`]. The features of a dependency depend on the
/// selected packages, so dependencies that `cargo xtask` has compiled before are not compiled
/// again.
fn build(names: &[String]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    eprintln!("building the fuzz targets {}", names.join(", "));
    let mut arguments = SELECTION.to_vec();
    arguments.extend([
        "-p",
        "scorebox-fuzz",
        "--features",
        "scorebox-fuzz/libfuzzer",
    ]);
    arguments.extend(names.iter().flat_map(|name| ["--bin", name.as_str()]));
    let built = workspace::build(&workspace::root(), &arguments)?;
    Ok(built
        .into_iter()
        .filter_map(|artifact| Some((artifact.name, artifact.executable?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_target() {
        let mut command = crate::command_line::command();
        let fuzz = command.find_subcommand_mut("fuzz").unwrap();
        let help = fuzz.render_long_help().to_string();
        let targets = targets(&workspace::root().join(TARGETS)).unwrap();
        assert!(targets.len() >= 10, "{targets:?}");
        for target in targets {
            assert!(help.contains(&target), "{target}: {help}");
        }
    }
}
