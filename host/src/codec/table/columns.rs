//! The columns of a table, and the tensors that they become.
//!
//! Owns which column a name stands for, and the order of the columns in a matrix. Must not know
//! where a body has its rows.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Error;

use super::super::cursor::{Cursor, plain_bytes};
use super::super::elements::Elements;
use super::super::reading::{Reader, Step};

use crate::manifest::nearest;
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, text_from};
use crate::text::{NAME_BYTES, counted, cut, quoted};

/// Maximum number of columns that an error message lists.
const LISTED_COLUMNS: usize = 12;

/// One column of a table, with the elements that were decoded so far.
pub(super) struct Column<'a> {
    pub(super) elements: Elements<'a>,
    /// Raw text of the column's key in the previous row, without the quotes. Before the first row,
    /// it is the column's name. Empty if the name has to be escaped in JSON.
    key: &'a str,
    /// Number of the last row that has this column. The first row has the number 1. The number is 0
    /// for a column that no row has had yet, and `HEADER_ROW` for one that the list of column names
    /// has.
    row: usize,
}

/// Columns of a table, in the order of the model.
pub(super) struct Columns<'a> {
    list: Vec<Column<'a>>,
    /// Index of each column by its name. It is filled when a name is looked up for the first time,
    /// because rows that have their keys in the order of the model need no look-up.
    by_name: HashMap<&'a str, usize>,
    /// For each position in a row, the index of the column whose key the previous row had there. If
    /// that key was not the name of a column, the index is one that no column has.
    order: Vec<usize>,
}

/// Name that no column of the model has.
pub(super) struct Unknown<'a>(Cow<'a, str>);

impl Unknown<'_> {
    /// Returns the step of a JSON pointer that leads to the value with this name in its object.
    pub(super) fn step(&self) -> Step {
        Step::Name(cut(&self.0, NAME_BYTES).into_owned())
    }
}

impl<'a> Column<'a> {
    fn new(port: &'a Port, input: &'a Port) -> Self {
        let is_plain = plain_bytes(port.name.as_bytes()) == port.name.len();
        Self {
            elements: Elements::column(port, input),
            key: if is_plain { &port.name } else { "" },
            row: 0,
        }
    }

    fn is_optional(&self) -> bool {
        self.elements.port().optional
    }

    pub(super) fn name(&self) -> &'a str {
        &self.elements.port().name
    }

    /// Returns true if no row has this column, because it is optional and was left out.
    pub(super) fn is_left_out(&self) -> bool {
        self.row == 0
    }

    /// Notes that the row with the number `row` has this column. Returns false if the row has the
    /// column already.
    #[inline]
    pub(super) fn enter(&mut self, row: usize) -> bool {
        std::mem::replace(&mut self.row, row) != row
    }
}

impl<'a> Columns<'a> {
    /// Creates a column without elements for each port. `matrix` is the input to which the columns
    /// belong, or `None` if each column is an input itself.
    pub(super) fn new(ports: &'a [Port], matrix: Option<&'a Port>) -> Self {
        let mut list = Vec::with_capacity(ports.len());
        for port in ports {
            list.push(Column::new(port, matrix.unwrap_or(port)));
        }
        Self {
            list,
            by_name: HashMap::new(),
            order: (0..ports.len()).collect(),
        }
    }

    /// Clears the marks of the columns that the list of column names has. Rows that are objects
    /// name their columns themselves, so the list does not apply to them.
    pub(super) fn forget(&mut self) {
        for column in &mut self.list {
            column.row = 0;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Column<'a>> {
        self.list.get_mut(index)
    }

    /// Moves past the key at the cursor, which has the position `place` in its row, and returns the
    /// index of its column. The inner error is a key that is not the name of a column. Usually the
    /// previous row had an equal key at this position, so no look-up is needed.
    #[inline]
    pub(super) fn key(
        &mut self,
        place: usize,
        cursor: &mut Cursor<'a>,
    ) -> Result<Result<usize, Unknown<'a>>, Error> {
        cursor.peek();
        if let Some(index) = self.order.get(place)
            && let Some(column) = self.list.get(*index)
            && !column.key.is_empty()
            && cursor.eat_string(column.key)
        {
            return Ok(Ok(*index));
        }
        self.look_up(place, cursor)
    }

