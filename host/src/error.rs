//! Failures of calls, requests and starts, and the consequences of each.
//!
//! Owns [`ScoreFailure`] and the one table that turns it into a [`Disposition`] (status,
//! settlement, log level, client text). [`StartupError`] is in `startup`, its JSON object in
//! `answer`, and the exit codes are in [`exit_code`]. No other module of the host chooses the
//! status or the settlement of a failure, or the exit code of an error. Must not know who asked, or
//! how a response is sent. A test compares the table with the page `host/docs/http.md`.

mod answer;
mod bounds;
pub mod exit_code;
mod startup;

use std::time::Duration;

use crate::text::{NAME_BYTES, quoted};

pub use self::answer::{ErrorAnswer, ErrorReport};
pub use self::startup::StartupError;

/// Problem that a scorer reported, with a text for the caller and a detail that is only logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Code of the problem: stable, machine-readable and in kebab-case.
    pub code: String,
    /// Text that describes the problem to the caller.
    pub message: String,
    /// Detail for the operator, which is only logged. `None` if the scorer did not give a detail.
    pub detail: Option<String>,
}

/// Reason why a call does not have an answer. The code that detects a fault creates this value, and
/// [`ScoreFailure::disposition`] returns the HTTP status code and all other consequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoreFailure {
    /// The scorer reported a fault of its own.
    Failed(Problem),
    /// The host is at fault. The text describes the fault and is only logged.
    HostFault(String),
    /// The scorer's answer does not fit the scorer's own signature. The text says what does not
    /// fit, and is only logged.
    InvalidOutput(String),
    /// The input of the call does not fit the scorer's signature.
    NotConforming {
        /// Text for the caller that says what does not fit and what would fit.
        message: String,
        /// JSON pointer (RFC 6901) to the part of the body that does not fit. Empty for the whole
        /// body.
        pointer: String,
    },
    /// The call needed more memory than `limits.memory` allows, either for its instance or for the
    /// outputs of a graph.
    OutOfMemory {
        /// Maximum size of the memory of one instance, in bytes: the setting `limits.memory`.
        limit_bytes: u64,
    },
    /// The scorer reported that the input of the call can never be scored.
    Rejected(Problem),
    /// The host is too busy to take the call: as many calls were waiting as may wait, or as can be
    /// answered before their deadlines. Also the failure of a call whose instance needs memory that
    /// other instances use.
    Saturated,
    /// The deadline of the call passed before there was an answer.
    TimedOut {
        /// Maximum duration of a call: the setting `limits.deadline`.
        deadline: Duration,
    },
    /// The request's body is larger than the host accepts.
    TooLarge {
        /// Maximum size of a body, in bytes: the setting `limits.body`.
        limit_bytes: u64,
    },
    /// The component trapped, or the interpreter of the script trapped or exited. The text says
    /// why, and is only logged.
    Trapped(String),
    /// The scorer reported that it cannot answer now, and that a later call may succeed.
    Unavailable(Problem),
    /// The scorer does not accept the media type or the charset of the body.
    Unsupported {
        /// Media type of the request's body.
        content_type: String,
        /// Media types that the scorer accepts.
        accepted: Vec<String>,
    },
}

/// Action of the platform on a message whose call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The message is completed. A record of it is sent to the output `park`, which is for messages
    /// that can never be scored.
    Park,
    /// The message is delivered again.
    Redeliver,
}

/// Severity of a failure for an operator, which determines the level of the log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// An operator must look at the failure.
    Error,
    /// The caller caused the failure.
    Info,
    /// The failure is expected now and then, but is bad if it persists.
    Warn,
}

