//! JSON that the host reads for a script. Python gets the same objects as from its own parser, in a
//! fifth of the time.
//!
//! Owns the translation of JSON into Python's `marshal` format, which a script reads without
//! parsing numbers. Must not know messages.
//!
//! Values of the outermost object that a script takes as arrays become bytes instead, because
//! Python would make an object of each number first. No other value becomes bytes.
//!
//! Python's own parser is the reference. The host declines any text that it might read differently:
//! a text that is not JSON, or has integers of more than 64 bits, `NaN`, infinity, single
//! surrogates or deep nesting. Python then reads the text itself, so that errors are Python's, too.

use std::collections::HashMap;

use jiter::{Jiter, NumberAny, NumberInt, Peek};
use serde::Deserialize;

/// Maximum depth of nested lists and objects in a text. Python has a limit of its own for
/// `marshal`, which is larger.
const DEPTH: usize = 100;

/// Maximum number of keys of JSON objects that a [`Writer`] remembers. A key takes several times
/// its size in memory.
const KEYS: usize = 4096;

/// Maximum number of arrays for which a script may ask in one text.
pub(crate) const ARRAYS: usize = 64;
/// Maximum number of dimensions of an array after the first. NumPy has a limit of 64 in all.
const INNER_DIMENSIONS: usize = 64;

/// Flag in the type of a value in Python's `marshal` format: later values may refer to this one.
const REFERRED: u8 = 0x80;
/// Number of bits in a digit of an integer in Python's `marshal` format.
const DIGIT_BITS: u32 = 15;

/// Value of the outermost JSON object that a script takes as an array of 64-bit floats.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Array {
    /// Key of the value.
    name: String,
    /// Shape of the array without its first dimension, which may have any size but 0.
    inner: Vec<u32>,
}

impl Array {
    /// Returns true if the array has more dimensions than NumPy allows. Each dimension takes a part
    /// of the host's stack.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.inner.len() > INNER_DIMENSIONS
    }
}

/// Returns the value of a text in JSON in the format of Python's `marshal`. Lists of numbers that
/// have the shape of one of `arrays` become bytes. Returns `None` if Python must read the text
/// itself.
pub(crate) fn to_marshal(text: &[u8], arrays: &[Array]) -> Option<Vec<u8>> {
    let mut writer = Writer {
        // A number takes nine bytes, and most have more digits.
        out: Vec::with_capacity(text.len()),
        keys: HashMap::new(),
    };
    let mut json = Jiter::new(text);
    match json.peek().ok()? {
        Peek::Object => writer.object(&mut json, DEPTH, arrays)?,
        first => writer.value(&mut json, first, DEPTH)?,
    }
    json.finish().ok()?;
    Some(writer.out)
}

/// Writer of values in Python's `marshal` format.
struct Writer {
    out: Vec<u8>,
    /// Keys of objects that were written, with their numbers. Equal keys become one object in
    /// Python, as they do with the parser of Python.
    keys: HashMap<String, u32>,
}

impl Writer {
    fn value(&mut self, json: &mut Jiter<'_>, peek: Peek, depth: usize) -> Option<()> {
        match peek {
            Peek::Null => {
                json.known_null().ok()?;
                self.out.push(b'N');
            }
            Peek::True | Peek::False => {
                let is_true = json.known_bool(peek).ok()?;
                self.out.push(if is_true { b'T' } else { b'F' });
            }
            Peek::String => self.text(json.known_str().ok()?, 0)?,
            Peek::Array => self.list(json, depth.checked_sub(1)?)?,
            Peek::Object => self.object(json, depth.checked_sub(1)?, &[])?,
            _ => match json.known_number(peek).ok()? {
                NumberAny::Int(NumberInt::Int(value)) => self.integer(value),
                NumberAny::Float(value) => {
                    self.out.push(b'g');
                    self.out.extend(value.to_le_bytes());
                }
            },
        }
        Some(())
    }

    fn list(&mut self, json: &mut Jiter<'_>, depth: usize) -> Option<()> {
        self.out.push(b'[');
        // The number of values is known at the end.
        let place = self.out.len();
        self.out.extend([0; 4]);
        let mut count = 0_i32;
        let mut next = json.known_array().ok()?;
        while let Some(peek) = next {
            self.value(json, peek, depth)?;
            count = count.checked_add(1)?;
            next = json.array_step().ok()?;
        }
        let to = self.out.get_mut(place..)?.first_chunk_mut()?;
        *to = count.to_le_bytes();
        Some(())
    }

    fn object(&mut self, json: &mut Jiter<'_>, depth: usize, arrays: &[Array]) -> Option<()> {
        self.out.push(b'{');
        let mut key = json.known_object().ok()?;
        while let Some(name) = key {
            let array = arrays.iter().find(|array| array.name == name);
            self.key(name)?;
            let peek = json.peek().ok()?;
            let is_array =
                peek == Peek::Array && array.is_some_and(|array| self.array(json, array));
            if !is_array {
                self.value(json, peek, depth)?;
            }
            key = json.next_key().ok()?;
        }
        self.out.push(b'0');
        Some(())
    }

