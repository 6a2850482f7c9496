//! The rows of a table: objects with a key for each column, or lists with a value for each column.
//!
//! Owns the rules for one row. Must not know where the rows are in a body.

use serde_json::Error;

use super::super::cursor::{Cursor, syntax};
use super::super::elements::{Elements, belongs};
use super::super::reading::{Reader, Step};
use super::Table;
use crate::tensor::Tensor;
use crate::text::{NAME_BYTES, counted, quoted};

/// Row number that marks a column as present in the list of column names, which is not a row.
const HEADER_ROW: usize = usize::MAX;

/// Index of the column of each value in a row that is a list. A value whose index is `None` is
/// ignored.
pub(super) type Header = Vec<Option<usize>>;

/// Rows of a body that were decoded. The variant says where their elements are.
pub(super) enum Rows {
    /// Rows whose elements are in the columns of the table.
    InColumns,
    /// Tensor of the only input that is not optional, into which the rows were decoded directly.
    Tensors(Vec<Tensor>),
}

impl<'a> Table<'a> {
    /// Decodes the list of rows at the cursor. The first row decides whether the rows are objects
    /// or lists. `header` has the columns of rows that are lists. If it is `None`, these rows are
    /// nested lists for `nested_port`. Without such a port, they have the columns that are not
    /// optional, in the order of the model.
    pub(super) fn rows(
        &mut self,
        header: Option<&Header>,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Rows, Error> {
        self.expect_list("a list of rows", cursor, reader)?;
        let mut first = cursor.clone();
        first.expect(b'[')?;
        match (first.peek(), header, self.nested_port) {
            (Some(b'{'), _, _) => {
                *cursor = first;
                self.records(cursor, reader)
            }
            (Some(_), None, Some(port)) => {
                let mut elements = Elements::nested_or_column(port, self.body_bytes);
                elements.all(cursor, reader)?;
                Ok(Rows::Tensors(vec![elements.into_tensor()]))
            }
            _ => {
                *cursor = first;
                let default;
                let header = match header {
                    Some(header) => header,
                    None => {
                        default = self.columns.required(HEADER_ROW);
                        &default
                    }
                };
                self.lists(header, cursor, reader)
            }
        }
    }

    /// Decodes the object at the cursor, which has a list for each column.
    pub(super) fn whole_columns(
        &mut self,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Rows, Error> {
        cursor.expect(b'{')?;
        let mut place = 0;
        while cursor.more(b'}', place == 0)? {
            let column = self.column(1, place, cursor, reader)?;
            place += 1;
            let Some((index, is_new)) = column else {
                continue;
            };
            let Some(column) = self.columns.get(index) else {
                return Err(syntax());
            };
            let list = if is_new {
                column.elements.all(cursor, reader)
            } else {
                Err(twice(reader))
            };
            reader.at(|| Step::Name(column.name().to_owned()), list)?;
        }
        if let Some(missing) = self.columns.missing(1) {
            return Err(self.no_column("This object", missing, reader));
        }
        if self.matrix.is_some() {
            self.columns.end_columns(reader)?;
        }
        Ok(Rows::InColumns)
    }

    /// Decodes the list of column names at the cursor.
    pub(super) fn header(
        &mut self,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Header, Error> {
        if self.is_unnamed {
            let message = "This model does not name its columns. Leave out `columns`.";
            return Err(reader.misfit(message.to_owned()));
        }
        self.expect_list("a list of column names", cursor, reader)?;
        cursor.expect(b'[')?;
        let mut header = Header::new();
        while cursor.more(b']', header.is_empty())? {
            let column = self.header_name(header.len(), cursor, reader);
            let column = reader.at(|| Step::Index(header.len()), column)?;
            header.push(column);
        }
        match self.columns.missing(HEADER_ROW) {
            None => Ok(header),
            Some(missing) => Err(self.no_column("This list", missing, reader)),
        }
    }

    #[inline(never)]
    fn header_name(
        &mut self,
        place: usize,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Option<usize>, Error> {
        let found = kind(cursor);
        if found != "a string" {
            return Err(unexpected(found, "the name of a column", cursor, reader));
        }
        match self.columns.key(place, cursor)? {
            Ok(index) => {
                let column = self.columns.get(index);
                if column.is_some_and(|column| column.enter(HEADER_ROW)) {
                    return Ok(Some(index));
                }
                Err(twice(reader))
            }
            Err(_) if self.requests.ignores_unknown_columns => {
                reader.look(cursor.at()).map(|()| None)
            }
            Err(unknown) => Err(reader.misfit(self.columns.unknown(&unknown))),
        }
    }

    fn records(&mut self, cursor: &mut Cursor<'a>, reader: &mut Reader) -> Result<Rows, Error> {
        self.columns.forget();
        let mut rows = 0;
        while cursor.more(b']', rows == 0)? {
            let record = self.record(rows + 1, cursor, reader);
            reader.at(|| Step::Index(rows), record)?;
            rows += 1;
            reader.look(cursor.at())?;
        }
        self.columns.end_rows(rows, reader)?;
        Ok(Rows::InColumns)
    }

    fn record(
        &mut self,
        row: usize,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        let found = kind(cursor);
        if found != "an object" {
            return Err(unexpected(found, "a row as an object", cursor, reader));
        }
        cursor.expect(b'{')?;
        let (mut place, mut given) = (0, 0);
        while cursor.more(b'}', place == 0)? {
            let column = self.column(row, place, cursor, reader)?;
            place += 1;
            let Some((index, is_new)) = column else {
                continue;
            };
            let Some(column) = self.columns.get(index) else {
                return Err(syntax());
            };
            let cell = if is_new {
                given += 1;
                column.elements.row(cursor, reader)
            } else {
                Err(twice(reader))
            };
            reader.at(|| Step::Name(column.name().to_owned()), cell)?;
        }
        match self
            .columns
            .missing(row)
            .filter(|_| given < self.columns.len())
        {
            None => Ok(()),
            Some(missing) => Err(self.no_column("This row", missing, reader)),
        }
    }

    /// Moves past the key of an object, which is at the position `place` in the object, and past
    /// the colon. Returns the index of the column, and true if the row with the number `row` did
    /// not have the column yet. Returns `None` if the key is not a column and is ignored with its
    /// value. Fails if such a key must not be ignored.
    #[inline]
    fn column(
        &mut self,
        row: usize,
        place: usize,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Option<(usize, bool)>, Error> {
        let key = self.columns.key(place, cursor)?;
        let column = match &key {
            Ok(index) => self.columns.get(*index),
            Err(_) if self.requests.ignores_unknown_columns => None,
            Err(unknown) => {
                let misfit = Err(reader.misfit(self.columns.unknown(unknown)));
                return reader.at(|| unknown.step(), misfit);
            }
        };
        cursor.expect(b':')?;
        match (key, column) {
            (Ok(index), Some(column)) if row > 1 && column.is_left_out() => {
                let name = column.name();
                let message =
                    "The rows before do not have this column. Send it in all rows or in none.";
                let misfit = Err(reader.misfit(message.to_owned()));
                reader
                    .at(|| Step::Name(name.to_owned()), misfit)
                    .map(|()| Some((index, true)))
            }
            (Ok(index), Some(column)) => Ok(Some((index, column.enter(row)))),
            _ => {
                reader.look(cursor.at())?;
                cursor.value().map(|_| None)
            }
        }
    }

    fn lists(
        &mut self,
        header: &Header,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Rows, Error> {
        let mut rows = 0;
        while cursor.more(b']', rows == 0)? {
            let list = self.list(header, cursor, reader);
            reader.at(|| Step::Index(rows), list)?;
            rows += 1;
            reader.look(cursor.at())?;
        }
        self.columns.end_rows(rows, reader)?;
        Ok(Rows::InColumns)
    }

    fn list(
        &mut self,
        header: &Header,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        let found = kind(cursor);
        if found != "a list" {
            let wanted = format!("a row as a list of {}", self.columns.listed());
            return Err(unexpected(found, &wanted, cursor, reader));
        }
        cursor.expect(b'[')?;
        let mut place = 0;
        while cursor.more(b']', place == 0)? {
            let column = header.get(place).copied().flatten();
            let cell = match column.and_then(|index| self.columns.get(index)) {
                Some(column) => column.elements.row(cursor, reader),
                None => cursor.value().map(drop),
            };
            reader.at(|| Step::Index(place), cell)?;
            place += 1;
        }
        if place == header.len() {
            return Ok(());
        }
        let (wanted, listed) = (header.len(), self.columns.listed());
        let (values, belongs) = (counted(place as u64, "value"), belongs(wanted as u64));
        Err(reader.misfit(format!(
            "This row has {values}, where {wanted} {belongs}. The columns are {listed}."
        )))
    }

    #[cold]
    #[inline(never)]
    fn no_column(&self, place: &str, missing: &str, reader: &mut Reader) -> Error {
        let missing = quoted(missing, NAME_BYTES);
        let listed = self.columns.listed();
        reader.misfit(format!(
            "{place} does not have the column `{missing}`. The columns are {listed}."
        ))
    }

    /// Fails if the value at the cursor is not a list. `wanted` describes the expected list, for
    /// the error message.
    fn expect_list(
        &self,
        wanted: &str,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<(), Error> {
        match kind(cursor) {
            "a list" => Ok(()),
            found => Err(unexpected(found, wanted, cursor, reader)),
        }
    }
}

#[cold]
#[inline(never)]
fn twice(reader: &mut Reader) -> Error {
    reader.misfit("This column is given twice.".to_owned())
}

/// Returns the kind of the value at the cursor for an error message, or an empty text if a value
/// does not begin there.
pub(super) fn kind(cursor: &mut Cursor<'_>) -> &'static str {
    match cursor.peek() {
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b'"') => "a string",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "",
    }
}

/// Returns the error for a value of the kind `found` where `wanted` is expected. If the value is
/// not JSON, the error says that.
#[cold]
#[inline(never)]
pub(super) fn unexpected(
    found: &str,
    wanted: &str,
    cursor: &mut Cursor<'_>,
    reader: &mut Reader,
) -> Error {
    if found.is_empty() || cursor.value().is_err() {
        return syntax();
    }
    reader.misfit(format!("Here is {found}, where {wanted} belongs."))
}
