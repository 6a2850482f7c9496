//! `cargo xtask bench python`: compares the host, which runs a script in the sandbox, with Azure
//! ML's inference server, which runs the same script and pickle natively.
//!
//! Owns the order of the run: make both servers, compare their answers, measure both in turns, and
//! report. Must not know how a server is made, nor how figures are summed up.

mod arguments;
mod figures;
mod host;
mod rival;
mod running;

use std::time::Duration;

use scorebox_packager::format::Format;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{toolchain, workspace};
use serde_json::Value;

pub use self::arguments::PythonBenchArgs;
use self::figures::{Figures, Turns};
use self::running::Running;

use super::answer::Question;
use super::awake::Awake;
use super::client;
use super::figures::Measured;
use super::load::{self, LoadGenerator};
use super::process::{CpuTime, pss_bytes};
use super::progress::Progress;
use super::report;
use super::round::QUICK_SECONDS;
use super::server::Program;
use super::throughput::WARM_UP;

/// Folder of the script that the host and Azure ML's inference server run, relative to the
/// workspace's root.
const PROJECT: &str = "tests/bench/python";

/// Number of connections over which a server is loaded with requests.
const CONNECTIONS: u16 = 8;
/// Number of workers of a server in the measurement of its memory.
const WORKERS: usize = 2;
/// Length of the load that puts every worker of a server to work before the server's memory is
/// read.
const MEMORY_LOAD: Duration = Duration::from_millis(500);

/// Number of times that each server is started to measure its cold start.
const SPAWNS: u32 = 10;
/// Number of times that each server is started to measure its cold start in a run with `--quick`.
const QUICK_SPAWNS: u32 = 2;

/// Maximum accepted difference between a number in the host's answer and the number in the answer
/// of Azure ML's server to the same request.
const TOLERANCE: f64 = 1e-12;

/// The host and Azure ML's inference server, each as programs with different numbers of workers. A
/// worker of the host is an instance of the script.
struct Servers {
    /// The host with one instance for each core.
    host: Program,
    /// The host with the settings of the image, for cold starts.
    host_as_packaged: Program,
    /// The host with two instances.
    host_of_two: Program,
    /// Azure ML's server with one worker for each core, loaded once and forked.
    rival: Program,
    /// Azure ML's server with two workers, loaded once and forked.
    rival_of_two: Program,
}

/// Runs `cargo xtask bench python`, and prints its figures. Fails if the host or Azure ML's
/// inference server cannot be built, installed or started, or if their answers differ.
pub fn run(args: &PythonBenchArgs) -> Result<(), Failure> {
    // wrk is looked for first, because the builds take minutes.
    let wrk = load::find_wrk()?;
    toolchain::check(|line| eprintln!("{line}"))?;
    let folder = workspace::target().join("bench-python");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "be made", error))?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let python = rival::prepare(&folder)?;
    let host = host::prepare(&folder)?;
    let servers = Servers {
        host: host.with_instances(cores)?,
        host_as_packaged: host.as_packaged(),
        host_of_two: host.with_instances(WORKERS)?,
        rival: python.with_workers(cores),
        rival_of_two: python.with_workers(WORKERS),
    };

    let (rounds, seconds, spawns) = if args.quick {
        (1, QUICK_SECONDS, QUICK_SPAWNS)
    } else {
        (args.rounds, args.seconds, SPAWNS)
    };
    let time = Duration::from_secs_f64(seconds);
    let questions = Question::all()?;
    let first = questions
        .first()
        .ok_or_else(|| Failure::other("the sample has no digit", "report it"))?;
    let load = LoadGenerator::new(&wrk, folder.join("request.lua"), &first.json)?;
    let mut progress = Progress::new(3 + 4 * rounds);

    progress.step("the answers of both servers");
    compare(&servers, &questions)?;
    progress.step("memory of both servers");
    let mut host = Turns::of(memory(&servers.host_of_two, first, &load)?);
    let mut rival = Turns::of(memory(&servers.rival_of_two, first, &load)?);
    progress.step(&format!("{spawns} starts of each"));
    for spawn in 0..spawns {
        let mut pair = [
            (&servers.host_as_packaged, &mut host),
            (&servers.rival, &mut rival),
        ];
        rotate(spawn, &mut pair);
        for (program, turns) in pair {
            let (_, time) = Running::start(program, first)?;
            turns.cold_start_ms.push(time.as_secs_f64() * 1e3);
        }
    }
    let (own, _) = Running::start(&servers.host, first)?;
    let (other, _) = Running::start(&servers.rival, first)?;
    let mut measure = |is_awake: bool| -> Result<(), Failure> {
        let _awake = is_awake.then(Awake::keep).transpose()?;
        for server in [&own, &other] {
            load.run(server.address(), CONNECTIONS, WARM_UP)?;
        }
        for round in 0..rounds {
            let mut pair = [
                ("scorebox", &own, &mut host),
                ("azure-ml", &other, &mut rival),
            ];
            rotate(round, &mut pair);
            for (name, server, turns) in pair {
                let cores = if is_awake { ", cores awake" } else { "" };
                progress.step(&format!("round {}, {name}{cores}", round + 1));
                let measured = under_load(server, &load, time)?;
                let rounds = if is_awake {
                    &mut turns.awake
                } else {
                    &mut turns.asleep
                };
                rounds.push(measured);
            }
        }
        Ok(())
    };
    measure(false)?;
    measure(true)?;
    drop((own, other, progress));

    let missing = || Failure::other("no server was measured", "report it");
    let figures = Figures::of(cores, rounds, seconds, &host, &rival).ok_or_else(missing)?;
    let text = (args.output == Format::Text).then(|| figures.table());
    report::write(&figures, text)
}

