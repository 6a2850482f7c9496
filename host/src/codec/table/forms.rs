//! JSON objects that hold rows, and their keys.
//!
//! Owns which keys one object may have, and the order in which their values are decoded. Must not
//! know how a row is read.

use serde_json::Error;

use super::super::azure_ml::ONE_INPUT;
use super::super::cursor::Cursor;
use super::super::reading::{Reader, Step};
use super::rows::{Header, Rows, kind, unexpected};
use super::{Table, expectation};
use crate::text::{NAME_BYTES, cut};

/// A known key of a JSON object that holds rows.
struct Key {
    name: &'static str,
    holds: Holds,
    /// Kinds of objects that may have this key: one or several of the flags [`SPLIT`],
    /// [`AUTOMATED`], [`NAMED`] and [`INPUTS`].
    objects: u8,
}

/// Value of a key of an object that holds rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// The key holds any value, which is ignored.
    Anything,
    /// The key holds a list of the names of the columns.
    Header,
    /// The key holds a list of rows.
    Rows,
    /// The key holds an object whose key `data` holds the rows.
    Data,
    /// The key holds an object of pandas' orient=split.
    Split,
    /// The key holds a list of rows, or an object of pandas' orient=split.
    RowsOrSplit,
    /// The key holds a list of rows that are lists, or an object with a list for each column. An
    /// empty list and a list of objects are refused, because the Open Inference Protocol has these
    /// at the same key.
    RowsOrColumns,
}

/// Flag in [`Key::objects`] of a key that an object of pandas' orient=split may have.
const SPLIT: u8 = 1;
/// Flag in [`Key::objects`] of a key that a body of Azure's automated ML may have.
const AUTOMATED: u8 = 2;
/// Flag in [`Key::objects`] of a key that a body of MLflow or KServe may have.
const NAMED: u8 = 4;
/// Flag in [`Key::objects`] of a key that the object `Inputs` may have, in a body of Azure's
/// automated ML.
const INPUTS: u8 = 8;

/// Flags in [`Key::objects`] for all kinds of objects that a whole body may be.
pub(super) const BODY: u8 = SPLIT | AUTOMATED | NAMED;

#[rustfmt::skip]
const KEYS: [Key; 12] = {
    use Holds::{Anything, Data, Header, Rows, RowsOrColumns, RowsOrSplit, Split};
    const fn key(name: &'static str, holds: Holds, objects: u8) -> Key {
        Key { name, holds, objects }
    }
    [
        key("columns",           Header,        SPLIT),
        key("data",              Rows,          SPLIT | INPUTS),
        key("index",             Anything,      SPLIT),
        key("Inputs",            Data,          AUTOMATED),
        key("GlobalParameters",  Anything,      AUTOMATED),
        key("input_data",        RowsOrSplit,   NAMED),
        key("dataframe_split",   Split,         NAMED),
        key("dataframe_records", Rows,          NAMED),
        key("inputs",            RowsOrColumns, NAMED),
        key("instances",         Rows,          NAMED),
        key("params",            Anything,      NAMED),
        key("signature_name",    Anything,      NAMED),
    ]
};

/// Returns true if a body that holds rows may be an object with the key `name`.
pub(in crate::codec) fn is_form(name: &str) -> bool {
    KEYS.iter()
        .any(|key| key.name == name && key.objects & BODY != 0)
}