/// Consequences of a failure: the response, the settlement of the message, and the log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// HTTP status code of the response.
    pub status: u16,
    /// Action of the platform on the message whose call failed.
    pub settlement: Settlement,
    /// Severity of the log line about the failure.
    pub severity: Severity,
    /// Code of the failure: stable, machine-readable and in kebab-case.
    pub code: String,
    /// Text that describes the failure to the client.
    pub message: String,
    /// JSON pointer (RFC 6901) to the part of the client's body that does not fit. `None` if the
    /// failure is not about a part of the body.
    pub pointer: Option<String>,
    /// Detail for the operator, which is only logged. `None` if the failure does not have a detail.
    pub detail: Option<String>,
    /// Time after which the client may retry: the value of the response header `Retry-After`.
    /// `None` if the response does not have this header.
    pub retry_after: Option<Duration>,
    /// True if the scorer ran and is at fault. This is the value of Azure ML's response header
    /// `x-ms-run-function-failed`.
    pub scorer_at_fault: bool,
}

impl Disposition {
    /// Returns the action of the platform on the message of a failed call. `is_last` is true at the
    /// last delivery of the message. `has_park` is true if the function has the output `park`, for
    /// messages that can never be scored.
    ///
    /// Without the output `park`, the message is delivered again, until the platform gives up on
    /// it. With it, a message that fails at its last delivery is completed, and its record, with
    /// the problem, is sent to `park`.
    #[must_use]
    pub fn settle(&self, is_last: bool, has_park: bool) -> Settlement {
        match self.settlement {
            Settlement::Park if has_park => Settlement::Park,
            Settlement::Redeliver if has_park && is_last => Settlement::Park,
            Settlement::Park | Settlement::Redeliver => Settlement::Redeliver,
        }
    }
}

/// One line of the table of failures: the consequences of one kind of failure, without its texts.
struct Line {
    status: u16,
    /// Code of the failure, in kebab-case. Empty if the scorer chooses the code.
    code: &'static str,
    settlement: Settlement,
    severity: Severity,
    /// True if the client may retry after a second. Within this time an instance is usually free
    /// again, or the restarted server of a store responds again.
    retry: bool,
    scorer_at_fault: bool,
}

/// Creates a line of the table of failures. The arguments are the columns of the table.
const fn line(
    status: u16,
    code: &'static str,
    settlement: Settlement,
    severity: Severity,
    retry: bool,
    scorer_at_fault: bool,
) -> Line {
    Line {
        status,
        code,
        settlement,
        severity,
        retry,
        scorer_at_fault,
    }
}

impl Line {
    /// Converts this line of the table to a [`Disposition`] with the message `message`. The JSON
    /// pointer and the detail of the result are `None`.
    fn with(self, message: String) -> Disposition {
        Disposition {
            status: self.status,
            settlement: self.settlement,
            severity: self.severity,
            code: self.code.to_owned(),
            message,
            pointer: None,
            detail: None,
            retry_after: self.retry.then_some(Duration::from_secs(1)),
            scorer_at_fault: self.scorer_at_fault,
        }
    }
}

/// Codes of failures that the guest SDK reports if a store refuses an operation, and would refuse
/// it again. Examples are a value of the wrong type, and a command that the access list forbids.
/// Delivering the message of the failed call again would only put load on the store.
const STORE_CODES: [&str; 2] = ["store-command", "store-denied"];

impl ScoreFailure {
    /// Returns the line of this failure in the table of failures.
    ///
    /// A timeout counts as a fault of the scorer, because Azure ML's former inference server
    /// treated it as a failure of the scoring script.
    #[rustfmt::skip]
    fn line(&self) -> Line {
        use Settlement::{Park, Redeliver};
        use Severity::{Error, Info, Warn};
        match self {
            //                               status, code,                    settlement, severity, retry, scorer at fault
            Self::Rejected(_)          => line(422, "",                       Park,      Info,  false, false),
            Self::NotConforming { .. } => line(400, "not-conforming",         Park,      Info,  false, false),
            Self::TooLarge { .. }      => line(413, "too-large",              Park,      Info,  false, false),
            Self::Unsupported { .. }   => line(415, "unsupported-media-type", Park,      Info,  false, false),
            Self::Unavailable(_)       => line(503, "",                       Redeliver, Warn,  true,  false),
            Self::Saturated            => line(503, "saturated",              Redeliver, Warn,  true,  false),
            Self::TimedOut { .. }      => line(504, "timed-out",              Redeliver, Warn,  false, true),
            Self::Failed(problem) if STORE_CODES.contains(&problem.code.as_str())
                                       => line(500, "",                       Park,      Error, false, true),
            Self::Failed(_)            => line(500, "",                       Redeliver, Error, false, true),
            Self::Trapped(_)           => line(500, "trapped",                Redeliver, Error, false, true),
            Self::OutOfMemory { .. }   => line(500, "out-of-memory",          Redeliver, Error, false, true),
            Self::InvalidOutput(_)     => line(500, "invalid-output",         Redeliver, Error, false, true),
            Self::HostFault(_)         => line(500, "host-fault",             Redeliver, Error, false, false),
        }
    }

