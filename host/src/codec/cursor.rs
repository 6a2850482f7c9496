//! A cursor over the text of a JSON body.
//!
//! Owns the tokens of JSON: white space, strings, numbers and literals such as `true`. Must not
//! know rows, columns or element types. The cursor accepts the same tokens as `serde_json`, which
//! cannot compare the raw text of a key and does not say where a value ends. If the cursor refuses
//! a body, `serde_json` makes the error message.

use std::borrow::Cow;

use serde::de::{self, IgnoredAny};
use serde_json::Error;

/// A JSON value that is neither a list nor an object.
pub(super) enum Token<'de> {
    Null,
    Boolean(bool),
    /// A whole number of at most 18 digits, without a fraction or an exponent. `-0` is a `Number`,
    /// because an integer loses its sign.
    Whole(i64),
    /// A number of at most 19 digits, with a fraction and without an exponent, that is not a
    /// negative zero.
    Decimal {
        /// The decimal number as an `f64`, which is off by at most two units in the last place.
        value: f64,
        /// True if `value` is the `f64` that is nearest to the decimal number.
        is_exact: bool,
        /// Text of the decimal number, as the JSON body has it.
        text: &'de str,
    },
    /// Text of a number that is neither a `Whole` nor a `Decimal`: a negative zero such as `-0` or
    /// `-0.0`, a number with an exponent, or one with too many digits.
    Number(&'de str),
    Text(Cow<'de, str>),
}

/// Position in the text of a JSON body.
#[derive(Clone)]
pub(super) struct Cursor<'de> {
    text: &'de str,
    at: usize,
}

/// Maximum number of digits of a decimal whose nearest `f64` is the quotient of its digits and a
/// power of ten. An `f64` holds both of these exactly.
const EXACT_DIGITS: usize = 15;

/// Maximum number of digits of a decimal whose digits fit a `u64`.
const MOST_DIGITS: usize = 19;

/// Maximum number of digits of a whole number that fits an `i64` whatever its digits are.
const WHOLE_DIGITS: usize = 18;

/// Powers of ten, all of which an `f64` holds exactly.
const POWERS: [f64; MOST_DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19,
];

/// Returns the error for text that is not JSON. It has neither a position nor a reason: the module
/// `reading` replaces it by the error of `serde_json`.
#[cold]
#[inline(never)]
pub(super) fn syntax() -> Error {
    de::Error::custom("the text is not JSON")
}