/// Reverses a pair, such as two servers, in every second turn, because being the first in a round
/// may be an advantage.
fn rotate<T>(turn: u32, pair: &mut [T; 2]) {
    if !turn.is_multiple_of(2) {
        pair.reverse();
    }
}

/// Starts the host and Azure ML's server, sends each of them one request for each digit in
/// `questions`, and compares their answers as [`is_close`] does. Fails if a server cannot be
/// started, if a status code is not 200, or if the two answers to a request differ.
fn compare(servers: &Servers, questions: &[Question]) -> Result<(), Failure> {
    let Some(first) = questions.first() else {
        return Ok(());
    };
    let (own, _) = Running::start(&servers.host, first)?;
    let (other, _) = Running::start(&servers.rival, first)?;
    for (number, question) in questions.iter().enumerate() {
        let (own_answer, rivals) = (own.ask(&question.bytes)?, other.ask(&question.bytes)?);
        if !is_close(&own_answer, &rivals) {
            return Err(own.failure(&format!(
                "digit {number} is answered with {own_answer}, and by Azure ML's server with {rivals}"
            )));
        }
    }
    Ok(())
}

/// Returns true if two JSON values are equal, except that floating-point numbers in them may differ
/// by up to [`TOLERANCE`].
fn is_close(own: &Value, other: &Value) -> bool {
    match (own, other) {
        (Value::Array(own), Value::Array(other)) => {
            own.len() == other.len()
                && own
                    .iter()
                    .zip(other)
                    .all(|(own, other)| is_close(own, other))
        }
        (Value::Object(own), Value::Object(other)) => {
            let mut pairs = own.iter().map(|(key, value)| (value, other.get(key)));
            own.len() == other.len()
                && pairs.all(|(own, other)| other.is_some_and(|other| is_close(own, other)))
        }
        (Value::Number(own), Value::Number(other)) if own.is_f64() && other.is_f64() => own
            .as_f64()
            .zip(other.as_f64())
            .is_some_and(|(own, other)| (own - other).abs() <= TOLERANCE),
        _ => own == other,
    }
}

/// Returns the memory of a server that runs alone, in bytes, after a load: the sum over the
/// server's processes. Fails if the server cannot be started, or if a request fails.
fn memory(program: &Program, first: &Question, load: &LoadGenerator) -> Result<u64, Failure> {
    let (server, _) = Running::start(program, first)?;
    load.run(server.address(), CONNECTIONS, MEMORY_LOAD)?;
    server.pids().into_iter().map(pss_bytes).sum()
}

/// Loads a server for the given time, and returns its figures. The CPU time is that of all
/// processes of the server. Fails if a request fails.
fn under_load(
    server: &Running,
    load: &LoadGenerator,
    time: Duration,
) -> Result<Measured<f64>, Failure> {
    let pids = server.pids();
    let before = times(&pids)?;
    let load = load.run(server.address(), CONNECTIONS, time)?;
    let after = times(&pids)?;
    let pairs = after.iter().zip(&before);
    let cpu_ns: u64 = pairs.map(|(after, before)| after.since_ns(before)).sum();
    Ok(Measured {
        requests_per_second: load.requests_per_second(),
        p50_us: load.p50_us,
        p99_us: load.p99_us,
        cpu_us_per_request: cpu_ns as f64 / 1e3 / load.requests as f64,
    })
}

fn times(pids: &[u32]) -> Result<Vec<CpuTime>, Failure> {
    pids.iter().copied().map(CpuTime::of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_may_differ_by_rounding_alone() {
        let check = |own: Value, other: Value, expected: bool| {
            assert_eq!(is_close(&own, &other), expected, "{own} {other}");
        };
        check(json!({"a": [1, 0.5]}), json!({"a": [1, 0.5 + 1e-15]}), true);
        check(json!({"a": [1, 0.5]}), json!({"a": [1, 0.6]}), false);
        check(json!({"a": [1]}), json!({"a": [2]}), false);
        check(json!({"a": 1}), json!({"a": 1, "b": 1}), false);
        check(json!([1]), json!([1, 1]), false);
    }

    #[test]
    fn servers_take_turns() {
        let turns = [0, 1, 2].map(|turn| {
            let mut pair = ["a", "b"];
            rotate(turn, &mut pair);
            pair
        });
        assert_eq!(turns, [["a", "b"], ["b", "a"], ["a", "b"]]);
    }
}
