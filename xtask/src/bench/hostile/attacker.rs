//! The process that attacks a host, and the process that burns as much CPU time and talks to nobody.
//!
//! Owns both loops and the count of what happened. What a connection does stands in [`deeds`]. It must not know what the
//! attack costs anyone else.

mod connection;
mod deeds;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use self::connection::Target;
use self::deeds::Script;
use super::arguments::AttackerArgs;
use super::attacks;
use crate::bench::process::CpuTime;
use crate::failure::Failure;

/// How long the burner spins or sleeps before it looks at its CPU time again.
const SLICE: Duration = Duration::from_millis(1);

/// What a sender did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Deeds {
    /// CPU time of the process over its running time.
    pub cores: f64,
    /// Connections that were opened.
    pub opened: u64,
    /// Answers with a status below 400.
    pub answered: u64,
    /// Answers with another status.
    pub refused: u64,
    /// Connections that failed or were closed without an answer.
    pub broken: u64,
}

/// Counts what happens on all connections.
#[derive(Debug, Default)]
pub struct Counters {
    opened: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

impl Counters {
    /// Counts an opened connection.
    pub fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer.
    pub fn answered(&self, status: u16) {
        let counter = if status < 400 { &self.answered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that ended without an answer.
    pub fn broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs the process and prints what it did.
pub fn run(args: &AttackerArgs) -> Result<(), Failure> {
    allow_connections();
    let time = Duration::from_secs_f64(args.seconds);
    let deeds = match (&args.attack, args.address, args.burn) {
        (Some(name), Some(address), _) => {
            let script = Script::of(attacks::find(name)?);
            let counters = Arc::new(Counters::default());
            let target = Target { address, counters: Arc::clone(&counters) };
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
        (_, _, cores) => Deeds { cores: measured(|| burn(cores.unwrap_or(0.0), time))?, ..Deeds::default() },
    };
    let text = serde_json::to_string(&deeds).map_err(|error| Failure::other(format!("{error}"), "report it"))?;
    println!("{text}");
    Ok(())
}

/// Raises the number of sockets that this process may have as far as the machine lets it.
fn allow_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If this fails, connections beyond the limit fail, and are counted as broken.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Cores that a piece of work kept busy on average.
fn measured(work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (own, started) = (std::process::id(), Instant::now());
    let before = CpuTime::of(own)?;
    work()?;
    let used = CpuTime::of(own)?.since_ns(&before);
    Ok(used as f64 / 1e9 / started.elapsed().as_secs_f64())
}

/// One thread drives every connection, so an attack takes one core at most.
fn attack(script: &Script, target: &Target, connections: u16, time: Duration) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::other(format!("no runtime for sockets: {error}"), "see `ulimit -n`"))?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            let (script, target) = (script.clone(), target.clone());
            tasks.spawn(async move { script.run(&target, index).await });
        }
        // The tasks never end by themselves; dropping the set ends them and closes their connections.
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
        // A machine that is busy gives less; more than was asked for would be a mistake.
        let cores = measured(|| burn(0.3, Duration::from_millis(500))).unwrap();
        assert!((0.05..0.4).contains(&cores), "{cores}");
    }
}