impl<'a> Table<'a> {
    /// Decodes the object at the cursor, which holds rows. `objects` has the flag of each kind of
    /// object that it may be, as [`Key::objects`] does. Fails if the value is not an object, or if
    /// the object has a key that none of these kinds may have, has a key or the rows twice, has no
    /// rows, or has rows that do not fit the columns.
    pub(super) fn object(
        &mut self,
        mut objects: u8,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Rows, Error> {
        match kind(cursor) {
            "an object" => cursor.expect(b'{')?,
            found => return Err(unexpected(found, "an object", cursor, reader)),
        }
        let (mut seen, mut header, mut rows, mut lists_at) = (0u16, None, None, None);
        while cursor.more(b'}', seen == 0)? {
            let (name, _) = cursor.string()?;
            cursor.expect(b':')?;
            let step = || Step::Name(cut(&name, NAME_BYTES).into_owned());
            let known = KEYS.iter().zip(0..16).find(|(key, _)| key.name == name);
            let Some((key, index)) = known.filter(|(key, _)| key.objects & objects != 0) else {
                let misfit = Err(reader.misfit(other_key(objects)));
                return reader.at(step, misfit);
            };
            objects &= key.objects;
            let bit = 1 << index;
            let holds_rows = !matches!(key.holds, Holds::Anything | Holds::Header);
            let value = if seen & bit != 0 {
                Err(reader.misfit("This key is given twice.".to_owned()))
            } else if holds_rows && (rows.is_some() || lists_at.is_some()) {
                Err(reader.misfit("The rows are given twice.".to_owned()))
            } else if key.holds == Holds::Header {
                self.header(cursor, reader)
                    .map(|names| header = Some(names))
            } else if holds_rows && objects & SPLIT != 0 && header.is_none() && are_lists(cursor) {
                // The names of the columns may follow, so these rows are decoded at the end.
                lists_at = Some(cursor.clone());
                cursor.value().map(drop)
            } else if holds_rows {
                self.held(key.holds, header.as_ref(), cursor, reader)
                    .map(|found| rows = Some(found))
            } else {
                cursor.value().map(drop)
            };
            reader.at(step, value)?;
            seen |= bit;
        }
        if let Some(mut cursor) = lists_at {
            let lists = self.rows(header.as_ref(), &mut cursor, reader);
            rows = Some(reader.at(|| Step::Name(ONE_INPUT.to_owned()), lists)?);
        }
        rows.ok_or_else(|| {
            let expected = expectation(self.ports);
            reader.misfit(format!("There are no rows here. Send {expected}."))
        })
    }

    /// Decodes the value of a key that holds rows.
    fn held(
        &mut self,
        holds: Holds,
        header: Option<&Header>,
        cursor: &mut Cursor<'a>,
        reader: &mut Reader,
    ) -> Result<Rows, Error> {
        let is_object = cursor.peek() == Some(b'{');
        match holds {
            Holds::Data => self.object(INPUTS, cursor, reader),
            Holds::Split => self.object(SPLIT, cursor, reader),
            Holds::RowsOrSplit if is_object => self.object(SPLIT, cursor, reader),
            Holds::RowsOrColumns if is_object => self.whole_columns(cursor, reader),
            Holds::RowsOrColumns if are_records(cursor) => {
                let message = "Here may be lists. Send records at `instances`.";
                Err(reader.misfit(message.to_owned()))
            }
            _ => self.rows(header, cursor, reader),
        }
    }
}

/// Returns true if the value at the cursor is an empty list, or a list whose first item is an
/// object.
fn are_records(cursor: &Cursor<'_>) -> bool {
    let mut cursor = cursor.clone();
    cursor.expect(b'[').is_ok() && matches!(cursor.peek(), Some(b'{' | b']'))
}

/// Returns true if the value at the cursor is an empty list, or a list whose first item is a list.
fn are_lists(cursor: &Cursor<'_>) -> bool {
    let mut cursor = cursor.clone();
    cursor.expect(b'[').is_ok() && matches!(cursor.peek(), Some(b'[' | b']'))
}

/// Returns the error message for a key that an object may not have. `objects` has the flag of each
/// kind of object that it may be, as [`Key::objects`] does.
fn other_key(objects: u8) -> String {
    let mut text = "This key does not belong here. The keys are ".to_owned();
    let keys = KEYS.iter().filter(|key| key.objects & objects != 0);
    for (index, key) in keys.enumerate() {
        text.push_str(if index == 0 { "`" } else { ", `" });
        text.push_str(key.name);
        text.push('`');
    }
    text.push('.');
    text
}
