//! Figures of a soak, as a table, as JSON and as a verdict.
//!
//! Owns the shape of the JSON, the table and the rule by which a run fails. Must not know how a
//! figure was measured.

use std::fmt::Write as _;
use std::sync::PoisonError;

use scorebox_workspace::failure::Failure;
use serde::Serialize;

use super::paths::Path;
use super::tally::Tally;
use super::watch::{Change, Drift};

/// All results of a run of `cargo xtask soak`.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Length of the run, in minutes.
    pub minutes: f64,
    /// Number of calls of all kinds to all hosts.
    pub calls: u64,
    /// Number of answers that differ from the known right answers.
    pub wrong: u64,
    /// Number of calls without an answer, or with a status code other than 200.
    pub lost: u64,
    /// Number of times that Redis was killed and started again.
    pub redis_restarts: u32,
    /// True if the memory, the file descriptors or the threads of a host changed by more than is
    /// allowed during the run, or if there are too few samples of a host to compare.
    pub drifts: bool,
    /// Figures of each path. A path is one kind of call to one host.
    pub paths: Vec<PathFigures>,
    /// Changes of the memory, the file descriptors and the threads of each host.
    pub hosts: Vec<Drift>,
}

/// Figures of one path of the soak, which is one kind of call to one host.
#[derive(Debug, Serialize)]
pub struct PathFigures {
    /// Name of the kind of call in the table and in the JSON output, e.g. `infer-binary`.
    pub path: &'static str,
    /// Name of the host to which the calls go, e.g. `warm`.
    pub host: &'static str,
    /// Number of calls of this kind to the host.
    pub calls: u64,
    /// Number of answers that differ from the known right answers.
    pub wrong: u64,
    /// Number of calls without an answer, or with a status code other than 200.
    pub lost: u64,
    /// Median latency, in milliseconds: half of the answers came within this time.
    pub p50_ms: f64,
    /// 99th percentile of the latency, in milliseconds: 99 of 100 answers came within this time.
    pub p99_ms: f64,
    /// Latency of the slowest answer, in milliseconds.
    pub most_ms: f64,
    /// Error of the first failed call. A call with a wrong answer counts as failed. `None` if no
    /// call failed.
    pub first: Option<String>,
}