    /// Returns the consequences of the failed call: status code, settlement, log level and texts.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        let line = self.line();
        let told = |message: &str| message.to_owned();
        let disposition = match self {
            Self::Rejected(problem) | Self::Unavailable(problem) | Self::Failed(problem) => Disposition {
                code: problem.code,
                detail: problem.detail,
                ..line.with(problem.message)
            },
            Self::NotConforming { message, pointer } => {
                Disposition { pointer: Some(pointer), ..line.with(message) }
            }
            Self::TooLarge { limit_bytes } => line.with(format!(
                "The body is larger than {limit_bytes} bytes. Send fewer rows at a time, or raise limits.body."
            )),
            Self::Unsupported { content_type, accepted } => line.with(format!(
                "The content type {} is not accepted. Send {}.",
                quoted(&content_type, NAME_BYTES),
                accepted.join(" or ")
            )),
            Self::Saturated => line.with(told(
                "The host is busy: more calls wait than could be answered in time, or other calls use the memory \
                 that this one needs. Try again later.",
            )),
            Self::TimedOut { deadline } => line.with(format!(
                "No answer within {} ms. Send less at a time, or raise limits.deadline.",
                deadline.as_millis()
            )),
            Self::OutOfMemory { limit_bytes } => line.with(format!(
                "The scorer needed more than {limit_bytes} bytes of memory. Send less at a time, or raise \
                 limits.memory."
            )),
            Self::Trapped(detail) => Disposition {
                detail: Some(detail),
                ..line.with(told("The scorer stopped unexpectedly. The log has the reason under this id."))
            },
            Self::InvalidOutput(detail) => Disposition {
                detail: Some(detail),
                ..line.with(told(
                    "The scorer's answer does not fit its signature. The log has the reason under this id.",
                ))
            },
            Self::HostFault(detail) => Disposition {
                detail: Some(detail),
                ..line.with(told(
                    "An unexpected internal error occurred. The log has the reason under this id.",
                ))
            },
        };
        disposition.bounded()
    }
}

/// Returns the consequences of an answer whose status a scorer chose. Returns `None` for a status
/// below 400, with which the call succeeded.
///
/// The caller of an HTTP request gets the answer itself, so the consequences are the log line and
/// the settlement of a message. 408, 425, 429, 503 and 504 say that a later call may succeed.
#[must_use]
pub fn of_status(status: u16) -> Option<Disposition> {
    let (settlement, severity) = match status {
        ..400 => return None,
        408 | 425 | 429 | 503 | 504 => (Settlement::Redeliver, Severity::Warn),
        400..500 => (Settlement::Park, Severity::Info),
        500.. => (Settlement::Redeliver, Severity::Error),
    };
    let line = line(
        status,
        "status-of-scorer",
        settlement,
        severity,
        false,
        status >= 500,
    );
    Some(line.with(format!("The scorer answered with the status {status}.")))
}

