//! JSON schemas of the bodies and answers of a tensor scorer, outside the Open Inference Protocol.
//!
//! Owns the schema of each form of a body that the host accepts, and the examples that are made
//! from the inputs. Must not know routes. What a schema cannot say is on the page
//! `host/docs/requests.md`.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::put;
use super::schema::{
    self, Direction, any_of, cell, list, object, of_ports, reference, tensor, tensors, tuple,
};
use crate::codec::{columns_of, matrix_of, takes_rows};
use crate::model::Dtype;
use crate::scorer::signature::TensorSignature;
use crate::tensor::{Port, only};

/// Key of the only input in a body of Azure ML, and of the rows in the format orient=split of
/// pandas.
const DATA: &str = "data";

/// JSON schemas of the objects in a body that hold rows. The names and types of a scorer's columns
/// are added to them.
const ROWS: &str = include_str!("rows.json");

/// Maximum number of columns of a scorer for which the OpenAPI document has examples that are made
/// from the inputs.
const EXAMPLE_COLUMNS: usize = 256;

/// JSON schemas, each with the name under which the OpenAPI document has it.
pub(super) type Schemas = Vec<(Cow<'static, str>, Value)>;

/// Returns the schemas of the bodies and answers of a tensor scorer, with the names by which the
/// routes refer to them.
#[inline(never)]
pub(super) fn schemas(signature: &TensorSignature) -> Schemas {
    let inputs = &signature.inputs;
    let forms = Forms {
        inputs,
        columns: &columns_of(inputs),
        is_open: signature.requests.ignores_unknown_columns,
    };
    let mut schemas = Vec::new();
    let bodies = forms.bodies(&mut schemas);
    schemas.push(("PredictRequest".into(), any_of(bodies)));
    let mut score = vec![reference("PredictRequest")];
    if !forms.is_name("inputs") {
        score.push(reference("InferRequest"));
    }
    schemas.push(("ScoreRequest".into(), any_of(score)));
    let answer = match signature.outputs.as_slice() {
        // A list whose elements have several types, as the alternative of another schema, ends
        // schemathesis 4.32 with an error. The alternative of an alternative does not.
        [port] => json!({"anyOf": [tensor(port, Direction::Output)]}),
        ports => tensors(ports, Direction::Output, false),
    };
    schemas.push(("ScoreResponse".into(), answer));
    put_predictions(&signature.outputs, &mut schemas);
    schemas
}

/// Returns examples of a request with one row of zeros and empty texts: as records, with a list for
/// each column, and as orient=split, which shows the order of the columns. Returns no examples if a
/// row has no named columns, or more than `EXAMPLE_COLUMNS`, or if the scorer does not take a
/// single row.
#[inline(never)]
pub(super) fn examples(signature: &TensorSignature) -> Map<String, Value> {
    let columns = columns_of(&signature.inputs);
    let forms = Forms {
        inputs: &signature.inputs,
        columns: &columns,
        is_open: false,
    };
    let mut examples = Map::new();
    let is_one_row = forms.row_count().is_none_or(|rows| rows == 1);
    let are_few = columns.len() <= EXAMPLE_COLUMNS;
    if forms.is_unnamed() || !forms.has_rows() || !is_one_row || !are_few {
        return examples;
    }
    let mut record = Map::new();
    let mut lists = Map::new();
    let (mut names, mut row) = (Vec::new(), Vec::new());
    for column in columns.iter() {
        let inner = column.shape.get(1..).unwrap_or_default();
        let zeros = zeros(column.dtype, inner);
        lists.insert(column.name.clone(), json!([zeros]));
        let value = match (inner, zeros) {
            ([Some(1)], Value::Array(mut only)) => only.pop().unwrap_or_default(),
            (_, zeros) => zeros,
        };
        names.push(Value::String(column.name.clone()));
        row.push(value.clone());
        record.insert(column.name.clone(), value);
    }
    examples.insert("columns".to_owned(), json!({"value": lists}));
    examples.insert("records".to_owned(), json!({"value": [record]}));
    if forms.takes_split() {
        let split = json!({"columns": names, "data": [row]});
        examples.insert("split".to_owned(), json!({"value": split}));
    }
    examples
}

/// Returns nested lists of zeros, `false` or empty texts. An open dimension has one item.
#[inline(never)]
fn zeros(dtype: Dtype, shape: &[Option<u64>]) -> Value {
    let Some((length, inner)) = shape.split_first() else {
        return match dtype {
            Dtype::Bool => false.into(),
            Dtype::Text => "".into(),
            _ => 0.into(),
        };
    };
    let mut items = Vec::new();
    for _ in 0..length.unwrap_or(1) {
        items.push(zeros(dtype, inner));
    }
    Value::Array(items)
}

/// Inputs and columns of a tensor scorer. They determine the forms that the body of a request may
/// have.
struct Forms<'a> {
    inputs: &'a [Port],
    /// Columns of a row: those of a matrix with named columns, or else the inputs.
    columns: &'a [Port],
    /// True if a row, or an object that has whole columns, may have other keys than the names of
    /// the columns.
    is_open: bool,
}

