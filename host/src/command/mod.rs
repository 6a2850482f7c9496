//! The commands, one file each, and what they share: threads, and how an error ends the program.
//!
//! Must not know how calls are made or answered.

pub mod check;
pub mod invoke;
pub mod serve;

use std::process::ExitCode;

use scorebox_host::StartupError;
use tokio::runtime::{Builder, Runtime};

/// Threads with a name, for `top -H`.
fn runtime(name: &str, threads: usize) -> Result<Runtime, StartupError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|error| StartupError::Host(format!("no thread to run on: {error}")))
}

/// Says on standard error why the program does not start, and ends it with the error's code.
fn exit(error: &StartupError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(error.exit_code())
}
