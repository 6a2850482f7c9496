//! Figures of `bench`: medians, their spread, and ratios.
//!
//! Owns the arithmetic and the shape of every result, which is the shape of the JSON. Must not know
//! how anything is measured or printed.

use serde::Serialize;

/// A median, with the smallest and the largest of its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Median: half of the values are below it.
    pub median: f64,
    /// The smallest value.
    pub least: f64,
    /// The largest value.
    pub most: f64,
}

impl Spread {
    /// Returns the spread of the values, or `None` if `values` is empty.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied();
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (at(middle.checked_sub(1)?)? + at(middle)?) / 2.0
        } else {
            at(middle)?
        };
        Some(Self {
            median,
            least: at(0)?,
            most: at(values.len() - 1)?,
        })
    }
}

/// Number of connections at which the CPU time per request is compared.
pub const CPU_CONNECTIONS: u16 = 8;

/// Kinds of server, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The image's host with the settings that it ships with: instances are used again.
    Warm,
    /// The image's host with a new instance for every call.
    Call,
    /// Native code without a sandbox.
    Ceiling,
}

impl Kind {
    /// Returns the name of the server in tables and in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Call => "call",
            Self::Ceiling => "ceiling",
        }
    }
}

/// One server under one load in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Server that was loaded.
    pub server: Kind,
    /// Number of connections that were kept busy.
    pub connections: u16,
    /// Number of the round, from 0.
    pub round: u32,
    /// Figures of the server in this round.
    pub measured: Measured<f64>,
}

/// Figures of a load, either of one round or of all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured<T> {
    /// Answers per second.
    pub requests_per_second: T,
    /// Median latency, in microseconds: half of the answers came within it.
    pub p50_us: T,
    /// 99th percentile of the latency, in microseconds: 99 of 100 answers came within it.
    pub p99_us: T,
    /// CPU time that the server's process took per answer, in microseconds.
    pub cpu_us_per_request: T,
}

/// Figures of a load as ratios to the ceiling's, each the median of the rounds' ratios.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OverCeiling {
    /// Ratio of requests per second.
    pub throughput: f64,
    /// Ratio of the median latency (p50).
    pub p50: f64,
    /// Ratio of the 99th percentile of the latency (p99).
    pub p99: f64,
    /// Ratio of CPU time per request.
    pub cpu: f64,
}

/// All rounds of one server under one load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Server that was loaded.
    pub server: Kind,
    /// Number of connections that were kept busy.
    pub connections: u16,
    /// Figures over all rounds.
    #[serde(flatten)]
    pub measured: Measured<Spread>,
    /// Ratios to the ceiling. Each round is compared with the ceiling's round of the same number.
    pub over_ceiling: OverCeiling,
}

/// Sums up the samples, in one row for each number of connections and each server.
pub fn rows(samples: &[Sample]) -> Vec<Row> {
    let mut keys: Vec<_> = samples
        .iter()
        .map(|sample| (sample.connections, sample.server))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter_map(|(connections, server)| row(samples, connections, server))
        .collect()
}

fn row(samples: &[Sample], connections: u16, server: Kind) -> Option<Row> {
    let of = |kind: Kind| -> Vec<Round> {
        let of = samples
            .iter()
            .filter(|sample| sample.connections == connections && sample.server == kind);
        of.map(|sample| (sample.round, sample.measured)).collect()
    };
    let (measured, over_ceiling) = summed(&of(server), &of(Kind::Ceiling))?;
    Some(Row {
        server,
        connections,
        measured,
        over_ceiling,
    })
}

/// Number of a round, and the figures of one server in it.
pub type Round = (u32, Measured<f64>);

