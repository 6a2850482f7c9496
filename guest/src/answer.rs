//! Answers of a scorer of payloads: a body, and the status and headers of the HTTP answer.
//!
//! Owns the builder. Must not check anything: the host checks status and headers, for guests in any
//! language.

use crate::{Answer, IntoPayload, Payload, Result};

/// A type that a scorer of payloads can return: [`Answer`], or a type that implements
/// [`IntoPayload`]. A value of the latter becomes the body of an answer with the status 200 and
/// without headers.
///
/// ```
/// use scorebox_guest::{Answer, IntoAnswer, Json};
///
/// let body_alone = Json(7).into_answer().unwrap();
/// assert_eq!(body_alone.status, None);
/// ```
pub trait IntoAnswer {
    /// Converts the value to an answer.
    ///
    /// # Errors
    /// Fails if the value cannot be written as a body, e.g. as JSON. The error is
    /// [`Error::Failed`](crate::Error::Failed), because the scorer made the value.
    fn into_answer(self) -> Result<Answer>;
}

impl<T: IntoPayload> IntoAnswer for T {
    fn into_answer(self) -> Result<Answer> {
        Answer::of(self)
    }
}

impl IntoAnswer for Answer {
    fn into_answer(self) -> Result<Answer> {
        Ok(self)
    }
}

impl Answer {
    /// Returns an answer with the body `body`, e.g. [`Json`](crate::Json) of a value. The status
    /// is 200 until [`status`](Self::status) sets another one.
    ///
    /// ```
    /// use scorebox_guest::{Answer, Json, Result};
    ///
    /// fn created(id: u32) -> Result<Answer> {
    ///     let answer = Answer::of(Json(id))?;
    ///     Ok(answer.status(201).header("location", format!("/scores/{id}")))
    /// }
    /// # assert_eq!(created(7).unwrap().status, Some(201));
    /// ```
    ///
    /// # Errors
    /// Fails if `body` cannot be written, e.g. as JSON.
    pub fn of(body: impl IntoPayload) -> Result<Self> {
        body.into_payload().map(Self::from)
    }

    /// Returns an answer without a body. The status is 204 until [`status`](Self::status) sets
    /// another one, e.g. 304 or 404.
    ///
    /// ```
    /// use scorebox_guest::Answer;
    ///
    /// assert_eq!(Answer::empty().status(304).status, Some(304));
    /// ```
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Payload::new("", Vec::new())).status(204)
    }

    /// Sets the status of the HTTP answer, from 200 to 599. Any other status is a fault of the
    /// scorer, and the caller gets 500.
    ///
    /// With a status of 400 or more, the call counts as failed. On Azure Functions, the answer is
    /// then written only to the HTTP response, and not to other output bindings. If a message
    /// started the call, the message is delivered again, or a record of it goes to the place that
    /// `park` names in the `scorebox.toml`. To report a problem in the form that all errors have,
    /// return an [`Error`](crate::Error) instead.
    ///
    /// ```
    /// use scorebox_guest::{Answer, Json, Result};
    ///
    /// fn missing() -> Result<Answer> {
    ///     Ok(Answer::of(Json("no such model"))?.status(404))
    /// }
    /// # assert_eq!(missing().unwrap().status, Some(404));
    /// ```
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header to the HTTP answer. A name may be added several times.
    ///
    /// The contract's record `answer` lists the headers that are allowed, e.g. `cache-control`,
    /// `etag`, `location`, `retry-after`, and most names that begin with `x-`. `set-cookie` needs
    /// `cookies = true` under `[answers]` in the `scorebox.toml`. Any other header, a value that is
    /// not printable ASCII, and more than 32 headers or 8 KiB of them, are a fault of the scorer,
    /// and the caller gets 500.
    ///
    /// If the trigger has `forwarding = false` in the `scorebox.toml`, Azure Functions wraps each
    /// HTTP request in a JSON document. The answer to such a request can have only one value for
    /// each name. The host joins several values with `, `, and refuses several cookies.
    ///
    /// ```
    /// use scorebox_guest::{Answer, Json, Result};
    ///
    /// fn cached() -> Result<Answer> {
    ///     Ok(Answer::of(Json(0.5))?.header("cache-control", "max-age=60"))
    /// }
    /// # assert_eq!(cached().unwrap().headers.len(), 1);
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl From<Payload> for Answer {
    fn from(payload: Payload) -> Self {
        Self {
            payload,
            status: None,
            headers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Json;

    #[test]
    fn a_body_alone_is_an_answer_that_chooses_nothing() {
        let answer = Json(7).into_answer().unwrap();
        assert_eq!((answer.status, answer.headers.len()), (None, 0));
        assert_eq!(answer.payload.body, b"7");
        let answer = answer.status(404).header("X-A", "1").header("X-A", "2");
        let answer = answer.into_answer().unwrap();
        assert_eq!(answer.status, Some(404));
        assert_eq!(Answer::empty().status, Some(204));
        let headers = [("X-A", "1"), ("X-A", "2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(answer.headers, headers);
    }
}
