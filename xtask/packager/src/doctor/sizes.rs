//! Checks of memory and CPU: the container's limits against the limits of the manifest.
//!
//! Owns the choice of the combinations of limits that are problems. Must not know how the host
//! divides memory: the host's library says how much each part gets.

use std::path::Path;

use bytesize::ByteSize;
use scorebox_host::manifest::Manifest;
use scorebox_host::sizing;

use super::arguments::DoctorArgs;
use super::cgroup::Limits;
use super::noun::Noun;
use super::report::Report;
use crate::model::{self, Pickles};

/// Memory that the host itself may need: for its program, its threads and its connections. An idle
/// host needs about 10 MB.
const HOST_BYTES: u64 = 32 << 20;
/// Number of CPU cores below which a start takes so long that platforms give up.
const LEAST_CORES: f64 = 0.1;
/// Number of CPU cores below which a call takes a multiple of its usual time.
const FEW_CORES: f64 = 0.25;
/// Number of instances per CPU core above which further instances only wait and hold memory. By
/// default, there are four instances per core.
const MOST_INSTANCES_PER_CORE: f64 = 16.0;

/// Checks if the container has enough memory and CPU cores for the limits of the manifest, and adds
/// the results to the report. If there is no valid manifest, both checks are reported as skipped.
pub fn examine(args: &DoctorArgs, report: &mut Report, manifest: Option<&Manifest>) {
    let Some(manifest) = manifest else {
        for noun in [Noun::Memory, Noun::Cpu] {
            report.skipped(noun, "there is no valid manifest to compare with");
        }
        return;
    };
    let limits = Limits::read();
    memory(args, report, manifest, &limits);
    cpu(args, report, manifest, &limits);
}

fn memory(args: &DoctorArgs, report: &mut Report, manifest: &Manifest, limits: &Limits) {
    let (available, place) = match (args.memory, &limits.memory_bytes) {
        (Some(size), _) => (size.as_u64(), "by --memory".to_owned()),
        (None, Some(limit)) => (limit.value, format!("by {}", limit.file.display())),
        (None, None) => match machine_bytes() {
            Some(bytes) => (bytes, "this machine has, without a limit".to_owned()),
            None => {
                return report.skipped(Noun::Memory, "no limit is known; give one with --memory");
            }
        },
    };
    let own = &manifest.limits;
    let instances = sizing::instances_bytes_within(own, available);
    let bodies = sizing::bodies_bytes_within(own, available);
    // Answers may need as much memory as bodies.
    let needed = instances
        .saturating_add(bodies.saturating_mul(2))
        .saturating_add(HOST_BYTES);
    let model = model_bytes(manifest);
    let size = ByteSize;
    let has = format!("{} {place}", size(available));
    let needs = format!(
        "instances {}, bodies and answers {}, the host {}",
        size(instances),
        size(bodies.saturating_mul(2)),
        size(HOST_BYTES)
    );
    if needed > available {
        return report.problem(
            Noun::Memory,
            format!(
                "the container has {has}, and may need {}: {needs}",
                size(needed)
            ),
            format!(
                "give the container at least {}, or lower `limits.total_memory`, `limits.bodies` \
                 and `limits.body`; leave out the first two to have them derived",
                size(needed.saturating_add(model))
            ),
        );
    }
    if model > available {
        return report.problem(
            Noun::Memory,
            format!("the container has {has}, and the model has {}", size(model)),
            format!(
                "give the container at least {}",
                size(needed.saturating_add(model))
            ),
        );
    }
    if needed.saturating_add(model) > available {
        return report.warning(
            Noun::Memory,
            format!(
                "the container has {has}; {needs}, the model {}: under load, the model would be \
                 read from the disk again and again",
                size(model)
            ),
            format!(
                "give the container at least {}, or lower `limits.total_memory`",
                size(needed.saturating_add(model))
            ),
        );
    }
    if own.memory_bytes > instances {
        return report.warning(
            Noun::Memory,
            format!(
                "the container has {has}: all instances together get {}, and `limits.memory` allows \
                 one of them {}; a call that needs more is answered 503",
                size(instances),
                size(own.memory_bytes)
            ),
            format!(
                "set `limits.memory` to at most {}, or give the container more memory",
                size(instances)
            ),
        );
    }
    let text = format!("{has}; {needs}, the model {}", size(model));
    report.ok(Noun::Memory, text);
}

