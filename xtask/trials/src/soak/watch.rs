//! Memory, file descriptors and threads of processes over time, and the rule that decides if they
//! drift, i.e. change by more than is allowed.
//!
//! Owns the samples and the rule. Must not know what the processes do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use scorebox_workspace::failure::Failure;
use serde::Serialize;

/// Time after the start of a run in which the hosts fill their buffers and create their instances.
/// Samples of this time are not compared.
///
/// In a run of less than twice this time, the first half of the run is left out instead.
const WARM_UP: Duration = Duration::from_secs(120);

/// Maximum change of resident memory that does not count as drift, in percent of the memory in the
/// first third of the time after the warm-up.
const MEMORY_PERCENT: f64 = 10.0;
/// Additional change of resident memory in MiB that does not count as drift in a run of less than
/// 240 s, because the first half of the run is not a whole warm-up.
const SHORT_RUN_MIB: f64 = 8.0;
/// Maximum change of the number of file descriptors or threads that does not count as drift.
const LOOSE: f64 = 3.0;

/// A sample of a host's process: its memory, file descriptors and threads at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    at: Duration,
    rss_mib: f64,
    descriptors: f64,
    threads: f64,
}

/// All samples of the hosts' processes during a run.
pub struct Watch {
    time: Duration,
    looks: BTreeMap<&'static str, Vec<Look>>,
}

/// Change of a quantity, such as memory, from the first to the last third of the time after the
/// warm-up. Both values are medians of many samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Median of the samples in the first third of the time after the warm-up.
    pub first: f64,
    /// Median of the samples in the last third of the time after the warm-up.
    pub last: f64,
    /// True if the two medians differ by more than is allowed for this quantity, or if one of the
    /// two thirds has no samples.
    pub drifts: bool,
}

/// Changes of the memory, the file descriptors and the threads of one host during a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drift {
    /// Name of the host in the table and in the JSON output.
    pub host: &'static str,
    /// Change of the host's resident memory, in MiB.
    pub rss_mib: Change,
    /// Peak resident memory of the host over all samples, in MiB.
    pub most_rss_mib: f64,
    /// Change of the host's number of open file descriptors.
    pub descriptors: Change,
    /// Change of the host's number of threads.
    pub threads: Change,
}

impl Drift {
    /// Returns true if the memory, the file descriptors or the threads of the host changed by more
    /// than is allowed, or if there are too few samples to compare.
    pub fn is_one(&self) -> bool {
        self.rss_mib.drifts || self.descriptors.drifts || self.threads.drifts
    }
}

impl Watch {
    /// Creates a watch without samples, for a run of the length `time`.
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            looks: BTreeMap::new(),
        }
    }

    /// Takes a sample of the process `pid` of the host `host`. `at` is the time since the start of
    /// the run. Fails if the process has ended.
    pub fn sample(&mut self, host: &'static str, pid: u32, at: Duration) -> Result<(), Failure> {
        let look = look(pid, at)?;
        self.looks.entry(host).or_default().push(look);
        Ok(())
    }

    /// Compares early with late samples of each host's process, and returns the changes.
    pub fn drifts(&self) -> Vec<Drift> {
        self.looks
            .iter()
            .map(|(host, looks)| drift(host, looks, self.time))
            .collect()
    }
}

fn look(pid: u32, at: Duration) -> Result<Look, Failure> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let gone = |error| Failure::file(&folder, "be read, so the host has ended", error);
    let status = std::fs::read_to_string(folder.join("status")).map_err(gone)?;
    let of = |name: &str| -> Option<f64> {
        status.lines().find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
    };
    let (Some(rss_kib), Some(threads)) = (of("VmRSS:"), of("Threads:")) else {
        // A process that has ended and was not waited for does not have memory.
        return Err(Failure::other(
            format!("{}: the host has ended", folder.display()),
            "see its log in target/soak",
        ));
    };
    let descriptors = std::fs::read_dir(folder.join("fd")).map_err(gone)?.count();
    Ok(Look {
        at,
        rss_mib: rss_kib / 1024.0,
        descriptors: descriptors as f64,
        threads,
    })
}

fn drift(host: &'static str, looks: &[Look], time: Duration) -> Drift {
    let is_short = time < WARM_UP * 2;
    let warm_up = if is_short { time / 2 } else { WARM_UP };
    let third = time.saturating_sub(warm_up) / 3;
    let change = |of: fn(&Look) -> f64, allowed: &dyn Fn(f64) -> f64| {
        let within = |from: Duration, to: Duration| {
            median(
                looks
                    .iter()
                    .filter(|look| from <= look.at && look.at <= to)
                    .map(of)
                    .collect(),
            )
        };
        let (first, last) = (
            within(warm_up, warm_up + third),
            within(time.saturating_sub(third), time + third),
        );
        let moved = (last - first).abs();
        // Without samples the median is NaN, and the run must not pass.
        Change {
            first,
            last,
            drifts: moved.is_nan() || moved > allowed(first),
        }
    };
    let memory =
        |first: f64| first * MEMORY_PERCENT / 100.0 + if is_short { SHORT_RUN_MIB } else { 0.0 };
    Drift {
        host,
        rss_mib: change(|look| look.rss_mib, &memory),
        most_rss_mib: looks.iter().map(|look| look.rss_mib).fold(0.0, f64::max),
        descriptors: change(|look| look.descriptors, &|_| LOOSE),
        threads: change(|look| look.threads, &|_| LOOSE),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: u64 = 20;

    fn watched(rss_mib: fn(u64) -> f64, descriptors: fn(u64) -> f64) -> Drift {
        let looks: Vec<Look> = (0..MINUTES * 60)
            .step_by(2)
            .map(|second| Look {
                at: Duration::from_secs(second),
                rss_mib: rss_mib(second),
                descriptors: descriptors(second),
                threads: 5.0,
            })
            .collect();
        drift("warm", &looks, Duration::from_secs(MINUTES * 60))
    }

    #[test]
    fn growth_after_the_second_minute_is_drift_and_growth_before_it_is_not() {
        let early = watched(
            |second| {
                if second < 120 {
                    10.0 + second as f64
                } else {
                    130.0
                }
            },
            |_| 20.0,
        );
        assert!(!early.is_one(), "{early:?}");
        let leak = watched(|second| 100.0 + second as f64 / 60.0, |_| 20.0);
        assert!(leak.rss_mib.drifts && !leak.descriptors.drifts, "{leak:?}");
        let descriptors = watched(|_| 100.0, |second| 20.0 + second as f64 / 120.0);
        assert!(
            descriptors.descriptors.drifts && !descriptors.rss_mib.drifts,
            "{descriptors:?}"
        );
        // One sample while Redis is away changes no median.
        let spike = watched(
            |_| 100.0,
            |second| if second % 20 == 0 { 40.0 } else { 20.0 },
        );
        assert!(!spike.is_one(), "{spike:?}");
    }

    #[test]
    fn a_process_is_sampled_and_one_that_has_ended_is_reported() {
        let own = look(std::process::id(), Duration::ZERO).unwrap();
        assert!(
            own.rss_mib > 0.5 && own.threads >= 1.0 && own.descriptors >= 3.0,
            "{own:?}"
        );
        assert!(look(u32::MAX, Duration::ZERO).is_err());
        assert!(drift("none", &[], Duration::from_secs(60)).is_one());
    }
}
