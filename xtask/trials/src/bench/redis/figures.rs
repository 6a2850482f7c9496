//! Figures of `bench redis`, which measures the prediction cache.
//!
//! Owns the types of the results, which are also the form of the JSON output. The arithmetic is
//! that of `bench::figures`. Must not know how anything is measured or printed.

use serde::Serialize;

use crate::bench::figures::{Measured, OverCeiling, Round, Spread, summed};

/// Kind of server that `bench redis` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The host of the packaged example with a prediction cache in Redis.
    Scorebox,
    /// The native reference program, which keeps its answers in the Redis of the host but does not
    /// have a sandbox.
    Ceiling,
}

impl Kind {
    /// Returns the name of this kind of server in the tables and in the JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scorebox => "scorebox",
            Self::Ceiling => "ceiling",
        }
    }
}

/// Source from which a server takes its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// The answer is read from Redis.
    Hit,
    /// The answer comes from the memory of the server's own process.
    ///
    /// The native reference program does not keep answers in memory. For the comparison, its
    /// answers from Redis are used.
    HitInMemory,
    /// The answer is computed, and then stored in Redis in the background.
    Miss,
}

impl Path {
    /// Returns the name of this source of answers in the tables and in the JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::HitInMemory => "hit_in_memory",
            Self::Miss => "miss",
        }
    }

    /// Returns the source of the native reference program's answers with which the host's answers
    /// from this source are compared.
    fn of_ceiling(self) -> Self {
        match self {
            Self::Hit | Self::HitInMemory => Self::Hit,
            Self::Miss => Self::Miss,
        }
    }
}

/// One measurement of a round: the source of the answers, and the kind of the server that is
/// loaded.
pub type Turn = (Path, Kind);

/// All measurements of a round, in the order of the tables. Each is a pair of a source of answers
/// and a kind of server.
pub const TURNS: [Turn; 5] = [
    (Path::Hit, Kind::Scorebox),
    (Path::Hit, Kind::Ceiling),
    (Path::HitInMemory, Kind::Scorebox),
    (Path::Miss, Kind::Scorebox),
    (Path::Miss, Kind::Ceiling),
];

/// Figures of one server with answers from one source, in one round of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Source of the answers, and kind of the server that was measured.
    pub turn: Turn,
    /// Number of the round, counted from 0.
    pub round: u32,
    /// Figures of the server in this round.
    pub measured: Measured<f64>,
}

/// Figures of one server with answers from one source, over all rounds of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Source of the server's answers.
    pub path: Path,
    /// Kind of the server that was measured.
    pub kind: Kind,
    /// Median, smallest and largest value of each figure, over all rounds.
    #[serde(flatten)]
    pub measured: Measured<Spread>,
    /// Ratios of the server's figures to those of the native reference program. Each round is
    /// compared with the round of the reference program that has the same number.
    pub over_ceiling: OverCeiling,
}

/// Summarises the samples of all rounds, with one row for each server and each source of answers.
pub fn rows(samples: &[Sample]) -> Vec<Row> {
    let of = |turn: Turn| -> Vec<Round> {
        let of = samples.iter().filter(|sample| sample.turn == turn);
        of.map(|sample| (sample.round, sample.measured)).collect()
    };
    let row = |(path, kind): Turn| {
        let (measured, over_ceiling) =
            summed(&of((path, kind)), &of((path.of_ceiling(), Kind::Ceiling)))?;
        Some(Row {
            path,
            kind,
            measured,
            over_ceiling,
        })
    };
    TURNS.into_iter().filter_map(row).collect()
}

fn over_ceiling(rows: &[Row], path: Path) -> Option<&OverCeiling> {
    rows.iter()
        .find(|row| (row.path, row.kind) == (path, Kind::Scorebox))
        .map(|row| &row.over_ceiling)
}

/// Ratios of the host's CPU time per request to that of the native reference program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CpuRatios {
    /// CPU time per request of the host divided by that of the native reference program, if Redis
    /// has the answers. `None` if the ratio was not measured.
    pub cpu_hit: Option<f64>,
    /// CPU time per request of the host divided by that of the native reference program, if Redis
    /// does not have the answers. `None` if the ratio was not measured.
    pub cpu_miss: Option<f64>,
}