/// Sums up the rounds of one server. Each round is compared with the ceiling's round of the same
/// number.
pub fn summed(own: &[Round], ceiling: &[Round]) -> Option<(Measured<Spread>, OverCeiling)> {
    let spread = |figure: fn(&Measured<f64>) -> f64| {
        Spread::of(own.iter().map(|(_, measured)| figure(measured)))
    };
    let ratio = |figure: fn(&Measured<f64>) -> f64| {
        let ratios = own.iter().filter_map(|(round, measured)| {
            let (_, ceiling) = ceiling.iter().find(|(other, _)| other == round)?;
            Some(figure(measured) / figure(ceiling))
        });
        Some(Spread::of(ratios)?.median)
    };
    let measured = Measured {
        requests_per_second: spread(|measured| measured.requests_per_second)?,
        p50_us: spread(|measured| measured.p50_us)?,
        p99_us: spread(|measured| measured.p99_us)?,
        cpu_us_per_request: spread(|measured| measured.cpu_us_per_request)?,
    };
    let over_ceiling = OverCeiling {
        throughput: ratio(|measured| measured.requests_per_second)?,
        p50: ratio(|measured| measured.p50_us)?,
        p99: ratio(|measured| measured.p99_us)?,
        cpu: ratio(|measured| measured.cpu_us_per_request)?,
    };
    Some((measured, over_ceiling))
}

/// Returns p99 over p50 in the round that was disturbed least.
pub fn quietest_tail(samples: &[Sample], server: Kind, connections: u16) -> Option<f64> {
    let of = samples
        .iter()
        .filter(|sample| sample.connections == connections && sample.server == server);
    of.map(|sample| sample.measured.p99_us / sample.measured.p50_us)
        .min_by(f64::total_cmp)
}

/// Time from the start of a process to its first correct answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ColdStart {
    /// Number of starts of each program.
    pub spawns: u32,
    /// Times of the image's host, in milliseconds.
    pub warm_ms: Spread,
    /// Times of native code, in milliseconds.
    pub ceiling_ms: Spread,
    /// Median of the ratios of two starts, one after the other.
    pub over_ceiling: f64,
}

/// Memory of servers in bytes (PSS): a page that several processes share counts by its part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pss {
    /// Memory of the host after its first answer.
    pub warm_idle: Option<u64>,
    /// Memory of the host with `isolation = "call"` after its first answer.
    pub call_idle: Option<u64>,
    /// Memory of native code after its first answer.
    pub ceiling_idle: Option<u64>,
    /// Memory of the host with 1 instance, after load.
    pub instances_1: Option<u64>,
    /// Memory of the host with 8 instances, after load.
    pub instances_8: Option<u64>,
    /// Memory of the host with 64 instances, after load.
    pub instances_64: Option<u64>,
    /// Memory that each instance from the ninth to the 64th added.
    pub per_further_instance: Option<u64>,
}

/// Cost of one caller with endless calls for the other callers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fairness {
    /// p50 of short calls over 8 connections, in microseconds.
    pub alone_p50_us: Spread,
    /// p50 of short calls while one caller sends calls that loop until their deadline, in
    /// microseconds.
    pub beside_loop_p50_us: Spread,
    /// Median of the rounds' ratios of p50 with the endless caller to p50 without it.
    #[serde(skip)]
    pub rise: f64,
}

/// Ratios of CPU time per request at [`CPU_CONNECTIONS`] connections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CpuRatios {
    /// CPU time of the host with its default settings over that of the ceiling.
    pub cpu_warm: Option<f64>,
    /// CPU time of the host with `isolation = "call"` over that of the ceiling.
    pub cpu_call: Option<f64>,
}

/// The four ratios that a release is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratios {
    /// Ratios of CPU time, with all cores awake.
    #[serde(flatten)]
    pub cpu: CpuRatios,
    /// Time from the start to the first correct answer, host over ceiling.
    pub cold_start: f64,
    /// p99 over p50 of the host at 64 connections, in the round that was disturbed least.
    pub p99_over_p50_c64: Option<f64>,
}

