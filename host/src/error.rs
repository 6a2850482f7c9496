//! Why a call has no answer, why the host does not start, and what follows from each.
//!
//! Owns [`ScoreFailure`] and the one table that turns it into a [`Disposition`] (status, settlement, log level, client
//! text); [`StartupError`] with its exit codes is in `startup`. No other module chooses a status, a settlement or an exit
//! code. Must not know who asked, or how an answer is written to a wire.

mod bounds;
mod startup;

use std::time::Duration;

use crate::text::{NAME_BYTES, cut};

pub use self::startup::{StartupError, UNREACHED_EXIT_CODE, stopped_exit_code};

/// What a caller may be told, and what only an operator may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable and machine-readable, in kebab-case.
    pub code: String,
    /// For the caller.
    pub message: String,
    /// For the log only.
    pub detail: Option<String>,
}

/// Why a call has no answer. Made where the fault is known; [`ScoreFailure::disposition`] says what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoreFailure {
    /// The scorer says that it is at fault.
    Failed(Problem),
    /// The host is at fault; the text is for the log.
    HostFault(String),
    /// The scorer's answer does not fit its own signature; the text is for the log.
    InvalidOutput(String),
    /// The input is not what the signature asks for.
    NotConforming {
        /// What is wrong, and what would be right.
        message: String,
        /// JSON pointer (RFC 6901) to the misfit; empty for the whole body.
        pointer: String,
    },
    /// The instance asked for more memory than it may have.
    OutOfMemory {
        /// `limits.memory`.
        limit_bytes: u64,
    },
    /// The scorer says that this input can never be scored.
    Rejected(Problem),
    /// As many calls wait already as may, or as can be answered in time.
    Saturated,
    /// The deadline passed.
    TimedOut {
        /// `limits.deadline`.
        deadline: Duration,
    },
    /// The body is larger than the host takes.
    TooLarge {
        /// `limits.body`.
        limit_bytes: u64,
    },
    /// The component trapped; the text, with its backtrace, is for the log.
    Trapped(String),
    /// The scorer says that later may work.
    Unavailable(Problem),
    /// The media type is not one that the signature accepts.
    Unsupported {
        /// What came.
        content_type: String,
        /// What would do.
        accepted: Vec<String>,
    },
}

/// What the platform does with a message whose call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Complete it, and put it where the manifest parks what can never be scored.
    Park,
    /// Deliver it again.
    Redeliver,
}

/// How much an operator should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody must look.
    Error,
    /// The caller's doing.
    Info,
    /// Expected now and then, bad if it stays.
    Warn,
}

/// What follows from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// The HTTP status.
    pub status: u16,
    /// What becomes of a message.
    pub settlement: Settlement,
    /// How it is logged.
    pub severity: Severity,
    /// Machine-readable, in kebab-case; stable.
    pub code: String,
    /// What the client reads.
    pub message: String,
    /// JSON pointer to the misfit in the client's body, where one is known.
    pub pointer: Option<String>,
    /// What the log adds.
    pub detail: Option<String>,
    /// When a client may try again.
    pub retry_after: Option<Duration>,
    /// True if the scorer ran and is to blame: Azure ML's `x-ms-run-function-failed`.
    pub scorer_at_fault: bool,
}

impl Disposition {
    /// What becomes of a message: parked only where there is a place for it, since otherwise the platform's own queue keeps
    /// it; and parked at its last delivery whatever was wrong, so that its problem stays with it.
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
    /// Looks the failure up in the one table of consequences.
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
        // A second is what an instance needs at most to be free again, or a restarted cache to answer.
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
            // The retired server called a timeout a failure of the script too.
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

/// Why a request is answered without a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
    /// The answers that are being sent take all memory that answers may take.
    AnswersFull,
    /// A binary answer for an HTTP output that carries text.
    BinaryAnswer,
    /// The bodies of other requests take all memory that bodies may take.
    BodiesFull,
    /// The body broke off.
    BodyLost,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// An id is longer than the retired server allowed.
    IdTooLong {
        /// The header or headers.
        name: &'static str,
        /// What is allowed, in characters.
        limit: usize,
    },
    /// An invocation that its function's bindings do not explain; the text is for the log.
    Malformed(String),
    /// The path has another verb.
    MethodNotAllowed,
    /// Tensors for a scorer that takes payloads.
    NoTensors,
    /// There is nothing at this path.
    NotFound {
        /// Where calls are answered.
        routes: Vec<String>,
    },
    /// The scorer was not ready in time.
    NotReady,
}

