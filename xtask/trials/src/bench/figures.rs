//! Figures of `bench`: medians, their spread, and ratios.
//!
//! Owns the arithmetic, and the types of all results, which are also the form of the JSON output.
//! Must not know how anything is measured or printed.

use serde::Serialize;

/// The median, the smallest and the largest of several values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Median of the measured values: half of the values are below it.
    pub median: f64,
    /// Smallest of the measured values.
    pub least: f64,
    /// Largest of the measured values.
    pub most: f64,
}

impl Spread {
    /// Returns the median, the smallest and the largest of the values. Returns `None` if there are
    /// no values.
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

/// Number of connections with which servers are loaded to compare their CPU time per request.
pub const CPU_CONNECTIONS: u16 = 8;

/// Kind of server that `bench` measures. The order of the kinds is that of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The host of the packaged example with its packaged settings: an instance serves many calls.
    Warm,
    /// The host of the packaged example with `isolation = "call"`: every call gets a new instance.
    Call,
    /// The native reference program, which gives the same answers as the host, but without a
    /// sandbox.
    Ceiling,
}

impl Kind {
    /// Returns the name of this kind of server in the tables and in the JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Call => "call",
            Self::Ceiling => "ceiling",
        }
    }
}

/// Figures of one server under one load in one round of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Kind of the server that was measured.
    pub server: Kind,
    /// Number of connections that the load generator kept busy.
    pub connections: u16,
    /// Number of the round, counted from 0.
    pub round: u32,
    /// Figures of the server in this round.
    pub measured: Measured<f64>,
}

/// Figures of a server under a load, either in one round or over all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured<T> {
    /// Number of answers per second of the server.
    pub requests_per_second: T,
    /// Median latency, in microseconds: half of the answers came within this time.
    pub p50_us: T,
    /// 99th percentile of the latency, in microseconds: 99 of 100 answers came within this time.
    pub p99_us: T,
    /// CPU time that the server's process used per answer, in microseconds.
    pub cpu_us_per_request: T,
}

/// Ratios of a server's figures to those of the native reference program under the same load. Each
/// ratio is the median of the ratios of all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OverCeiling {
    /// Number of answers per second of the server divided by that of the native reference program.
    pub throughput: f64,
    /// Median latency (p50) of the server divided by that of the native reference program.
    pub p50: f64,
    /// 99th percentile of the server's latency (p99) divided by that of the native reference
    /// program.
    pub p99: f64,
    /// CPU time per request of the server divided by that of the native reference program.
    pub cpu: f64,
}

/// Figures of one server under one load, over all rounds of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Kind of the server that was measured.
    pub server: Kind,
    /// Number of connections that the load generator kept busy.
    pub connections: u16,
    /// Median, smallest and largest value of each figure, over all rounds.
    #[serde(flatten)]
    pub measured: Measured<Spread>,
    /// Ratios of the server's figures to those of the native reference program. Each round is
    /// compared with the round of the reference program that has the same number.
    pub over_ceiling: OverCeiling,
}

/// Summarises the samples of all rounds, with one row for each number of connections and each
/// server.
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

/// Number of a round, counted from 0, and the figures of one server in this round.
pub type Round = (u32, Measured<f64>);

/// Summarises the rounds `own` of a server. Each round is compared with the round of the native
/// reference program (`ceiling`) that has the same number. Returns `None` if no round can be
/// compared.
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

/// Returns the smallest ratio of p99 to p50 among the rounds of a server with the given number of
/// connections: the ratio of the least disturbed round. Returns `None` if the server was not
/// measured with this number of connections.
pub fn quietest_tail(samples: &[Sample], server: Kind, connections: u16) -> Option<f64> {
    let of = samples
        .iter()
        .filter(|sample| sample.connections == connections && sample.server == server);
    of.map(|sample| sample.measured.p99_us / sample.measured.p50_us)
        .min_by(f64::total_cmp)
}

/// Times from the start of a process to its first correct answer, for the host and the native
/// reference program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ColdStart {
    /// Number of times that each program was started.
    pub spawns: u32,
    /// Times from the start of the packaged host to its first correct answer, in milliseconds.
    pub warm_ms: Spread,
    /// Times from the start of the native reference program to its first correct answer, in
    /// milliseconds.
    pub ceiling_ms: Spread,
    /// Cold start of the host divided by that of the native reference program: the median over
    /// pairs of consecutive starts.
    pub over_ceiling: f64,
}