    /// Writes the numbers of a list as bytes. Returns false, and changes nothing, if the list does
    /// not have the shape of the array.
    fn array(&mut self, json: &mut Jiter<'_>, array: &Array) -> bool {
        let (before, start) = (json.clone(), self.out.len());
        self.out.push(b's');
        self.out.extend([0; 4]);
        let place = self.out.len();
        let written = self.numbers(json, None, &array.inner).and_then(|()| {
            let bytes = i32::try_from(self.out.len() - place).ok()?;
            let to = self.out.get_mut(start + 1..)?.first_chunk_mut()?;
            *to = bytes.to_le_bytes();
            Some(())
        });
        if written.is_none() {
            *json = before;
            self.out.truncate(start);
        }
        written.is_some()
    }

    /// Writes the numbers of a list of `size` values, each of the shape `inner`. If `size` is
    /// `None`, the list may have any number of values but 0. Returns `None` if the list has another
    /// shape.
    fn numbers(&mut self, json: &mut Jiter<'_>, size: Option<u32>, inner: &[u32]) -> Option<()> {
        let mut count = 0_u32;
        let mut next = json.known_array().ok()?;
        while let Some(peek) = next {
            match inner.split_first() {
                Some((&size, inner)) if peek == Peek::Array => {
                    self.numbers(json, Some(size), inner)?;
                }
                None if peek.is_num() => {
                    let number = match json.known_number(peek).ok()? {
                        NumberAny::Int(NumberInt::Int(value)) => value as f64,
                        NumberAny::Float(value) => value,
                    };
                    self.out.extend(number.to_le_bytes());
                }
                _ => return None,
            }
            count = count.checked_add(1)?;
            next = json.array_step().ok()?;
        }
        let fits = size.map_or(count > 0, |size| count == size);
        fits.then_some(())
    }

    fn key(&mut self, key: &str) -> Option<()> {
        if let Some(number) = self.keys.get(key) {
            self.out.push(b'r');
            self.out.extend(number.to_le_bytes());
            return Some(());
        }
        if self.keys.len() == KEYS {
            return self.text(key, 0);
        }
        let number = u32::try_from(self.keys.len()).ok()?;
        self.keys.insert(key.to_owned(), number);
        self.text(key, REFERRED)
    }

    fn text(&mut self, text: &str, flag: u8) -> Option<()> {
        let size = i32::try_from(text.len()).ok()?;
        match u8::try_from(size) {
            Ok(size) if text.is_ascii() => self.out.extend([b'z' | flag, size]),
            _ => {
                let kind = if text.is_ascii() { b'a' } else { b'u' };
                self.out.push(kind | flag);
                self.out.extend(size.to_le_bytes());
            }
        }
        self.out.extend(text.as_bytes());
        Some(())
    }

