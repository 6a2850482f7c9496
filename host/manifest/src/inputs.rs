//! The sections `[inputs.<name>]` and `[requests]`: what requests may hold beyond the types and the
//! shapes of the inputs.
//!
//! Owns these sections and their checks. Must not know the inputs that a scorer has, or how a
//! request is read. The sections are read from the parsed table, because a reader that serde
//! derives would make the host larger.

use std::collections::{BTreeMap, BTreeSet};

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::names;

/// Maximum number of sections `[inputs.<name>]`.
const INPUTS_MOST: usize = 1000;

/// Maximum number of names in `inputs.<name>.columns`.
const COLUMNS_MOST: usize = 10_000;

/// Maximum length of the name of an input or of a column, in bytes.
const LONGEST_NAME_BYTES: usize = 1024;

/// Section `[inputs.<name>]` of the manifest: what an input takes beyond its type and its shape,
/// which a graph or a component states itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputFacts {
    /// True if an element of the input may be missing, which `null` says in JSON. A missing element
    /// is NaN in an input of floating point, and the empty text in an input of texts.
    pub missing: bool,
    /// True if an input of numbers takes `true` and `false` as 1 and 0.
    pub boolean: bool,
    /// Names of the columns of the input, which are its last dimension, in order. Empty if the
    /// columns have no names.
    pub columns: Vec<String>,
}

/// Section `[requests]` of the manifest: what requests may hold, for all inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// True if a number in JSON may be one of the words `NaN`, `Infinity` and `-Infinity`, which
    /// are not JSON.
    pub nan_literals: bool,
    /// True if a key of a row that is not the name of a column is ignored. If false, a row with
    /// such a key is refused.
    pub ignores_unknown_columns: bool,
}

/// Reads the sections `[inputs.<name>]` from the table of a `scorebox.toml`, by the name of the
/// input.
pub(super) fn inputs(table: &toml::Table) -> Result<BTreeMap<String, InputFacts>, Problem> {
    let mut inputs = BTreeMap::new();
    for (name, section) in section(table, "inputs")? {
        let key = format!("inputs.{}", quoted(name, NAME_BYTES));
        check_name(&key, name)?;
        let Some(section) = section.as_table() else {
            return Err(Problem::new(
                format!("`{key}` is a section, and not a setting"),
                format!("write a line `[{key}]`, and the keys of the section below that line"),
            ));
        };
        if inputs.len() == INPUTS_MOST {
            return Err(Problem::new(
                format!("there are more than {INPUTS_MOST} sections [inputs.<name>]"),
                "state the facts of a wide table as `columns` of one input",
            ));
        }
        let facts = InputFacts {
            missing: flag(section, &key, "missing")?,
            boolean: flag(section, &key, "boolean")?,
            columns: columns(section, &key)?,
        };
        inputs.insert(name.clone(), facts);
    }
    Ok(inputs)
}

/// Reads the section `[requests]` from the table of a `scorebox.toml`.
pub(super) fn requests(table: &toml::Table) -> Result<Requests, Problem> {
    let mut requests = Requests::default();
    for (name, value) in section(table, "requests")? {
        match (name.as_str(), value.as_str()) {
            ("unknown_columns", Some("refuse")) => {}
            ("unknown_columns", Some("ignore")) => requests.ignores_unknown_columns = true,
            ("unknown_columns", _) => {
                return Err(Problem::new(
                    format!(
                        "`requests.unknown_columns`: {} is neither \"refuse\" nor \"ignore\"",
                        shown(value)
                    ),
                    "write `unknown_columns = \"ignore\"`, or remove the line",
                ));
            }
            // The keys were compared with the table of settings.
            _ => requests.nan_literals = boolean(value, "requests", name)?,
        }
    }
    Ok(requests)
}

/// Returns the keys and values of the section `name`, and none if the file does not have the
/// section.
fn section<'a>(
    table: &'a toml::Table,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a toml::Value)> + use<'a>, Problem> {
    let found = table.get(name);
    let section = found.and_then(toml::Value::as_table);
    if found.is_some() && section.is_none() {
        let header = if name == "inputs" {
            "inputs.NAME"
        } else {
            name
        };
        return Err(Problem::new(
            format!("`{name}` is not written as a section"),
            format!("write a line `[{header}]`, and the keys of the section below that line"),
        ));
    }
    Ok(section.into_iter().flatten())
}

fn flag(section: &toml::Table, key: &str, name: &str) -> Result<bool, Problem> {
    section
        .get(name)
        .map_or(Ok(false), |value| boolean(value, key, name))
}

fn boolean(value: &toml::Value, section: &str, name: &str) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| {
        Problem::new(
            format!(
                "`{section}.{name}`: {} is neither true nor false",
                shown(value)
            ),
            format!("write `{name} = true`, or remove the line"),
        )
    })
}

fn columns(section: &toml::Table, key: &str) -> Result<Vec<String>, Problem> {
    let Some(value) = section.get("columns") else {
        return Ok(Vec::new());
    };
    let wrong = |problem: String| {
        let fix = "name each column once, in the order of the matrix, e.g. `columns = [\"age\", \"income\"]`";
        Problem::new(format!("`{key}.columns`: {problem}"), fix)
    };
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        return Err(wrong(format!("{} is not a list of names", shown(value))));
    };
    if items.len() > COLUMNS_MOST {
        let problem = format!("{} names are more than {COLUMNS_MOST}", items.len());
        return Err(wrong(problem));
    }
    let mut seen = BTreeSet::new();
    let mut columns = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.as_str() else {
            return Err(wrong(format!("{} is not a text", shown(item))));
        };
        check_name(&format!("{key}.columns"), name)?;
        if !seen.insert(name) {
            return Err(wrong(format!(
                "there are two columns `{}`",
                quoted(name, NAME_BYTES)
            )));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

/// Checks the name of an input or of a column. `key` is the setting that holds the name, for the
/// error.
fn check_name(key: &str, name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(Problem::new(
            format!("`{key}`: a name is empty"),
            "write the name that callers use, e.g. `age`",
        ));
    }
    names::line(key, name, LONGEST_NAME_BYTES)
}

/// Returns a value of `scorebox.toml` for an error message.
fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(items) => format!("a list of {}", items.len()),
        toml::Value::Table(_) => "a table".to_owned(),
        value => quoted(&value.to_string(), NAME_BYTES),
    }
}
