//! The header of an `.npy` file: the type of its elements, their order and the shape.
//!
//! Owns the reading of the header, and trusts nothing in it. (The crates that read it allocate what
//! its length field asks for, multiply dimensions unchecked, or recurse as deep as it nests.) Must
//! not know what becomes of the elements.

use std::io::{self, Read};

use safetensors::Dtype;

/// Largest header that is read, in bytes.
///
/// NumPy's own reader has this limit. No array that could be read here has a longer header.
const MOST_HEADER_BYTES: u64 = 10_000;
/// Largest number of dimensions, which is also NumPy's own limit.
const MOST_DIMENSIONS: usize = 64;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Content of a header, after all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type of an element, as safetensors names it.
    pub dtype: Dtype,
    /// Size of an element, in bytes.
    pub width: usize,
    /// True if the most significant byte comes first.
    pub is_big_endian: bool,
    /// True if the first dimension varies fastest.
    pub is_fortran: bool,
    /// Dimensions of the array.
    pub shape: Vec<usize>,
    /// Size of all elements together, in bytes.
    pub data_bytes: usize,
    /// Size of everything before the elements, in bytes.
    pub header_bytes: u64,
}

impl Header {
    /// Reads a header, and nothing behind it. The error says what is wrong.
    pub fn read(from: &mut dyn Read) -> Result<Self, String> {
        let start: [u8; 8] = exactly(from)?;
        let Some([major, minor]) = start.strip_prefix(MAGIC) else {
            return Err("is no .npy file: it does not begin as one".to_owned());
        };
        let (length, length_bytes) = match (major, minor) {
            (1, 0) => (u64::from(u16::from_le_bytes(exactly(from)?)), 2),
            (2 | 3, 0) => (u64::from(u32::from_le_bytes(exactly(from)?)), 4),
            _ => {
                return Err(format!(
                    "is of version {major}.{minor} of the format; 1.0, 2.0 and 3.0 are read"
                ));
            }
        };
        if length > MOST_HEADER_BYTES {
            return Err(format!(
                "has a header of {length} bytes; at most {MOST_HEADER_BYTES} are read"
            ));
        }
        let mut text = Vec::new();
        from.take(length)
            .read_to_end(&mut text)
            .map_err(|error| unreadable(&error))?;
        if text.len() as u64 != length {
            return Err(CUT.to_owned());
        }
        // Only names of fields may be other than ASCII, and arrays with fields are refused.
        let text = std::str::from_utf8(&text).map_err(|_| MALFORMED.to_owned())?;
        let Literal {
            descr,
            is_fortran,
            shape,
        } = Literal::parse(text)?;
        let (dtype, width, is_big_endian) = element(&descr)?;
        let elements = shape.iter().try_fold(1_usize, |product, dimension| {
            product.checked_mul(*dimension)
        });
        let data_bytes = elements.and_then(|elements| elements.checked_mul(width));
        let data_bytes = data_bytes
            .ok_or_else(|| format!("has the shape {shape:?}, which is larger than any memory"))?;
        let header_bytes = 8 + length_bytes + length;
        Ok(Self {
            dtype,
            width,
            is_big_endian,
            is_fortran,
            shape,
            data_bytes,
            header_bytes,
        })
    }
}

const CUT: &str = "ends within its header";
const MALFORMED: &str = "has a header that is not `{'descr': …, 'fortran_order': …, 'shape': …}`";

fn exactly<const N: usize>(from: &mut dyn Read) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    match from.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(CUT.to_owned()),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Returns the type that a description names, its width in bytes, and true if its bytes are
/// swapped.
fn element(descr: &str) -> Result<(Dtype, usize, bool), String> {
    let (is_big_endian, kind) = match descr.strip_prefix('>') {
        Some(kind) => (true, kind),
        None => (false, descr.strip_prefix(['<', '|']).unwrap_or(descr)),
    };
    let (dtype, width) = match kind {
        "b1" | "?" => (Dtype::BOOL, 1),
        "i1" => (Dtype::I8, 1),
        "u1" => (Dtype::U8, 1),
        "i2" => (Dtype::I16, 2),
        "u2" => (Dtype::U16, 2),
        "f2" => (Dtype::F16, 2),
        "i4" => (Dtype::I32, 4),
        "u4" => (Dtype::U32, 4),
        "f4" => (Dtype::F32, 4),
        "i8" => (Dtype::I64, 8),
        "u8" => (Dtype::U64, 8),
        "f8" => (Dtype::F64, 8),
        _ => return Err(refusal(descr, kind)),
    };
    Ok((dtype, width, is_big_endian))
}