    fn look_up(
        &mut self,
        place: usize,
        cursor: &mut Cursor<'a>,
    ) -> Result<Result<usize, Unknown<'a>>, Error> {
        let (name, raw) = cursor.string()?;
        let found = self.find(&name);
        if let Some(column) = found.and_then(|index| self.list.get_mut(index)) {
            column.key = raw;
        }
        if place == self.order.len() {
            self.order.push(usize::MAX);
        }
        if let Some(slot) = self.order.get_mut(place) {
            *slot = found.unwrap_or(usize::MAX);
        }
        Ok(found.ok_or(Unknown(name)))
    }

    /// Returns the index of the column with the name `name`. Returns `None` if there is no such
    /// column.
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        if self.by_name.is_empty() {
            self.by_name.reserve(self.list.len());
            for (index, column) in self.list.iter().enumerate() {
                self.by_name.insert(column.name(), index);
            }
        }
        self.by_name.get(name).copied()
    }

    /// Returns the name of the first column that the row with the number `row` must have and does
    /// not have. A column that is optional may be left out of all rows. Returns `None` if no column
    /// is missing.
    pub(super) fn missing(&self, row: usize) -> Option<&'a str> {
        let is_missing =
            |column: &&Column<'_>| column.row != row && !(column.is_optional() && column.row == 0);
        self.list.iter().find(is_missing).map(Column::name)
    }

    /// Returns the indices of the columns of rows that do not name their values: all columns that
    /// are not optional. Notes that the row with the number `row` has these columns.
    pub(super) fn required(&mut self, row: usize) -> Vec<Option<usize>> {
        let mut required = Vec::with_capacity(self.list.len());
        for (index, column) in self.list.iter_mut().enumerate() {
            if !column.is_optional() {
                column.row = row;
                required.push(Some(index));
            }
        }
        required
    }

    /// Returns the error message for a name that is not a column.
    pub(super) fn unknown(&self, unknown: &Unknown<'_>) -> String {
        let name = cut(&unknown.0, NAME_BYTES);
        // The time for comparing two names grows with the product of their lengths, and a very long
        // name is not a misspelled one.
        let names = self.list.iter().map(Column::name);
        let near = nearest(&name, names.filter(|name| name.len() <= NAME_BYTES));
        let message = format!(
            "Here is `{}`, which is not a column of this model.",
            quoted(&name, NAME_BYTES)
        );
        if near.is_empty() {
            return format!("{message} The columns are {}.", self.listed());
        }
        format!("{message} Did you mean `{}`?", quoted(near, NAME_BYTES))
    }

    /// Returns the names of the columns for an error message: the first [`LISTED_COLUMNS`] of them,
    /// and the number of the others.
    pub(super) fn listed(&self) -> String {
        let mut text = String::new();
        for column in self.list.iter().take(LISTED_COLUMNS) {
            text.push_str(if text.is_empty() { "`" } else { ", `" });
            text.push_str(&quoted(column.name(), NAME_BYTES));
            text.push('`');
        }
        if self.list.len() > LISTED_COLUMNS {
            text.push_str(&format!(" and {} more", self.list.len() - LISTED_COLUMNS));
        }
        text
    }

    /// Sets the number of rows of columns that were decoded row by row. Fails if the model takes
    /// another number of rows.
    pub(super) fn end_rows(&mut self, rows: usize, reader: &mut Reader) -> Result<(), Error> {
        for column in &mut self.list {
            if !(column.is_optional() && column.is_left_out()) {
                column.elements.end_rows(rows, reader)?;
            }
        }
        Ok(())
    }

    /// Fails if the columns, which were read as a whole, do not have equally many rows.
    pub(super) fn end_columns(&self, reader: &mut Reader) -> Result<(), Error> {
        let Some(first) = self.list.first() else {
            return Ok(());
        };
        let rows = first.elements.rows();
        match self.list.iter().find(|other| other.elements.rows() != rows) {
            None => Ok(()),
            Some(other) => {
                let message = format!(
                    "This column has {}, and the column `{}` has {rows}.",
                    counted(other.elements.rows(), "value"),
                    quoted(first.name(), NAME_BYTES),
                );
                let misfit = Err(reader.misfit(message));
                reader.at(|| Step::Name(other.name().to_owned()), misfit)
            }
        }
    }

    /// Returns the tensors of the columns, without the optional columns that no row has.
    pub(super) fn into_tensors(self) -> Vec<Tensor> {
        let mut tensors = Vec::with_capacity(self.list.len());
        for column in self.list {
            if !(column.is_optional() && column.is_left_out()) {
                tensors.push(column.elements.into_tensor());
            }
        }
        tensors
    }
}

/// Joins the columns of a table to the matrix of the port `port`. The columns are in the order of
/// the matrix, and have equally many elements.
pub(super) fn matrix(port: &Port, columns: &[Tensor]) -> Tensor {
    let rows = columns.first().and_then(|first| first.shape.first());
    let rows = rows.copied().unwrap_or_default();
    let elements = usize::try_from(rows).unwrap_or_default();
    let data = match port.dtype {
        Dtype::Text => texts(columns),
        _ => match port.dtype.bytes() {
            // Most matrices are of `f32`, so elements of four bytes have a faster function.
            4 => interleaved::<4>(columns, elements),
            width => interleaved_by(width, columns, elements),
        },
    };
    Tensor {
        name: port.name.clone(),
        dtype: port.dtype,
        shape: vec![rows, columns.len() as u64],
        data,
    }
}

fn interleaved<const N: usize>(columns: &[Tensor], rows: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(rows.saturating_mul(columns.len()).saturating_mul(N));
    for row in 0..rows {
        for column in columns {
            let (elements, _) = column.data.as_chunks::<N>();
            data.extend_from_slice(elements.get(row).unwrap_or(&[0; N]));
        }
    }
    data
}

fn interleaved_by(width: usize, columns: &[Tensor], rows: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(rows.saturating_mul(columns.len()).saturating_mul(width));
    for row in 0..rows {
        for column in columns {
            let element = column.data.get(row * width..(row + 1) * width);
            data.extend_from_slice(element.unwrap_or_default());
        }
    }
    data
}

fn texts(columns: &[Tensor]) -> Vec<u8> {
    let mut data = Vec::with_capacity(columns.iter().map(|column| column.data.len()).sum());
    let mut rests = Vec::with_capacity(columns.len());
    for column in columns {
        rests.push(column.data.as_slice());
    }
    // Every column has equally many texts, so all columns end at the same time.
    while rests.iter().any(|rest| !rest.is_empty()) {
        for rest in &mut rests {
            let before = *rest;
            if text_from(rest).is_none() {
                return data;
            }
            let bytes = before.len() - rest.len();
            data.extend_from_slice(before.get(..bytes).unwrap_or_default());
        }
    }
    data
}
