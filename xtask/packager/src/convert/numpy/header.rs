//! The header of an `.npy` file: the type of its elements, their order and the shape.
//!
//! Owns the reading of the header, and trusts nothing in it. (The existing crates that read it
//! allocate as much as its length field states, multiply dimensions unchecked, or recurse as deep
//! as the header nests.) Must not know what becomes of the elements.

use std::io::{self, Read};

use safetensors::Dtype;

use super::error::HeaderError;

/// Maximum size of the header of an `.npy` file, in bytes, without its magic bytes and its length
/// field.
///
/// NumPy's own reader has this limit. No array that can be converted has a longer header.
const MOST_HEADER_BYTES: u64 = 10_000;
/// Maximum number of dimensions of an array, which is also NumPy's own limit.
const MOST_DIMENSIONS: usize = 64;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The checked content of the header of an `.npy` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type of the array's elements, as safetensors names it.
    pub dtype: Dtype,
    /// Size of one element of the array, in bytes.
    pub width: usize,
    /// True if the most significant byte of each element comes first.
    pub is_big_endian: bool,
    /// True if the elements are in column-major (Fortran) order: the first dimension varies
    /// fastest.
    pub is_fortran: bool,
    /// Size of each dimension of the array, in elements. Empty for a single value.
    pub shape: Vec<usize>,
    /// Size of all elements of the array together, in bytes.
    pub data_bytes: usize,
    /// Size of the header in bytes, including its magic bytes and its length field. The elements
    /// follow the header.
    pub header_bytes: u64,
}

impl Header {
    /// Reads the header of an `.npy` file, and no byte after the header. Fails if the file does not
    /// have a valid header, or if a tensor cannot have the type or the shape that the header
    /// states.
    pub fn read(from: &mut dyn Read) -> Result<Self, HeaderError> {
        let start: [u8; 8] = exactly(from)?;
        let Some([major, minor]) = start.strip_prefix(MAGIC) else {
            return Err(HeaderError::NotArray);
        };
        let (length, length_bytes) = match (major, minor) {
            (1, 0) => (u64::from(u16::from_le_bytes(exactly(from)?)), 2),
            (2 | 3, 0) => (u64::from(u32::from_le_bytes(exactly(from)?)), 4),
            _ => {
                return Err(HeaderError::Version {
                    major: *major,
                    minor: *minor,
                });
            }
        };
        if length > MOST_HEADER_BYTES {
            return Err(HeaderError::TooLong {
                header_bytes: length,
                most_bytes: MOST_HEADER_BYTES,
            });
        }
        let mut text = Vec::new();
        from.take(length)
            .read_to_end(&mut text)
            .map_err(HeaderError::Unreadable)?;
        if text.len() as u64 != length {
            return Err(HeaderError::Cut);
        }
        // Only names of fields may be other than ASCII, and arrays with fields are refused.
        let text = std::str::from_utf8(&text).map_err(|_| HeaderError::Malformed)?;
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
        let Some(data_bytes) = data_bytes else {
            return Err(HeaderError::TooLarge { shape });
        };
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

fn exactly<const N: usize>(from: &mut dyn Read) -> Result<[u8; N], HeaderError> {
    let mut bytes = [0; N];
    match from.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(HeaderError::Cut),
        Err(error) => Err(HeaderError::Unreadable(error)),
    }
}

/// Parses `descr`, NumPy's code of an element type. Returns the type, the size of an element in
/// bytes, and true if the elements are big-endian. Fails if a tensor cannot have the type.
fn element(descr: &str) -> Result<(Dtype, usize, bool), HeaderError> {
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

fn refusal(descr: &str, kind: &str) -> HeaderError {
    let kind = match kind.chars().next() {
        Some('O') => return HeaderError::Objects,
        Some('S' | 'a' | 'U' | 'T') => "texts",
        Some('c') => "complex numbers",
        Some('m' | 'M') => "times",
        Some('V') => "records, or a type that NumPy itself does not have",
        Some('f' | 'g') => "numbers wider than f64",
        _ => "elements of a type that is not known here",
    };
    HeaderError::ElementType {
        kind,
        descr: descr.to_owned(),
    }
}

/// The dictionary in the header of an `.npy` file. The dictionary is a Python literal, of which
/// only the syntax that NumPy writes is accepted.
#[derive(Debug, PartialEq, Eq)]
struct Literal {
    descr: String,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Literal {
    fn parse(text: &str) -> Result<Self, HeaderError> {
        let malformed = || HeaderError::Malformed;
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
                    return Err(HeaderError::Records);
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

/// The part of a Python literal that has not been parsed yet.
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

    fn shape(&mut self) -> Result<Vec<usize>, HeaderError> {
        let malformed = || HeaderError::Malformed;
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
            let dimension = digits.parse().map_err(|_| HeaderError::Dimension {
                digits: digits.to_owned(),
            })?;
            shape.push(dimension);
            if shape.len() > MOST_DIMENSIONS {
                return Err(HeaderError::TooManyDimensions {
                    most: MOST_DIMENSIONS,
                });
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
mod tests;
