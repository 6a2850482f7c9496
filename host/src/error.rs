//! Failures of calls, requests and starts, and the consequences of each.
//!
//! Owns [`ScoreFailure`] and the one table that turns it into a [`Disposition`] (status,
//! settlement, log level, client text). [`StartupError`] with its exit codes is in `startup`, and
//! the exit codes of `invoke` are in `invoke`. No other module chooses a status, a settlement or an
//! exit code. Must not know who asked, or how a response is sent.

mod bounds;
mod invoke;
mod startup;

use std::time::Duration;

use crate::text::{NAME_BYTES, cut};

pub use self::invoke::{invocation_exit_code, invoke_exit_code};
pub use self::startup::{StartupError, UNREACHED_EXIT_CODE, stopped_exit_code};

/// Problem that a scorer reported: its text for the caller, and its detail for the operator only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Code of the problem: stable, machine-readable and in kebab-case.
    pub code: String,
    /// Text for the caller.
    pub message: String,
    /// Detail for the log only.
    pub detail: Option<String>,
}

/// Reason why a call has no answer. It is created where the fault is known, and
/// [`ScoreFailure::disposition`] gives the consequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoreFailure {
    /// The scorer reported that it is at fault.
    Failed(Problem),
    /// The host is at fault; the text is for the log.
    HostFault(String),
    /// The scorer's answer does not fit its own signature; the text is for the log.
    InvalidOutput(String),
    /// The input is not what the signature asks for.
    NotConforming {
        /// Text that describes the misfit, and what would be right.
        message: String,
        /// JSON pointer (RFC 6901) to the misfit. Empty for the whole body.
        pointer: String,
    },
    /// The instance needed more memory than it may have.
    OutOfMemory {
        /// Memory limit of an instance, in bytes: `limits.memory`.
        limit_bytes: u64,
    },
    /// The scorer reported that this input can never be scored.
    Rejected(Problem),
    /// The call came while as many calls were waiting as may wait, or as can be answered in time.
    Saturated,
    /// The deadline of the call passed.
    TimedOut {
        /// Time that a call may take: `limits.deadline`.
        deadline: Duration,
    },
    /// The body is larger than the host accepts.
    TooLarge {
        /// Largest body, in bytes: `limits.body`.
        limit_bytes: u64,
    },
    /// The component trapped. The text, with its backtrace, is for the log.
    Trapped(String),
    /// The scorer reported that a later call may succeed.
    Unavailable(Problem),
    /// The signature does not accept the media type of the body.
    Unsupported {
        /// Media type of the body.
        content_type: String,
        /// Media types that the signature accepts.
        accepted: Vec<String>,
    },
}

/// Action of the platform for a message whose call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The message is completed, and put where the manifest parks messages that can never be
    /// scored.
    Park,
    /// The message is delivered again.
    Redeliver,
}

/// Importance of a failure for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A failure that an operator must look at.
    Error,
    /// A failure that the caller caused.
    Info,
    /// A failure that is expected now and then, but bad if it persists.
    Warn,
}

/// Consequences of a failure: the response, the settlement of a message, and the log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// HTTP status of the response.
    pub status: u16,
    /// Action of the platform for the message.
    pub settlement: Settlement,
    /// Severity of the log line.
    pub severity: Severity,
    /// Code of the failure: stable, machine-readable and in kebab-case.
    pub code: String,
    /// Text for the client.
    pub message: String,
    /// JSON pointer to the misfit in the client's body, if it is known.
    pub pointer: Option<String>,
    /// Detail that only the log gets.
    pub detail: Option<String>,
    /// Time after which a client may retry. `None` if the response does not say so.
    pub retry_after: Option<Duration>,
    /// True if the scorer ran and is at fault, for Azure ML's header `x-ms-run-function-failed`.
    pub scorer_at_fault: bool,
}

