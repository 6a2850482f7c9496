//! `cargo xtask bench redis`: compares the packaged host's prediction cache with native code that
//! keeps its answers in the same Redis.
//!
//! Owns the order of the run: start Redis and the servers, check each kind of answer, then measure
//! all servers in turns. Must not know what the requests contain, nor the protocol of Redis.

mod arguments;
mod figures;
mod questions;
mod report;
mod store;
mod turns;

use std::time::Duration;

use scorebox_packager::format::Format;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{toolchain, workspace};

pub use self::arguments::RedisBenchArgs;
use self::figures::{CpuRatios, Figures, P50Ratios};
use self::questions::Questions;
pub use self::store::{Store, find as find_server};
use self::turns::{Servers, Turns};
use super::awake::Awake;
use super::progress::Progress;
use super::round::QUICK_SECONDS;
use super::{figures::CPU_CONNECTIONS, load, stage};

/// Runs `cargo xtask bench redis`, and prints its figures. Fails if a program is missing or cannot
/// be started, or if an answer is wrong.
pub fn run(args: &RedisBenchArgs) -> Result<(), Failure> {
    // The tools are looked for first, because the build takes minutes.
    let (program, wrk) = (store::find()?, load::find_wrk()?);
    toolchain::check(|line| eprintln!("{line}"))?;
    let folder = workspace::target().join("bench-redis");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "be made", error))?;
    let questions = Questions::read(&wrk, &folder)?;
    let store = Store::start(&program, &folder)?;
    let stage = stage::prepare_with_redis(&folder, &store.url())?;

    let (rounds, seconds) = if args.quick {
        (1, QUICK_SECONDS)
    } else {
        (args.rounds, args.seconds)
    };
    let servers = Servers::start(&stage)?;
    let turns = Turns {
        servers: &servers,
        store: &store,
        questions: &questions,
        time: Duration::from_secs_f64(seconds),
    };
    let mut progress = Progress::new(2 * rounds * turns::IN_A_ROUND);
    let asleep = turns.measure(rounds, &mut progress)?;
    let awake = {
        let _awake = Awake::keep()?;
        turns.measure(rounds, &mut progress)?
    };
    drop(progress);

    let (load, load_cores_awake) = (figures::rows(&asleep), figures::rows(&awake));
    let figures = Figures {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        connections: CPU_CONNECTIONS,
        known_questions: questions.known(),
        rounds,
        round_seconds: seconds,
        ratios: CpuRatios::of(&load_cores_awake),
        cpu_ratios_cores_may_sleep: CpuRatios::of(&load),
        p50_over_ceiling: P50Ratios::of(&load),
        load,
        load_cores_awake,
    };
    report::print(&figures, args.output == Format::Json)
}
