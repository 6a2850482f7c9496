//! Reading of a whole JSON body, and the position of an error in it.
//!
//! Owns the JSON pointer to an error, and the rules by which a body is read a second time. Must not
//! know ports or formats. The pointer costs nothing until there is an error: it is put together
//! while the error is returned.

use std::fmt::Write as _;

use serde::de::{self, IgnoredAny};
use serde_json::de::SliceRead;

use super::cursor::syntax;
use super::deadline;
use super::not_json::{self, Advice};
use crate::error::ScoreFailure;
use crate::tensor::Tensor;
use crate::text::{NAME_BYTES, cut};

/// Number of bytes of the body after which the deadline is checked while rows are read or keys are
/// ignored.
pub(super) const LOOK_BYTES: usize = 32 << 10;

/// State of decoding a JSON body: the error message and the position of the error in the body. The
/// errors of serde are only text, so both are kept here.
#[derive(Default)]
pub(super) struct Reader {
    /// Position of the error in the body as the steps of a JSON pointer, from the innermost to the
    /// outermost.
    trail: Vec<Step>,
    misfit: Option<String>,
    /// True if numbers for float ports are decoded from their decimal digits instead of through an
    /// `f64`.
    pub(super) is_exact: bool,
    /// True if the decoded text is a copy of the body in which marked strings replace the words
    /// `NaN`, `Infinity` and `-Infinity`. `not_json` makes this copy.
    has_words: bool,
    /// Advice about `NaN` and `Infinity` as elements of the list in which the JSON parser stopped.
    /// `None` if the parser did not stop in a list of elements.
    advice: Option<Advice>,
    /// True if a number of the body can only be rounded correctly from its decimal digits.
    pub(super) is_in_doubt: bool,
    /// Position in the body from which the deadline is checked by the next call of
    /// [`Reader::look`].
    next_look_at: usize,
}

/// One step of the JSON pointer to the position of an error in a body.
pub(super) enum Step {
    /// A step into the list item with this index.
    Index(usize),
    /// A step into the object field with this name.
    Name(String),
}

/// Function that decodes a text of the type `S` to a `T`.
type Read<'a, S, T> = dyn FnMut(&S, &mut Reader) -> Result<T, serde_json::Error> + 'a;

/// Decodes a whole JSON body with `read`, which gets a JSON parser at the start of the body, and a
/// new reader. `takes_words` is true if numbers may be `NaN` and `Infinity`. `wanted` returns the
/// part of an error message that says what the caller should have sent.
///
/// # Errors
/// Fails if the body is not JSON, if something follows the JSON, or if `read` fails.
pub(super) fn json<T>(
    body: &[u8],
    takes_words: bool,
    wanted: &dyn Fn() -> String,
    mut read: impl for<'de> FnMut(
        &mut serde_json::Deserializer<SliceRead<'de>>,
        &mut Reader,
    ) -> Result<T, serde_json::Error>,
) -> Result<T, ScoreFailure> {
    whole(body, takes_words, wanted, &mut |text, reader| {
        let mut json = serde_json::Deserializer::from_slice(text);
        read(&mut json, reader).and_then(|value| json.end().map(|()| value))
    })
}

/// Decodes a whole JSON body with `read`, which gets the text to decode and a new reader. `wanted`
/// returns the part of an error message that says what the caller should have sent. `takes_words`
/// is true if numbers may be `NaN` and `Infinity`.
///
/// If a number can only be rounded correctly from its decimal digits, the body is decoded a second
/// time, with all numbers from their digits. Decoding every body from digits would cost more. A
/// body with a number that no `f64` holds is decoded again in the same way, so that the error says
/// where the number is. A body with `NaN` or `Infinity` is decoded again from a copy in which
/// marked strings replace these words.
///
/// `wanted` and `read` are trait objects, so that this code is compiled only once for each type of
/// result.
fn whole<T>(
    body: &[u8],
    takes_words: bool,
    wanted: &dyn Fn() -> String,
    read: &mut Read<'_, [u8], T>,
) -> Result<T, ScoreFailure> {
    let mut marked = None::<Vec<u8>>;
    let mut is_exact = false;
    let (reader, error) = loop {
        let mut reader = Reader {
            is_exact,
            has_words: marked.is_some(),
            ..Reader::default()
        };
        let text = marked.as_deref().unwrap_or(body);
        match read(text, &mut reader) {
            Ok(_) if reader.is_in_doubt && !is_exact => is_exact = true,
            Ok(value) => return Ok(value),
            Err(error) if takes_words && reader.may_have_word(text, &error) => {
                marked = Some(not_json::with_marks(text));
            }
            Err(error) if !is_exact && reader.has_large_number(&error) => is_exact = true,
            Err(error) => break (reader, error),
        }
    };
    Err(reader.failure(marked.as_deref().unwrap_or(body), &error, wanted))
}

