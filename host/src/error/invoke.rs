//! Exit codes of the command `invoke`.
//!
//! Owns the exit code of a failed call and of a failed invocation. Must not know other commands, or
//! the text of a failure.

use super::ScoreFailure;

/// Returns the exit code of the command `invoke` for a failed call.
///
/// The code shows what would help: 20 another input, 21 waiting, 22 less input or more time, 23 a
/// better scorer. Code 1 means that the host is at fault.
#[must_use]
pub fn invoke_exit_code(failure: &ScoreFailure) -> u8 {
    match failure {
        ScoreFailure::NotConforming { .. }
        | ScoreFailure::Rejected(_)
        | ScoreFailure::TooLarge { .. }
        | ScoreFailure::Unsupported { .. } => 20,
        ScoreFailure::Saturated | ScoreFailure::Unavailable(_) => 21,
        ScoreFailure::TimedOut { .. } => 22,
        ScoreFailure::Failed(_)
        | ScoreFailure::InvalidOutput(_)
        | ScoreFailure::OutOfMemory { .. }
        | ScoreFailure::Trapped(_) => 23,
        ScoreFailure::HostFault(_) => 1,
    }
}

/// Returns the exit code of the command `invoke --trigger` for the HTTP status code of the
/// response.
///
/// The code is 0 for a status code of 2xx. For every other status code the platform counts the
/// invocation as failed, and the code has the meaning that it has in [`invoke_exit_code`].
#[must_use]
pub fn invocation_exit_code(status: u16) -> u8 {
    match status {
        200..=299 => 0,
        400..=499 => 20,
        503 => 21,
        504 => 22,
        _ => 23,
    }
}