/// Memory of each server in bytes (PSS, proportional set size): a page that N processes share
/// counts as 1/N of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pss {
    /// Memory of the packaged host after its first answer, in bytes. `None` if it was not measured.
    pub warm_idle: Option<u64>,
    /// Memory of the host with `isolation = "call"` after its first answer, in bytes. `None` if the
    /// host refuses the setting.
    pub call_idle: Option<u64>,
    /// Memory of the native reference program after its first answer, in bytes. `None` if it was
    /// not measured.
    pub ceiling_idle: Option<u64>,
    /// Memory of the host with 1 instance after a load, in bytes. `None` if the host refuses the
    /// settings.
    pub instances_1: Option<u64>,
    /// Memory of the host with 8 instances after a load, in bytes. `None` if the host refuses the
    /// settings.
    pub instances_8: Option<u64>,
    /// Memory of the host with 64 instances after a load, in bytes. `None` if the host refuses the
    /// settings.
    pub instances_64: Option<u64>,
    /// Memory in bytes that each additional instance needs: the average over the ninth to the 64th
    /// instance. `None` if the host with 8 or with 64 instances was not measured.
    pub per_further_instance: Option<u64>,
}

/// Latencies of short calls, with and without another caller whose calls loop until their deadline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fairness {
    /// Median latency (p50) of short calls over 8 connections, without another caller, in
    /// microseconds.
    pub alone_p50_us: Spread,
    /// Median latency (p50) of short calls while another caller sends calls that loop until their
    /// deadline, in microseconds.
    pub beside_loop_p50_us: Spread,
    /// Median latency (p50) of short calls while another caller sends calls that loop, divided by
    /// p50 without the other caller: the median over all rounds.
    #[serde(skip)]
    pub rise: f64,
}

/// Ratios of the host's CPU time per request to that of the native reference program, with
/// [`CPU_CONNECTIONS`] connections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CpuRatios {
    /// CPU time per request of the host with its default settings, divided by that of the native
    /// reference program. `None` if the ratio was not measured.
    pub cpu_warm: Option<f64>,
    /// CPU time per request of the host with `isolation = "call"`, divided by that of the native
    /// reference program. `None` if the ratio was not measured.
    pub cpu_call: Option<f64>,
}

/// The four ratios that decide whether a version may be released.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratios {
    /// Ratios of the host's CPU time per request to that of the native reference program, measured
    /// with all cores kept awake.
    #[serde(flatten)]
    pub cpu: CpuRatios,
    /// Time from the start of the host to its first correct answer, divided by that of the native
    /// reference program.
    pub cold_start: f64,
    /// 99th percentile of the host's latency (p99) divided by its median latency (p50) with 64
    /// connections, in the least disturbed round. `None` if 64 connections were not measured.
    pub p99_over_p50_c64: Option<f64>,
}

/// All results of a run of `cargo xtask bench`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Number of CPU cores that the benchmark may use.
    pub cores: usize,
    /// Number of rounds of each load in the benchmark.
    pub rounds: u32,
    /// Time of each load in each round, in seconds.
    pub round_seconds: f64,
    /// Ratios that decide whether a version may be released.
    pub ratios: Ratios,
    /// Ratios of the host's CPU time per request to that of the native reference program, measured
    /// while idle cores may sleep.
    ///
    /// Waking the load generator is charged to the server, and the longer an answer takes, the more
    /// often the load generator sleeps.
    pub cpu_ratios_cores_may_sleep: CpuRatios,
    /// Figures of each server, measured while idle cores may sleep. The rows are sorted by the
    /// number of connections and then by the server.
    pub load: Vec<Row>,
    /// Figures of each server with [`CPU_CONNECTIONS`] connections, measured with all cores kept
    /// awake.
    pub load_cores_awake: Vec<Row>,
    /// Times from the start of each program to its first correct answer.
    pub cold_start: ColdStart,
    /// Memory of the servers, in bytes.
    pub pss_bytes: Pss,
    /// Median latency (p50) of short calls while another caller sends endless calls, divided by p50
    /// without the other caller. The value 1 means that the other caller has no effect.
    pub fairness_p50_rise: f64,
    /// Latencies of short calls with and without another caller that sends endless calls.
    pub fairness: Fairness,
    /// Servers that were not measured because the host refuses their settings. Each text names a
    /// server and the reason.
    pub skipped: Vec<String>,
}

impl CpuRatios {
    /// Returns the ratios of the host's CPU time per request to that of the native reference
    /// program, taken from the rows with [`CPU_CONNECTIONS`] connections.
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
    /// Computes the ratios that decide about a release. `rows` were measured with all cores kept
    /// awake, and `samples` while idle cores may sleep. `cold` has the times of the cold starts.
    pub fn of(rows: &[Row], samples: &[Sample], cold: &ColdStart) -> Self {
        Self {
            cpu: CpuRatios::of(rows),
            cold_start: cold.over_ceiling,
            p99_over_p50_c64: quietest_tail(samples, Kind::Warm, 64),
        }
    }
}

#[cfg(test)]
mod tests;
