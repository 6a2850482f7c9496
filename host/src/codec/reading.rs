//! Reading of JSON by visitors that note the position of an error.
//!
//! Owns the JSON pointer, and the visitors for objects and lists, of which every format of a body
//! consists. Must not know ports or formats. The pointer costs nothing until there is an error,
//! because its steps are collected while the error is returned.

use std::fmt::{self, Write as _};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::SliceRead;

use super::deadline;
use super::not_json::{self, Advice};
use crate::error::ScoreFailure;
use crate::text::{NAME_BYTES, cut};

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
}

/// One step of the JSON pointer to the position of an error in a body.
pub(super) enum Step {
    /// A step into the list item with this index.
    Index(usize),
    /// A step into the object field with this name.
    Name(String),
}

/// Decodes a whole JSON body with `read`, which gets a JSON parser at the start of the body, and a
/// new reader. `takes_words` is true if numbers may be `NaN` and `Infinity`. `wanted` returns the
/// part of an error message that says what the caller should have sent.
///
/// # Errors
/// Fails if the body is not JSON, if something follows the JSON, or if `read` fails.
pub(super) fn json<T>(
    body: &[u8],
    takes_words: bool,
    wanted: impl FnOnce() -> String,
    mut read: impl for<'de> FnMut(
        &mut serde_json::Deserializer<SliceRead<'de>>,
        &mut Reader,
    ) -> Result<T, serde_json::Error>,
) -> Result<T, ScoreFailure> {
    whole(body, takes_words, wanted, |text, reader| {
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
/// body with `NaN` or `Infinity` is decoded again, too, from a copy in which marked strings replace
/// these words.
pub(super) fn whole<T>(
    body: &[u8],
    takes_words: bool,
    wanted: impl FnOnce() -> String,
    mut read: impl FnMut(&[u8], &mut Reader) -> Result<T, serde_json::Error>,
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
            Err(error) => break (reader, error),
        }
    };
    Err(reader.failure(marked.as_deref().unwrap_or(body), &error, wanted))
}

impl Reader {
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

    /// Returns `result` unchanged. If it is an error, first adds the step that `step` returns to
    /// the position of the error.
    pub(super) fn at<T, E>(
        &mut self,
        step: impl FnOnce() -> Step,
        result: Result<T, E>,
    ) -> Result<T, E> {
        if result.is_err() && self.misfit.is_some() {
            self.trail.push(step());
        }
        result
    }

    /// Keeps the advice about `NaN` and `Infinity` as elements of a list in which decoding failed.
    /// Nothing is kept if the host refused the body, and not the JSON parser. Only the advice about
    /// the innermost list is kept.
    #[cold]
    #[inline(never)]
    pub(super) fn advise(&mut self, advice: impl FnOnce() -> Advice) {
        if self.misfit.is_none() {
            self.advice.get_or_insert_with(advice);
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

    /// Returns the failure for a body whose decoding ended with `error`.
    fn failure(
        self,
        body: &[u8],
        error: &serde_json::Error,
        wanted: impl FnOnce() -> String,
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

/// Deserialization seed for the key of an object or another string. The seed calls the function `F`
/// with the string, without copying the string, and returns the function's result.
pub(super) struct Key<F>(pub(super) F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

/// Defines the methods with which a serde visitor refuses values of the given kinds. The error is
/// the result of the visitor's method `unexpected`.
macro_rules! unexpected {
    (@ boolean) => { unexpected! { @@ visit_bool, bool, "a boolean" } };
    (@ number) => {
        unexpected! { @@ visit_i64, i64, "a number" }
        unexpected! { @@ visit_u64, u64, "a number" }
        unexpected! { @@ visit_f64, f64, "a number" }
    };
    (@ string) => { unexpected! { @@ visit_str, &str, "a string" } };
    (@ null) => {
        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Err(self.unexpected("null"))
        }
    };
    (@ list) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(self.unexpected("a list"))
        }
    };
    (@ object) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(self.unexpected("an object"))
        }
    };
    (@@ $visit:ident, $type:ty, $found:literal) => {
        fn $visit<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(self.unexpected($found))
        }
    };
    ($($kind:ident)*) => { $(unexpected! { @ $kind })* };
}
pub(super) use unexpected;

/// Receiver of the fields of a JSON object. [`Object`] passes the fields to the receiver one at a
/// time.
pub(super) trait Fields {
    /// Names of the known fields, at most 32. Other fields of the object are ignored.
    const KEYS: &'static [&'static str];

    /// Decodes the value of the field `key`, which is one of [`Self::KEYS`], from `map`. Fails if
    /// the value is not what the field may have.
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error>;
}

/// Deserialization seed that passes the fields of a JSON object to a receiver. The fields may be in
/// any order, but each may occur only once. `null` counts as an object without fields.
pub(super) struct Object<'a, F>(pub(super) &'a mut F, pub(super) &'a mut Reader);

impl<'de, F: Fields> DeserializeSeed<'de> for Object<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // `deserialize_any` lets a value that is not an object reach the visitor, which refuses it
        // in our words.
        deserializer.deserialize_any(self)
    }
}

impl<F> Object<'_, F> {
    fn unexpected<E: de::Error>(self, found: &str) -> E {
        self.1
            .misfit(format!("Here is {found}, where an object belongs."))
    }
}

impl<'de, F: Fields> Visitor<'de> for Object<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(fields, reader) = self;
        let mut seen: u32 = 0;
        let known = |name: &str| {
            F::KEYS
                .iter()
                .copied()
                .zip(0u32..32)
                .find(|(key, _)| *key == name)
        };
        while let Some(key) = map.next_key_seed(Key(known))? {
            let Some((key, index)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let twice = seen & (1 << index) != 0;
            seen |= 1 << index;
            let taken = if twice {
                Err(reader.misfit("This field is given twice.".to_owned()))
            } else {
                fields.field(key, &mut map, reader)
            };
            reader.at(|| Step::Name(key.to_owned()), taken)?;
        }
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    unexpected! { boolean number string list }
}

/// Receiver of the items of a JSON list. [`List`] passes the items to the receiver one at a time.
pub(super) trait Items {
    /// Decodes the next item of `list`, which has the index `index`. Returns false if the list has
    /// no more items. Fails if the item is not what the list may hold.
    fn item<'de, A: SeqAccess<'de>>(
        &mut self,
        index: usize,
        list: &mut A,
        reader: &mut Reader,
    ) -> Result<bool, A::Error>;
}

/// Deserialization seed that passes the items of a JSON list to a receiver. `null` counts as a list
/// without items.
pub(super) struct List<'a, I>(pub(super) &'a mut I, pub(super) &'a mut Reader);

impl<'de, I: Items> DeserializeSeed<'de> for List<'_, I> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<I> List<'_, I> {
    fn unexpected<E: de::Error>(self, found: &str) -> E {
        self.1
            .misfit(format!("Here is {found}, where a list belongs."))
    }
}

impl<'de, I: Items> Visitor<'de> for List<'_, I> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(items, reader) = self;
        let mut index = 0;
        loop {
            let more = items.item(index, &mut list, reader);
            if !reader.at(|| Step::Index(index), more)? {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    unexpected! { boolean number string object }
}
