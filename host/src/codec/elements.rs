//! A list of numbers or texts in JSON, read directly into the bytes of a tensor.
//!
//! Owns the limits of the element types, and the agreement of nested lists with a shape. Must not
//! know where the list is in a body. Each element is converted to bytes as soon as it is read.

mod cell;

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub(super) use self::cell::belongs;
use super::reading::{Reader, Step};
use super::rounding::{self, Rounded};
use super::values::{self, NoElement};
use super::visitors::unexpected;
use crate::model::Dtype;
use crate::tensor::{Port, put_text, shape_text};
use crate::text::{NAME_BYTES, displayed};

/// Number of elements of one list after which the deadline is checked. Decoding this many elements
/// takes about 50 us.
const LOOK_ELEMENTS: usize = 4096;

/// Number of bytes added to a tensor after which the deadline is checked at the end of a list. This
/// check is for bodies of many short lists.
const LOOK_BYTES: usize = 16 << 10;

/// Tensor that is being decoded from JSON lists. The first list of an open dimension sets the
/// dimension's length, and every other list of the dimension must have the same length.
pub(super) struct Elements<'a> {
    port: &'a Port,
    /// Input that says which values the elements may have: the port itself, or the matrix of which
    /// the port is a column.
    input: &'a Port,
    /// Shape that the caller's request states for the tensor. `None` if the request has not stated
    /// a shape before the data.
    declared: Option<&'a [u64]>,
    shape: Vec<Option<u64>>,
    /// Depth of the elements in the lists: 1 for the items of the outermost list. `None` while
    /// nested and flat lists are both accepted, and no value has decided between them yet.
    leaf: Option<usize>,
    /// True if the request states that the elements are whole numbers, and the port is of a float
    /// type. The float type must then hold each of them exactly.
    is_whole: bool,
    /// True if the serde visitor reads all numbers by their digits, and not through an `f64`.
    by_digits: bool,
    data: Vec<u8>,
    /// Minimum length of `data`, in bytes, at which the end of the next list is a reason to check
    /// the deadline.
    next_look_bytes: usize,
}

/// Elements of a tensor that were decoded from either nested lists or one flat list.
pub(super) struct Read {
    /// Shape of the nested lists. A dimension is `None` if no list showed its length. The field is
    /// `None` if the elements were one flat list.
    pub(super) nested: Option<Vec<Option<u64>>>,
    /// Elements as little-endian bytes, in row-major order.
    pub(super) data: Vec<u8>,
}

impl<'a> Elements<'a> {
    /// Starts decoding a tensor from either lists that are nested like the port's shape, or one
    /// flat list in row-major order. `declared` is the shape that the request states, if any.
    /// `body_bytes` is the size of the body, which limits how much memory is reserved.
    pub(super) fn nested_or_flat(
        port: &'a Port,
        declared: Option<&'a [u64]>,
        body_bytes: usize,
    ) -> Self {
        // If the shape has one dimension, the list is flat. If it has none, there is still a list
        // around the element.
        Self::new(
            port,
            declared,
            (port.shape.len() < 2).then_some(1),
            body_bytes,
        )
    }

    /// Returns these elements with another rule for numbers: if `is_whole` is true, only whole
    /// numbers are accepted. If it is false, a port of a float type also accepts fractions.
    pub(super) fn whole(self, is_whole: bool) -> Self {
        Self {
            is_whole,
            by_digits: self.by_digits || is_whole,
            ..self
        }
    }

    fn new(
        port: &'a Port,
        declared: Option<&'a [u64]>,
        leaf: Option<usize>,
        body_bytes: usize,
    ) -> Self {
        let shape = match declared.filter(|declared| declared.len() == port.shape.len()) {
            Some(declared) => declared.iter().copied().map(Some).collect(),
            None => port.shape.clone(),
        };
        // If the number of rows is open, memory for one row is reserved. An element takes at least
        // two bytes of the body, so the body limits the number of elements for which memory is
        // reserved.
        let elements = shape.iter().flatten().fold(1u64, |product, dimension| {
            product.saturating_mul(*dimension)
        });
        let elements = usize::try_from(elements)
            .unwrap_or(usize::MAX)
            .min(body_bytes / 2 + 1);
        let data = Vec::with_capacity(elements.saturating_mul(port.dtype.bytes()));
        Self {
            port,
            input: port,
            declared,
            shape,
            leaf,
            is_whole: false,
            by_digits: port.dtype == Dtype::F64,
            data,
            next_look_bytes: LOOK_BYTES,
        }
    }

