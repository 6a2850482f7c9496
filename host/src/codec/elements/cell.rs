//! Elements of a tensor that are read with a cursor: the elements of one row, or of the whole
//! tensor.
//!
//! Owns how a cell of a table becomes elements of its column. Must not know where the cells of a
//! column are in the body. The cursor and the serde visitor in `elements` accept the same values
//! for an element, so that a body is accepted no matter which of the two reads it.

use serde::de::{self, Visitor as _};
use serde_json::Error;

use super::super::cursor::{Cursor, Token};
use super::super::reading::{Reader, Step};
use super::super::rounding::{self, Rounded};
use super::super::values;
use super::{Elements, LOOK_BYTES, LOOK_ELEMENTS, Nested};
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, count};
use crate::text::{NAME_BYTES, counted, quoted};

impl<'a> Elements<'a> {
    /// Starts decoding a tensor from lists that are nested like the port's shape. If the port is
    /// one column of any length, its elements may also be one flat list.
    pub(in crate::codec) fn nested_or_column(port: &'a Port, body_bytes: usize) -> Self {
        let is_open = port.shape.first() == Some(&None);
        let leaf = (!is_open || !is_column(port)).then_some(port.shape.len());
        Self::new(port, None, leaf, body_bytes)
    }

    /// Starts decoding the column `port` of a table. `input` is the input of the scorer that the
    /// column belongs to: the column itself, or the matrix that contains it.
    pub(in crate::codec) fn column(port: &'a Port, input: &'a Port) -> Self {
        Self {
            input,
            ..Self::nested_or_column(port, 0)
        }
    }