impl Disposition {
    /// Returns the action of the platform for the message of a failed call.
    ///
    /// A message is parked only if there is an output for it. Without one, the platform's own queue
    /// keeps it. At its last delivery a message is parked whatever was wrong, so that its problem
    /// stays with it.
    #[must_use]
    pub fn settle(&self, is_last: bool, has_park: bool) -> Settlement {
        match self.settlement {
            Settlement::Park if has_park => Settlement::Park,
            Settlement::Redeliver if has_park && is_last => Settlement::Park,
            Settlement::Park | Settlement::Redeliver => Settlement::Redeliver,
        }
    }
}

impl ScoreFailure {
    /// Returns the consequences of the failure, from the one table of consequences.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        self.consequences().bounded()
    }

    fn consequences(self) -> Disposition {
        use Settlement::{Park, Redeliver};
        use Severity::{Error, Info, Warn};
        let told = |status, settlement, severity, problem: Problem| Disposition {
            detail: problem.detail,
            ..row(status, settlement, severity, &problem.code, problem.message)
        };
        // An instance needs at most a second to be free again, and so does a restarted cache to
        // answer.
        let retry_after = Some(Duration::from_secs(1));
        match self {
            Self::Rejected(problem) => told(422, Park, Info, problem),
            Self::NotConforming { message, pointer } => {
                Disposition { pointer: Some(pointer), ..row(400, Park, Info, "not-conforming", message) }
            }
            Self::TooLarge { limit_bytes } => row(
                413,
                Park,
                Info,
                "too-large",
                format!(
                    "The body is larger than {limit_bytes} bytes. Send fewer rows at a time, or raise limits.body."
                ),
            ),
            Self::Unsupported { content_type, accepted } => row(
                415,
                Park,
                Info,
                "unsupported-media-type",
                format!(
                    "The content type {} is not accepted. Send {}.",
                    cut(&content_type, NAME_BYTES),
                    accepted.join(" or ")
                ),
            ),
            Self::Unavailable(problem) => Disposition { retry_after, ..told(503, Redeliver, Warn, problem) },
            Self::Saturated => Disposition {
                retry_after,
                ..row(
                    503,
                    Redeliver,
                    Warn,
                    "saturated",
                    "The host is busy: more calls wait than could be answered in time. Try again later.".to_owned(),
                )
            },
            // The retired server treated a timeout as a failure of the script, too.
            Self::TimedOut { deadline } => Disposition {
                scorer_at_fault: true,
                ..row(
                    504,
                    Redeliver,
                    Warn,
                    "timed-out",
                    format!(
                        "No answer within {} ms. Send less at a time, or raise limits.deadline.",
                        deadline.as_millis()
                    ),
                )
            },
            Self::Failed(problem) => Disposition { scorer_at_fault: true, ..told(500, Redeliver, Error, problem) },
            Self::Trapped(backtrace) => Disposition {
                detail: Some(backtrace),
                scorer_at_fault: true,
                ..row(
                    500,
                    Redeliver,
                    Error,
                    "trapped",
                    "The scorer stopped unexpectedly. The log has the reason under this id.".to_owned(),
                )
            },
            Self::OutOfMemory { limit_bytes } => Disposition {
                scorer_at_fault: true,
                ..row(
                    500,
                    Redeliver,
                    Error,
                    "out-of-memory",
                    format!(
                        "The scorer needed more than {limit_bytes} bytes of memory. Send less at a time, or raise \
                         limits.memory."
                    ),
                )
            },
            Self::InvalidOutput(reason) => Disposition {
                detail: Some(reason),
                scorer_at_fault: true,
                ..row(
                    500,
                    Redeliver,
                    Error,
                    "invalid-output",
                    "The scorer's answer does not fit its signature. The log has the reason under this id.".to_owned(),
                )
            },
            Self::HostFault(reason) => Disposition {
                detail: Some(reason),
                ..row(
                    500,
                    Redeliver,
                    Error,
                    "host-fault",
                    "An unexpected internal error occurred. The log has the reason under this id.".to_owned(),
                )
            },
        }
    }
}

