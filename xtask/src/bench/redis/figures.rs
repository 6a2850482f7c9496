//! Figures of the prediction cache.
//!
//! Owns the shape of the result, which is that of the JSON. The arithmetic is that of all figures. Must not know how
//! anything is measured or printed.

use serde::Serialize;

use crate::bench::figures::{Measured, OverCeiling, Round, Spread, summed};

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The image's host.
    Scorebox,
    /// Native code without a sandbox.
    Ceiling,
}

impl Kind {
    /// As it stands in tables and in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scorebox => "scorebox",
            Self::Ceiling => "ceiling",
        }
    }
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// From Redis.
    Hit,
    /// From the memory of the process; the ceiling has none, and is compared by its hit.
    HitInMemory,
    /// It is computed, and stored in the background.
    Miss,
}

impl Path {
    /// As it stands in tables and in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::HitInMemory => "hit_in_memory",
            Self::Miss => "miss",
        }
    }

    /// What the ceiling does for the same question.
    fn of_ceiling(self) -> Self {
        match self {
            Self::Hit | Self::HitInMemory => Self::Hit,
            Self::Miss => Self::Miss,
        }
    }
}

/// A server on a path, in the order in which they are shown.
pub type Turn = (Path, Kind);

/// All of them.
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
    /// Which server, on which path.
    pub turn: Turn,
    /// The round.
    pub round: u32,
    /// What was measured.
    pub measured: Measured<f64>,
}

/// All rounds of one server on one path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Where its answers came from.
    pub path: Path,
    /// The server.
    pub kind: Kind,
    /// Over the rounds.
    #[serde(flatten)]
    pub measured: Measured<Spread>,
    /// Each round to the ceiling in the same round.
    pub over_ceiling: OverCeiling,
}

/// Sums the samples up.
pub fn rows(samples: &[Sample]) -> Vec<Row> {
    let of = |turn: Turn| -> Vec<Round> {
        let of = samples.iter().filter(|sample| sample.turn == turn);
        of.map(|sample| (sample.round, sample.measured)).collect()
    };
    let row = |(path, kind): Turn| {
        let (measured, over_ceiling) = summed(&of((path, kind)), &of((path.of_ceiling(), Kind::Ceiling)))?;
        Some(Row { path, kind, measured, over_ceiling })
    };
    TURNS.into_iter().filter_map(row).collect()
}

fn over_ceiling(rows: &[Row], path: Path) -> Option<&OverCeiling> {
    rows.iter().find(|row| (row.path, row.kind) == (path, Kind::Scorebox)).map(|row| &row.over_ceiling)
}

/// CPU for a request, host over ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CpuRatios {
    /// Where Redis has the answer.
    pub cpu_hit: Option<f64>,
    /// Where it has none.
    pub cpu_miss: Option<f64>,
}

impl CpuRatios {
    /// Picks them.
    pub fn of(rows: &[Row]) -> Self {
        let cpu = |path| over_ceiling(rows, path).map(|over| over.cpu);
        Self { cpu_hit: cpu(Path::Hit), cpu_miss: cpu(Path::Miss) }
    }
}

/// What half of the answers came within, host over ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct P50Ratios {
    /// From Redis, both.
    pub hit: Option<f64>,
    /// From the host's memory, and from Redis by the ceiling.
    pub hit_in_memory: Option<f64>,
    /// Computed, both.
    pub miss: Option<f64>,
}

impl P50Ratios {
    /// Picks them.
    pub fn of(rows: &[Row]) -> Self {
        let p50 = |path| over_ceiling(rows, path).map(|over| over.p50);
        Self { hit: p50(Path::Hit), hit_in_memory: p50(Path::HitInMemory), miss: p50(Path::Miss) }
    }
}

/// Everything that a run found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Cores that this process may use.
    pub cores: usize,
    /// Connections that were kept busy.
    pub connections: u16,
    /// Questions of a hit.
    pub known_questions: usize,
    /// Rounds of each load.
    pub rounds: u32,
    /// Length of a round.
    pub round_seconds: f64,
    /// What the project has bounds for: with all cores awake.
    pub ratios: CpuRatios,
    /// The same where cores without work go to sleep.
    pub cpu_ratios_cores_may_sleep: CpuRatios,
    /// Where cores may sleep: keeping them awake costs latency.
    pub p50_over_ceiling: P50Ratios,
    /// By path, then server.
    pub load: Vec<Row>,
    /// The same with all cores awake.
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
        let samples: Vec<Sample> =
            TURNS.into_iter().zip([24.0, 20.0, 10.0, 75.0, 50.0]).map(|(turn, cpu)| sample(turn, cpu)).collect();
        let rows = rows(&samples);
        assert_eq!(rows.iter().map(|row| (row.path, row.kind)).collect::<Vec<_>>(), TURNS);
        assert_eq!(CpuRatios::of(&rows), CpuRatios { cpu_hit: Some(1.2), cpu_miss: Some(1.5) });
        let p50 = P50Ratios { hit: Some(1.2), hit_in_memory: Some(0.5), miss: Some(1.5) };
        assert_eq!(P50Ratios::of(&rows), p50);
        assert_eq!(CpuRatios::of(&[]), CpuRatios { cpu_hit: None, cpu_miss: None });
    }
}
