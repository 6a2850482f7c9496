//! The commands, one file each, and what they share: threads, and how an error ends the program.
//!
//! Must not know how calls are made or answered.

pub mod check;
#[cfg(feature = "graphs")]
pub mod graph;
#[cfg(feature = "compiler")]
pub mod invocation;
#[cfg(feature = "compiler")]
pub mod invoke;
pub mod serve;
#[cfg(feature = "graphs")]
pub mod trial;

use std::process::ExitCode;

use rustix::process::nice;
use scorebox_host::StartupError;
use tokio::runtime::{Builder, Runtime};

/// Threads that serve sockets, and score what is short.
fn serving_threads(threads: usize) -> Result<Runtime, StartupError> {
    build(Builder::new_multi_thread().thread_name("serving"), threads)
}

/// Threads for long calls and for `init`, below the others in priority.
fn scoring_threads(threads: usize) -> Result<Runtime, StartupError> {
    // A lower priority needs no permission. Where it fails all the same, long calls are a little less polite.
    let yielding = || {
        let _ = nice(SCORING_NICE);
    };
    let mut builder = Builder::new_multi_thread();
    // A call that has just come is taken before the next slice of one that has run for a while.
    build(builder.thread_name("scoring").on_thread_start(yielding).global_queue_interval(1), threads)
}

/// With ten steps down a thread gets about a tenth of a core that others want too, and all of one that nobody wants.
const SCORING_NICE: i32 = 10;

fn build(builder: &mut Builder, threads: usize) -> Result<Runtime, StartupError> {
    builder
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| StartupError::Host(format!("no thread to run on: {error}")))
}

/// Says on standard error why the program does not start, and ends it with the error's code.
fn exit(error: &StartupError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(error.exit_code())
}
