//! Checks of the machine before a server listens or an app is checked, and the start of async
//! runtimes.
//!
//! Owns the checks, the fix if one fails, and the error if no thread of a runtime starts. Must not
//! know an app, nor which code needs which resource.

use std::fmt::Display;
use std::sync::mpsc;
use std::time::{Instant, SystemTime};

use tokio::runtime::{Builder, Runtime};

use crate::error::StartupError;
use crate::panics::{self, Panic};

/// Number of bytes of memory that are mapped to check that memory can be mapped.
const MAPPED_BYTES: usize = 1 << 20;

/// Checks that this machine provides random numbers, clocks and memory to map.
///
/// If the host started without one of these resources, the problem would be noticed only during a
/// request, in a library that can only panic.
///
/// # Errors
/// Fails if one of these resources is missing. The error names the resource and gives the fix.
pub fn check() -> Result<(), StartupError> {
    randomness().map_err(|error| {
        missing(
            "random numbers",
            &error,
            "allow the system call getrandom: remove the seccomp rule that forbids it, or run on Linux 3.17 or later",
        )
    })?;
    let clocks = panics::attempt(|| (Instant::now(), SystemTime::now()));
    clocks.map_err(|panic| {
        missing(
            "clock",
            &panic,
            "allow the system call clock_gettime, e.g. in the seccomp rules",
        )
    })?;
    memmap2::MmapMut::map_anon(MAPPED_BYTES)
        .map(drop)
        .map_err(|error| {
            missing(
                "memory to map",
                &error,
                "raise the limits on memory and on addresses (ulimit -v)",
            )
        })
}

/// Starts an async runtime with `threads` threads.
///
/// # Errors
/// Fails if the operating system can start none of the threads. If it can start only some of them,
/// this function succeeds, and a later call of [`check_threads`] fails.
pub fn runtime(builder: &mut Builder, threads: usize) -> Result<Runtime, StartupError> {
    // A runtime of which no thread could be started panics.
    let built = panics::attempt(|| builder.worker_threads(threads).enable_all().build());
    let none = |panic: Panic| MachineError::NoThreadOfRuntime {
        threads,
        problem: panic.into_message(),
    };
    built
        .map_err(|panic| no_threads(&none(panic)))?
        .map_err(|error| StartupError::Host(format!("cannot start threads: {error}")))
}

/// Checks that `threads` more threads can be started at the same time. The threads end at once.
///
/// If this check succeeds, every async runtime that was started before has all of its threads.
///
/// # Errors
/// Fails if a thread cannot be started.
pub fn check_threads(threads: usize) -> Result<(), StartupError> {
    start_threads(threads).map_err(|error| no_threads(&error))
}

fn no_threads(error: &MachineError) -> StartupError {
    missing(
        "threads",
        error,
        "raise the limit on processes of the container (pids) or of the user (ulimit -u)",
    )
}

/// Returns the error for a resource that the machine does not provide. `problem` is the error that
/// occurred when the resource was checked.
fn missing(resource: &'static str, problem: &dyn Display, fix: &'static str) -> StartupError {
    StartupError::Machine {
        resource,
        problem: problem.to_string(),
        fix,
    }
}

/// Reason why the machine does not provide random numbers or enough threads.
#[derive(Debug, thiserror::Error)]
enum MachineError {
    /// The source of random numbers failed that all code uses except hash maps and TLS.
    #[error(transparent)]
    Randomness(#[from] getrandom::Error),
    /// The source of random numbers for the seeds of hash maps failed.
    #[error(transparent)]
    MapSeeds(#[from] getrandom_of_maps::Error),
    /// The source of random numbers for TLS failed. The TLS library does not report the reason.
    #[error("none for TLS")]
    TlsRandomness,
    /// A thread could not be started while the threads that were started before it exist.
    #[error("{started} of {count} could be started: {source}")]
    ThreadNotStarted {
        /// Number of threads that were started before the one that could not be started.
        started: usize,
        /// Number of threads that should exist at the same time.
        count: usize,
        /// Error of the operating system for the thread that could not be started.
        source: std::io::Error,
    },
    /// No thread of an async runtime could be started.
    #[error("none of {threads} could be started: {problem}")]
    NoThreadOfRuntime {
        /// Number of threads that the async runtime should have.
        threads: usize,
        /// Message of the async runtime's panic, which has the error of the operating system.
        problem: String,
    },
}

/// Gets random numbers from each source that this program and its libraries use.
///
/// # Errors
/// Fails if one of these sources fails.
fn randomness() -> Result<(), MachineError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    getrandom_of_maps::fill(&mut bytes)?;
    let tls = rustls::crypto::ring::default_provider();
    tls.secure_random
        .fill(&mut bytes)
        .map_err(|_| MachineError::TlsRandomness)
}

/// Starts `count` threads that all exist at the same time, and then lets them end. This function
/// does not wait until the threads have ended, because that would make a cold start longer.
///
/// # Errors
/// Fails if a thread cannot be started.
fn start_threads(count: usize) -> Result<(), MachineError> {
    let mut ends = Vec::with_capacity(count);
    for started in 0..count {
        let (end, ending) = mpsc::channel::<()>();
        // The thread ends when the sender is dropped.
        let thread = std::thread::Builder::new()
            .name("attempt".to_owned())
            .spawn(move || ending.recv().is_ok());
        thread.map_err(|source| MachineError::ThreadNotStarted {
            started,
            count,
            source,
        })?;
        ends.push(end);
    }
    Ok(())
}

/// Starts the async runtime for a check of an app or of its stores, or for `init` while the
/// packager takes a snapshot. The runtime has one thread.
///
/// # Errors
/// Fails if the operating system cannot start the thread.
pub(crate) fn small_runtime() -> Result<Runtime, StartupError> {
    runtime(&mut Builder::new_multi_thread(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_runs_tests_has_what_it_takes() {
        assert!(check().is_ok());
        assert!(check_threads(8).is_ok());
    }
}