    /// Returns the port that the elements are decoded for.
    pub(in crate::codec) fn port(&self) -> &'a Port {
        self.port
    }

    /// Reads the elements of the next row from the value at the cursor, and appends them to the
    /// tensor.
    #[inline]
    pub(in crate::codec) fn row(
        &mut self,
        cursor: &mut Cursor<'_>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        self.leaf = Some(self.port.shape.len());
        // The only element of a row need not be in a list.
        let is_list = matches!(cursor.peek(), Some(b'[' | b'{'));
        let depth = if is_column(self.port) && !is_list {
            2
        } else {
            1
        };
        let value = self.value(depth, cursor, reader);
        self.with_advice(value, reader)
    }

    /// Reads all elements of the tensor from the value at the cursor. The value consists of lists
    /// that are nested like the port's shape, or of one flat list if the port is a single column of
    /// any length.
    pub(in crate::codec) fn all(
        &mut self,
        cursor: &mut Cursor<'_>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        let value = self.value(0, cursor, reader);
        self.with_advice(value, reader)
    }

    /// Returns `result` unchanged. If it is an error, first records the advice about words such as
    /// `NaN`, because one of them may be the reason.
    #[inline]
    fn with_advice(&self, result: Result<(), Error>, reader: &mut Reader) -> Result<(), Error> {
        if result.is_err() {
            reader.advise(|| values::word_advice(self.input));
        }
        result
    }

    /// Adds the elements of the value at the cursor to the tensor. `depth` is the value's depth in
    /// the nested lists. The recursion is bounded, because an element must not be a list.
    fn value(
        &mut self,
        depth: usize,
        cursor: &mut Cursor<'_>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        match cursor.peek() {
            Some(b'[') => {
                let rank = self.port.shape.len();
                let mut place = Nested {
                    depth,
                    elements: self,
                    reader,
                };
                if place.is_leaf(rank) {
                    return Err(place.unexpected("a list"));
                }
                cursor.expect(b'[')?;
                let mut length = 0;
                while cursor.more(b']', length == 0)? {
                    let value = self.value(depth + 1, cursor, reader);
                    reader.at(|| Step::Index(length), value)?;
                    length += 1;
                    if length.is_multiple_of(LOOK_ELEMENTS) {
                        reader.in_time()?;
                    }
                }
                self.end_list(depth, length, reader)
            }
            Some(b'{') => {
                let place = Nested {
                    depth,
                    elements: self,
                    reader,
                };
                Err(place.unexpected("an object"))
            }
            _ => {
                let token = cursor.token()?;
                if self.leaf == Some(depth) && self.put_usual(&token) {
                    return Ok(());
                }
                self.element(depth, &token, reader)
            }
        }
    }

    /// Adds a number to the tensor, if its JSON token states it precisely enough for the port's
    /// type. Most numbers of a body are of this kind. Returns false for any other element, and adds
    /// nothing.
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        reason = "Rust rounds to the nearest, ties to even"
    )]
    fn put_usual(&mut self, token: &Token<'_>) -> bool {
        let (dtype, data) = (self.port.dtype, &mut self.data);
        match (token, dtype) {
            (Token::Decimal { value, .. }, Dtype::F32) => match rounding::float(dtype, *value) {
                Rounded::F32(bytes) => data.extend_from_slice(&bytes),
                _ => return false,
            },
            (Token::Whole(value), Dtype::F32) => {
                data.extend_from_slice(&(*value as f32).to_le_bytes());
            }
            (Token::Whole(value), Dtype::F64) => {
                data.extend_from_slice(&(*value as f64).to_le_bytes());
            }
            (
                Token::Decimal {
                    value,
                    is_exact: true,
                    ..
                },
                Dtype::F64,
            ) => data.extend_from_slice(&value.to_le_bytes()),
            (Token::Whole(value), Dtype::I64) => data.extend_from_slice(&value.to_le_bytes()),
            _ => return false,
        }
        true
    }

    /// Adds the element that a JSON token states to the tensor. `depth` is the token's depth in the
    /// nested lists. If a list is expected at this depth, the token is refused.
    #[inline(never)]
    fn element(
        &mut self,
        depth: usize,
        token: &Token<'_>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        // Each arm creates the `Nested` for itself, because moving a `Nested` takes longer.
        macro_rules! place {
            () => {
                Nested {
                    depth,
                    elements: self,
                    reader,
                }
            };
        }
        match token {
            Token::Whole(value) => place!().integer((*value).into()),
            Token::Decimal {
                value,
                is_exact,
                text,
            } => {
                let dtype = self.port.dtype;
                if !dtype.is_float() || dtype == Dtype::F64 && !is_exact {
                    return place!().digits(text);
                }
                // The token has the digits, so the body need not be read again for this number.
                let was_in_doubt = std::mem::take(&mut reader.is_in_doubt);
                place!().float::<Error>(*value)?;
                if std::mem::replace(&mut reader.is_in_doubt, was_in_doubt) {
                    return place!().digits(text);
                }
                Ok(())
            }
            Token::Text(text) => place!().visit_str(text),
            Token::Null => place!().visit_unit(),
            Token::Boolean(value) => place!().visit_bool(*value),
            Token::Number(text) => match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(value), _) => place!().integer(value.into()),
                // `-0` has a sign, which an integer loses.
                (_, Ok(value)) if value != 0 => place!().integer(value.into()),
                _ => place!().digits(text),
            },
        }
    }

    /// Ends a list of `length` items at the depth `depth`. Fails if a list at this depth must have
    /// another length, or if the deadline has passed.
    pub(super) fn end_list<E: de::Error>(
        &mut self,
        depth: usize,
        length: usize,
        reader: &mut Reader,
    ) -> Result<(), E> {
        if self.data.len() >= self.next_look_bytes {
            self.next_look_bytes = self.data.len().saturating_add(LOOK_BYTES);
            reader.in_time()?;
        }
        let (length, is_flat) = (length as u64, self.is_flat());
        match self.wanted(depth) {
            Some(wanted) if wanted != length => {
                let (shape, length) = (self.shape_text(), counted(length, "element"));
                let belongs = belongs(wanted);
                Err(reader.misfit(format!(
                    "This list has {length}, where {wanted} {belongs}; the input is {shape}."
                )))
            }
            _ => {
                if let Some(dimension) = self.shape.get_mut(depth).filter(|_| !is_flat) {
                    *dimension = Some(length);
                }
                Ok(())
            }
        }
    }

    /// Returns the number of rows that were decoded. Returns 0 if the elements do not show the
    /// number.
    pub(in crate::codec) fn rows(&self) -> u64 {
        self.shape.first().copied().flatten().unwrap_or_default()
    }

    /// Sets the number of rows of a column that was decoded row by row. Fails if the port takes
    /// another number of rows.
    pub(in crate::codec) fn end_rows(
        &mut self,
        rows: usize,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        let rows = rows as u64;
        match self.wanted(0) {
            Some(wanted) if wanted != rows => {
                let (shape, rows) = (self.shape_text(), counted(rows, "row"));
                let belongs = belongs(wanted);
                Err(reader.misfit(format!(
                    "The body has {rows}, where {wanted} {belongs}; the input `{}` is {shape}.",
                    quoted(&self.port.name, NAME_BYTES)
                )))
            }
            _ => {
                if let Some(dimension) = self.shape.first_mut() {
                    *dimension = Some(rows);
                }
                Ok(())
            }
        }
    }

    /// Returns the tensor that was decoded. Only valid for elements that were created with
    /// [`Elements::nested_or_column`].
    pub(in crate::codec) fn into_tensor(self) -> Tensor {
        // The dimensions inside an empty batch are unknown. They become 0, which no element
        // contradicts.
        let shape = self.column_shape().unwrap_or_else(|| {
            let sizes = self.shape.iter().copied();
            sizes.map(Option::unwrap_or_default).collect()
        });
        Tensor {
            name: self.port.name.clone(),
            dtype: self.port.dtype,
            shape,
            data: self.data,
        }
    }

    /// Returns the shape of the tensor if its elements were one flat list for a port of one column.
    /// Returns `None` otherwise.
    fn column_shape(&self) -> Option<Vec<u64>> {
        (is_column(self.port) && self.is_flat()).then(|| {
            let rows = count(self.port.dtype, &self.data).unwrap_or_default();
            vec![rows, 1]
        })
    }
}

/// Returns true if each row of a tensor for this port is a list of one element.
fn is_column(port: &Port) -> bool {
    matches!(port.shape.as_slice(), [_, Some(1)])
}

/// Returns `belongs` if `count` is 1, and `belong` otherwise, for an error message.
pub(in crate::codec) fn belongs(count: u64) -> &'static str {
    if count == 1 { "belongs" } else { "belong" }
}