fn refusal(descr: &str, kind: &str) -> String {
    let what = match kind.chars().next() {
        Some('O') => {
            return "holds Python objects, so it is a pickle, a program that nothing here runs"
                .to_owned();
        }
        Some('S' | 'a' | 'U' | 'T') => "texts",
        Some('c') => "complex numbers",
        Some('m' | 'M') => "times",
        Some('V') => "records, or a type that NumPy itself does not have",
        Some('f' | 'g') => "numbers wider than f64",
        _ => "elements of a type that is not known here",
    };
    format!("holds {what} (`{descr}`), which tensors cannot hold")
}

/// The dictionary in the header, which is a Python literal. Only what NumPy writes into one is
/// read.
#[derive(Debug, PartialEq, Eq)]
struct Literal {
    descr: String,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Literal {
    fn parse(text: &str) -> Result<Self, String> {
        let malformed = || MALFORMED.to_owned();
        let (mut descr, mut order, mut shape) = (None, None, None);
        let mut rest = Rest(text);
        rest.expect('{').ok_or_else(malformed)?;
        while rest.expect('}').is_none() {
            let key = rest.quoted().ok_or_else(malformed)?;
            rest.expect(':').ok_or_else(malformed)?;
            let is_new = match key {
                "descr"
                    if rest.clone().expect('[').is_some() || rest.clone().expect('(').is_some() =>
                {
                    return Err(
                        "holds records, which tensors cannot hold: save each of their fields by itself".to_owned()
                    );
                }
                "descr" => descr
                    .replace(rest.quoted().ok_or_else(malformed)?)
                    .is_none(),
                "fortran_order" => order
                    .replace(rest.boolean().ok_or_else(malformed)?)
                    .is_none(),
                "shape" => shape.replace(rest.shape()?).is_none(),
                _ => false,
            };
            if !is_new || rest.expect(',').is_none() && !rest.0.trim_start().starts_with('}') {
                return Err(malformed());
            }
        }
        match (descr, order, shape) {
            (Some(descr), Some(is_fortran), Some(shape)) if rest.0.trim().is_empty() => Ok(Self {
                descr: descr.to_owned(),
                is_fortran,
                shape,
            }),
            _ => Err(malformed()),
        }
    }
}

/// Rest of the literal that was not parsed yet.
#[derive(Clone)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn expect(&mut self, wanted: char) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(wanted)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let quote = self
            .0
            .trim_start()
            .chars()
            .next()
            .filter(|quote| matches!(quote, '\'' | '"'))?;
        self.expect(quote)?;
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text).filter(|text| !text.contains('\\'))
    }

    fn boolean(&mut self) -> Option<bool> {
        let text = self.0.trim_start();
        let (value, rest) = match (text.strip_prefix("True"), text.strip_prefix("False")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        self.0 = rest;
        Some(value)
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let malformed = || MALFORMED.to_owned();
        self.expect('(').ok_or_else(malformed)?;
        let mut shape = Vec::new();
        while self.expect(')').is_none() {
            let text = self.0.trim_start();
            let (digits, rest) = text.split_at(
                text.find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(text.len()),
            );
            if digits.is_empty() {
                return Err(malformed());
            }
            let dimension = digits
                .parse()
                .map_err(|_| format!("has a dimension of {digits}, which no memory has"))?;
            shape.push(dimension);
            if shape.len() > MOST_DIMENSIONS {
                return Err(format!("has more than {MOST_DIMENSIONS} dimensions"));
            }
            // Python 2 wrote long integers with an `L` at the end.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if self.expect(',').is_none() && !self.0.trim_start().starts_with(')') {
                return Err(malformed());
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: [u8; 2], text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        let length = if version[0] == 1 {
            &length[..2]
        } else {
            &length[..]
        };
        [MAGIC.as_slice(), &version, length, text.as_bytes()].concat()
    }

    fn literal(descr: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}      \n")
    }

    #[test]
    fn headers_of_every_version_and_type_are_read() {
        #[track_caller]
        fn check(version: [u8; 2], text: &str, expected: (Dtype, bool, bool, &[usize], usize)) {
            let mut bytes = file(version, text);
            let length = bytes.len() as u64;
            bytes.push(7);
            let mut from = bytes.as_slice();
            let header = Header::read(&mut from).unwrap();
            let (dtype, is_big_endian, is_fortran, shape, data_bytes) = expected;
            assert_eq!(
                (header.dtype, header.is_big_endian, header.is_fortran),
                (dtype, is_big_endian, is_fortran)
            );
            assert_eq!(
                (header.shape.as_slice(), header.data_bytes),
                (shape, data_bytes)
            );
            assert_eq!((header.header_bytes, from), (length, [7].as_slice()));
        }
        check(
            [1, 0],
            &literal("<f4", "(2, 3)"),
            (Dtype::F32, false, false, &[2, 3], 24),
        );
        check(
            [2, 0],
            &literal(">f8", "(3,)"),
            (Dtype::F64, true, false, &[3], 24),
        );
        check(
            [3, 0],
            &literal("|b1", "()"),
            (Dtype::BOOL, false, false, &[], 1),
        );
        check(
            [1, 0],
            "{\"shape\":(2L,0),\"fortran_order\":True,\"descr\":\"|u1\"}",
            (Dtype::U8, false, true, &[2, 0], 0),
        );
        for (descr, dtype, width) in [
            ("|i1", Dtype::I8, 1),
            ("<i2", Dtype::I16, 2),
            (">u2", Dtype::U16, 2),
            ("<f2", Dtype::F16, 2),
            ("<i4", Dtype::I32, 4),
            ("<u4", Dtype::U32, 4),
            ("<i8", Dtype::I64, 8),
            ("<u8", Dtype::U64, 8),
            ("?", Dtype::BOOL, 1),
        ] {
            check(
                [1, 0],
                &literal(descr, "(5,)"),
                (dtype, descr.starts_with('>'), false, &[5], 5 * width),
            );
        }
    }

    #[test]
    fn what_is_no_array_of_numbers_is_refused() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            let problem = Header::read(&mut &*bytes).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        let described =
            |descr: &str, expected: &str| check(&file([1, 0], &literal(descr, "(1,)")), expected);
        described("|O", "a pickle, a program that nothing here runs");
        described("|S5", "texts (`|S5`)");
        described("<U3", "texts");
        described("<c16", "complex numbers");
        described("<M8[s]", "times");
        described("|V2", "records, or a type that NumPy itself does not have");
        described("<f16", "wider than f64");
        described("<i16", "not known here");
        described("", "not known here");
        let records =
            "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}";
        check(&file([1, 0], records), "records");
        check(b"", "ends within");
        check(b"PK\x03\x04 and more", "does not begin as one");
        check(&file([4, 0], ""), "version 4.0");
        check(&file([1, 1], ""), "version 1.1");
        check(
            &[MAGIC.as_slice(), &[2, 0], &u32::MAX.to_le_bytes()].concat(),
            "at most 10000",
        );
        check(&file([1, 0], &literal("<f4", "(1,)"))[..30], "ends within");
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} more",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
            "{'descr': '<f4' 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}",
            "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': ()}",
        ] {
            check(&file([1, 0], text), "has a header that is not");
        }
        check(
            &file([1, 0], &literal("<f8", "(9223372036854775807, 2)")),
            "larger than any memory",
        );
        check(
            &file([1, 0], &literal("<f8", "(4611686018427387904, 1)")),
            "larger than any memory",
        );
        check(
            &file([1, 0], &literal("<f8", "(99999999999999999999,)")),
            "99999999999999999999",
        );
        check(
            &file([1, 0], &literal("<f8", &format!("({})", "1,".repeat(65)))),
            "more than 64",
        );
        check(&file([2, 0], &"(".repeat(9000)), "has a header that is not");
    }
}
