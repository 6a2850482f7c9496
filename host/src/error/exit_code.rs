//! Exit codes of the program `scorebox`.
//!
//! Owns each code and its meaning, which a test compares with the page `host/docs/settings.md`.
//! Must not know who ends the process, or the text of a failure.

use super::{ScoreFailure, StartupError};

/// Exit code of a command that succeeded.
pub const DONE: u8 = 0;

/// Exit code of a command that failed because the host or the machine is at fault.
pub const HOST: u8 = 1;

/// Exit code of a command that failed because of an error in its command line.
pub const COMMAND_LINE: u8 = 2;

/// Exit code of a command that failed because of a problem in `scorebox.toml` or in the file of a
/// sample.
pub const MANIFEST: u8 = 3;

/// Exit code of a command that failed because of a problem with the component or the
/// script.
pub const COMPONENT: u8 = 4;

/// Exit code of a command that failed because of a problem with the model.
pub const MODEL: u8 = 5;

/// Exit code of a command that failed because the scorer's `init` did not succeed.
pub const INIT: u8 = 6;

/// Exit code of a server that cannot listen on its address and port.
pub const LISTEN: u8 = 7;

/// Exit code of a command that failed because an environment variable has an unusable value.
pub const ENVIRONMENT: u8 = 8;

/// Exit code of a command that failed because of a problem in `host.json` or a `function.json`.
pub const FUNCTIONS: u8 = 9;

/// Exit code of the command `check --connect` if a store does not respond.
pub const UNREACHED: u8 = 10;

/// Exit code of a command that failed because the library of the engine for graphs, or the
/// engine pack for scripts, cannot be used.
pub const ENGINE: u8 = 11;

/// Exit code of the command `invoke` if its input cannot be read, or if the call failed because of
/// the input. Another input may succeed.
pub const INPUT: u8 = 20;

/// Exit code of the command `invoke` if the call cannot be answered now. A later call may succeed.
pub const LATER: u8 = 21;

/// Exit code of the command `invoke` if the call did not end before its deadline. Send less input,
/// or raise `limits.deadline`.
pub const TIME: u8 = 22;

/// Exit code of the command `invoke` if the call failed because of a fault of the scorer.
pub const SCORER: u8 = 23;

/// Exit code of a server that was asked to stop, if the Functions host started the server.
///
/// The Functions host never restarts a handler that ended with 0. It counts every other code except
/// 200 as an error (`WorkerConstants.IntentionalRestartExitCode`).
pub const INTENTIONAL_RESTART: u8 = 200;

/// All exit codes with their meanings, as the page `host/docs/settings.md` lists them.
#[rustfmt::skip]
pub const MEANINGS: &[(u8, &str)] = &[
    (DONE,                "done; a server was stopped by SIGTERM or SIGINT"),
    (HOST,                "the host or the machine is at fault; before it listens, the host tries random numbers, the clock, memory to map and threads"),
    (COMMAND_LINE,        "the command line"),
    (MANIFEST,            "`scorebox.toml`, or the file of a sample"),
    (COMPONENT,           "the component or the script"),
    (MODEL,               "the model"),
    (INIT,                "`init` of the scorer"),
    (LISTEN,              "address or port"),
    (ENVIRONMENT,         "an environment variable"),
    (FUNCTIONS,           "`host.json` or a `function.json`"),
    (UNREACHED,           "`check --connect`: a store does not answer"),
    (ENGINE,              "the library of the engine for graphs, or the engine pack for scripts"),
    (INPUT,               "`invoke` only: the input"),
    (LATER,               "`invoke` only: try later"),
    (TIME,                "`invoke` only: out of time; send less, or allow more time"),
    (SCORER,              "`invoke` only: the scorer"),
    (INTENTIONAL_RESTART, "a server was stopped by SIGTERM or SIGINT, and the Functions host had started it"),
];

/// Returns the exit code of the program for an error because of which the host does not start or a
/// command fails. Errors of the host and of the machine share one exit code, and so do errors of
/// the component and of the script. Every other kind of error has its own exit code.
///
/// The exit code is never 0, because the Functions host does not restart a handler that exits with
/// 0. The exit code is never 2 either, because 2 stands for errors in the command line.
#[must_use]
pub fn of_start(error: &StartupError) -> u8 {
    match error {
        StartupError::Host(_) | StartupError::Machine { .. } => HOST,
        StartupError::Manifest(_) => MANIFEST,
        StartupError::Component { .. } | StartupError::Script { .. } => COMPONENT,
        StartupError::Model { .. } => MODEL,
        StartupError::Init { .. } => INIT,
        StartupError::Listen { .. } => LISTEN,
        StartupError::Environment { .. } => ENVIRONMENT,
        StartupError::Functions { .. } => FUNCTIONS,
        StartupError::Engine { .. } => ENGINE,
        StartupError::Input { .. } => INPUT,
    }
}

/// Returns the exit code of a server that stops because it was asked to stop. The code depends on
/// whether the Functions host started the server.
#[must_use]
pub fn of_stop(is_started_by_functions_host: bool) -> u8 {
    if is_started_by_functions_host {
        INTENTIONAL_RESTART
    } else {
        DONE
    }
}

/// Returns the exit code of the command `invoke` for a failed call.
#[must_use]
pub fn of_call(failure: &ScoreFailure) -> u8 {
    match failure {
        ScoreFailure::NotConforming { .. }
        | ScoreFailure::Rejected(_)
        | ScoreFailure::TooLarge { .. }
        | ScoreFailure::Unsupported { .. } => INPUT,
        ScoreFailure::Saturated | ScoreFailure::Unavailable(_) => LATER,
        ScoreFailure::TimedOut { .. } => TIME,
        ScoreFailure::Failed(_)
        | ScoreFailure::InvalidOutput(_)
        | ScoreFailure::OutOfMemory { .. }
        | ScoreFailure::Trapped(_) => SCORER,
        ScoreFailure::HostFault(_) => HOST,
    }
}

/// Returns the exit code of the command `invoke --trigger` for the HTTP status code of the
/// response.
///
/// The exit code is 0 for a status code of 2xx or 3xx. For every other status code, the call counts
/// as failed, and the exit code has the meaning that it has in [`of_call`]. The same holds for the
/// status that a scorer chose for its answer to the command `invoke`.
#[must_use]
pub fn of_invocation(status: u16) -> u8 {
    match status {
        200..=399 => DONE,
        408 | 425 | 429 | 503 => LATER,
        400..=499 => INPUT,
        504 => TIME,
        _ => SCORER,
    }
}