impl PathFigures {
    /// Summarises the calls of one kind to one host (`path`), which `tally` has counted.
    pub fn of(path: &Path, tally: Tally) -> Self {
        let mut latencies = tally
            .latencies_us
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            let found = latencies.get(index.min(latencies.len().saturating_sub(1)));
            found.map_or(0.0, |micros| f64::from(*micros) / 1e3)
        };
        Self {
            path: path.name,
            host: path.host.name(),
            calls: tally.calls.into_inner(),
            wrong: tally.wrong.into_inner(),
            lost: tally.lost.into_inner(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            most_ms: at(1.0),
            first: tally
                .first
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Figures {
    /// Summarises a run. `minutes` is the length of the run, and `redis_restarts` is the number of
    /// times that Redis was restarted. `paths` has the figures of each path, which is one kind of
    /// call to one host. `hosts` has the changes of each host's memory, file descriptors and
    /// threads.
    pub fn of(
        minutes: f64,
        redis_restarts: u32,
        paths: Vec<PathFigures>,
        hosts: Vec<Drift>,
    ) -> Self {
        let sum = |of: fn(&PathFigures) -> u64| paths.iter().map(of).sum();
        Self {
            minutes,
            calls: sum(|path| path.calls),
            wrong: sum(|path| path.wrong),
            lost: sum(|path| path.lost),
            redis_restarts,
            drifts: hosts.iter().any(Drift::is_one),
            paths,
            hosts,
        }
    }

    /// Fails if an answer was wrong, if a call was lost, if the memory, file descriptors or threads
    /// of a host changed by more than is allowed or have too few samples to compare, or if calls of
    /// some kind were never made.
    pub fn verdict(&self) -> Result<(), Failure> {
        let silent = self.paths.iter().filter(|path| path.calls == 0).count();
        if self.wrong == 0 && self.lost == 0 && !self.drifts && silent == 0 {
            return Ok(());
        }
        let adrift: Vec<_> = self
            .hosts
            .iter()
            .filter(|host| host.is_one())
            .map(|host| host.host)
            .collect();
        let adrift = if adrift.is_empty() {
            "none".to_owned()
        } else {
            adrift.join(", ")
        };
        Err(Failure::other(
            format!(
                "the soak failed: {} wrong answers, {} lost calls, {silent} paths without a call, hosts that drift: {adrift}",
                self.wrong, self.lost
            ),
            "see the first failure of each path above and the logs of the hosts in target/soak",
        ))
    }
}

/// Returns the figures of a soak as text tables for people.
pub fn table(figures: &Figures) -> String {
    let mut text = String::new();
    let Figures {
        minutes,
        calls,
        wrong,
        lost,
        redis_restarts,
        paths,
        hosts,
        ..
    } = figures;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{minutes:.1} minutes, {calls} calls, {wrong} wrong, {lost} lost; Redis was killed and started again {redis_restarts} \
         times"
    );
    let heading = (
        "path", "host", "calls", "wrong", "lost", "p50 ms", "p99 ms", "most ms",
    );
    let (path, host, calls, wrong, lost, p50, p99, most) = heading;
    let _ = writeln!(
        text,
        "\n{path:<23} {host:<10} {calls:>9} {wrong:>6} {lost:>6} {p50:>8} {p99:>8} {most:>8}"
    );
    for PathFigures {
        path,
        host,
        calls,
        wrong,
        lost,
        p50_ms,
        p99_ms,
        most_ms,
        ..
    } in paths
    {
        let _ = writeln!(
            text,
            "{path:<23} {host:<10} {calls:>9} {wrong:>6} {lost:>6} {p50_ms:>8.2} {p99_ms:>8.2} {most_ms:>8.2}"
        );
    }
    let (host, memory, most, descriptors, threads) =
        ("host", "memory MiB", "most", "descriptors", "threads");
    let _ = writeln!(
        text,
        "\n{host:<10} {memory:>24} {most:>8} {descriptors:>20} {threads:>20}"
    );
    for Drift {
        host,
        rss_mib,
        most_rss_mib,
        descriptors,
        threads,
    } in hosts
    {
        let [memory, descriptors, threads] =
            [(rss_mib, 1), (descriptors, 0), (threads, 0)].map(change);
        let _ = writeln!(
            text,
            "{host:<10} {memory:>24} {most_rss_mib:>8.1} {descriptors:>20} {threads:>20}"
        );
    }
    for PathFigures { path, first, .. } in paths {
        if let Some(first) = first {
            let _ = writeln!(text, "first failure on {path}: {}", first.escape_debug());
        }
    }
    text
}

fn change((change, digits): (&Change, usize)) -> String {
    let Change {
        first,
        last,
        drifts,
    } = change;
    format!(
        "{first:.digits$} → {last:.digits$}{}",
        if *drifts { " DRIFT" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::super::paths::PATHS;
    use super::*;

    fn drift(drifts: bool) -> Drift {
        let change = Change {
            first: 1.0,
            last: 2.0,
            drifts,
        };
        let calm = Change {
            drifts: false,
            ..change
        };
        Drift {
            host: "warm",
            rss_mib: change,
            most_rss_mib: 2.0,
            descriptors: calm,
            threads: calm,
        }
    }

    fn path(calls: u64, wrong: u64, lost: u64) -> PathFigures {
        let tally = Tally {
            calls: calls.into(),
            wrong: wrong.into(),
            lost: lost.into(),
            ..Tally::default()
        };
        PathFigures::of(&PATHS[0], tally)
    }

    #[test]
    fn every_kind_of_fault_fails_the_run() {
        let check = |path: PathFigures, drifts: bool, part: Option<&str>| {
            let figures = Figures::of(1.0, 2, vec![path], vec![drift(drifts)]);
            match (figures.verdict(), part) {
                (Ok(()), None) => {}
                (Err(failure), Some(part)) => assert!(failure.problem.contains(part), "{failure}"),
                (verdict, part) => panic!("{verdict:?} {part:?}"),
            }
            assert_eq!(table(&figures).contains("DRIFT"), drifts);
        };
        check(path(5, 0, 0), false, None);
        check(path(5, 1, 0), false, Some("1 wrong answers"));
        check(path(5, 0, 2), false, Some("2 lost calls"));
        check(path(0, 0, 0), false, Some("1 paths without a call"));
        check(path(5, 0, 0), true, Some("drift: warm"));
    }
}