/// Reason why a request is answered without a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
    /// Responses that are being sent take all memory that responses may take.
    AnswersFull,
    /// The answer is binary, and the HTTP output carries text.
    BinaryAnswer,
    /// Bodies of other requests take all memory that bodies may take.
    BodiesFull,
    /// The body of the request broke off.
    BodyLost,
    /// The body of the request did not arrive in time.
    BodyTooSlow,
    /// An id is longer than the retired server allowed.
    IdTooLong {
        /// Header that is too long, or several of them.
        name: &'static str,
        /// Most characters of an id.
        limit: usize,
    },
    /// The invocation does not fit the bindings of its function. The text is for the log.
    Malformed(String),
    /// The path does not accept the request's HTTP method.
    MethodNotAllowed,
    /// The request has tensors, and the scorer takes payloads.
    NoTensors,
    /// There is nothing at the request's path.
    NotFound {
        /// Routes that answer calls, for the message.
        routes: Vec<String>,
    },
    /// The scorer was not ready in time.
    NotReady,
}

impl RequestFailure {
    /// Returns the consequences of the failure, from the rows of the table that do not involve a
    /// scorer.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        self.consequences().bounded()
    }

    fn consequences(self) -> Disposition {
        let row = |status, code, message| {
            row(status, Settlement::Redeliver, Severity::Info, code, message)
        };
        let full = |code, message: &str| Disposition {
            severity: Severity::Warn,
            retry_after: Some(Duration::from_secs(1)),
            ..row(503, code, message.to_owned())
        };
        match self {
            Self::AnswersFull => full(
                "answers-full",
                "Answers that their clients have not read take all memory that limits.bodies allows. Try again later.",
            ),
            Self::BodiesFull => full(
                "bodies-full",
                "The bodies of other requests take all memory that limits.bodies allows. Try again later.",
            ),
            Self::BinaryAnswer => Disposition {
                severity: Severity::Error,
                ..row(
                    500,
                    "binary-answer",
                    "The answer is binary, which this function's output cannot carry. Forward requests, or name the \
                     output $return."
                        .to_owned(),
                )
            },
            Self::Malformed(detail) => Disposition {
                detail: Some(detail),
                severity: Severity::Error,
                ..row(400, "malformed-invocation", "The invocation does not fit the function's bindings.".to_owned())
            },
            Self::BodyLost => row(400, "body-lost", "The body broke off.".to_owned()),
            Self::BodyTooSlow => row(408, "body-too-slow", "The body did not arrive in time.".to_owned()),
            Self::IdTooLong { name, limit } => {
                row(431, "id-too-long", format!("{name} must not exceed {limit} characters"))
            }
            Self::MethodNotAllowed => row(405, "method-not-allowed", "This path does not take this method.".to_owned()),
            Self::NoTensors => {
                row(404, "no-tensors", "This scorer takes payloads, not tensors. Send them to /score.".to_owned())
            }
            Self::NotFound { routes } => {
                row(404, "not-found", format!("There is nothing here. Calls are answered at {}.", routes.join(", ")))
            }
            Self::NotReady => Disposition {
                severity: Severity::Warn,
                retry_after: Some(Duration::from_secs(1)),
                ..row(503, "not-ready", "The scorer is still starting. Try again later.".to_owned())
            },
        }
    }
}

/// Returns a row of the table with nothing beyond its columns.
fn row(
    status: u16,
    settlement: Settlement,
    severity: Severity,
    code: &str,
    message: String,
) -> Disposition {
    Disposition {
        status,
        settlement,
        severity,
        code: code.to_owned(),
        message,
        pointer: None,
        detail: None,
        retry_after: None,
        scorer_at_fault: false,
    }
}

#[cfg(test)]
mod tests;
