//! Errors of a scorer: building an [`Error`], and converting the errors of capabilities to one.
//!
//! Owns the only mapping from the error of a host's capability, such as a store, to a variant of
//! [`Error`]. Must not know status codes, or what happens to a message: the host chooses both by
//! the variant.

use std::fmt::Display;

use crate::{Error, Problem, cache, config, graphs, model, nn, redis};

/// Result of a function of a scorer. The error type `E` is [`Error`] unless another one is named.
///
/// ```
/// use scorebox_guest::{Error, Result};
///
/// fn positive(x: f32) -> Result<f32> {
///     if x > 0.0 { Ok(x) } else { Err(Error::rejected("not-positive", "send a positive number")) }
/// }
/// # assert!(positive(1.0).is_ok() && positive(0.0).is_err());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns the error for an input that can never be scored, so a retry is useless.
    ///
    /// `code` is in kebab-case. `message` is sent to the caller, so put internal facts into
    /// [`Error::with_detail`].
    ///
    /// ```
    /// use scorebox_guest::Error;
    ///
    /// let error = Error::rejected("missing-age", "send an age");
    /// assert!(matches!(error, Error::Rejected(_)));
    /// ```
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Rejected(Problem::new(code, message))
    }

    /// Returns the error for a call that cannot be scored now, but that may succeed if the caller
    /// retries it later.
    ///
    /// `code` is in kebab-case. `message` is sent to the caller, so put internal facts into
    /// [`Error::with_detail`].
    ///
    /// ```
    /// use scorebox_guest::Error;
    ///
    /// let error = Error::unavailable("warming-up", "try again in a minute");
    /// assert!(matches!(error, Error::Unavailable(_)));
    /// ```
    pub fn unavailable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unavailable(Problem::new(code, message))
    }

    /// Returns the error for a fault of the scorer itself.
    ///
    /// `code` is in kebab-case. `message` is sent to the caller, so put internal facts into
    /// [`Error::with_detail`].
    ///
    /// ```
    /// use scorebox_guest::Error;
    ///
    /// let error = Error::failed("no-weights", "the model is damaged");
    /// assert!(matches!(error, Error::Failed(_)));
    /// ```
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed(Problem::new(code, message))
    }

    /// Adds a detail to the error, or replaces the detail that the error already has. The host
    /// writes the detail to its log, and never sends the detail to the caller.
    ///
    /// ```
    /// use scorebox_guest::Error;
    ///
    /// let error = Error::failed("no-weights", "the model is damaged").with_detail("no tensor `coef`");
    /// assert_eq!(error.problem().detail.as_deref(), Some("no tensor `coef`"));
    /// ```
    #[must_use]
    pub fn with_detail(mut self, detail: impl Display) -> Self {
        let (Self::Rejected(problem) | Self::Unavailable(problem) | Self::Failed(problem)) =
            &mut self;
        problem.detail = Some(detail.to_string());
        self
    }

    /// Returns the code, the message and the detail of the error, whatever its variant.
    ///
    /// ```
    /// use scorebox_guest::Error;
    ///
    /// let error = Error::rejected("missing-age", "send an age");
    /// assert_eq!(error.problem().code, "missing-age");
    /// ```
    #[must_use]
    pub fn problem(&self) -> &Problem {
        let (Self::Rejected(problem) | Self::Unavailable(problem) | Self::Failed(problem)) = self;
        problem
    }
}

impl Problem {
    /// Returns a problem with a code in kebab-case and a message for the caller, but without a
    /// detail for the log.
    ///
    /// ```
    /// use scorebox_guest::{Error, Problem};
    ///
    /// let error = Error::Rejected(Problem::new("missing-age", "send an age"));
    /// assert_eq!(error.problem().detail, None);
    /// ```
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            detail: None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (Error::Rejected(problem) | Error::Unavailable(problem) | Error::Failed(problem)) =
            error;
        problem
    }
}

// The caller only learns what kind of thing went wrong. Names of tensors, stores and settings are
// for the operator alone.

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        let detail = match error {
            model::Error::NotFound(name) => format!("the model has no tensor or file `{name}`"),
            model::Error::OutOfRange => "a range does not lie within its tensor or file".to_owned(),
            model::Error::WrongType(dtype) => {
                format!("a tensor of {dtype} cannot be read as the type asked for")
            }
            model::Error::TooLarge(limit) => format!("one read may give {limit} bytes at most"),
        };
        Self::failed("model", "the scorer could not read its model").with_detail(detail)
    }
}

/// Returns the error for a graph whose run fails. `detail` is the reason, for the host's log.
///
/// The variant is [`Error::Failed`], because a scorer should check what a caller sends before it
/// runs a graph.
fn graph_failed(detail: impl Display) -> Error {
    Error::failed("graph", "the scorer's graph gives no answer").with_detail(detail)
}