/// Everything that a run of `bench` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Number of cores that this process may use.
    pub cores: usize,
    /// Number of rounds of each load.
    pub rounds: u32,
    /// Length of a round, in seconds.
    pub round_seconds: f64,
    /// Ratios that a release is judged by.
    pub ratios: Ratios,
    /// Ratios of CPU time while cores without work may sleep.
    ///
    /// Waking the load generator is charged to the server, and the longer an answer takes, the more
    /// the generator sleeps.
    pub cpu_ratios_cores_may_sleep: CpuRatios,
    /// Figures by connections and then server, while cores without work may sleep.
    pub load: Vec<Row>,
    /// Figures at [`CPU_CONNECTIONS`] connections, with all cores awake.
    pub load_cores_awake: Vec<Row>,
    /// Times from the start to the first correct answer.
    pub cold_start: ColdStart,
    /// Memory of the servers, in bytes.
    pub pss_bytes: Pss,
    /// Rise of p50 while one caller sends endless calls. 1 means no rise.
    pub fairness_p50_rise: f64,
    /// Latencies from which the rise is computed.
    pub fairness: Fairness,
    /// Servers that were not measured because this host refuses their settings.
    pub skipped: Vec<String>,
}

impl CpuRatios {
    /// Picks the ratios of CPU time from the rows.
    pub fn of(rows: &[Row]) -> Self {
        let cpu = |server: Kind| {
            let row = rows
                .iter()
                .find(|row| row.server == server && row.connections == CPU_CONNECTIONS);
            row.map(|row| row.over_ceiling.cpu)
        };
        Self {
            cpu_warm: cpu(Kind::Warm),
            cpu_call: cpu(Kind::Call),
        }
    }
}

impl Ratios {
    /// Picks the ratios that a release is judged by.
    pub fn of(rows: &[Row], samples: &[Sample], cold: &ColdStart) -> Self {
        Self {
            cpu: CpuRatios::of(rows),
            cold_start: cold.over_ceiling,
            p99_over_p50_c64: quietest_tail(samples, Kind::Warm, 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(server: Kind, round: u32, cpu: f64, p99: f64) -> Sample {
        let measured = Measured {
            requests_per_second: 1e6 / cpu,
            p50_us: 10.0,
            p99_us: p99,
            cpu_us_per_request: cpu,
        };
        Sample {
            server,
            connections: 8,
            round,
            measured,
        }
    }

    #[test]
    fn medians_have_a_spread() {
        let check = |values: &[f64], expected: Option<(f64, f64, f64)>| {
            let found = Spread::of(values.iter().copied())
                .map(|found| (found.median, found.least, found.most));
            assert_eq!(found, expected, "{values:?}");
        };
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[4.0, 1.0], Some((2.5, 1.0, 4.0)));
        check(&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0)));
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let samples = [
            sample(Kind::Warm, 0, 20.0, 30.0),
            sample(Kind::Ceiling, 0, 10.0, 20.0),
            // A noisy round slows both.
            sample(Kind::Warm, 1, 90.0, 90.0),
            sample(Kind::Ceiling, 1, 30.0, 20.0),
            sample(Kind::Warm, 2, 20.0, 20.0),
            sample(Kind::Ceiling, 2, 10.0, 20.0),
        ];
        let rows = rows(&samples);
        assert_eq!(
            rows.iter().map(|row| row.server).collect::<Vec<_>>(),
            [Kind::Warm, Kind::Ceiling]
        );
        assert_eq!(rows[0].over_ceiling.cpu, 2.0);
        assert_eq!(
            rows[0].measured.cpu_us_per_request,
            Spread {
                median: 20.0,
                least: 20.0,
                most: 90.0
            }
        );
        assert_eq!(rows[1].over_ceiling.cpu, 1.0);
        assert_eq!(quietest_tail(&samples, Kind::Warm, 8), Some(2.0));
        assert_eq!(quietest_tail(&samples, Kind::Warm, 64), None);
    }
}
