//! `cargo xtask soak`: sends every kind of call at once, for minutes or hours, and compares every
//! answer.
//!
//! Owns the order of the run: start the hosts, call them, restart Redis, sample the processes,
//! judge. Must not know what a path (a kind of call to one host) sends, or how a process is
//! sampled.

mod arguments;
mod hosts;
mod paths;
mod report;
mod tally;
mod watch;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scorebox_packager::format::Format;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{toolchain, workspace};

pub use self::arguments::SoakArgs;

use self::hosts::Hosts;
use self::paths::{PATHS, Path, Sent};
use self::report::{Figures, PathFigures};
use self::tally::Tally;
use self::watch::Watch;
use self::wire::Connection;
use crate::bench::{redis, write};
use crate::demo::SAMPLE;
use crate::demo::sample::{self, Digit};

/// Time between two samples of a host's memory, file descriptors and threads. In a run of less than
/// 40 s, the time is a twentieth of the run.
const SAMPLE_PERIOD: Duration = Duration::from_secs(2);
/// Time between two restarts of Redis. In a run of less than 60 s, the time is a third of the run.
const RESTART_PERIOD: Duration = Duration::from_secs(20);
/// Pause of each client between two calls, so that the machine is busy but not fully loaded.
const PAUSE: Duration = Duration::from_millis(2);
/// Pause of the main thread between two checks of the time. At each check, it takes a sample or
/// restarts Redis if this is due.
const TICK: Duration = Duration::from_millis(50);

/// Runs `cargo xtask soak`, and prints its figures. Fails if a host cannot be started, if an answer
/// is wrong, if a call gets no answer, or if a host's memory, file descriptors or threads changed
/// by more than is allowed.
pub fn run(args: &SoakArgs) -> Result<(), Failure> {
    let program = redis::find_server()?;
    toolchain::check(|line| eprintln!("{line}"))?;
    let digits = sample::read(&workspace::root().join(SAMPLE))?;
    let mut hosts = Hosts::start(args, &program)?;
    let time = Duration::from_secs_f64(args.minutes * 60.0);
    let paths: Vec<&Path> = PATHS.iter().filter(|path| hosts.has(path.host)).collect();
    eprintln!(
        "soaking {} hosts on {} paths for {:.1} minutes",
        hosts.running.len(),
        paths.len(),
        args.minutes
    );

    let tallies: Vec<Tally> = paths.iter().map(|_| Tally::default()).collect();
    let stop = AtomicBool::new(false);
    let mut watch = Watch::new(time);
    let outcome = thread::scope(|scope| {
        for (path, tally) in paths.iter().zip(&tallies) {
            let Some(address) = hosts.address(path.host) else {
                continue;
            };
            let (digits, stop) = (&digits, &stop);
            scope.spawn(move || call(path, address, digits, tally, stop));
        }
        let outcome = supervise(&mut hosts, &mut watch, time);
        stop.store(true, Ordering::Relaxed);
        outcome
    });
    let restarts = outcome?;
    let paths = paths
        .iter()
        .zip(tallies)
        .map(|(path, tally)| PathFigures::of(path, tally))
        .collect();
    let figures = Figures::of(args.minutes, restarts, paths, watch.drifts());
    write(
        &figures,
        (args.output == Format::Text).then(|| report::table(&figures)),
    )?;
    figures.verdict()
}

/// Samples the hosts and restarts Redis until the time is over. Returns the number of restarts of
/// Redis. Fails if a host ends.
fn supervise(hosts: &mut Hosts, watch: &mut Watch, time: Duration) -> Result<u32, Failure> {
    let started = Instant::now();
    let sample_period = SAMPLE_PERIOD.min(time / 20);
    let restart_period = RESTART_PERIOD.min(time / 3);
    let (mut samples, mut restarts) = (0, 0);
    while started.elapsed() < time {
        if started.elapsed() > sample_period * samples {
            samples += 1;
            for host in &hosts.running {
                watch.sample(host.name, host.pid(), started.elapsed())?;
            }
        }
        if started.elapsed() > restart_period * (restarts + 1) {
            restarts += 1;
            hosts.redis.restart()?;
        }
        thread::sleep(TICK);
    }
    Ok(restarts)
}

/// Makes calls of one kind to one host again and again until `stop` is true. `path` is the kind of
/// call, and `address` is the address of the host. Checks each answer, and counts it in `tally`.
fn call(
    path: &Path,
    address: std::net::SocketAddr,
    digits: &[Digit],
    tally: &Tally,
    stop: &AtomicBool,
) {
    let questions: Vec<Sent<'_>> = paths::groups(digits)
        .map(|group| path.question(group))
        .collect();
    let mut connection: Option<Connection> = None;
    for question in questions.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let started = Instant::now();
        tally.calls.fetch_add(1, Ordering::Relaxed);
        let answer = match connection.take() {
            Some(open) => open.ask(&question.bytes),
            None => Connection::open(address).and_then(|open| open.ask(&question.bytes)),
        };
        match answer {
            Ok((answer, open)) => {
                connection = open;
                let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
                tally
                    .latencies_us
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push(micros);
                if answer.status != 200 {
                    tally.note(&tally.lost, || {
                        format!("{}: {}", answer.status, answer.text())
                    });
                } else if !path.is_right(question, &answer) {
                    tally.note(&tally.wrong, || answer.text());
                }
            }
            Err(error) => tally.note(&tally.lost, || error.to_string()),
        }
        thread::sleep(PAUSE);
    }
}