fn cpu(args: &DoctorArgs, report: &mut Report, manifest: &Manifest, limits: &Limits) {
    let (cores, place) = match (args.cpus, &limits.cores) {
        (Some(cores), _) => (cores, "by --cpus".to_owned()),
        (None, Some(limit)) => (limit.value, format!("by {}", limit.file.display())),
        (None, None) => {
            let cores = u32::try_from(sizing::cores()).unwrap_or(u32::MAX);
            (f64::from(cores), "that this process may use".to_owned())
        }
    };
    let has = format!("{cores} cores {place}");
    // A number that is not positive is refused here, too.
    if !cores.is_finite() || cores < LEAST_CORES {
        return report.problem(
            Noun::Cpu,
            format!("the container has {has}: a start takes longer than platforms wait"),
            "give the container at least 0.25 cores, better 1",
        );
    }
    let instances = manifest.limits.instances.unwrap_or_default();
    let most = cores.max(1.0) * MOST_INSTANCES_PER_CORE;
    if f64::from(u32::try_from(instances).unwrap_or(u32::MAX)) > most {
        return report.warning(
            Noun::Cpu,
            format!(
                "the container has {has}, and `limits.instances` is {instances}: most of \
                 them only wait and hold memory"
            ),
            format!(
                "set `limits.instances` to \"auto\" or at most {most:.0}, or give the container \
                 more cores"
            ),
        );
    }
    if cores < FEW_CORES {
        return report.warning(
            Noun::Cpu,
            format!("the container has {has}: a call takes a multiple of its usual time"),
            "give the container at least 0.25 cores",
        );
    }
    report.ok(Noun::Cpu, has);
}

/// Returns the size of the model's files, in bytes. The size is 0 if there is no model. It is also
/// 0 if the files cannot be listed: the check of the model reports the reason.
fn model_bytes(manifest: &Manifest) -> u64 {
    let listed = manifest.scorer.model.as_deref();
    let listed = listed.map(|model| model::list(model, Pickles::of(manifest)));
    let Some(Ok(files)) = listed else { return 0 };
    let sizes = files.iter().filter_map(|file| size_of(&file.path));
    sizes.fold(0, u64::saturating_add)
}

fn size_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.len())
}

/// Returns the size of the machine's memory, in bytes. Returns `None` if Linux does not state the
/// size.
fn machine_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the report's lines about memory and CPU, each as `NOUN VERDICT: TEXT`. `limits` is
    /// the section `[limits]` of the manifest. `memory` and `cpus` are the memory and the number of
    /// CPU cores of the container.
    fn found(limits: &str, memory: &str, cpus: f64) -> Vec<String> {
        use clap::Parser as _;
        #[derive(Debug, clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: DoctorArgs,
        }
        let (memory, cpus) = (memory.to_owned(), cpus.to_string());
        let words = ["x", "--app", "a", "--memory", &memory, "--cpus", &cpus];
        let args = Cli::parse_from(words).args;
        let text = format!("[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n[limits]\n{limits}");
        let manifest = Manifest::parse(Path::new("scorebox.toml"), &text).unwrap();
        let mut report = Report::default();
        examine(&args, &mut report, Some(&manifest));
        let lines: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        let lines = lines["checks"].as_array().unwrap().iter();
        lines
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}: {}", text("noun"), text("verdict"), text("text"))
            })
            .collect()
    }

    #[test]
    fn limits_that_do_not_fit_are_found() {
        let check = |limits: &str, memory: &str, cpus: f64, parts: [&str; 2]| {
            let found = found(limits, memory, cpus);
            for part in parts {
                assert!(
                    found.iter().any(|line| line.contains(part)),
                    "{part}: {found:?}"
                );
            }
        };
        check("", "2GiB", 1.0, ["memory ok", "cpu ok"]);
        check("", "512MiB", 0.5, ["memory ok", "cpu ok"]);
        check(
            "total_memory = \"2GiB\"",
            "1GiB",
            0.05,
            ["memory problem", "cpu problem"],
        );
        check(
            "memory = \"1GiB\"",
            "1GiB",
            0.2,
            ["memory warning", "cpu warning"],
        );
        check("instances = 64", "2GiB", 2.0, ["memory ok", "cpu warning"]);
        check("body = \"1GiB\"", "1GiB", 4.0, ["memory problem", "cpu ok"]);
        check("", "2GiB", 0.0, ["memory ok", "cpu problem"]);
    }
}