impl Forms<'_> {
    fn is_name(&self, name: &str) -> bool {
        let mut ports = self.inputs.iter().chain(self.columns);
        ports.any(|port| port.name == name)
    }

    fn has_rows(&self) -> bool {
        takes_rows(self.inputs)
    }

    /// Returns the only input that is not optional. Returns `None` if there are several such
    /// inputs, or none.
    fn only_input(&self) -> Option<&Port> {
        only(self.inputs).map(|(_, port)| port)
    }

    /// Returns true if a body may be an object of orient=split, a format of pandas.
    fn takes_split(&self) -> bool {
        let is_taken = self.only_input().is_none() && self.is_name(DATA);
        !is_taken && !self.is_name("columns") && !self.is_name("index")
    }

    /// Returns true if the only required input is a matrix with named columns, so that the columns
    /// of a row are those of this matrix.
    fn is_matrix(&self) -> bool {
        matrix_of(self.inputs).is_some()
    }

    /// Returns the only input that is not optional, if its rows are nested lists and not columns.
    /// Otherwise returns `None`.
    fn nested_input(&self) -> Option<&Port> {
        self.only_input().filter(|_| !self.is_matrix())
    }

    /// Returns true if a row is a list of values without names.
    fn is_unnamed(&self) -> bool {
        self.nested_input()
            .is_some_and(|port| !matches!(port.shape.as_slice(), [_] | [_, Some(1)]))
    }

    /// Returns the number of rows that each request must have. Returns `None` if the scorer takes
    /// any number of rows.
    fn row_count(&self) -> Option<u64> {
        let mut required = self.inputs.iter().filter(|port| !port.optional);
        required.find_map(|port| port.shape.first().copied().flatten())
    }

    /// Returns the schema of an object that has the only required input under the key `data`, and
    /// optional inputs under their names. Returns `None` if not exactly one input is required, if an
    /// input or a column is called `data`, or if only objects of orient=split have the key `data`.
    #[inline(never)]
    fn data(&self) -> Option<Value> {
        let port = self.only_input()?;
        let is_split = self.has_rows() && self.inputs.len() == 1;
        if is_split || self.is_name(DATA) {
            return None;
        }
        let mut properties = Map::new();
        let mut optional = Vec::new();
        for other in self.inputs.iter().filter(|other| other.optional) {
            optional.push(other.name.as_str());
            properties.insert(other.name.clone(), tensor(other, Direction::Input));
        }
        properties.insert(DATA.to_owned(), tensor(port, Direction::Input));
        Some(object(properties, &optional, self.is_open))
    }

    /// Returns the schemas of all forms of a body. Adds the schemas to which they refer to
    /// `schemas`. Each object is a schema with a name, because generators of clients make a class
    /// of it.
    fn bodies(&self, schemas: &mut Schemas) -> Vec<Value> {
        let columns = tensors(self.inputs, Direction::Input, self.is_open);
        schemas.push(("Columns".into(), columns));
        let mut bodies = vec![reference("Columns")];
        if let Some(data) = self.data() {
            schemas.push(("Data".into(), data));
            bodies.push(reference("Data"));
        }
        if !self.has_rows() {
            return bodies;
        }
        schemas.push(("ColumnLists".into(), self.column_lists()));
        if self.is_matrix() {
            bodies.push(reference("ColumnLists"));
        }
        let lists = self.lists();
        schemas.push(("RowLists".into(), nonempty(lists.clone())));
        schemas.push(("Row".into(), self.row()));
        schemas.push(("Rows".into(), any_of(vec![self.records(), lists])));
        bodies.push(reference("Rows"));
        self.put_rows(schemas, &mut bodies);
        bodies
    }

    /// Adds the schemas of the objects that hold rows to `schemas`. If such an object may be a
    /// body, also adds a reference to its schema to `bodies`. An object is not a body if one of its
    /// keys is the name of an input or a column, because the key is then read as this name.
    #[inline(never)]
    fn put_rows(&self, schemas: &mut Schemas, bodies: &mut Vec<Value>) {
        // The text is a constant, so parsing it does not fail.
        let Ok(Value::Object(rows)) = serde_json::from_str(ROWS) else {
            return;
        };
        let mut splits = vec![reference("SplitInOrder")];
        for (name, mut schema) in rows {
            let is_free = || {
                let keys = schema.pointer("/properties").and_then(Value::as_object);
                keys.is_some_and(|keys| !keys.keys().any(|key| self.is_name(key)))
            };
            if name.ends_with("Request") {
                if !is_free() {
                    continue;
                }
                bodies.push(reference(&name));
            }
            if name == "SplitByName" {
                if self.is_unnamed() {
                    continue;
                }
                self.name_columns(&mut schema);
                splits.push(reference(&name));
            }
            schemas.push((name.into(), schema));
        }
        if self.takes_split() {
            bodies.push(reference("Split"));
        }
        schemas.push(("Split".into(), json!({"anyOf": splits})));
    }

    /// Returns the schema of a row as an object.
    fn row(&self) -> Value {
        of_ports(self.columns, self.is_open, cell)
    }

    fn records(&self) -> Value {
        list(reference("Row"), self.row_count())
    }

    /// Returns the schema of rows that are lists without column names. Their values are in the
    /// order of the model's columns.
    #[inline(never)]
    fn lists(&self) -> Value {
        if let Some(port) = self.nested_input() {
            return tensor(port, Direction::Input);
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            // A row that is a list without names has a value for each column that is not optional.
            if !column.optional {
                cells.push(cell(column));
            }
        }
        list(tuple(cells), self.row_count())
    }

    /// Returns the schema of an object with a list for each column.
    fn column_lists(&self) -> Value {
        tensors(self.columns, Direction::Input, self.is_open)
    }

    /// Adds the names of the columns and the values of a row to `split`, the schema of an object of
    /// orient=split.
    #[inline(never)]
    fn name_columns(&self, split: &mut Value) {
        let mut names = Vec::with_capacity(self.columns.len());
        let mut cells: Vec<Value> = Vec::new();
        let mut least = 0u64;
        for column in self.columns {
            names.push(Value::from(column.name.as_str()));
            least += u64::from(!column.optional);
            let cell = cell(column);
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        let most = names.len() as u64;
        let mut row = json!({"type": "array", "items": {}, "minItems": least});
        put(split, "/properties/columns", "minItems", least.into());
        if !self.is_open {
            put(&mut row, "", "items", any_of(cells));
            put(&mut row, "", "maxItems", most.into());
            put(split, "/properties/columns", "maxItems", most.into());
            put(split, "/properties/columns", "uniqueItems", true.into());
            put(split, "/properties/columns/items", "enum", names.into());
        }
        let data = any_of(vec![list(row, self.row_count()), self.records()]);
        put(split, "/properties", DATA, data);
    }
}