    fn integer(&mut self, value: i64) {
        if let Ok(value) = i32::try_from(value) {
            self.out.push(b'i');
            return self.out.extend(value.to_le_bytes());
        }
        self.out.push(b'l');
        let digits = (u64::BITS - value.unsigned_abs().leading_zeros()).div_ceil(DIGIT_BITS) as i32;
        let signed = if value < 0 { -digits } else { digits };
        self.out.extend(signed.to_le_bytes());
        let mut rest = value.unsigned_abs();
        for _ in 0..digits {
            let digit = (rest & ((1 << DIGIT_BITS) - 1)) as u16;
            self.out.extend(digit.to_le_bytes());
            rest >>= DIGIT_BITS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_marshal_writes_them() {
        // `marshal.dumps(value, 2)` of CPython, with `z` for short texts.
        for (text, expected) in [
            ("null", &b"N"[..]),
            (" true ", b"T"),
            ("false", b"F"),
            ("7", b"i\x07\0\0\0"),
            ("-1", b"i\xff\xff\xff\xff"),
            ("-0", b"i\0\0\0\0"),
            ("2147483648", b"l\x03\0\0\0\0\0\0\0\x02\0"),
            ("-2147483649", b"l\xfd\xff\xff\xff\x01\0\0\0\x02\0"),
            (
                "9223372036854775807",
                b"l\x05\0\0\0\xff\x7f\xff\x7f\xff\x7f\xff\x7f\x07\0",
            ),
            ("0.5", b"g\0\0\0\0\0\0\xe0\x3f"),
            ("-0.0", b"g\0\0\0\0\0\0\0\x80"),
            ("1e400", b"g\0\0\0\0\0\0\xf0\x7f"),
            ("\"a\\n\"", b"z\x02a\n"),
            ("\"\\u00e4\"", b"u\x02\0\0\0\xc3\xa4"),
            ("\"\\ud83d\\ude00\"", b"u\x04\0\0\0\xf0\x9f\x98\x80"),
            ("[]", b"[\0\0\0\0"),
            ("[null, [true]]", b"[\x02\0\0\0N[\x01\0\0\0T"),
            ("{}", b"{0"),
            (
                "[{\"k\": 1}, {\"k\": 2}]",
                b"[\x02\0\0\0{\xfa\x01ki\x01\0\0\0\x30{r\0\0\0\0i\x02\0\0\0\x30",
            ),
        ] {
            let found = to_marshal(text.as_bytes(), &[]);
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        let long = format!("\"{}\"", "x".repeat(256));
        let found = to_marshal(long.as_bytes(), &[]).unwrap();
        assert_eq!(found.get(..5), Some(&b"a\0\x01\0\0"[..]));
    }

    #[test]
    fn what_is_written_is_bounded_by_the_text() {
        for part in [
            "0,",
            "[],",
            "{},",
            "\"\",",
            "1.5,",
            "{\"\":0},",
            "-2147483649,",
        ] {
            let text = format!("[{}0]", part.repeat(10_000));
            let found = to_marshal(text.as_bytes(), &[]).unwrap();
            assert!(
                found.len() <= text.len() / 2 * 5 + 5,
                "{part}: {}",
                found.len()
            );
        }
        let text = format!("{{\"a\":[{}0]}}", "1,".repeat(10_000));
        let array = Array {
            name: "a".to_owned(),
            inner: Vec::new(),
        };
        let found = to_marshal(text.as_bytes(), &[array]).unwrap();
        assert!(found.len() <= text.len() * 4, "{}", found.len());
        let keys: Vec<_> = (0..KEYS + 2).map(|key| format!("\"{key}\":0")).collect();
        let text = format!("[{{{0}}},{{{0}}}]", keys.join(","));
        let found = to_marshal(text.as_bytes(), &[]).unwrap();
        // Some numbers of keys have this byte, too.
        let references = found.iter().filter(|byte| **byte == b'r').count();
        assert!((KEYS..=KEYS + 32).contains(&references), "{references}");
    }

    #[test]
    fn lists_of_the_stated_shape_become_bytes() {
        let array = |inner: &[u32]| Array {
            name: "a".to_owned(),
            inner: inner.to_vec(),
        };
        let bytes = |numbers: &[f64]| {
            let size = u8::try_from(8 * numbers.len()).unwrap();
            let numbers: Vec<_> = numbers.iter().flat_map(|one| one.to_le_bytes()).collect();
            [&b"{\xfa\x01as"[..], &[size, 0, 0, 0], &numbers, b"0"].concat()
        };
        for (text, inner, expected) in [
            ("{\"a\": [1, -0, 0.5]}", &[][..], bytes(&[1.0, 0.0, 0.5])),
            (
                "{\"a\": [[1, 2], [3, 4e1]]}",
                &[2],
                bytes(&[1.0, 2.0, 3.0, 40.0]),
            ),
            (
                "{\"a\": [[[9007199254740993]]]}",
                &[1, 1],
                bytes(&[9_007_199_254_740_992.0]),
            ),
        ] {
            assert_eq!(
                to_marshal(text.as_bytes(), &[array(inner)]),
                Some(expected),
                "{text}"
            );
        }
        // Any other value is written as it is.
        for text in [
            "{\"a\": []}",
            "{\"a\": [[]]}",
            "{\"a\": [[1, 2], [3]]}",
            "{\"a\": [1, 2]}",
            "{\"a\": [[1, null]]}",
            "{\"a\": [[1, true]]}",
            "{\"a\": [[1, \"2\"]]}",
            "{\"a\": [[[1, 2]]]}",
            "{\"a\": [[1, 2], 3]}",
            "{\"a\": {\"a\": [[1, 2]]}}",
            "{\"b\": [[1, 2]]}",
            "[{\"a\": [[1, 2]]}]",
        ] {
            let plain = to_marshal(text.as_bytes(), &[]);
            assert!(plain.is_some(), "{text}");
            assert_eq!(to_marshal(text.as_bytes(), &[array(&[2])]), plain, "{text}");
        }
        let text = b"{\"a\": [[1, 123456789012345678901]]}";
        assert_eq!(to_marshal(text, &[array(&[2])]), None);
    }

    #[test]
    fn texts_that_python_may_read_otherwise_are_declined() {
        let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{1:2}",
            "[1] 2",
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "0x1",
            "nul",
            "NaN",
            "[Infinity]",
            "-Infinity",
            "\"a\nb\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "9223372036854775808",
            "123456789012345678901234567890",
            "\u{feff}1",
            "'a'",
            "\u{a0}1",
            deep.as_str(),
        ] {
            assert_eq!(to_marshal(text.as_bytes(), &[]), None, "{text}");
        }
        assert_eq!(to_marshal(b"\"\xff\"", &[]), None);
        assert_eq!(to_marshal(b"\"\xed\xa0\x80\"", &[]), None);
    }
}
