//! The process that attacks a host, or that burns as much CPU time and sends nothing.
//!
//! Owns the loop that attacks, the loop that burns CPU time, and the counters. The actions of each
//! connection are in [`deeds`]. Must not know how the host or other clients are measured.

mod bombs;
mod connection;
mod counters;
mod deeds;
mod floods;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scorebox_workspace::failure::Failure;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use self::connection::Target;
use self::counters::Counters;
use self::deeds::Script;
use super::arguments::AttackerArgs;
use super::attacks;
use crate::bench::process::CpuTime;

/// Time for which the process that burns CPU time spins or sleeps before it checks how much CPU
/// time it has used.
const SLICE: Duration = Duration::from_millis(1);

/// Counters of a process that attacks a host or only burns CPU time. The process prints them as
/// JSON when it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Deeds {
    /// Average number of cores that the process kept busy: its CPU time divided by the elapsed
    /// time.
    pub cores: f64,
    /// Number of connections that the attack opened.
    pub opened: u64,
    /// Number of answers to the attack with a status code below 400.
    pub answered: u64,
    /// Number of answers to the attack with a status code of 400 or more.
    pub refused: u64,
    /// Number of the attack's connections that failed or were closed without an answer.
    pub broken: u64,
}

/// Attacks a host or burns CPU time for the given time, and then prints the counters as JSON. Fails
/// if the attack is unknown, if its bytes cannot be built, or if the counters cannot be written as
/// JSON.
pub fn run(args: &AttackerArgs) -> Result<(), Failure> {
    allow_connections();
    let time = Duration::from_secs_f64(args.seconds);
    let deeds = match (&args.attack, args.address, args.burn) {
        (Some(name), Some(address), _) => {
            let script = Script::of(attacks::find(name)?).map_err(|error| {
                Failure::other(format!("the bytes of the attack: {error}"), "report it")
            })?;
            let counters = Arc::new(Counters::default());
            let target = Target {
                address,
                counters: Arc::clone(&counters),
            };
            let cores = measured(|| attack(&script, &target, args.connections, time))?;
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            Deeds {
                cores,
                opened: read(&counters.opened),
                answered: read(&counters.answered),
                refused: read(&counters.refused),
                broken: read(&counters.broken),
            }
        }
        (_, _, cores) => Deeds {
            cores: measured(|| burn(cores.unwrap_or(0.0), time))?,
            ..Deeds::default()
        },
    };
    let text = serde_json::to_string(&deeds)
        .map_err(|error| Failure::other(format!("{error}"), "report it"))?;
    println!("{text}");
    Ok(())
}

/// Raises the limit on the open sockets of this process as far as the machine allows.
fn allow_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If this fails, connections beyond the limit fail and are counted as broken.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

/// Calls `work` and returns the average number of cores that this process kept busy meanwhile.
/// Fails if `work` fails.
fn measured(work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (own, started) = (std::process::id(), Instant::now());
    let before = CpuTime::of(own)?;
    work()?;
    let used = CpuTime::of(own)?.since_ns(&before);
    Ok(used as f64 / 1e9 / started.elapsed().as_secs_f64())
}

/// Attacks a host over `connections` connections until the time `time` is over. One thread drives
/// all connections, so an attack uses at most one core. Fails if no runtime for the sockets can be
/// created.
fn attack(
    script: &Script,
    target: &Target,
    connections: u16,
    time: Duration,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Failure::other(
            format!("no runtime for sockets: {error}"),
            "see `ulimit -n`",
        )
    })?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            let (script, target) = (script.clone(), target.clone());
            tasks.spawn(async move { script.run(&target, index).await });
        }
        // The tasks never end by themselves. Dropping the set ends them and closes their
        // connections.
        tokio::time::sleep(time).await;
        drop(tasks);
    });
    runtime.shutdown_background();
    Ok(())
}

fn burn(cores: f64, time: Duration) -> Result<(), Failure> {
    let own = std::process::id();
    let (before, started) = (CpuTime::of(own)?, Instant::now());
    while started.elapsed() < time {
        let owed = started.elapsed().as_secs_f64() * cores.clamp(0.0, 1.0);
        let used = CpuTime::of(own)?.since_ns(&before) as f64 / 1e9;
        if used >= owed {
            thread::sleep(SLICE);
            continue;
        }
        let slice = Instant::now();
        while slice.elapsed() < SLICE {
            std::hint::spin_loop();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burner_uses_about_as_much_as_it_was_told() {
        const ALONE: &str = "SCOREBOX_TEST_ALONE";
        // The CPU time is that of the whole process, so no other test may run in the process.
        if std::env::var_os(ALONE).is_none() {
            let test =
                "bench::hostile::attacker::tests::the_burner_uses_about_as_much_as_it_was_told";
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let ended = alone.args(["--exact", test]).env(ALONE, "1").output();
            let ended = ended.unwrap();
            let printed = String::from_utf8_lossy(&ended.stdout);
            assert!(
                ended.status.success() && printed.contains("1 passed"),
                "{printed}"
            );
            return;
        }
        // A busy machine gives less than was asked for. More would be a mistake.
        let cores = measured(|| burn(0.3, Duration::from_millis(500))).unwrap();
        assert!((0.05..0.4).contains(&cores), "{cores}");
    }
}