    /// Returns the deserialization seed that decodes the elements, starting with the outermost
    /// list.
    pub(super) fn seed<'s>(&'s mut self, reader: &'s mut Reader) -> Nested<'s, 'a> {
        Nested {
            depth: 0,
            elements: self,
            reader,
        }
    }

    /// Returns the elements that were decoded. Meant for elements that were created with
    /// [`Elements::nested_or_flat`].
    pub(super) fn into_read(self) -> Read {
        let nested = if self.is_flat() {
            None
        } else {
            Some(self.shape)
        };
        Read {
            nested,
            data: self.data,
        }
    }

    fn is_flat(&self) -> bool {
        self.port.shape.len() != 1 && self.leaf.is_none_or(|leaf| leaf == 1)
    }

    /// Returns the length that a list at the depth `depth` must have. The outermost list has the
    /// depth 0. Returns `None` if any length is allowed.
    fn wanted(&self, depth: usize) -> Option<u64> {
        if depth == 0 && self.is_flat() {
            return self
                .declared?
                .iter()
                .try_fold(1u64, |product, dimension| product.checked_mul(*dimension));
        }
        self.shape.get(depth).copied().flatten()
    }

    fn shape_text(&self) -> String {
        self.declared
            .map_or_else(|| shape_text(self.port), |declared| format!("{declared:?}"))
    }
}

/// Deserialization seed that decodes one value of the nested lists, which is a list or an element.
/// `depth` is 0 for the outermost list.
pub(super) struct Nested<'s, 'a> {
    depth: usize,
    elements: &'s mut Elements<'a>,
    reader: &'s mut Reader,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // A number is read by its digits. The value may also be a list if it decides between flat
        // and nested lists.
        let by_digits = self.elements.by_digits | self.reader.is_exact;
        if by_digits && self.elements.leaf.unwrap_or(1) == self.depth {
            let text = <&RawValue>::deserialize(deserializer)?.get();
            if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
                return self.digits(text);
            }
            return serde_json::Deserializer::from_str(text)
                .deserialize_any(self)
                .map_err(de::Error::custom);
        }
        // `deserialize_any` lets a value that is not a list reach the visitor, which refuses it
        // with an error message of the host.
        deserializer.deserialize_any(self)
    }
}

impl Nested<'_, '_> {
    /// Returns true if an element is expected at the depth of this value. If flat and nested lists
    /// are both accepted, the first value inside the outermost list decides between them. If this
    /// value decides, `found` is the depth that all elements must then have.
    fn is_leaf(&mut self, found: usize) -> bool {
        let leaf = if self.depth == 1 {
            *self.elements.leaf.get_or_insert(found)
        } else {
            self.elements.leaf.unwrap_or(usize::MAX)
        };
        leaf == self.depth
    }

    fn unexpected<E: de::Error>(mut self, found: &str) -> E {
        let wanted = if self.is_leaf(1) {
            format!("{} element", self.elements.port.dtype.with_article())
        } else {
            format!(
                "a list, dimension {} of {}",
                self.depth,
                self.elements.shape_text()
            )
        };
        self.reader
            .misfit(format!("Here is {found}, where {wanted} belongs."))
    }

    /// Adds an element that is not a number of the port's own type to the tensor, with the function
    /// `put` from the module `values`. `found` names the kind of the element, for the error if a
    /// list is expected at this depth.
    fn put_with<E: de::Error>(
        mut self,
        found: &str,
        put: impl FnOnce(&Port, &mut Vec<u8>) -> Result<(), NoElement>,
    ) -> Result<(), E> {
        if !self.is_leaf(1) {
            return Err(self.unexpected(found));
        }
        put(self.elements.input, &mut self.elements.data)
            .map_err(|NoElement(message)| self.reader.misfit(message))
    }

