//! Bodies that consist of rows: records, and the forms of pandas, Azure, MLflow and KServe that
//! hold rows.
//!
//! Owns which form a body has, and which keys it may have next to the rows. Must not know how one
//! row is read, which is in `rows`, or the answer. A body that is none of these forms is read as
//! Azure ML's nested lists.
//!
//! | body | form |
//! |---|---|
//! | `[{"age": 30}]` | records |
//! | `{"columns": ["age"], "data": [[30]], "index": [0]}` | orient=split of pandas |
//! | `{"data": [{"age": 30}]}` | Azure ML |
//! | `{"Inputs": {"data": …}, "GlobalParameters": …}` | automated ML of Azure |
//! | `{"input_data": {"columns": …, "data": …}}` | MLflow on Azure ML |
//! | `{"dataframe_split": …}`, `{"dataframe_records": …}`, `{"inputs": …}` | MLflow |
//! | `{"instances": …}` | KServe's protocol V1, TensorFlow Serving and MLflow |

mod columns;
mod forms;
mod rows;

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Error;

use self::columns::{Columns, matrix};
use self::forms::BODY;
pub(super) use self::forms::is_form;
use self::rows::Rows;
use super::azure_ml::{self, ONE_INPUT};
use super::cursor::Cursor;
use super::deadline;
use super::reading::{self, LOOK_BYTES, Reader};
use crate::error::ScoreFailure;
use crate::tensor::{InputFacts, Port, PortLists, Requests, Tensor, only};
use crate::text::{NAME_BYTES, cut};

/// A table of rows and columns that is being decoded from a JSON body.
struct Table<'a> {
    /// Ports of the columns, with unique names.
    ports: &'a [Port],
    /// Port of the matrix to which the columns are joined. `None` if each column is a port itself.
    matrix: Option<&'a Port>,
    /// Only port of the model that is not optional, if its rows may be nested lists. `None` if not
    /// exactly one port is required, or if this port is a matrix with named columns.
    nested_port: Option<&'a Port>,
    /// True if `nested_port` may have more than one column or has more than two dimensions, so that
    /// a body cannot name its columns.
    is_unnamed: bool,
    columns: Columns<'a>,
    requests: Requests,
    body_bytes: usize,
}

/// Decodes a JSON body into one tensor for each input port, in the order of the ports. An optional
/// port that the body leaves out has no tensor.
///
/// # Errors
/// Fails if the body is neither rows nor Azure ML's nested lists, or does not fit the ports.
pub(super) fn read(ports: PortLists<'_>, body: &[u8]) -> Result<Vec<Tensor>, ScoreFailure> {
    let inputs = ports.inputs;
    let Some(text) = str::from_utf8(body).ok().filter(|_| takes_rows(inputs)) else {
        return azure_ml::read(inputs, ports.requests, body);
    };
    if is_rows(ports, text) {
        return rows_of(ports, body);
    }
    let read = azure_ml::read(inputs, ports.requests, body);
    match &read {
        // The keys of pandas' orient=split may come in any order. If `data` is the first key, the
        // body was taken for Azure ML's format.
        Err(ScoreFailure::NotConforming { pointer, .. })
            if matches!(pointer.as_str(), "/columns" | "/index") =>
        {
            rows_of(ports, body)
        }
        _ => read,
    }
}

/// Returns true if a body may consist of rows: every input that a call must have has rows.
#[must_use]
pub fn takes_rows(inputs: &[Port]) -> bool {
    inputs
        .iter()
        .all(|port| port.optional || !port.shape.is_empty())
}

/// Returns the matrix whose named columns are the columns of a row. It is the only input that is
/// not optional. Returns `None` if not exactly one input is required, or if its columns have no
/// names.
#[must_use]
pub fn matrix_of(inputs: &[Port]) -> Option<&Port> {
    let (_, port) = only(inputs)?;
    (!port.facts.columns.is_empty()).then_some(port)
}