impl RequestFailure {
    /// Looks the failure up: the rows of the same table that no scorer has a part in.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        self.consequences().bounded()
    }

    fn consequences(self) -> Disposition {
        let row = |status, code, message| row(status, Settlement::Redeliver, Severity::Info, code, message);
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

/// A row of the table that says nothing beyond its columns.
fn row(status: u16, settlement: Settlement, severity: Severity, code: &str, message: String) -> Disposition {
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

/// Why `invoke` prints no answer, as an exit code by what would help: 20 another input, 21 waiting, 22 less input or
/// more time, 23 a better scorer.
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

/// Why the platform counts an invocation as failed, as an exit code, by the status that the host answered: as
/// [`invoke_exit_code`].
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of consequences, row by row, as the README prints it.
    #[test]
    fn each_failure_has_its_row() {
        #[track_caller]
        fn check(failure: ScoreFailure, status: u16, settlement: Settlement, severity: Severity, code: &str) {
            let row = failure.disposition();
            assert_eq!(
                (row.status, row.settlement, row.severity, row.code.as_str()),
                (status, settlement, severity, code)
            );
        }
        use Settlement::{Park, Redeliver};
        use Severity::{Error, Info, Warn};
        let problem = || Problem { code: "its-code".into(), message: "m".into(), detail: Some("d".into()) };
        check(ScoreFailure::Rejected(problem()), 422, Park, Info, "its-code");
        let misfit = ScoreFailure::NotConforming { message: "m".into(), pointer: "/data".into() };
        check(misfit, 400, Park, Info, "not-conforming");
        check(ScoreFailure::TooLarge { limit_bytes: 1 }, 413, Park, Info, "too-large");
        let unsupported = ScoreFailure::Unsupported { content_type: "a/b".into(), accepted: vec!["c/d".into()] };
        check(unsupported, 415, Park, Info, "unsupported-media-type");
        check(ScoreFailure::Unavailable(problem()), 503, Redeliver, Warn, "its-code");
        check(ScoreFailure::Saturated, 503, Redeliver, Warn, "saturated");
        check(ScoreFailure::TimedOut { deadline: Duration::from_secs(5) }, 504, Redeliver, Warn, "timed-out");
        check(ScoreFailure::Failed(problem()), 500, Redeliver, Error, "its-code");
        check(ScoreFailure::Trapped("t".into()), 500, Redeliver, Error, "trapped");
        check(ScoreFailure::OutOfMemory { limit_bytes: 1 }, 500, Redeliver, Error, "out-of-memory");
        check(ScoreFailure::InvalidOutput("o".into()), 500, Redeliver, Error, "invalid-output");
        check(ScoreFailure::HostFault("h".into()), 500, Redeliver, Error, "host-fault");
    }

    #[test]
    fn what_is_for_the_log_never_reaches_the_client() {
        let secret = "10.0.0.7:6380";
        for failure in [
            ScoreFailure::Trapped(secret.into()),
            ScoreFailure::HostFault(secret.into()),
            ScoreFailure::InvalidOutput(secret.into()),
            ScoreFailure::Failed(Problem { code: "c".into(), message: "m".into(), detail: Some(secret.into()) }),
        ] {
            let row = failure.disposition();
            assert!(!row.message.contains(secret));
            assert_eq!(row.detail.as_deref(), Some(secret));
        }
    }
}