/// Reason why a request gets an error response although no call of the scorer failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
    /// Responses that clients have not read yet use up all memory that responses may use.
    AnswersFull,
    /// The request does not have exactly one valid `Host` header, which HTTP/1.1 requires.
    BadHost,
    /// The answer is binary, but the HTTP output of the function can only carry text.
    BinaryAnswer,
    /// Bodies of other requests use up all memory that bodies may use (`limits.bodies`).
    BodiesFull,
    /// The body of the request broke off before its end.
    BodyLost,
    /// The body of the request did not arrive within its time limit.
    BodyTooSlow,
    /// The request in an envelope had a compressed body, which the Functions host damaged because
    /// it read the body as text.
    CodingInEnvelope,
    /// The body of the request is compressed, and cannot be decompressed.
    DamagedBody {
        /// Content coding of the body.
        coding: &'static str,
        /// Text that says what is wrong with the body.
        problem: &'static str,
    },
    /// An id in the request's headers is longer than Azure ML's former inference server allowed.
    IdTooLong {
        /// Name of the header whose value is too long, or the names of several headers.
        name: &'static str,
        /// Maximum number of characters that an id in a request's headers may have.
        limit: usize,
    },
    /// The body of the request decompresses to far more bytes than the host accepts for its size.
    Inflated {
        /// Content coding of the body.
        coding: &'static str,
        /// Maximum factor by which a decompressed body may be larger than its compressed form.
        ratio: u64,
    },
    /// The request in an envelope had a body without a length, which the Functions host dropped.
    LengthRequired,
    /// The invocation does not fit the bindings of its function. The text says what does not fit,
    /// and is only logged.
    Malformed(String),
    /// The route at the request's path does not accept the request's HTTP method.
    MethodNotAllowed,
    /// The request carries tensors, but the scorer accepts only payloads.
    NoTensors,
    /// The host does not have a route at the request's path.
    NotFound {
        /// Sentence that says which part of the path is wrong. Empty if that is not known.
        reason: String,
        /// Routes on which the host answers calls, for the message to the client.
        routes: Vec<String>,
    },
    /// The scorer did not become ready within `limits.init_deadline`. A readiness probe gets this
    /// failure at once, also while the host is stopping.
    NotReady,
    /// The answer sets several cookies, but an enveloped answer has one value for each header.
    RepeatedCookie,
    /// The body of the request has another transfer coding than `chunked`.
    TransferCoding,
    /// The request does not carry one of the server's keys.
    Unauthorized {
        /// True if the request carries a value where a key is expected. False if it carries no such
        /// value.
        is_sent: bool,
    },
    /// The body of the request has a content coding that the host does not read, or several.
    UnknownCoding {
        /// Value of the request's header `Content-Encoding`.
        sent: String,
        /// Content codings that the host reads.
        read: &'static str,
    },
}

impl RequestFailure {
    /// Returns the line of this failure in the table of failures.
    #[rustfmt::skip]
    fn line(&self) -> Line {
        use Settlement::Redeliver;
        use Severity::{Error, Info, Warn};
        match self {
            //                              status, code,                  settlement, severity, retry, scorer at fault
            Self::Malformed(_)        => line(400, "malformed-invocation", Redeliver, Error, false, false),
            Self::BinaryAnswer        => line(500, "binary-answer",        Redeliver, Error, false, false),
            Self::RepeatedCookie      => line(500, "repeated-cookie",      Redeliver, Error, false, false),
            Self::BadHost             => line(400, "bad-host",             Redeliver, Info,  false, false),
            Self::Unauthorized { .. } => line(401, "unauthorized",         Redeliver, Info,  false, false),
            Self::DamagedBody { .. }  => line(400, "damaged-body",         Redeliver, Info,  false, false),
            Self::Inflated { .. }     => line(413, "inflated-body",        Redeliver, Info,  false, false),
            Self::CodingInEnvelope    => line(415, "unsupported-encoding", Redeliver, Info,  false, false),
            Self::UnknownCoding { .. } => line(415, "unsupported-encoding", Redeliver, Info, false, false),
            Self::TransferCoding      => line(501, "transfer-coding",      Redeliver, Info,  false, false),
            Self::BodyLost            => line(400, "body-lost",            Redeliver, Info,  false, false),
            Self::LengthRequired      => line(411, "length-required",      Redeliver, Info,  false, false),
            Self::BodyTooSlow         => line(408, "body-too-slow",        Redeliver, Info,  false, false),
            Self::IdTooLong { .. }    => line(431, "id-too-long",          Redeliver, Info,  false, false),
            Self::MethodNotAllowed    => line(405, "method-not-allowed",   Redeliver, Info,  false, false),
            Self::NotFound { .. }     => line(404, "not-found",            Redeliver, Info,  false, false),
            Self::NoTensors           => line(404, "no-tensors",           Redeliver, Info,  false, false),
            Self::NotReady            => line(503, "not-ready",            Redeliver, Warn,  true,  false),
            Self::BodiesFull          => line(503, "bodies-full",          Redeliver, Warn,  true,  false),
            Self::AnswersFull         => line(503, "answers-full",         Redeliver, Warn,  true,  false),
        }
    }