/// Returns a port for each column of a row. For a matrix with named columns, these are ports for
/// the columns of the matrix. Otherwise they are the input ports. An optional input port is left
/// out if it does not have the number of rows of the other ports.
#[must_use]
pub fn columns_of(inputs: &[Port]) -> Cow<'_, [Port]> {
    let Some(port) = matrix_of(inputs) else {
        let required = inputs.iter().find(|port| !port.optional);
        let rows = required
            .or(inputs.first())
            .and_then(|port| port.shape.first());
        let is_column =
            |port: &Port| !port.optional || rows.is_some() && port.shape.first() == rows;
        if inputs.iter().all(is_column) {
            return Cow::Borrowed(inputs);
        }
        let mut columns = Vec::with_capacity(inputs.len());
        for port in inputs {
            if is_column(port) {
                columns.push(port.clone());
            }
        }
        return Cow::Owned(columns);
    };
    let mut columns = Vec::with_capacity(port.facts.columns.len());
    for name in &port.facts.columns {
        let rows = port.shape.first().copied().flatten();
        let mut column = Port::new(name.clone(), port.dtype, vec![rows]);
        column.facts = InputFacts {
            columns: Vec::new(),
            ..port.facts
        };
        columns.push(column);
    }
    Cow::Owned(columns)
}

/// Returns true if a body has one of the forms that consist of rows. A key that is the name of a
/// port or a column counts as this name, and not as the key of a form.
fn is_rows(ports: PortLists<'_>, text: &str) -> bool {
    let inputs = ports.inputs;
    let mut cursor = Cursor::new(text);
    match cursor.peek() {
        Some(b'[') => return true,
        Some(b'{') => {}
        _ => return false,
    }
    let is_input = |key: &str| inputs.iter().any(|port| port.name == *key);
    let columns = matrix_of(inputs).map(|port| &port.facts.columns);
    let is_column =
        |key: &str| columns.is_some_and(|columns| columns.iter().any(|name| name == key));
    // The map is built once, because a body may have very many keys that are ignored.
    let known = match ports.requests.ignores_unknown_columns {
        true => Some(indices(inputs, columns.map_or(&[], Vec::as_slice))),
        false => None,
    };
    let mut is_ignored = |key: &str| {
        let is_unknown = known.as_ref().is_some_and(|known| !known.contains_key(key));
        is_unknown && key != ONE_INPUT && !is_form(key)
    };
    let Some(key) = first_key(&mut cursor, &mut is_ignored) else {
        return false;
    };
    // Another input, which is optional, may be called `data`.
    let is_meant = |port: &Port| port.name == *key || !is_input(&key);
    if let Some((_, port)) = only(inputs).filter(|(_, port)| key == ONE_INPUT && is_meant(port)) {
        // One input may be called `data`, and `data` may hold rows. The first item tells them
        // apart.
        let first = cursor.expect(b':').and_then(|()| cursor.expect(b'['));
        let first = first.ok().and_then(|()| cursor.peek());
        return match first {
            Some(b'{') => true,
            Some(b'[') => port.shape.len() == 1,
            None => false,
            Some(_) => !is_input(&key) && is_column(&key),
        };
    }
    !is_input(&key) && (is_column(&key) || is_form(&key))
}

/// Returns the index of each input and of each column by its name. If an input and a column have
/// the same name, the index is that of the input.
pub(super) fn indices<'a>(inputs: &'a [Port], columns: &'a [String]) -> HashMap<&'a str, usize> {
    let mut indices = HashMap::with_capacity(inputs.len() + columns.len());
    for (index, name) in columns.iter().enumerate() {
        indices.insert(name.as_str(), index);
    }
    for (index, port) in inputs.iter().enumerate() {
        indices.insert(port.name.as_str(), index);
    }
    indices
}

