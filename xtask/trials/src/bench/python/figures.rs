//! Figures of `bench python`: medians, and ratios of Azure ML's inference server to the host.
//!
//! Owns the arithmetic, the types of all results, which are also the form of the JSON output, and
//! the table. Must not know how anything is measured.

use std::fmt::Write as _;

use serde::Serialize;

use crate::bench::figures::{Measured, Spread};

/// Measured values of one server: figures of each round, times of each start, and its memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turns {
    /// Figures of the server in each round, measured while idle cores may sleep.
    pub asleep: Vec<Measured<f64>>,
    /// Figures of the server in each round, measured with all cores kept awake.
    pub awake: Vec<Measured<f64>>,
    /// Times from each start of the server to its first correct answer, in milliseconds.
    pub cold_start_ms: Vec<f64>,
    /// Memory of the server with two workers (PSS), in bytes.
    pss_bytes: u64,
}

impl Turns {
    /// Creates the values of a server that was not loaded yet. `pss_bytes` is the memory of the
    /// server with two workers, in bytes.
    pub fn of(pss_bytes: u64) -> Self {
        Self {
            pss_bytes,
            ..Self::default()
        }
    }
}

/// All results of a run of `cargo xtask bench python`.
#[derive(Debug, Serialize)]
pub struct Figures {
    cores: usize,
    rounds: u32,
    round_seconds: f64,
    ratios: Ratios,
    scorebox: Row,
    azure_ml: Row,
}

/// Ratios that say how many times better the host is than Azure ML's inference server. A ratio of
/// times or rates is the median of the ratios of all rounds or starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Ratios {
    /// CPU time per request of Azure ML's server divided by that of the host, with all cores kept
    /// awake.
    cpu: f64,
    /// Requests per second of the host divided by those of Azure ML's server, with 8 connections.
    rps_8: f64,
    /// Time from the start of Azure ML's server to its first correct answer, divided by that of the
    /// host.
    cold_start: f64,
    /// Memory of Azure ML's server with two workers divided by that of the host with two instances.
    memory_2: f64,
}

/// Figures of the host or of Azure ML's inference server, over all rounds and starts.
#[derive(Debug, Serialize)]
struct Row {
    requests_per_second: Spread,
    p50_us: Spread,
    p99_us: Spread,
    cpu_us_per_request: Spread,
    cold_start_ms: Spread,
    /// Memory of the server with two workers, in bytes: the sum of the proportional set sizes of
    /// all its processes.
    pss_bytes: u64,
}

impl Figures {
    /// Summarises the values of the host and of Azure ML's server (`rival`). Returns `None` if a
    /// value was never measured.
    pub fn of(
        cores: usize,
        rounds: u32,
        round_seconds: f64,
        host: &Turns,
        rival: &Turns,
    ) -> Option<Self> {
        let cpu = |turns: &Turns| -> Vec<f64> {
            turns
                .awake
                .iter()
                .map(|one| one.cpu_us_per_request)
                .collect()
        };
        let rates = |turns: &Turns| -> Vec<f64> {
            turns
                .asleep
                .iter()
                .map(|one| one.requests_per_second)
                .collect()
        };
        Some(Self {
            cores,
            rounds,
            round_seconds,
            ratios: Ratios {
                cpu: ratio(&cpu(rival), &cpu(host))?,
                rps_8: ratio(&rates(host), &rates(rival))?,
                cold_start: ratio(&rival.cold_start_ms, &host.cold_start_ms)?,
                memory_2: rival.pss_bytes as f64 / host.pss_bytes as f64,
            },
            scorebox: Row::of(host)?,
            azure_ml: Row::of(rival)?,
        })
    }

    /// Returns the figures as a table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "one digit in a call, 8 connections; {} rounds of {} s; {} cores, shared with wrk; medians\n",
            self.rounds, self.round_seconds, self.cores
        );
        let _ = writeln!(
            text,
            "{:<12} {:>10} {:>10} {:>10} {:>13} {:>12} {:>10}",
            "server", "requests/s", "p50", "p99", "CPU/request", "cold start", "2 workers"
        );
        for (name, row) in [("scorebox", &self.scorebox), ("azure-ml", &self.azure_ml)] {
            let _ = writeln!(text, "{name:<12} {}", row.line());
        }
        let Ratios {
            cpu,
            rps_8,
            cold_start,
            memory_2,
        } = self.ratios;
        let _ = writeln!(
            text,
            "{:<12} {:>10} {:>10} {:>10} {:>13} {:>12} {:>10}",
            "times better",
            format!("{rps_8:.2}"),
            "",
            "",
            format!("{cpu:.2}"),
            format!("{cold_start:.1}"),
            format!("{memory_2:.2}")
        );
        text
    }
}

impl Row {
    fn of(turns: &Turns) -> Option<Self> {
        let spread = |rounds: &[Measured<f64>], figure: fn(&Measured<f64>) -> f64| {
            Spread::of(rounds.iter().map(figure))
        };
        Some(Self {
            requests_per_second: spread(&turns.asleep, |one| one.requests_per_second)?,
            p50_us: spread(&turns.asleep, |one| one.p50_us)?,
            p99_us: spread(&turns.asleep, |one| one.p99_us)?,
            cpu_us_per_request: spread(&turns.awake, |one| one.cpu_us_per_request)?,
            cold_start_ms: Spread::of(turns.cold_start_ms.iter().copied())?,
            pss_bytes: turns.pss_bytes,
        })
    }

    fn line(&self) -> String {
        format!(
            "{:>10} {:>10} {:>10} {:>13} {:>12} {:>10}",
            format!("{:.0}", self.requests_per_second.median),
            format!("{:.1} ms", self.p50_us.median / 1e3),
            format!("{:.1} ms", self.p99_us.median / 1e3),
            format!("{:.0} µs", self.cpu_us_per_request.median),
            format!("{:.0} ms", self.cold_start_ms.median),
            format!("{:.1} MB", self.pss_bytes as f64 / 1e6)
        )
    }
}

/// Returns the median of the ratios `above / below`. Values with the same index were measured in
/// the same round. Returns `None` if there are no values.
fn ratio(above: &[f64], below: &[f64]) -> Option<f64> {
    let ratios = above.iter().zip(below).map(|(above, below)| above / below);
    Some(Spread::of(ratios)?.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(rate: f64, cpu: f64, start: f64, pss_bytes: u64) -> Turns {
        let one = Measured {
            requests_per_second: rate,
            p50_us: 1e3,
            p99_us: 2e3,
            cpu_us_per_request: cpu,
        };
        Turns {
            asleep: vec![one; 3],
            awake: vec![one; 3],
            cold_start_ms: vec![start; 2],
            ..Turns::of(pss_bytes)
        }
    }

    #[test]
    fn ratios_say_how_many_times_better_the_host_is() {
        let host = turns(3000.0, 500.0, 40.0, 80_000_000);
        let rival = turns(1500.0, 1000.0, 3200.0, 200_000_000);
        let figures = Figures::of(2, 3, 2.0, &host, &rival).unwrap();
        let expected = Ratios {
            cpu: 2.0,
            rps_8: 2.0,
            cold_start: 80.0,
            memory_2: 2.5,
        };
        assert_eq!(figures.ratios, expected);
        let table = figures.table();
        for part in ["3000", "500 µs", "3200 ms", "200.0 MB", "80.0"] {
            assert!(table.contains(part), "{table}");
        }
        assert!(Figures::of(2, 3, 2.0, &Turns::of(1), &rival).is_none());
    }
}