impl CpuRatios {
    /// Returns the ratios of the host's CPU time per request to that of the native reference
    /// program, taken from `rows`.
    pub fn of(rows: &[Row]) -> Self {
        let cpu = |path| over_ceiling(rows, path).map(|over| over.cpu);
        Self {
            cpu_hit: cpu(Path::Hit),
            cpu_miss: cpu(Path::Miss),
        }
    }
}

/// Ratios of the host's median latency (p50) to that of the native reference program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct P50Ratios {
    /// Median latency (p50) of the host divided by that of the native reference program, if both
    /// answer from Redis. `None` if the ratio was not measured.
    pub hit: Option<f64>,
    /// Median latency (p50) of the host divided by that of the native reference program, if the
    /// host answers from its memory and the reference program from Redis. `None` if the ratio was
    /// not measured.
    pub hit_in_memory: Option<f64>,
    /// Median latency (p50) of the host divided by that of the native reference program, if both
    /// compute the answers. `None` if the ratio was not measured.
    pub miss: Option<f64>,
}

impl P50Ratios {
    /// Returns the ratios of the host's median latency (p50) to that of the native reference
    /// program, taken from `rows`.
    pub fn of(rows: &[Row]) -> Self {
        let p50 = |path| over_ceiling(rows, path).map(|over| over.p50);
        Self {
            hit: p50(Path::Hit),
            hit_in_memory: p50(Path::HitInMemory),
            miss: p50(Path::Miss),
        }
    }
}

/// All results of a run of `cargo xtask bench redis`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Number of CPU cores that the benchmark may use.
    pub cores: usize,
    /// Number of connections that the load generator kept busy.
    pub connections: u16,
    /// Number of different requests in a load whose answers come from Redis. The servers have
    /// answered these requests before.
    pub known_questions: usize,
    /// Number of rounds of each load in the benchmark.
    pub rounds: u32,
    /// Time of each load in each round, in seconds.
    pub round_seconds: f64,
    /// Ratios of the host's CPU time per request to that of the native reference program, measured
    /// with all cores kept awake. The project has upper bounds for these ratios.
    pub ratios: CpuRatios,
    /// Ratios of the host's CPU time per request to that of the native reference program, measured
    /// while idle cores may sleep.
    pub cpu_ratios_cores_may_sleep: CpuRatios,
    /// Ratios of the host's median latency (p50) to that of the native reference program. They are
    /// measured while idle cores may sleep, because keeping cores awake costs latency.
    pub p50_over_ceiling: P50Ratios,
    /// Figures of each server for each source of answers, measured while idle cores may sleep. The
    /// rows are sorted by source and then by server.
    pub load: Vec<Row>,
    /// Figures of each server for each source of answers, measured with all cores kept awake. The
    /// rows are sorted by source and then by server.
    pub load_cores_awake: Vec<Row>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_compared_with_what_the_ceiling_does_for_the_same_question() {
        let sample = |turn, cpu| Sample {
            turn,
            round: 0,
            measured: Measured {
                requests_per_second: 1e6 / cpu,
                p50_us: 2.0 * cpu,
                p99_us: 90.0,
                cpu_us_per_request: cpu,
            },
        };
        let samples: Vec<Sample> = TURNS
            .into_iter()
            .zip([24.0, 20.0, 10.0, 75.0, 50.0])
            .map(|(turn, cpu)| sample(turn, cpu))
            .collect();
        let rows = rows(&samples);
        assert_eq!(
            rows.iter()
                .map(|row| (row.path, row.kind))
                .collect::<Vec<_>>(),
            TURNS
        );
        assert_eq!(
            CpuRatios::of(&rows),
            CpuRatios {
                cpu_hit: Some(1.2),
                cpu_miss: Some(1.5)
            }
        );
        let p50 = P50Ratios {
            hit: Some(1.2),
            hit_in_memory: Some(0.5),
            miss: Some(1.5),
        };
        assert_eq!(P50Ratios::of(&rows), p50);
        assert_eq!(
            CpuRatios::of(&[]),
            CpuRatios {
                cpu_hit: None,
                cpu_miss: None
            }
        );
    }
}