impl<'de> Cursor<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the number of bytes before the cursor.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves past white space, and returns the next byte without moving past it. Returns `None` at
    /// the end of the text.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                next => return next.copied(),
            }
        }
    }

    /// Moves past white space and the byte `expected`. Fails if another byte follows the white
    /// space.
    #[inline]
    pub(super) fn expect(&mut self, expected: u8) -> Result<(), Error> {
        if self.peek() == Some(expected) {
            self.at += 1;
            return Ok(());
        }
        Err(syntax())
    }

    /// Fails if anything but white space follows the cursor.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(syntax()),
        }
    }

    /// Moves past the comma before the next item of a list or an object, and returns true. If
    /// `is_first` is true, there is no comma, and the cursor stays before the first item. If the
    /// closing bracket `close` is the next byte, moves past it and returns false. Fails at the end
    /// of the text, and if a later item has no comma before it.
    #[inline]
    pub(super) fn more(&mut self, close: u8, is_first: bool) -> Result<bool, Error> {
        match self.peek() {
            Some(next) if next == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            _ => Err(syntax()),
        }
    }

    /// Moves past the string with the raw text `raw`, and returns true. Returns false, and does not
    /// move, if this string does not begin at the cursor. White space before a string is not
    /// skipped. `raw` must be the inner text of a JSON string, without the quotes.
    #[inline]
    pub(super) fn eat_string(&mut self, raw: &str) -> bool {
        let (bytes, start) = (self.text.as_bytes(), self.at + 1);
        let end = start + raw.len();
        let is_equal = bytes.get(start..end) == Some(raw.as_bytes())
            && bytes.get(end) == Some(&b'"')
            && bytes.get(self.at) == Some(&b'"');
        if is_equal {
            self.at = end + 1;
        }
        is_equal
    }

    /// Moves past a string. Returns its text with decoded escapes, and its raw text without the
    /// quotes.
    pub(super) fn string(&mut self) -> Result<(Cow<'de, str>, &'de str), Error> {
        self.expect(b'"')?;
        let start = self.at;
        let mut is_plain = true;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at += plain_bytes(rest);
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_plain = false;
                    self.at += 2;
                }
                _ => return Err(syntax()),
            }
        }
        let raw = self.text.get(start..self.at).ok_or_else(syntax)?;
        self.at += 1;
        if is_plain {
            return Ok((Cow::Borrowed(raw), raw));
        }
        let quoted = self.text.get(start - 1..self.at).ok_or_else(syntax)?;
        match serde_json::from_str::<String>(quoted) {
            Ok(text) => Ok((Cow::Owned(text), raw)),
            Err(error) => Err(self.placed(start - 1, &error)),
        }
    }

    /// Returns an error that is like `error`, but states the line and column in the whole body.
    /// `error` is about the string that starts at the byte `start`. `serde_json` takes the line and
    /// column of an error from the end of the error's message.
    #[cold]
    #[inline(never)]
    fn placed(&self, start: usize, error: &Error) -> Error {
        let before = self.text.get(..start).unwrap_or_default();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let shown = error.to_string();
        let what = shown.strip_suffix(&place).unwrap_or(&shown);
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let (line, column) = (lines + 1, start - line_start + error.column());
        de::Error::custom(format_args!("{what} at line {line} column {column}"))
    }

    /// Moves past a value that is neither a list nor an object, and returns it.
    #[inline]
    pub(super) fn token(&mut self) -> Result<Token<'de>, Error> {
        match self.peek() {
            Some(b'"') => self.string().map(|(text, _)| Token::Text(text)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Token::Boolean(true)),
            Some(b'f') => self.word("false", Token::Boolean(false)),
            Some(b'n') => self.word("null", Token::Null),
            _ => Err(syntax()),
        }
    }

    /// Moves past any value, and returns its text.
    pub(super) fn value(&mut self) -> Result<&'de str, Error> {
        self.peek();
        let rest = self.text.get(self.at..).ok_or_else(syntax)?;
        // The host uses the parser for bytes elsewhere. The parser for texts would be additional
        // code.
        let mut values =
            serde_json::Deserializer::from_slice(rest.as_bytes()).into_iter::<IgnoredAny>();
        if !matches!(values.next(), Some(Ok(_))) {
            return Err(syntax());
        }
        let bytes = values.byte_offset();
        self.at += bytes;
        rest.get(..bytes).ok_or_else(syntax)
    }

    fn word(&mut self, word: &str, token: Token<'de>) -> Result<Token<'de>, Error> {
        let end = self.at + word.len();
        if self.text.as_bytes().get(self.at..end) != Some(word.as_bytes()) {
            return Err(syntax());
        }
        self.at = end;
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'de>, Error> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        let is_negative = bytes.get(start) == Some(&b'-');
        self.at += usize::from(is_negative);
        // The value wraps if the number has many digits. Only a number with few digits uses it.
        let mut value = 0u64;
        let first = bytes.get(self.at);
        let whole = self.digits(&mut value);
        if whole == 0 || whole > 1 && first == Some(&b'0') {
            return Err(syntax());
        }
        let mut fraction = 0;
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            fraction = self.digits(&mut value);
            if fraction == 0 {
                return Err(syntax());
            }
        }
        let has_exponent = matches!(bytes.get(self.at), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            if self.digits(&mut 0) == 0 {
                return Err(syntax());
            }
        }
        let text = self.text.get(start..self.at).ok_or_else(syntax)?;
        Ok(match POWERS.get(fraction) {
            _ if has_exponent || is_negative && value == 0 => Token::Number(text),
            _ if fraction == 0 && whole <= WHOLE_DIGITS => {
                let value = i64::try_from(value).unwrap_or_default();
                Token::Whole(if is_negative { -value } else { value })
            }
            #[expect(
                clippy::cast_precision_loss,
                reason = "the value is exact, or said to be off"
            )]
            Some(power) if fraction > 0 && whole + fraction <= MOST_DIGITS => {
                let size = value as f64 / power;
                Token::Decimal {
                    value: if is_negative { -size } else { size },
                    is_exact: whole + fraction <= EXACT_DIGITS,
                    text,
                }
            }
            _ => Token::Number(text),
        })
    }

    /// Moves past decimal digits, and appends them to `value`, which wraps on overflow. Returns the
    /// number of the digits.
    #[inline]
    fn digits(&mut self, value: &mut u64) -> usize {
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            *value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        self.at - start
    }
}

/// Returns the number of bytes before the first quote, backslash or control character in `bytes`.
/// Returns the length of `bytes` if there is no such character.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest marked byte is marked correctly. A borrow from it may mark higher bytes, too.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let marks = (below(word, 0x20) | quote | backslash) & HIGHS;
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    let plain = rest.iter().position(is_end).unwrap_or(rest.len());
    words.len() * 8 + plain
}

#[cfg(test)]
mod tests;