impl From<graphs::Error> for Error {
    fn from(error: graphs::Error) -> Self {
        graph_failed(match error {
            graphs::Error::NotFound(name) => format!("the model has no graph `{name}`"),
            graphs::Error::InvalidArgument(text) | graphs::Error::Failed(text) => text,
            graphs::Error::TooLarge(limit) => format!("the outputs are larger than {limit} bytes"),
        })
    }
}

impl From<nn::errors::Error> for Error {
    fn from(error: nn::errors::Error) -> Self {
        graph_failed(format!("{:?}: {}", error.code(), error.data()))
    }
}

/// Start of the text of the host's error for a store that cannot be used now.
const AWAY: &str = "the store cannot be reached now";

/// Start of the text of the host's error for a store that is full.
const FULL: &str = "the store is full";

/// Returns the error for a store that cannot be used now. A later call may succeed.
fn away(detail: impl Display) -> Error {
    Error::unavailable("store-unavailable", "the scorer's store does not answer")
        .with_detail(detail)
}

/// Returns the error for a store that is full. A later call may succeed, once values expire or the
/// operator makes room.
fn full(detail: impl Display) -> Error {
    Error::unavailable("store-full", "the scorer's store is full").with_detail(detail)
}

/// Returns the error for an operation that a store refuses, and would refuse again.
fn refused(detail: impl Display) -> Error {
    Error::failed("store-command", "the scorer's store refused a command").with_detail(detail)
}

impl From<cache::Error> for Error {
    fn from(error: cache::Error) -> Self {
        match error {
            cache::Error::NoSuchStore => Self::failed(
                "no-such-store",
                "the scorer opened a store that scorebox.toml does not define",
            )
            .with_detail("scorebox.toml has no `[stores.<name>]` of the name that was opened"),
            cache::Error::AccessDenied => Self::failed(
                "store-denied",
                "the scorer may not use its store in this way",
            ),
            // The text begins with one of these phrases if a later call may succeed. Any other
            // error is a failure of the scorer.
            cache::Error::Other(text) if text.starts_with(AWAY) => away(text),
            cache::Error::Other(text) if text.starts_with(FULL) => full(text),
            cache::Error::Other(text) => refused(text),
        }
    }
}

impl From<redis::Error> for Error {
    fn from(error: redis::Error) -> Self {
        let denied = |detail| {
            Self::failed(
                "store-denied",
                "the scorer may not use its store in this way",
            )
            .with_detail(detail)
        };
        match error {
            redis::Error::NoSuchConnection => cache::Error::NoSuchStore.into(),
            redis::Error::Denied(why) => denied(why),
            redis::Error::CrossSlot => refused(
                "the keys of one command or transaction have different hash slots: give them one {tag}".to_owned(),
            ),
            redis::Error::Timeout => away("no answer in time".to_owned()),
            redis::Error::Disconnected => away("not connected".to_owned()),
            redis::Error::TooLarge(limit) => refused(format!("a reply may have {limit} bytes at most; ask for less")),
            redis::Error::Server(text) if text.starts_with("OOM") => full(text),
            redis::Error::Server(text) if text.starts_with("NOPERM") => denied(text),
            // These errors are temporary: the server cannot write at the moment.
            redis::Error::Server(text)
                if ["MISCONF", "NOREPLICAS"].iter().any(|code| text.starts_with(code)) =>
            {
                away(text)
            }
            redis::Error::Server(text) => refused(text),
        }
    }
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        let (config::Error::Upstream(text) | config::Error::Io(text)) = error;
        Self::unavailable("config-unavailable", "the scorer's settings cannot be read")
            .with_detail(text)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::failed("json", "the scorer could not read or write its own JSON").with_detail(error)
    }
}

/// Converts an `Option` or a `Result` to a `Result` with an [`Error`]. The error of the original
/// `Result` becomes the detail of the [`Error`], and replaces a detail that the [`Error`] already
/// has.
///
/// ```
/// use scorebox_guest::{Error, OrProblem};
///
/// let age = "old".parse::<u8>().or_reject("bad-age", "write the age as a number");
/// assert!(matches!(age, Err(Error::Rejected(problem)) if problem.code == "bad-age"));
/// ```
pub trait OrProblem<T>: Sized {
    /// Returns the value of the `Option` or `Result`, or the error that `make` returns if there is
    /// no value. If the `Result` is an error, the text of this error replaces the detail of the
    /// returned error.
    ///
    /// ```
    /// use scorebox_guest::{Error, OrProblem};
    ///
    /// let age = None::<u8>.or_problem(|| Error::rejected("missing-age", "send an age"));
    /// assert_eq!(age.unwrap_err().problem().code, "missing-age");
    /// ```
    ///
    /// # Errors
    /// Fails if there is no value: the `Option` is `None`, or the `Result` is an error.
    fn or_problem(self, make: impl FnOnce() -> Error) -> Result<T>;