/// Moves past the first key of the object at the cursor that is not ignored, and returns the key.
/// Returns `None` if there is no such key, or if the text is not JSON. Also returns `None` if the
/// deadline has passed, because then no reader decodes the whole body.
fn first_key<'a>(
    cursor: &mut Cursor<'a>,
    is_ignored: &mut dyn FnMut(&str) -> bool,
) -> Option<Cow<'a, str>> {
    cursor.expect(b'{').ok()?;
    let (mut is_first, mut next_look_at) = (true, 0);
    while cursor.more(b'}', std::mem::take(&mut is_first)).ok()? {
        let (key, _) = cursor.string().ok()?;
        if !is_ignored(&key) {
            return Some(key);
        }
        if cursor.at() >= next_look_at {
            next_look_at = cursor.at().saturating_add(LOOK_BYTES);
            if deadline::is_passed() {
                return None;
            }
        }
        cursor.expect(b':').ok()?;
        cursor.value().ok()?;
    }
    None
}

/// Decodes a body of rows into one tensor for each input port, in the order of the ports. An
/// optional port that the body leaves out has no tensor.
fn rows_of(ports: PortLists<'_>, body: &[u8]) -> Result<Vec<Tensor>, ScoreFailure> {
    let columns = columns_of(ports.inputs);
    reading::text(
        body,
        ports.requests.nan_literals,
        &|| expectation(&columns),
        &mut |text, reader| Table::new(ports, &columns, text.len()).body(text, reader),
    )
}

/// Returns the part of an error message that says which rows the caller should have sent.
fn expectation(columns: &[Port]) -> String {
    let mut text = "[{".to_owned();
    for (index, port) in columns.iter().take(8).enumerate() {
        text.push_str(if index == 0 { "\"" } else { ", \"" });
        text.push_str(&cut(&port.name, NAME_BYTES));
        text.push_str("\": ");
        text.push_str(port.dtype.name());
    }
    text.push_str(if columns.len() > 8 { ", …}]" } else { "}]" });
    text
}

impl<'a> Table<'a> {
    fn new(ports: PortLists<'a>, columns: &'a [Port], body_bytes: usize) -> Self {
        let matrix = matrix_of(ports.inputs);
        let only = only(ports.inputs).map(|(_, port)| port);
        let nested_port = only.filter(|_| matrix.is_none());
        let is_unnamed =
            nested_port.is_some_and(|port| !matches!(port.shape.as_slice(), [_] | [_, Some(1)]));
        Self {
            ports: columns,
            matrix,
            nested_port,
            is_unnamed,
            columns: Columns::new(columns, matrix),
            requests: ports.requests,
            body_bytes,
        }
    }

    /// Decodes the whole JSON body `text`, which consists of rows, into one tensor for each input
    /// port. An optional port that the body leaves out has no tensor.
    fn body(mut self, text: &'a str, reader: &mut Reader) -> Result<Vec<Tensor>, Error> {
        let mut cursor = Cursor::new(text);
        let rows = match cursor.peek() {
            Some(b'[') => self.rows(None, &mut cursor, reader)?,
            _ if self.matrix.is_some() && self.is_object_of_columns(&cursor) => {
                self.whole_columns(&mut cursor, reader)?
            }
            _ => self.object(BODY, &mut cursor, reader)?,
        };
        cursor.end()?;
        Ok(self.into_tensors(rows))
    }

    /// Returns true if the first key of the object at the cursor that is not ignored is the name of
    /// a column, and its value is not a list that begins with an object.
    fn is_object_of_columns(&mut self, cursor: &Cursor<'a>) -> bool {
        let mut cursor = cursor.clone();
        let ignores = self.requests.ignores_unknown_columns;
        let columns = &mut self.columns;
        let mut is_ignored = |key: &str| ignores && columns.find(key).is_none() && !is_form(key);
        let Some(key) = first_key(&mut cursor, &mut is_ignored) else {
            return false;
        };
        let is_column = self.ports.iter().any(|port| port.name == *key);
        // `data` may be a column and hold rows. The first item tells them apart.
        let list = cursor.expect(b':').and_then(|()| cursor.expect(b'['));
        is_column && (list.is_err() || cursor.peek() != Some(b'{'))
    }

    fn into_tensors(self, rows: Rows) -> Vec<Tensor> {
        if let Rows::Tensors(tensors) = rows {
            return tensors;
        }
        let columns = self.columns.into_tensors();
        match self.matrix {
            None => columns,
            Some(port) => vec![matrix(port, &columns)],
        }
    }
}

#[cfg(test)]
mod tests;