    /// Returns the consequences of the failed request: status code, settlement, log level and
    /// texts. The scorer is never at fault.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        let line = self.line();
        let message = match &self {
            Self::AnswersFull => {
                "Answers that their clients have not read take all memory that limits.bodies allows. Try again later."
            }
            Self::BodiesFull => {
                "The bodies of other requests take all memory that limits.bodies allows. Try again later."
            }
            Self::BadHost => {
                "The request does not have exactly one valid Host header. Send one with the name and the port of the \
                 server, as HTTP/1.1 requires."
            }
            Self::BinaryAnswer => {
                "The answer is binary, which this function's output cannot carry. Forward requests, or name the \
                 output $return."
            }
            Self::LengthRequired => {
                "The Functions host drops a body that is sent with Transfer-Encoding. Send Content-Length instead, or \
                 run the scorer on a target without the Functions host."
            }
            Self::Malformed(_) => "The invocation does not fit the function's bindings.",
            Self::BodyLost => "The body broke off.",
            Self::BodyTooSlow => "The body did not arrive in time.",
            Self::CodingInEnvelope => {
                "The Functions host changes compressed bodies in its envelopes. Send the body without Content-Encoding."
            }
            Self::DamagedBody { coding, problem } => &format!(
                "The body cannot be unpacked as {coding}: {problem}. Compress it again, or send it without \
                 Content-Encoding."
            ),
            Self::Inflated { coding, ratio } => &format!(
                "The body unpacks as {coding} to more than {ratio} times its size. Send it without Content-Encoding."
            ),
            Self::UnknownCoding { sent, read } => &format!(
                "The content encoding {sent} is not read. Send one of {read}, or no Content-Encoding."
            ),
            Self::IdTooLong { name, limit } => {
                &format!("{name} must not exceed {limit} characters")
            }
            Self::MethodNotAllowed => "This path does not take this method.",
            Self::NoTensors => "This scorer takes payloads, not tensors. Send them to /score.",
            Self::NotFound { reason, routes } => &format!(
                "{} Calls are answered at {}.",
                if reason.is_empty() {
                    "There is nothing here."
                } else {
                    reason
                },
                routes.join(", ")
            ),
            Self::NotReady => "The scorer is still starting. Try again later.",
            Self::RepeatedCookie => {
                "The answer sets several cookies, and an answer in an envelope has one value for each header. Forward \
                 requests, or set one cookie."
            }
            Self::TransferCoding => {
                "Transfer-Encoding may only be chunked. To compress the body, send Content-Encoding instead."
            }
            Self::Unauthorized { is_sent: false } => {
                "This server needs a key. Send it as Authorization: Bearer KEY, or as x-functions-key: KEY."
            }
            Self::Unauthorized { is_sent: true } => {
                "The key is not one of this server's. Ask its operator for a current key."
            }
        };
        let mut disposition = line.with(message.to_owned());
        if let Self::Malformed(detail) = self {
            disposition.detail = Some(detail);
        }
        disposition.bounded()
    }
}

#[cfg(test)]
mod tests;