/// Decodes a whole JSON body with `read`, which gets the text to decode and reads it with a cursor.
/// `takes_words` is true if numbers may be `NaN` and `Infinity`. `wanted` returns the part of an
/// error message that says what the caller should have sent.
pub(super) fn text(
    body: &[u8],
    takes_words: bool,
    wanted: &dyn Fn() -> String,
    read: &mut Read<'_, str, Vec<Tensor>>,
) -> Result<Vec<Tensor>, ScoreFailure> {
    whole(body, takes_words, wanted, &mut |bytes, reader| {
        let value = match str::from_utf8(bytes) {
            Ok(text) => read(text, reader),
            Err(_) => Err(syntax()),
        };
        value.map_err(|error| reader.in_words_of_serde(bytes, error))
    })
}

impl Reader {
    /// Returns the error of `serde_json` for text that is not JSON, because a cursor usually says
    /// neither what is wrong nor where. Returns other errors unchanged.
    #[cold]
    #[inline(never)]
    fn in_words_of_serde(&self, text: &[u8], error: serde_json::Error) -> serde_json::Error {
        if self.misfit.is_some() || error.line() > 0 {
            return error;
        }
        serde_json::from_slice::<IgnoredAny>(text)
            .err()
            .unwrap_or(error)
    }

    /// Records the message of an error at the current position in the body, and returns the error.
    /// Only the first message is reported.
    pub(super) fn misfit<E: de::Error>(&mut self, message: String) -> E {
        self.misfit.get_or_insert(message);
        E::custom("misfit")
    }

    /// Fails if the deadline of the call has passed.
    pub(super) fn in_time<E: de::Error>(&mut self) -> Result<(), E> {
        if deadline::is_passed() {
            return Err(self.misfit("The deadline has passed.".to_owned()));
        }
        Ok(())
    }

    /// Fails if the deadline of the call has passed. `at` is the position in the body. Reads the
    /// clock only every [`LOOK_BYTES`] of the body.
    #[inline]
    pub(super) fn look<E: de::Error>(&mut self, at: usize) -> Result<(), E> {
        if at < self.next_look_at {
            return Ok(());
        }
        self.next_look_at = at.saturating_add(LOOK_BYTES);
        self.in_time()
    }

    /// Returns `result` unchanged. If it is an error, first adds the step that `step` returns to
    /// the position of the error.
    ///
    /// The code for an error is a separate function, so that this function is short. It is always
    /// inlined, because a function call for each element would take a quarter of the time of
    /// reading a body.
    #[inline(always)]
    pub(super) fn at<T, E>(
        &mut self,
        step: impl FnOnce() -> Step,
        result: Result<T, E>,
    ) -> Result<T, E> {
        if result.is_err() {
            self.note(step);
        }
        result
    }

    /// Keeps the advice about `NaN` and `Infinity` as elements of a list in which decoding failed.
    /// Nothing is kept if the host, and not the JSON parser, refused the body. Only the advice
    /// about the innermost list is kept.
    #[cold]
    #[inline(never)]
    pub(super) fn advise(&mut self, advice: impl FnOnce() -> Advice) {
        if self.misfit.is_none() {
            self.advice.get_or_insert_with(advice);
        }
    }

    #[cold]
    #[inline(never)]
    fn note(&mut self, step: impl FnOnce() -> Step) {
        if self.misfit.is_some() {
            self.trail.push(step());
        }
    }

    /// Returns the word that a marked string replaces: `NaN`, `Infinity` or `-Infinity`. Returns
    /// `None` for a string that the caller wrote.
    pub(super) fn word<'s>(&self, text: &'s str) -> Option<&'s str> {
        self.has_words.then(|| not_json::word_of(text)).flatten()
    }

    /// Returns true if the JSON parser stopped at the word `NaN` or `Infinity`, and the words of
    /// `body` have not been replaced by marked strings yet.
    #[cold]
    #[inline(never)]
    fn may_have_word(&self, body: &[u8], error: &serde_json::Error) -> bool {
        self.misfit.is_none() && !self.has_words && not_json::word_at(body, error).is_some()
    }

    /// Returns true if decoding ended at a number that the JSON parser cannot make an `f64` of.
    #[cold]
    #[inline(never)]
    fn has_large_number(&self, error: &serde_json::Error) -> bool {
        self.misfit.is_none() && not_json::is_large_number(error)
    }

    /// Returns the failure for a body whose decoding ended with `error`.
    fn failure(
        self,
        body: &[u8],
        error: &serde_json::Error,
        wanted: &dyn Fn() -> String,
    ) -> ScoreFailure {
        let pointer = if self.misfit.is_some() {
            self.pointer()
        } else {
            String::new()
        };
        let message = self.misfit.unwrap_or_else(|| {
            let message = not_json::message(body, error, self.has_words, self.advice.as_ref());
            format!("{message} Send {}.", wanted())
        });
        ScoreFailure::NotConforming { message, pointer }
    }

    fn pointer(&self) -> String {
        self.trail
            .iter()
            .rev()
            .fold(String::new(), |mut text, step| {
                text.push('/');
                match step {
                    // Writing to a string cannot fail.
                    Step::Index(index) => drop(write!(text, "{index}")),
                    // The escapes are those of RFC 6901, section 3.
                    Step::Name(name) => {
                        text.push_str(&cut(name, NAME_BYTES).replace('~', "~0").replace('/', "~1"))
                    }
                }
                text
            })
    }
}
