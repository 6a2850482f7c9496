//! Figures of the prediction cache.
//!
//! Owns the shape of the result, which is the shape of the JSON. The arithmetic is that of
//! `bench::figures`. Must not know how anything is measured or printed.

use serde::Serialize;

use crate::bench::figures::{Measured, OverCeiling, Round, Spread, summed};

/// The server that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The image's host.
    Scorebox,
    /// Native code without a sandbox.
    Ceiling,
}

impl Kind {
    /// Returns the name of the server in tables and in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scorebox => "scorebox",
            Self::Ceiling => "ceiling",
        }
    }
}

/// Source of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// An answer that was read from Redis.
    Hit,
    /// An answer from the memory of the process.
    ///
    /// The ceiling does not keep answers in memory, so its hits in Redis are the comparison.
    HitInMemory,
    /// An answer that was computed, and stored in the background.
    Miss,
}

impl Path {
    /// Returns the name of the path in tables and in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::HitInMemory => "hit_in_memory",
            Self::Miss => "miss",
        }
    }

    /// Returns the path of the ceiling for the same question.
    fn of_ceiling(self) -> Self {
        match self {
            Self::Hit | Self::HitInMemory => Self::Hit,
            Self::Miss => Self::Miss,
        }
    }
}

/// A server on a path.
pub type Turn = (Path, Kind);

/// Every server on every path, in the order in which they are shown.
pub const TURNS: [Turn; 5] = [
    (Path::Hit, Kind::Scorebox),
    (Path::Hit, Kind::Ceiling),
    (Path::HitInMemory, Kind::Scorebox),
    (Path::Miss, Kind::Scorebox),
    (Path::Miss, Kind::Ceiling),
];

/// One turn in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Server and path that were measured.
    pub turn: Turn,
    /// Number of the round, from 0.
    pub round: u32,
    /// Figures of the turn in this round.
    pub measured: Measured<f64>,
}

/// All rounds of one server on one path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Source of the answers.
    pub path: Path,
    /// Server that answered.
    pub kind: Kind,
    /// Figures over all rounds.
    #[serde(flatten)]
    pub measured: Measured<Spread>,
    /// Ratios to the ceiling. Each round is compared with the ceiling's round of the same number.
    pub over_ceiling: OverCeiling,
}

/// Sums up the samples, in one row for each server and path.
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

/// CPU time per request, host over ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CpuRatios {
    /// Ratio of CPU time if Redis has the answer.
    pub cpu_hit: Option<f64>,
    /// Ratio of CPU time if Redis does not have the answer.
    pub cpu_miss: Option<f64>,
}

impl CpuRatios {
    /// Picks the ratios of CPU time from the rows.
    pub fn of(rows: &[Row]) -> Self {
        let cpu = |path| over_ceiling(rows, path).map(|over| over.cpu);
        Self {
            cpu_hit: cpu(Path::Hit),
            cpu_miss: cpu(Path::Miss),
        }
    }
}

/// Median latency (p50), host over ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct P50Ratios {
    /// Ratio of p50 if both answer from Redis.
    pub hit: Option<f64>,
    /// Ratio of p50 if the host answers from its memory and the ceiling from Redis.
    pub hit_in_memory: Option<f64>,
    /// Ratio of p50 if both compute the answer.
    pub miss: Option<f64>,
}

impl P50Ratios {
    /// Picks the ratios of p50 from the rows.
    pub fn of(rows: &[Row]) -> Self {
        let p50 = |path| over_ceiling(rows, path).map(|over| over.p50);
        Self {
            hit: p50(Path::Hit),
            hit_in_memory: p50(Path::HitInMemory),
            miss: p50(Path::Miss),
        }
    }
}

/// Everything that a run of `bench redis` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Number of cores that this process may use.
    pub cores: usize,
    /// Number of connections that were kept busy.
    pub connections: u16,
    /// Number of questions that were asked before, for hits.
    pub known_questions: usize,
    /// Number of rounds of each load.
    pub rounds: u32,
    /// Length of a round, in seconds.
    pub round_seconds: f64,
    /// Ratios of CPU time that the project has bounds for, with all cores awake.
    pub ratios: CpuRatios,
    /// Ratios of CPU time while cores without work may sleep.
    pub cpu_ratios_cores_may_sleep: CpuRatios,
    /// Ratios of p50 while cores may sleep, because keeping cores awake costs latency.
    pub p50_over_ceiling: P50Ratios,
    /// Figures by path and then server, while cores without work may sleep.
    pub load: Vec<Row>,
    /// Figures by path and then server, with all cores awake.
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
