//! Checks of the machine before a server listens.
//!
//! Owns the checks, and the fix if one fails. Must not know an app, nor which part needs what.

use std::sync::mpsc;
use std::time::{Instant, SystemTime};

use crate::error::StartupError;
use crate::panics;

/// Size of the memory that is mapped to check that memory can be mapped, in bytes.
const MAPPED_BYTES: usize = 1 << 20;

/// Checks that this machine has random numbers, clocks, memory to map, and `threads` threads that
/// run at the same time.
///
/// Without this check, a missing one would be noticed during a request, in a library that can only
/// panic.
///
/// # Errors
/// Fails if the machine does not have one of these. The error names it and gives the fix.
pub fn check(threads: usize) -> Result<(), StartupError> {
    let missing = |(what, problem, fix): (&str, String, &str)| {
        StartupError::Host(format!(
            "this machine has no {what}: {problem}\n  fix: {fix}"
        ))
    };
    let random = randomness().map_err(|problem| {
        let fix =
            "allow the system call getrandom: remove the seccomp rule that forbids it, or run on Linux 3.17 or later";
        missing(("random numbers", problem, fix))
    });
    random?;
    let clocks = panics::attempt(|| (Instant::now(), SystemTime::now()));
    clocks.map_err(|problem| {
        missing((
            "clock",
            problem,
            "allow the system call clock_gettime, e.g. in the seccomp rules",
        ))
    })?;
    memmap2::MmapMut::map_anon(MAPPED_BYTES)
        .map(drop)
        .map_err(|error| {
            missing((
                "memory to map",
                error.to_string(),
                "raise the limits on memory and on addresses (ulimit -v)",
            ))
        })?;
    start_threads(threads).map_err(|problem| {
        missing((
            "threads",
            problem,
            "raise the limit on processes of the container (pids) or of the user (ulimit -u)",
        ))
    })
}

/// Gets random numbers from each source that a library of this program uses.
fn randomness() -> Result<(), String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    getrandom_of_maps::fill(&mut bytes).map_err(|error| error.to_string())?;
    let tls = rustls::crypto::ring::default_provider();
    tls.secure_random
        .fill(&mut bytes)
        .map_err(|_| "none for TLS".to_owned())
}

/// Starts `count` threads that all exist at the same time, and then ends them.
fn start_threads(count: usize) -> Result<(), String> {
    let mut started = Vec::with_capacity(count);
    for number in 0..count {
        let (end, ends) = mpsc::channel::<()>();
        // The thread ends when the sender is dropped.
        let thread = std::thread::Builder::new()
            .name("attempt".to_owned())
            .spawn(move || ends.recv().is_ok());
        match thread {
            Ok(thread) => started.push((end, thread)),
            Err(error) => return Err(format!("{number} of {count} could be started: {error}")),
        }
    }
    for (end, thread) in started {
        drop(end);
        thread.join().map_err(|_| "one ended early".to_owned())?;
    }
    Ok(())
}

/// Creates the asynchronous runtime for a check of an app, or for `init` during the build of an
/// image.
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
