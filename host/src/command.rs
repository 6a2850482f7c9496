//! Commands of the program, one file each, and their shared parts: threads, standard output, and
//! the exit after an error.
//!
//! Must not know how calls are made or answered.

/// Prints a line to standard error. Unlike the macro `eprintln` of the standard library, which it
/// replaces in all commands, it does not panic if standard error cannot be written.
macro_rules! eprintln {
    ($($text:tt)*) => {
        $crate::command::say(::std::format_args!("{}\n", ::std::format_args!($($text)*)))
    };
}

/// Prints to standard error without a line break. Unlike the macro `eprint` of the standard
/// library, which it replaces in all commands, it does not panic if standard error cannot be
/// written.
macro_rules! eprint {
    ($($text:tt)*) => { $crate::command::say(::std::format_args!($($text)*)) };
}

pub mod check;
#[cfg(feature = "graphs")]
pub mod graph;
#[cfg(feature = "compiler")]
pub mod invocation;
#[cfg(feature = "compiler")]
pub mod invoke;
mod priority;
pub mod serve;
#[cfg(feature = "graphs")]
pub mod trial;

use std::io::Write as _;
use std::process::ExitCode;

use scorebox_host::error::{ErrorAnswer, StartupError, exit_code};
use scorebox_host::machine;
use scorebox_host::text::printable_json;
use scorebox_host::{deployment, telemetry};
#[cfg(feature = "compiler")]
use scorebox_host::{
    engine::VERSION,
    text::{NAME_BYTES, quoted},
};
use tokio::runtime::{Builder, Runtime};

/// Starts an async runtime with `threads` threads that serve sockets and score short calls.
///
/// # Errors
/// Fails if the operating system can start none of the threads. If it can start only some of them,
/// a later call of [`machine::check_threads`] fails.
fn serving_threads(threads: usize) -> Result<Runtime, StartupError> {
    machine::runtime(Builder::new_multi_thread().thread_name("serving"), threads)
}

/// Starts an async runtime with `threads` threads for long calls and for `init`. The threads have a
/// lower priority than the serving threads.
///
/// # Errors
/// Fails if the operating system can start none of the threads. If it can start only some of them,
/// a later call of [`machine::check_threads`] fails.
fn scoring_threads(threads: usize) -> Result<Runtime, StartupError> {
    let mut builder = Builder::new_multi_thread();
    // A call that has just arrived is taken before the next slice of a call that has run for a
    // while.
    machine::runtime(
        builder
            .thread_name("scoring")
            .on_thread_start(priority::yield_to_others)
            .global_queue_interval(1)
            // A slice of a call lasts for milliseconds. Timers and sockets are checked after each
            // slice.
            .event_interval(1),
        threads,
    )
}

/// Writes a text to standard error. An error is ignored, because there is no other output that
/// could report it.
fn say(text: std::fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_fmt(text);
}

/// Prints why the command line is refused, or the help that it asks for, and returns the exit code.
/// For the Functions host an error is one line, because that host logs each line as a separate
/// message.
pub fn refused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && deployment::is_read_by_functions_host(&deployment::process) {
        let text = error.to_string();
        eprint!(
            "{}",
            telemetry::error_line(&text.trim_end(), &deployment::process)
        );
    } else {
        // A reader that is gone is not an error.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() {
        exit_code::COMMAND_LINE
    } else {
        exit_code::DONE
    })
}

/// Prints the result of a command to standard output, with a line break. An error is ignored.
fn print(text: &str) {
    // A reader that stops early, such as `head`, is not an error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Returns the JSON object that a failed command prints for the error: an [`ErrorAnswer`].
fn error_json(error: &StartupError) -> String {
    let answer = serde_json::to_string(&ErrorAnswer::of(error)).unwrap_or_default();
    printable_json(&answer).into_owned()
}

/// Returns an error if the tool that started this program is of another release.
///
/// The tool names its version in the environment. A user who starts the program does not name one.
#[cfg(feature = "compiler")]
pub fn other_tool() -> Option<StartupError> {
    let tool = std::env::var(deployment::TOOL_VARIABLE).ok()?;
    (tool != VERSION).then(|| {
        StartupError::Host(format!(
            "the host is scorebox {VERSION}, and the tool that started it is scorebox {}; install \
             both from one release",
            quoted(&tool, NAME_BYTES)
        ))
    })
}

/// Prints the error of a failed command to standard error, and returns the exit code that belongs
/// to the error.
pub fn exit(error: &StartupError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(exit_code::of_start(error))
}
