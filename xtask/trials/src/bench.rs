//! `cargo xtask bench`: compares the packaged host with native code that gives the same answers.
//!
//! Owns the order of the run: build the host and the native reference program, check one answer of
//! each, measure them in turns, and report. Must not know how anything is measured.

mod answer;
mod arguments;
mod awake;
mod client;
mod cold_start;
mod fairness;
mod figures;
mod graphs;
mod hostile;
mod idle;
mod languages;
mod load;
mod memory;
mod process;
mod progress;
mod python;
pub mod redis;
mod report;
mod round;
pub mod server;
mod stage;
mod steps;
mod throughput;

use std::time::Duration;

use scorebox_packager::format::Format;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::toolchain;

pub use self::arguments::BenchArgs;
pub use self::report::write;

use self::answer::Question;
use self::arguments::BenchCommand;
use self::awake::Awake;
use self::figures::{CpuRatios, Figures, Kind, Ratios};
use self::load::LoadGenerator;
use self::progress::Progress;
use self::round::QUICK_SECONDS;
use self::server::{Program, Server};
use self::stage::Stage;

/// Number of times that each program is started to measure its cold start.
const SPAWNS: u32 = 20;
/// Number of times that each program is started to measure its cold start in a run with `--quick`.
const QUICK_SPAWNS: u32 = 3;
/// Runs `cargo xtask bench`, or the benchmark that the subcommand names. Fails if a program cannot
/// be built or started, or if an answer is wrong.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.command {
        Some(BenchCommand::Redis(args)) => return redis::run(args),
        Some(BenchCommand::Graphs(args)) => return graphs::run(args),
        Some(BenchCommand::Idle(args)) => return idle::run(args),
        Some(BenchCommand::Languages(args)) => return languages::run(args),
        Some(BenchCommand::Python(args)) => return python::run(args),
        Some(BenchCommand::Hostile(args)) => return hostile::run(args),
        Some(BenchCommand::HostileSender(args)) => return hostile::attack(args),
        None => {}
    }
    toolchain::check(|line| eprintln!("{line}"))?;
    // wrk is looked for first, because the build takes minutes.
    let wrk = if args.steps {
        None
    } else {
        Some(load::find_wrk()?)
    };
    let stage = stage::prepare()?;
    if !args.no_steps {
        steps::run(&stage.app)?;
    }
    let Some(wrk) = wrk else { return Ok(()) };
    let question = Question::read()?;
    let load = LoadGenerator::new(&wrk, stage.folder.join("digits.lua"), &question.json)?;

    let (rounds, seconds, spawns) = if args.quick {
        (1, QUICK_SECONDS, QUICK_SPAWNS)
    } else {
        (args.rounds, args.seconds, SPAWNS)
    };
    let time = Duration::from_secs_f64(seconds);
    let mut connections = args.connections.clone();
    connections.sort_unstable();
    connections.dedup();
    let kinds = programs(&stage).len() as u32;
    let loads = rounds * (connections.len() as u32 + 1) * kinds;
    let mut progress = Progress::new(memory::STEPS + loads + 1 + rounds);

    let pss_bytes = memory::measure(&stage, &question, &load, &mut progress)?;
    // From here on all servers run. Those that are not measured are idle.
    let servers = start(&stage, &question)?;
    let samples = throughput::measure(&servers, &load, &connections, rounds, time, &mut progress)?;
    let awake = {
        let _awake = Awake::keep()?;
        throughput::measure(
            &servers,
            &load,
            &[figures::CPU_CONNECTIONS],
            rounds,
            time,
            &mut progress,
        )?
    };
    let cold_start = cold_start::measure(
        &stage.warm,
        &stage.ceiling,
        &question,
        spawns,
        &mut progress,
    )?;
    let fairness = fairness::measure(&stage, &wrk, rounds, time, &mut progress)?;
    drop((servers, progress));

    let (load, load_cores_awake) = (figures::rows(&samples), figures::rows(&awake));
    let figures = Figures {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        rounds,
        round_seconds: seconds,
        ratios: Ratios::of(&load_cores_awake, &samples, &cold_start),
        cpu_ratios_cores_may_sleep: CpuRatios::of(&load),
        load,
        load_cores_awake,
        cold_start,
        pss_bytes,
        fairness_p50_rise: fairness.rise,
        fairness,
        skipped: stage.skipped(),
    };
    report::print(&figures, args.output == Format::Json)
}

fn programs(stage: &Stage) -> Vec<(Kind, &Program)> {
    let call = stage.call.as_ref().ok().map(|call| (Kind::Call, call));
    [
        Some((Kind::Warm, &stage.warm)),
        call,
        Some((Kind::Ceiling, &stage.ceiling)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Starts every server that is measured, and checks one answer of each server against
/// scikit-learn's answer. Fails if an answer is wrong.
fn start(stage: &Stage, question: &Question) -> Result<Vec<(Kind, Server)>, Failure> {
    let mut servers = Vec::new();
    for (kind, program) in programs(stage) {
        let mut server = program.start()?;
        let (answer, _) = server.first_answer(&question.bytes)?;
        question.check(&server, &answer)?;
        servers.push((kind, server));
    }
    Ok(servers)
}
