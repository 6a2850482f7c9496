//! Models that are trained while the tests run, with the answers of their library for rows with
//! missing values.
//!
//! Owns the form of these cases, which `tests/data/convert/cases.py` writes, and the request body
//! for a converted model. Must not know how a model is converted.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::models::Case;

/// A trained model, rows with missing values, and the answers of the model's library for these
/// rows.
pub struct GapCase {
    /// Name of the model.
    pub name: String,
    /// Path of the pickle with the model.
    pub model: PathBuf,
    /// Path of a file with rows on which the conversion compares answers. `None` if the conversion
    /// has to generate these rows.
    pub sample: Option<PathBuf>,
    /// Names of the parts of the model that the library's own converters lose, and that the
    /// conversion must repair.
    pub repairs: Vec<String>,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    answers: Value,
}

impl GapCase {
    /// Returns the cases in a folder, sorted by name.
    ///
    /// # Panics
    /// Panics if a case does not have the form that the training script writes.
    #[must_use]
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).expect("the folder can be listed");
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some(name.strip_suffix(".case.json")?.to_owned())
            })
            .collect();
        names.sort();
        names.iter().map(|name| Self::read(folder, name)).collect()
    }

    /// Returns the case `name` in a folder.
    ///
    /// # Panics
    /// Panics if there is no case with this name, or it does not have the form that the training
    /// script writes.
    #[must_use]
    pub fn read(folder: &Path, name: &str) -> Self {
        let text = std::fs::read(folder.join(format!("{name}.case.json"))).expect("a case");
        let mut case: Value = serde_json::from_slice(&text).expect("it is JSON");
        let sample = folder.join(format!("{name}.csv"));
        let texts = |value: &Value| -> Vec<String> {
            let list = value.as_array().into_iter().flatten();
            list.filter_map(|one| one.as_str().map(str::to_owned))
                .collect()
        };
        let rows = case["rows"].as_array().expect("a list of rows");
        Self {
            name: name.to_owned(),
            model: folder.join(format!("{name}.pkl")),
            sample: sample.is_file().then_some(sample),
            repairs: texts(&case["repairs"]),
            columns: texts(&case["columns"]),
            rows: rows
                .iter()
                .map(|row| row.as_array().cloned().expect("a list of values"))
                .collect(),
            answers: case["answers"].take(),
        }
    }

    /// Returns the request body and the expected answers. `report` is the report of the conversion,
    /// which names the inputs of the graph. A missing value is `null` in the body. An input that is
    /// named like a column gets the values of this column, and any other input gets whole rows.
    ///
    /// # Panics
    /// Panics if the report does not list the inputs with their names and shapes.
    #[must_use]
    pub fn case(&self, report: &Value) -> Case {
        let mut call = Map::new();
        for input in report["inputs"].as_array().expect("inputs") {
            let name = input["name"].as_str().expect("a name");
            let rank = input["shape"].as_array().expect("a shape").len();
            let place = self.columns.iter().position(|column| column == name);
            let rows: Vec<Value> = self
                .rows
                .iter()
                .map(|row| match place {
                    Some(place) if rank == 1 => row[place].clone(),
                    Some(place) => json!([row[place]]),
                    None => Value::from(row.clone()),
                })
                .collect();
            call.insert(name.to_owned(), rows.into());
        }
        Case::new(&self.name, call.into(), self.answers.clone())
    }
}
