//! Figures of `bench languages`: medians, and ratios to the scorer in Rust.
//!
//! Owns the arithmetic, the types of all results, which are also the form of the JSON output, and
//! the table. Must not know how anything is measured.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::scorers::Scorer;
use crate::bench::figures::Spread;

/// Measured times of one scorer: one value for each round, or for each start of the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turns {
    /// Median latencies of calls in each round, in microseconds, with instances that serve many
    /// calls.
    pub warm_p50_us: Vec<f64>,
    /// Median latencies of calls in each round, in microseconds, with a new instance for each call.
    pub call_p50_us: Vec<f64>,
    /// Times from each start of the host to its first correct answer, in milliseconds.
    pub cold_start_ms: Vec<f64>,
}

/// All results of a run of `cargo xtask bench languages`.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Number of CPU cores that the benchmark may use.
    pub cores: usize,
    /// Number of rounds of each load.
    pub rounds: u32,
    /// Time of each load in each round, in seconds.
    pub round_seconds: f64,
    /// Figures of each scorer. The first row is that of the scorer in Rust.
    pub languages: Vec<Row>,
    /// Languages that were not measured. Each text names a language and the reason.
    pub skipped: Vec<String>,
}

/// Figures of the scorer in one language.
#[derive(Debug, Serialize)]
pub struct Row {
    language: &'static str,
    component_bytes: u64,
    image_bytes: u64,
    /// Time to build the component from the source, in milliseconds, without downloads.
    build_ms: f64,
    /// Time to build the image from the component, in milliseconds.
    package_ms: f64,
    cold_start_ms: Spread,
    warm_p50_us: Spread,
    call_p50_us: Spread,
    pss_bytes: Memory,
    over_rust: OverRust,
}

/// Memory of the host in bytes (PSS, proportional set size), after a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Memory of the host with one instance, in bytes.
    pub instances_1: u64,
    /// Memory of the host with eight instances, in bytes.
    pub instances_8: u64,
}

/// Ratios of a scorer's times to those of the scorer in Rust. Each is the median of the ratios of
/// all rounds or starts.
#[derive(Debug, Serialize)]
struct OverRust {
    cold_start: f64,
    warm_p50: f64,
    call_p50: f64,
}

impl Row {
    /// Summarises the figures of a scorer. `turns` has the times of this scorer, and `rust` has
    /// those of the scorer in Rust. Returns `None` if a time was never measured.
    pub fn of(scorer: &Scorer, turns: &Turns, rust: &Turns, memory: Memory) -> Option<Self> {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        Some(Self {
            language: scorer.language.name(),
            component_bytes: scorer.component_bytes,
            image_bytes: scorer.image_bytes,
            build_ms: milliseconds(scorer.build),
            package_ms: milliseconds(scorer.package),
            cold_start_ms: Spread::of(turns.cold_start_ms.iter().copied())?,
            warm_p50_us: Spread::of(turns.warm_p50_us.iter().copied())?,
            call_p50_us: Spread::of(turns.call_p50_us.iter().copied())?,
            pss_bytes: memory,
            over_rust: OverRust {
                cold_start: ratio(&turns.cold_start_ms, &rust.cold_start_ms)?,
                warm_p50: ratio(&turns.warm_p50_us, &rust.warm_p50_us)?,
                call_p50: ratio(&turns.call_p50_us, &rust.call_p50_us)?,
            },
        })
    }
}

/// Returns the median of the ratios `own / rust`. Values with the same index were measured in the
/// same round. Returns `None` if there are no values.
fn ratio(own: &[f64], rust: &[f64]) -> Option<f64> {
    let ratios = own.iter().zip(rust).map(|(own, rust)| own / rust);
    Some(Spread::of(ratios)?.median)
}

impl Figures {
    /// Returns the figures as a table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "logistic regression over three features; {} rounds of {} s over one connection; {} cores, shared with wrk; \
             medians; × is the median of the rounds' ratios to Rust\n",
            self.rounds, self.round_seconds, self.cores
        );
        let _ = writeln!(
            text,
            "{:<16} {:>9} {:>8} {:>8} {:>9} {:>15} {:>16} {:>16} {:>9} {:>9}",
            "language",
            "component",
            "image",
            "build",
            "package",
            "cold start",
            "warm p50",
            "call p50",
            "1 inst.",
            "8 inst."
        );
        for row in &self.languages {
            let _ = writeln!(text, "{}", row.line());
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "not measured: {skipped}");
        }
        text
    }
}

impl Row {
    fn line(&self) -> String {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let seconds = |milliseconds: f64| format!("{:.1} s", milliseconds / 1e3);
        format!(
            "{:<16} {:>9} {:>8} {:>8} {:>9} {:>15} {:>16} {:>16} {:>9} {:>9}",
            self.language,
            megabytes(self.component_bytes),
            megabytes(self.image_bytes),
            seconds(self.build_ms),
            seconds(self.package_ms),
            format!(
                "{:.1} ms {:.1}×",
                self.cold_start_ms.median, self.over_rust.cold_start
            ),
            format!(
                "{:.0} µs {:.2}×",
                self.warm_p50_us.median, self.over_rust.warm_p50
            ),
            format!(
                "{:.0} µs {:.2}×",
                self.call_p50_us.median, self.over_rust.call_p50
            ),
            megabytes(self.pss_bytes.instances_1),
            megabytes(self.pss_bytes.instances_8),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_with_those_of_the_same_round() {
        assert_eq!(ratio(&[2.0, 30.0, 3.0], &[1.0, 10.0, 1.0]), Some(3.0));
        assert_eq!(ratio(&[2.0, 9.0], &[1.0]), Some(2.0));
        assert_eq!(ratio(&[], &[1.0]), None);
    }

    #[test]
    fn a_line_of_the_table_has_its_units() {
        let spread = |median| Spread {
            median,
            least: median,
            most: median,
        };
        let row = Row {
            language: "quickjs",
            component_bytes: 1_200_000,
            image_bytes: 6_900_000,
            build_ms: 1234.0,
            package_ms: 2500.0,
            cold_start_ms: spread(21.0),
            warm_p50_us: spread(310.0),
            call_p50_us: spread(900.0),
            pss_bytes: Memory {
                instances_1: 18_000_000,
                instances_8: 40_000_000,
            },
            over_rust: OverRust {
                cold_start: 2.0,
                warm_p50: 2.5,
                call_p50: 6.0,
            },
        };
        let line = row.line();
        for part in ["1.2 MB", "1.2 s", "21.0 ms 2.0×", "310 µs 2.50×", "40.0 MB"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