    /// Returns the value of the `Option` or `Result`. If there is no value, returns
    /// [`Error::Rejected`] with this code and message.
    ///
    /// ```
    /// use scorebox_guest::{Error, OrProblem};
    ///
    /// let age = None::<u8>.or_reject("missing-age", "send an age");
    /// assert!(matches!(age, Err(Error::Rejected(_))));
    /// ```
    ///
    /// # Errors
    /// Fails if there is no value: the `Option` is `None`, or the `Result` is an error.
    fn or_reject(self, code: &str, message: &str) -> Result<T> {
        self.or_problem(|| Error::rejected(code, message))
    }

    /// Returns the value of the `Option` or `Result`. If there is no value, returns
    /// [`Error::Unavailable`] with this code and message.
    ///
    /// ```
    /// use scorebox_guest::{Error, OrProblem};
    ///
    /// let rate = None::<f32>.or_unavailable("no-rate", "try again in a minute");
    /// assert!(matches!(rate, Err(Error::Unavailable(_))));
    /// ```
    ///
    /// # Errors
    /// Fails if there is no value: the `Option` is `None`, or the `Result` is an error.
    fn or_unavailable(self, code: &str, message: &str) -> Result<T> {
        self.or_problem(|| Error::unavailable(code, message))
    }

    /// Returns the value of the `Option` or `Result`. If there is no value, returns
    /// [`Error::Failed`] with this code and message.
    ///
    /// ```
    /// use scorebox_guest::{Error, OrProblem};
    ///
    /// let best = [0.5_f32].get(1).or_fail("no-answer", "the graph is damaged");
    /// assert!(matches!(best, Err(Error::Failed(_))));
    /// ```
    ///
    /// # Errors
    /// Fails if there is no value: the `Option` is `None`, or the `Result` is an error.
    fn or_fail(self, code: &str, message: &str) -> Result<T> {
        self.or_problem(|| Error::failed(code, message))
    }
}

impl<T> OrProblem<T> for Option<T> {
    fn or_problem(self, make: impl FnOnce() -> Error) -> Result<T> {
        self.ok_or_else(make)
    }
}

impl<T, E: Display> OrProblem<T> for Result<T, E> {
    fn or_problem(self, make: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| make().with_detail(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capability_errors_get_the_case_that_helps() {
        let check = |error: Error, case: fn(Problem) -> Error, code: &str| {
            assert_eq!(
                std::mem::discriminant(&error),
                std::mem::discriminant(&case(Problem::new("", ""))),
                "{error:?}"
            );
            assert_eq!(error.problem().code, code);
        };
        check(
            model::Error::NotFound("coef".into()).into(),
            Error::Failed,
            "model",
        );
        check(graphs::Error::TooLarge(1).into(), Error::Failed, "graph");
        check(
            cache::Error::NoSuchStore.into(),
            Error::Failed,
            "no-such-store",
        );
        check(
            cache::Error::AccessDenied.into(),
            Error::Failed,
            "store-denied",
        );
        for (text, case, code) in [
            (
                "the store cannot be reached now: no answer in time",
                Error::Unavailable as fn(_) -> _,
                "store-unavailable",
            ),
            (
                "the store is full: OOM command not allowed",
                Error::Unavailable,
                "store-full",
            ),
            (
                "the store refused: WRONGTYPE Operation against a key",
                Error::Failed,
                "store-command",
            ),
            (
                "a batch is at most 4096 keys",
                Error::Failed,
                "store-command",
            ),
        ] {
            check(cache::Error::Other(text.into()).into(), case, code);
        }
        check(
            config::Error::Io("gone".into()).into(),
            Error::Unavailable,
            "config-unavailable",
        );
        check(
            redis::Error::NoSuchConnection.into(),
            Error::Failed,
            "no-such-store",
        );
        check(
            redis::Error::Denied("KEYS".into()).into(),
            Error::Failed,
            "store-denied",
        );
        check(
            redis::Error::Timeout.into(),
            Error::Unavailable,
            "store-unavailable",
        );
        check(
            redis::Error::Disconnected.into(),
            Error::Unavailable,
            "store-unavailable",
        );
        check(
            redis::Error::Server("OOM command not allowed".into()).into(),
            Error::Unavailable,
            "store-full",
        );
        check(
            redis::Error::Server("MISCONF".into()).into(),
            Error::Unavailable,
            "store-unavailable",
        );
        check(
            redis::Error::Server("NOPERM this user may not run `hget`".into()).into(),
            Error::Failed,
            "store-denied",
        );
        check(
            redis::Error::Server("WRONGTYPE".into()).into(),
            Error::Failed,
            "store-command",
        );
        check(
            redis::Error::CrossSlot.into(),
            Error::Failed,
            "store-command",
        );
        check(
            redis::Error::TooLarge(1).into(),
            Error::Failed,
            "store-command",
        );
    }
}