    #[cold]
    #[inline(never)]
    fn does_not_fit<E: de::Error>(self, value: &dyn fmt::Display) -> E {
        if self.elements.port.dtype == Dtype::Bool {
            return self.unexpected("a number");
        }
        let value = displayed(value, NAME_BYTES);
        let message = values::too_large(&value, self.elements.port.dtype);
        self.reader.misfit(message)
    }

    fn put<const N: usize>(self, bytes: [u8; N]) {
        self.elements.data.extend_from_slice(&bytes);
    }

    fn integer<E: de::Error>(mut self, value: i128) -> Result<(), E> {
        if !self.is_leaf(1) {
            return Err(self.unexpected("a number"));
        }
        let dtype = self.elements.port.dtype;
        match dtype {
            Dtype::Bool | Dtype::Text => Err(self.unexpected("a number")),
            Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => {
                self.rounded(rounding::whole(dtype, value), value)
            }
            _ if values::put_integer(dtype, value, &mut self.elements.data) => Ok(()),
            _ => Err(self.does_not_fit(&value)),
        }
    }

    fn float<E: de::Error>(mut self, value: f64) -> Result<(), E> {
        let dtype = self.elements.port.dtype;
        if !self.is_leaf(1) || dtype == Dtype::Text {
            return Err(self.unexpected("a number"));
        }
        let shown = fmt::from_fn(move |f| write!(f, "{value:?}"));
        self.rounded(rounding::float(dtype, value), shown)
    }

    /// Adds an element to the tensor: the decimal number `text` from the JSON body.
    fn digits<E: de::Error>(mut self, text: &str) -> Result<(), E> {
        let dtype = self.elements.port.dtype;
        if !self.is_leaf(1) || matches!(dtype, Dtype::Bool | Dtype::Text) {
            return Err(self.unexpected("a number"));
        }
        if self.elements.is_whole || !dtype.is_float() {
            return values::put_decimal(dtype, text, &mut self.elements.data)
                .map_err(|NoElement(message)| self.reader.misfit(message));
        }
        self.rounded(rounding::decimal(dtype, text), text)
    }

    fn rounded<E: de::Error>(self, rounded: Rounded, value: impl fmt::Display) -> Result<(), E> {
        match rounded {
            Rounded::F16(bytes) => self.put(bytes),
            Rounded::F32(bytes) => self.put(bytes),
            Rounded::F64(bytes) => self.put(bytes),
            // Only the decimal digits tell which of two numbers is nearer. They were not kept, so
            // the body is read again.
            Rounded::InDoubt => self.reader.is_in_doubt = true,
            Rounded::OutOfRange => return Err(self.does_not_fit(&value)),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let rank = self.elements.port.shape.len();
        if self.is_leaf(rank) {
            return Err(self.unexpected("a list"));
        }
        let Self {
            depth,
            elements,
            reader,
        } = self;
        let mut length: usize = 0;
        loop {
            let element = list.next_element_seed(Nested {
                depth: depth + 1,
                elements,
                reader,
            });
            let element = reader.at(|| Step::Index(length), element);
            if element.is_err() {
                reader.advise(|| values::word_advice(elements.port));
            }
            if element?.is_none() {
                break;
            }
            length += 1;
            if length.is_multiple_of(LOOK_ELEMENTS) {
                reader.in_time()?;
            }
        }
        elements.end_list(depth, length, reader)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.float(value)
    }

    fn visit_bool<E: de::Error>(mut self, value: bool) -> Result<(), E> {
        if self.is_leaf(1) && self.elements.port.dtype == Dtype::Bool {
            self.elements.data.push(value.into());
            return Ok(());
        }
        self.put_with("a boolean", |port, data| {
            values::put_boolean(port, value, data)
        })
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.put_with("null", |port, data| values::put_missing(port, "null", data))
    }

    fn visit_str<E: de::Error>(mut self, value: &str) -> Result<(), E> {
        if let Some(word) = self.reader.word(value) {
            return self.put_with("a number", |port, data| values::put_word(port, word, data));
        }
        if !self.is_leaf(1) || self.elements.port.dtype != Dtype::Text {
            return Err(self.unexpected("a string"));
        }
        if value.contains('\0') {
            return Err(self.reader.misfit("A text must not hold a NUL.".to_owned()));
        }
        put_text(value, &mut self.elements.data);
        Ok(())
    }

    unexpected! { object }
}
