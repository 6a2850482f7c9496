//! Checks of the machine before a server listens.
//!
//! Owns the checks, and the fix if one fails. Must not know an app, nor which part needs what.

use std::fmt::Display;
use std::sync::mpsc;
use std::time::{Instant, SystemTime};

use crate::error::StartupError;
use crate::panics;

/// Number of bytes of memory that are mapped to check that memory can be mapped.
const MAPPED_BYTES: usize = 1 << 20;

/// Checks that this machine provides random numbers, clocks, memory to map, and `threads` threads
/// at the same time.
///
/// Without this check, a missing resource would be noticed only during a request, in a library that
/// can only panic.
///
/// # Errors
/// Fails if one of these resources is missing. The error names the resource and gives the fix.
pub fn check(threads: usize) -> Result<(), StartupError> {
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
        })?;
    start_threads(threads).map_err(|error| {
        missing(
            "threads",
            &error,
            "raise the limit on processes of the container (pids) or of the user (ulimit -u)",
        )
    })
}

/// Returns the error for a resource that the machine does not provide. `problem` is the error that
/// occurred when the resource was tried.
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
    /// The source of random numbers that all code except hash maps and TLS uses failed.
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
        /// Number of threads that were started before this thread.
        started: usize,
        /// Number of threads that should exist at the same time.
        count: usize,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A thread ended before it was asked to.
    #[error("one ended early")]
    ThreadEnded,
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

/// Starts `count` threads that all exist at the same time, and then ends them.
///
/// # Errors
/// Fails if a thread cannot be started, or ends before it is asked to.
fn start_threads(count: usize) -> Result<(), MachineError> {
    let mut threads = Vec::with_capacity(count);
    for started in 0..count {
        let (end, ends) = mpsc::channel::<()>();
        // The thread ends when the sender is dropped.
        let thread = std::thread::Builder::new()
            .name("attempt".to_owned())
            .spawn(move || ends.recv().is_ok());
        match thread {
            Ok(thread) => threads.push((end, thread)),
            Err(source) => {
                return Err(MachineError::ThreadNotStarted {
                    started,
                    count,
                    source,
                });
            }
        }
    }
    for (end, thread) in threads {
        drop(end);
        thread.join().map_err(|_| MachineError::ThreadEnded)?;
    }
    Ok(())
}

/// Creates the async runtime for a check of an app, or for `init` when an image is built.
///
/// # Errors
/// Fails if the operating system cannot start the threads of the runtime.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, StartupError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| StartupError::Host(format!("cannot start threads: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_runs_tests_has_what_it_takes() {
        assert!(check(8).is_ok());
    }
}
