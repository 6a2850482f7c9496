//! Servers under load, one after the other, round by round.
//!
//! Owns the order in which the servers take turns, and the choice of what is measured of each. Must
//! not know how servers are made or results are summed up.

use std::time::Duration;

use scorebox_workspace::failure::Failure;

use super::figures::{Kind, Measured, Sample};
use super::load::LoadGenerator;
use super::process::CpuTime;
use super::progress::Progress;
use super::server::Server;

/// Time for which each server is loaded before measuring, so that its memory is in use and the
/// branch predictors are trained.
pub const WARM_UP: Duration = Duration::from_millis(300);

/// Loads every server with every number of connections in each of `rounds` rounds. Each load takes
/// the time `time`. Returns the figures of each load. Fails if a server refuses a request or does
/// not answer in time.
pub fn measure(
    servers: &[(Kind, Server)],
    load: &LoadGenerator,
    connections: &[u16],
    rounds: u32,
    time: Duration,
    progress: &mut Progress,
) -> Result<Vec<Sample>, Failure> {
    for (_, server) in servers {
        let most = connections.iter().copied().max().unwrap_or(1);
        load.run(server.address, most, WARM_UP)?;
    }
    let mut samples = Vec::new();
    for round in 0..rounds {
        for &connections in connections {
            // To be the first in a round may be an advantage or a disadvantage, so the servers take
            // turns.
            let turns = servers
                .iter()
                .cycle()
                .skip(round as usize % servers.len().max(1))
                .take(servers.len());
            for (kind, server) in turns {
                progress.step(&format!(
                    "round {}, {connections} connections, {}",
                    round + 1,
                    kind.name()
                ));
                let (measured, _) = under_load(server, load, connections, time)?;
                samples.push(Sample {
                    server: *kind,
                    connections,
                    round,
                    measured,
                });
            }
        }
    }
    Ok(samples)
}

/// Loads one server with the given number of connections for the given time. Returns the server's
/// figures and the number of its answers. Fails if the server refuses a request or does not answer
/// in time.
pub fn under_load(
    server: &Server,
    load: &LoadGenerator,
    connections: u16,
    time: Duration,
) -> Result<(Measured<f64>, u64), Failure> {
    let before = CpuTime::of(server.pid())?;
    let load = load.run(server.address, connections, time)?;
    let cpu_ns = CpuTime::of(server.pid())?.since_ns(&before);
    let measured = Measured {
        requests_per_second: load.requests_per_second(),
        p50_us: load.p50_us,
        p99_us: load.p99_us,
        cpu_us_per_request: cpu_ns as f64 / 1e3 / load.requests as f64,
    };
    Ok((measured, load.requests))
}