/// Returns the schema of a list, changed so that the list must not be empty. Under the key
/// `inputs`, an empty list is a request of the Open Inference Protocol, as is a list of objects.
fn nonempty(mut schema: Value) -> Value {
    if let Some(schemas) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        for schema in schemas {
            *schema = nonempty(schema.take());
        }
    } else if let Some(list) = schema.as_object_mut() {
        list.entry("minItems").or_insert_with(|| 1.into());
    }
    schema
}

/// Adds the schema of predictions to `schemas`: a list with an item for each row, or the whole
/// answer if the outputs do not have equally many rows.
#[inline(never)]
fn put_predictions(outputs: &[Port], schemas: &mut Schemas) {
    let has_rows = outputs.iter().all(|port| !port.shape.is_empty());
    let mut predictions = vec![reference("ScoreResponse")];
    if has_rows && outputs.len() > 1 {
        let mut row = Map::new();
        for port in outputs {
            let inner = port.shape.get(1..).unwrap_or_default();
            let item = schema::nested(port, Direction::Output, inner);
            row.insert(port.name.clone(), item);
        }
        schemas.push(("Prediction".into(), object(row, &[], false)));
        predictions.push(list(reference("Prediction"), None));
    }
    let mut response = Map::new();
    response.insert("predictions".to_owned(), any_of(predictions));
    schemas.push(("PredictResponse".into(), object(response, &[], false)));
}
